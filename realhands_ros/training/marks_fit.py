"""Fit where a detector marks the keypoints: see keypoints/keypoint_marks.py."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from realhands_ros.data.topology import NUM_KEYPOINTS
from realhands_ros.errors import DatasetError
from realhands_ros.training.detections import read_detections
from realhands_ros.training.hand_source import HandSource

FloatArray = NDArray[np.float64]

# Pull of each weight to the keypoint itself, in numbers of views.
_RIDGE = 5.0
# Errors beyond this share of the hand's box lose weight; detections this far off are left out.
_ROBUST, _MISTAKEN = 0.03, 0.15
_ITERATIONS = 8
_LEAST_VIEWS = 100


class MarkedViews(NamedTuple):
    """True and detected keypoints (N, 21, 2) of N views, relative to the hand's box."""

    true: FloatArray
    detected: FloatArray


def marked_views(source: HandSource, detections: Path) -> MarkedViews:
    """
    Return the views of a source in which the detector found the hand and was not mistaken.

    ``detections`` is the file that `realhands train detect` wrote. Raises DatasetError when there
    are too few.
    """
    detected_px, _ = read_detections(detections)
    true, detected = [], []
    for index in range(len(detected_px)):
        sample = source.sample(index)
        for eye, view in enumerate(sample.views):
            keypoints_px = view.camera.project(sample.keypoints)
            size = float(np.ptp(keypoints_px, axis=0).max())
            off = np.linalg.norm(detected_px[index, eye] - keypoints_px, axis=1).mean()
            if off < _MISTAKEN * size:
                true.append(keypoints_px / size)
                detected.append(detected_px[index, eye] / size)
    if len(true) < _LEAST_VIEWS:
        message = (
            f'the detector found the hand in {len(true)} views; the fit needs {_LEAST_VIEWS} or '
            'more: detect in more samples'
        )
        raise DatasetError(message)
    return MarkedViews(np.array(true), np.array(detected, dtype=np.float64))


def fit_marks(views: MarkedViews) -> FloatArray:
    """
    Return the matrix (21, 21), rows adding up to one, that takes true keypoints to detected ones.

    Each row by least squares on the differences to its own keypoint, which a weak-perspective
    image keeps linear; large errors lose weight (Huber).
    """
    return np.stack([_row(views, k) for k in range(NUM_KEYPOINTS)])


def _row(views: MarkedViews, k: int) -> FloatArray:
    differences = np.delete(views.true - views.true[:, k : k + 1], k, axis=1)
    matrix = differences.transpose(0, 2, 1).reshape(-1, NUM_KEYPOINTS - 1)
    target = (views.detected[:, k] - views.true[:, k]).ravel()
    shares, weights = np.zeros(NUM_KEYPOINTS - 1), np.ones(len(target))
    for _ in range(_ITERATIONS):
        weighted = matrix * weights[:, None]
        system = weighted.T @ matrix + _RIDGE * np.eye(NUM_KEYPOINTS - 1)
        shares = np.linalg.solve(system, weighted.T @ target)
        error = np.linalg.norm((target - matrix @ shares).reshape(-1, 2), axis=1)
        weights = np.repeat(1.0 / np.maximum(1.0, error / _ROBUST), 2)
    return np.insert(shares, k, 1.0 - shares.sum())
