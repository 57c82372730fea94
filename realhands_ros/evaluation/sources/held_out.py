"""Held-out hands of a synthetic dataset: observations as in the live system, and the truth."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from realhands_ros.arrays import FloatArray
from realhands_ros.data.hands import HandObservation
from realhands_ros.data.topology import Handedness
from realhands_ros.data.truth import TrueHand
from realhands_ros.errors import ConfigError
from realhands_ros.geometry.camera import PinholeCamera
from realhands_ros.geometry.crop import crop_image
from realhands_ros.hand.fast_model import FastHandModel
from realhands_ros.hand.model_file import HandModelData
from realhands_ros.keypoints.observer import CropConfig
from realhands_ros.synthesis.dataset_format import read_manifest
from realhands_ros.training.detections import (
    DetectedSource,
    read_detections,
    write_detections,
)
from realhands_ros.training.hand_source import HandSample, SyntheticSource
from realhands_ros.training.observation import observe_views
from realhands_ros.training.run_data import DETECTIONS_NAME

# Observations of hands in single images, in the form that the keypoint stage gives.


LEFT, RIGHT = 0, 1
BOTH = (LEFT, RIGHT)


@dataclass(frozen=True, eq=False)
class HeldOutHand:
    """
    A hand of the dataset.

    ``is_found``: whether MediaPipe found it in the left and in the right image. ``fills_image``:
    the images are crops around the hand, so that it can be looked at without keypoints.
    """

    sample: HandSample
    truth: TrueHand
    fills_image: bool

    @property
    def is_found(self) -> tuple[bool, ...]:
        """Return, view by view, whether MediaPipe found the hand."""
        return tuple(view.detection is not None for view in self.sample.views)

    def cameras(self, eyes: Sequence[int]) -> tuple[PinholeCamera, ...]:
        """Return the cameras of some views."""
        return tuple(self.sample.views[eye].camera for eye in eyes)

    def observe(
        self, eyes: Sequence[int], crop: CropConfig, *, with_keypoints: bool = True
    ) -> HandObservation:
        """
        Return the observation that the keypoint stage would give of some of the views.

        The side of the hand is the true one. A hand that was missed has no keypoints, and the
        whole image for a crop where that is one around the hand. ``with_keypoints=False`` cuts
        the same crops and hides the keypoints.
        """
        views = [self.sample.views[eye] for eye in eyes]
        return observe_views(
            views,
            self.truth.handedness,
            crop,
            fills_image=self.fills_image,
            with_keypoints=with_keypoints,
        )

    def crop_mask(self, eye: int, affine: FloatArray, size: int) -> NDArray[np.bool_]:
        """Return the true mask of the visible hand in a crop, (size, size)."""
        mask = self.sample.views[eye].mask
        assert mask is not None
        full = np.ascontiguousarray(mask).astype(np.uint8) * np.uint8(255)
        return np.asarray(crop_image(full, affine, size) > 127)


class HeldOutHands:
    """The hands of a synthetic dataset; MediaPipe's detections are kept in a file beside it."""

    def __init__(
        self,
        folder: Path,
        models: dict[Handedness, HandModelData],
        samples: int | None = None,
    ) -> None:
        """
        Open a dataset; ``samples`` takes its first ones only.

        Raises DatasetError when it is missing, unfinished or damaged, ConfigError for a number of
        samples below one.
        """
        if samples is not None and samples < 1:
            message = f'samples is {samples}; evaluate at least one'
            raise ConfigError(message)
        self._fills_image = read_manifest(folder).config.get('crop_size') is not None
        source = SyntheticSource(folder)
        self._count = min(len(source), samples or len(source))
        detections = folder / DETECTIONS_NAME
        # A file for training may hold the detections of the first samples only.
        if not detections.exists() or len(read_detections(detections)[0]) < self._count:
            write_detections(source, detections)
        self._source = DetectedSource(source, detections)
        self._models = {
            side: FastHandModel(data, dtype=np.float64) for side, data in models.items()
        }

    def __len__(self) -> int:
        """Return the number of hands."""
        return self._count

    def __iter__(self) -> Iterator[HeldOutHand]:
        """Read the hands one after the other."""
        for index in range(self._count):
            sample = self._source.sample(index)
            yield HeldOutHand(sample, self._truth(sample), self._fills_image)

    def _truth(self, sample: HandSample) -> TrueHand:
        assert sample.shape is not None
        posed = self._models[sample.handedness].forward(sample.pose_aa, sample.shape)
        shift = sample.keypoints[0] - posed.keypoints[0]
        return TrueHand(
            sample.handedness, sample.keypoints, posed.vertices + shift, sample.pose_aa[:3]
        )
