"""The baselines that an evaluation measures beside the pipeline, by their keys."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from realhands_ros.evaluation.baselines.inverse_kinematics import InverseKinematics
from realhands_ros.evaluation.baselines.mean_shape import MeanShape
from realhands_ros.evaluation.baselines.mediapipe_points import Triangulation, WorldLandmarks
from realhands_ros.evaluation.methods import Method
from realhands_ros.hand.model_file import HandModelData
from realhands_ros.hand.topology import Handedness

BASELINE_TITLES = {
    'mean_shape': 'mean shape and pose',
    'world_landmarks': "MediaPipe's world landmarks",
    'triangulation': 'MediaPipe, triangulated',
    'inverse_kinematics': 'inverse kinematics',
}


def make_baselines(
    models: dict[Handedness, HandModelData], keys: Iterable[str] = tuple(BASELINE_TITLES)
) -> dict[str, Method]:
    """Return methods by their keys, some of BASELINE_TITLES (default: all)."""
    makers: dict[str, Callable[[], Method]] = {
        'mean_shape': lambda: MeanShape(models),
        'world_landmarks': WorldLandmarks,
        'triangulation': Triangulation,
        'inverse_kinematics': lambda: InverseKinematics(models),
    }
    return {key: makers[key]() for key in keys}
