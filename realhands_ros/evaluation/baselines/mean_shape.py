"""The hand that knows nothing: mean shape, mean pose. Its aligned error is the scale of all."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from realhands_ros.evaluation.reconstruction import Knows, Reconstruction
from realhands_ros.geometry.camera import PinholeCamera
from realhands_ros.hand.fast_model import FastHandModel
from realhands_ros.hand.hand_observation import HandObservation
from realhands_ros.hand.model_file import HandModelData
from realhands_ros.hand.topology import NUM_SHAPE, Handedness


class MeanShape:
    """A Method that gives the same hand whatever is seen."""

    def __init__(self, models: dict[Handedness, HandModelData]) -> None:
        """Pose both hands of a model."""
        self._hands = {side: mean_hand(data) for side, data in models.items()}

    def __call__(
        self, observation: HandObservation, cameras: Sequence[PinholeCamera]
    ) -> Reconstruction | None:
        """Return the mean hand of the observation's side."""
        return self._hands[observation.handedness]


def mean_hand(data: HandModelData) -> Reconstruction:
    """Return the hand of mean shape and pose of a model."""
    pose = np.concatenate([np.zeros(3), data.hands_mean])
    posed = FastHandModel(data, dtype=np.float64).forward(pose, np.zeros(NUM_SHAPE))
    return Reconstruction(posed.keypoints, posed.vertices, knows=Knows.FORM)
