"""FreiHAND as a source of training hands, for networks of the official MANO model."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from realhands_ros.datasets.freihand import FreiHand, FreiHandSample
from realhands_ros.errors import DatasetError
from realhands_ros.geometry.camera import PinholeCamera
from realhands_ros.hand.layer import HandModel
from realhands_ros.training.hand_source import HandSample, ViewSample

FloatArray = NDArray[np.float64]

# FreiHAND's keypoints are those of MANO posed with its parameters, to rounding.
_LARGEST_MISFIT_M = 0.005


class FreiHandSource:
    """Single views of right hands."""

    def __init__(self, dataset: FreiHand, hand_model: HandModel) -> None:
        """
        Take ``hand_model`` as the one whose parameters FreiHAND's annotations are.

        Raises DatasetError when they are not, as for the open hand: pose and shape of the
        annotations mean something in the official MANO only.
        """
        self._dataset = dataset
        self._mean_pose = hand_model.mean_pose.double().numpy()
        misfit = self._misfit(dataset[0], hand_model)
        if misfit > _LARGEST_MISFIT_M:
            message = (
                f'the hand model explains FreiHAND with an error of {1000 * misfit:.0f} mm: its '
                'annotations are parameters of the official MANO; import that with `realhands '
                'hand import` and name its folder with --model'
            )
            raise DatasetError(message)

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self._dataset)

    def sample(self, index: int) -> HandSample:
        """Return image ``index``."""
        found = self._dataset[index]
        pose, shape, keypoints = _annotations(found)
        height, width = found.image.shape[:2]
        camera = PinholeCamera(found.intrinsics, width, height)
        view = ViewSample(found.image, camera, found.mask)
        return HandSample('right', pose + self._mean_pose, shape, keypoints, (view,))

    @staticmethod
    def _misfit(sample: FreiHandSample, hand_model: HandModel) -> float:
        """Return the mean distance of the model's keypoints from the sample's, metres."""
        pose, shape, keypoints = _annotations(sample)
        with torch.no_grad():
            posed = hand_model(
                torch.tensor(pose[None], dtype=torch.float32),
                torch.tensor(shape[None], dtype=torch.float32),
                relative_to='mean',
            )
        # Fingertips are other vertices there.
        bones = [number for number in range(21) if number == 0 or number % 4 != 0]
        found = posed.keypoints[0].double().numpy()
        difference = (found - found[0]) - (keypoints - keypoints[0])
        return float(np.linalg.norm(difference[bones], axis=1).mean())


def _annotations(sample: FreiHandSample) -> tuple[FloatArray, FloatArray, FloatArray]:
    if sample.pose_from_mean is None or sample.shape is None or sample.keypoints is None:
        message = (
            'this part of FreiHAND has no annotations: train on the training set, or unpack the '
            'evaluation annotations too'
        )
        raise DatasetError(message)
    return sample.pose_from_mean, sample.shape, sample.keypoints
