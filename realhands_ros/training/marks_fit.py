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

# Pull of each weight to the keypoint itself, in squared shares of the hand's box.
_RIDGE = 0.05
# From about the first of these shares of the hand's box on an error loses all weight in the first
# iteration, and from the last one in the last: a detector that does not see a finger guesses it.
_ROBUST = (0.15, 0.03)
# Detections this far off, mean over the keypoints, are left out.
_MISTAKEN = 0.15
_ITERATIONS = 24
_LEAST_VIEWS = 100
# How much of a measured shift is believed, by keypoint: see blend_marks.
_MEASURED_ONLY = (0, 1)
_SHARE = 0.5


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

    A mark is made of its own keypoint and of those next to it along the finger and across the
    knuckles. Were it free to use all of them, it would learn that a detector that is in doubt
    draws a finger to the middle of the hand, and would undo that where there is no doubt. Each row
    by least squares on the differences to its own keypoint, which a weak-perspective image keeps
    linear; errors beyond the usual lose their weight (Geman and McClure).
    """
    return np.stack([_row(views, k) for k in range(NUM_KEYPOINTS)])


def blend_marks(measured: FloatArray) -> FloatArray:
    """
    Return the marks to use with photographs as well, from those measured on renderings (21, 21).

    People mark the joints of a hand where the detector does, which learnt it from them, and not
    where the model's joints are. So half of a finger's shift is taken for the model's and half for
    the renderings'. The wrist and the base of the thumb lie elsewhere for people, too.
    """
    share = np.full((NUM_KEYPOINTS, 1), _SHARE)
    share[list(_MEASURED_ONLY)] = 1.0
    return share * measured + (1.0 - share) * np.eye(NUM_KEYPOINTS)


def mark_noise(views: MarkedViews, measured: FloatArray, used: FloatArray) -> FloatArray:
    """
    Return the standard deviation (21,) of detected keypoints from marks, per axis, box shares.

    That of the detector about the ``measured`` marks, by the median of the better half of the
    views, and that of the ``used`` marks about the measured ones.
    """
    error = np.linalg.norm(views.detected - measured @ views.true, axis=2)
    typical = np.median(error, axis=1)
    clear = error[typical <= np.median(typical)]
    shift = np.linalg.norm((measured - used) @ views.true, axis=2)
    noise: FloatArray = np.hypot(
        np.median(clear, axis=0) / _RAYLEIGH_MEDIAN, np.median(shift, axis=0)
    )
    return noise


def _row(views: MarkedViews, k: int) -> FloatArray:
    near = _NEIGHBOURS[k]
    differences = views.true[:, near] - views.true[:, k : k + 1]
    matrix = differences.transpose(0, 2, 1).reshape(-1, len(near))
    target = (views.detected[:, k] - views.true[:, k]).ravel()
    weights = np.ones(len(target))
    for limit in np.geomspace(*_ROBUST, _ITERATIONS):
        weighted = matrix * weights[:, None]
        system = weighted.T @ matrix + _RIDGE * np.eye(len(near))
        shares = np.linalg.solve(system, weighted.T @ target)
        error = np.linalg.norm((target - matrix @ shares).reshape(-1, 2), axis=1)
        weights = np.repeat((1.0 + (error / limit) ** 2) ** -2, 2)
    row = np.zeros(NUM_KEYPOINTS)
    row[near], row[k] = shares, 1.0 - shares.sum()
    return row


def _neighbours() -> dict[int, list[int]]:
    """Return by keypoint those that its mark may be made of beside itself."""
    found = {0: [1, 5, 9, 17], 1: [0, 2, 5], 4: [3]}
    found |= {k: [k - 1, k + 1] for k in (2, 3)}
    for knuckle, beside in ((5, [9, 17]), (9, [5, 17]), (13, [9, 17]), (17, [13, 5])):
        found[knuckle] = [0, knuckle + 1, *beside]
        found |= {k: [k - 1, k + 1] for k in (knuckle + 1, knuckle + 2)}
        found[knuckle + 3] = [knuckle + 2]
    return found


_NEIGHBOURS = _neighbours()
# The median of a distance in the plane whose coordinates have a standard deviation of one.
_RAYLEIGH_MEDIAN = 1.177
