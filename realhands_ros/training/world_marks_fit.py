"""
Fit where MediaPipe's world landmarks lie on the hand model: see keypoints/keypoint_marks.py.

They come with a hand of MediaPipe's own, whose knuckles lie nearer to the next joint and whose
last bones are longer. As with the marks in the image, each is a weighted mean of the model's
keypoints, here of its own finger's and the palm's.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from realhands_ros.data.topology import NUM_KEYPOINTS
from realhands_ros.errors import DatasetError
from realhands_ros.geometry.alignment import align_points
from realhands_ros.geometry.mirror import mirror_points
from realhands_ros.training.detections import read_detections
from realhands_ros.training.hand_source import HandSource
from realhands_ros.training.marks_fit import MarkedViews

FloatArray = NDArray[np.float64]

# Pull of each weight to that of the marks in the image, square metres.
_RIDGE = 0.02
# Errors beyond this lose weight; hands this far off in the mean are left out, metres.
_ROBUST_M, _MISTAKEN_M = 0.012, 0.03
_ITERATIONS = 8
_LEAST_VIEWS = 100
_PALM = (0, 1, 5, 9, 13, 17)


def marked_worlds(source: HandSource, detections: Path) -> MarkedViews:
    """
    Return true keypoints and world landmarks (N, 21, 3), those of left hands mirrored.

    ``detections`` is the file that `realhands train detect` wrote. Raises DatasetError when there
    are too few.
    """
    _, worlds = read_detections(detections)
    true, detected = [], []
    for index in range(len(worlds)):
        sample = source.sample(index)
        for world in worlds[index].astype(np.float64):
            if np.isfinite(world).all():
                points = [sample.keypoints, world]
                if sample.handedness == 'left':
                    points = [mirror_points(side) for side in points]
                true.append(points[0])
                detected.append(points[1])
    if len(true) < _LEAST_VIEWS:
        message = (
            f'the detector found the hand in {len(true)} views; the fit needs {_LEAST_VIEWS} or '
            'more: detect in more samples'
        )
        raise DatasetError(message)
    return MarkedViews(np.array(true), np.array(detected))


def fit_world_marks(views: MarkedViews, image_marks: FloatArray) -> FloatArray:
    """
    Return the matrix (21, 21), rows adding up to one, that takes keypoints to world landmarks.

    In turns, the landmarks are laid on the marks by a rotation, as large as ``image_marks`` (21,
    21) are, and the weights follow by robust least squares. A free size would shrink both.
    """
    sizes = _size(image_marks @ views.true) / _size(views.detected)
    detected = views.detected * sizes[:, None, None]
    matrix = image_marks.copy()
    for _ in range(_ITERATIONS):
        marks = matrix @ views.true
        laid = align_points(detected, marks, with_scale=False).apply(detected)
        errors = np.linalg.norm(laid - marks, axis=2)
        good = errors.mean(axis=1) < _MISTAKEN_M
        weights = 1.0 / np.maximum(1.0, errors / _ROBUST_M)
        matrix = np.stack(
            [
                _row(views.true[good], laid[good, k], weights[good, k], k, image_marks[k])
                for k in range(NUM_KEYPOINTS)
            ]
        )
    return matrix


def world_error_m(views: MarkedViews, matrix: FloatArray) -> float:
    """Return the mean distance of world landmarks from marks, after alignment, metres."""
    marks = matrix @ views.true
    laid = align_points(views.detected, marks).apply(views.detected)
    return float(np.linalg.norm(laid - marks, axis=2).mean())


def _row(
    true: FloatArray, target: FloatArray, weights: FloatArray, k: int, start: FloatArray
) -> FloatArray:
    finger = range(1 + 4 * ((k - 1) // 4), 5 + 4 * ((k - 1) // 4)) if k else ()
    others = [other for other in sorted({*_PALM, *finger}) if other != k]
    rows = (true[:, others] - true[:, k : k + 1]).transpose(0, 2, 1).reshape(-1, len(others))
    weighted = rows * np.repeat(weights, 3)[:, None]
    system = weighted.T @ rows + _RIDGE * np.eye(len(others))
    wanted = weighted.T @ (target - true[:, k]).ravel() + _RIDGE * start[others]
    shares = np.linalg.solve(system, wanted)
    row = np.zeros(NUM_KEYPOINTS)
    row[others], row[k] = shares, 1.0 - shares.sum()
    return row


def _size(points: FloatArray) -> FloatArray:
    centred = points - points.mean(axis=1, keepdims=True)
    return np.asarray(np.linalg.norm(centred, axis=(1, 2)))
