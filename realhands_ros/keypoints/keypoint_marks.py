"""
Where MediaPipe marks the keypoints of a hand, relative to where the model's are.

MediaPipe's wrist lies nearer to the fingers than the model's joint, its fingertips lie on the pad
and not at the very end, and so on: a tenth of the hand at the wrist. Whoever lays the model on
detected keypoints must compare them with such marks, or the hand comes to lie beside itself. A
mark is a weighted mean of the model's keypoints, the same for every pose; `realhands train
fit-marks` fits the weights to what MediaPipe finds in images with known truth, and measures how
far detected keypoints lie from their marks where the hand is seen clearly.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from realhands_ros.data.topology import NUM_KEYPOINTS
from realhands_ros.errors import ConfigError
from realhands_ros.resources import resource_path

FloatArray = NDArray[np.float64]

# Who marked the keypoints: MediaPipe, or something that hits the model's own.
KeypointMarks = Literal['mediapipe', 'exact']

# Keypoints that hit the model's own do so within this share of the hand (refinement_samples.py).
_EXACT_NOISE = 0.015

SHIPPED_MARKS = 'models/mediapipe_marks.npz'
SHIPPED_WORLD_MARKS = 'models/mediapipe_world_marks.npz'


class Marks(NamedTuple):
    """The matrix (21, 21) of marks, and their noise (21,), where it is known."""

    matrix: FloatArray
    noise: FloatArray | None


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
    return _shipped().matrix.copy()


def marks_noise(marks: KeypointMarks) -> FloatArray:
    """
    Return the standard deviation (21,) of a detected keypoint from its mark, along each axis.

    As a share of the longer side of the keypoints' box, where the keypoint is seen. Raises as
    ``marks_matrix``.
    """
    if marks == 'exact':
        return np.full(NUM_KEYPOINTS, _EXACT_NOISE)
    marks_matrix(marks)
    noise = _shipped().noise
    if noise is None:
        message = f'{SHIPPED_MARKS} holds no noise: restore it (git checkout)'
        raise ConfigError(message)
    return noise.copy()


def world_marks_matrix() -> FloatArray:
    """
    Return the matrix (21, 21) that takes the model's keypoints to MediaPipe's world landmarks.

    These lie elsewhere than its marks in the image: a knuckle a fifth of the way to the next
    joint. Rows add up to one. Raises ConfigError for a missing file.
    """
    return _shipped_world().copy()


def save_marks(
    path: Path, matrix: FloatArray, noise: FloatArray | None = None, **facts: Any
) -> None:
    """Write a matrix (21, 21), its noise (21,) if known, and facts about both to an npz file."""
    known = {} if noise is None else {'noise': noise}
    np.savez_compressed(path, matrix=matrix, **known, **facts)


def load_marks(path: Path) -> Marks:
    """Read what ``save_marks`` wrote; ConfigError when it is missing or something else."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            matrix = np.asarray(archive['matrix'], dtype=np.float64)
            noise = np.asarray(archive['noise'], np.float64) if 'noise' in archive else None
    except (OSError, EOFError, KeyError, ValueError) as error:
        message = f'{path} holds no keypoint marks ({error}): restore it (git checkout)'
        raise ConfigError(message) from error
    if matrix.shape != (NUM_KEYPOINTS, NUM_KEYPOINTS) or not np.isfinite(matrix).all():
        message = f'{path} holds a matrix of shape {matrix.shape}, not (21, 21), or NaN'
        raise ConfigError(message)
    if noise is not None and (noise.shape != (NUM_KEYPOINTS,) or not (noise > 0.0).all()):
        message = f'{path} holds noise of shape {noise.shape}, not (21,), or not all above zero'
        raise ConfigError(message)
    return Marks(matrix, noise)


@lru_cache(maxsize=1)
def _shipped() -> Marks:
    return load_marks(resource_path(SHIPPED_MARKS))


@lru_cache(maxsize=1)
def _shipped_world() -> FloatArray:
    return load_marks(resource_path(SHIPPED_WORLD_MARKS)).matrix
