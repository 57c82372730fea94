"""
Where MediaPipe marks the keypoints of a hand, relative to where the model's are.

MediaPipe's wrist lies nearer to the fingers than the model's joint, its fingertips lie on the pad
and not at the very end, and so on: a tenth of the hand at the wrist. Whoever lays the model on
detected keypoints must compare them with such marks, or the hand comes to lie beside itself. A
mark is a weighted mean of the model's keypoints, the same for every pose; `realhands train
fit-marks` fits the weights to what MediaPipe finds in images with known truth.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from realhands_ros.data.topology import NUM_KEYPOINTS
from realhands_ros.errors import ConfigError
from realhands_ros.resources import resource_path

FloatArray = NDArray[np.float64]

# Who marked the keypoints: MediaPipe, or something that hits the model's own.
KeypointMarks = Literal['mediapipe', 'exact']

SHIPPED_MARKS = 'models/mediapipe_marks.npz'
SHIPPED_WORLD_MARKS = 'models/mediapipe_world_marks.npz'


def marks_matrix(marks: KeypointMarks) -> FloatArray:
    """
    Return the matrix (21, 21) that takes the model's keypoints (21, D) to the marks.

    Its rows add up to one. Raises ConfigError for an unknown name or a missing file.
    """
    if marks not in get_args(KeypointMarks):
        message = f'keypoint_marks is {marks!r}; use {" or ".join(get_args(KeypointMarks))}'
        raise ConfigError(message)
    if marks == 'exact':
        return np.eye(NUM_KEYPOINTS)
    return _shipped().copy()


def world_marks_matrix() -> FloatArray:
    """
    Return the matrix (21, 21) that takes the model's keypoints to MediaPipe's world landmarks.

    These lie elsewhere than its marks in the image: a knuckle a fifth of the way to the next
    joint. Rows add up to one. Raises ConfigError for a missing file.
    """
    return _shipped_world().copy()


def save_marks(path: Path, matrix: FloatArray, **facts: Any) -> None:
    """Write a matrix (21, 21), and facts about its making, to an npz file."""
    np.savez_compressed(path, matrix=matrix, **facts)


def load_marks(path: Path) -> FloatArray:
    """Read what ``save_marks`` wrote; ConfigError when it is missing or something else."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            matrix = np.asarray(archive['matrix'], dtype=np.float64)
    except (OSError, EOFError, KeyError, ValueError) as error:
        message = f'{path} holds no keypoint marks ({error}): restore it (git checkout)'
        raise ConfigError(message) from error
    if matrix.shape != (NUM_KEYPOINTS, NUM_KEYPOINTS) or not np.isfinite(matrix).all():
        message = f'{path} holds a matrix of shape {matrix.shape}, not (21, 21), or NaN'
        raise ConfigError(message)
    return matrix


@lru_cache(maxsize=1)
def _shipped() -> FloatArray:
    return load_marks(resource_path(SHIPPED_MARKS))


@lru_cache(maxsize=1)
def _shipped_world() -> FloatArray:
    return load_marks(resource_path(SHIPPED_WORLD_MARKS))
