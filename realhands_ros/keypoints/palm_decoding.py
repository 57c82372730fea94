"""
From the palm model's numbers to palms: anchors, and suppression of what overlaps.

The same as MediaPipe's SsdAnchorsCalculator, TensorsToDetectionsCalculator and
NonMaxSuppressionCalculator with the options of its palm detector; a test holds them together.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

FloatArray = NDArray[np.float64]

PALM_INPUT_SIZE = 192

# Cells of the model's two grids along the picture's side, and its anchors in each cell.
_GRIDS = ((24, 2), (12, 6))
_MOST_OVERLAP = 0.3


class Palm(NamedTuple):
    """A palm: ``box`` (2, 2) corners and ``keypoints`` (7, 2), relative to the picture's side."""

    box: FloatArray
    keypoints: FloatArray
    score: float


def decode_palms(
    boxes: NDArray[np.float32], logits: NDArray[np.float32], least_score: float
) -> list[Palm]:
    """
    Return the palms of the model's outputs, the most certain first.

    ``boxes`` (2016, 18): centre, size and keypoints in pixels of the picture, relative to the
    anchors; ``logits`` (2016,) of their scores.
    """
    chosen = np.flatnonzero(logits >= logit(least_score))
    chosen = chosen[np.argsort(-logits[chosen], kind='stable')]
    scores = expit(logits[chosen].astype(np.float64))
    points = boxes[chosen].astype(np.float64).reshape(-1, 9, 2) / PALM_INPUT_SIZE
    half_size = points[:, 1] / 2
    points = points + _anchors()[chosen, None]
    corners = np.stack([points[:, 0] - half_size, points[:, 0] + half_size], axis=1)
    return _suppressed(np.concatenate([corners, points[:, 2:]], axis=1), scores)


@lru_cache(maxsize=1)
def _anchors() -> FloatArray:
    """Return the anchors' places (2016, 2), relative to the picture's side."""
    layers = []
    for cells, anchors in _GRIDS:
        centres = (np.arange(cells) + 0.5) / cells
        y, x = np.meshgrid(centres, centres, indexing='ij')
        layers.append(np.stack([x, y], axis=-1).reshape(-1, 2).repeat(anchors, axis=0))
    return np.concatenate(layers)


def _suppressed(points: FloatArray, scores: FloatArray) -> list[Palm]:
    """
    Merge detections (N, 9, 2), corners and keypoints, that overlap; the best of them come first.

    The merged one is their mean, weighted by the scores.
    """
    palms = []
    while len(points):
        overlapping = _overlap(points[0, :2], points[:, :2]) > _MOST_OVERLAP
        overlapping[0] = True
        merged = np.average(points[overlapping], axis=0, weights=scores[overlapping])
        palms.append(Palm(merged[:2], merged[2:], float(scores[0])))
        points, scores = points[~overlapping], scores[~overlapping]
    return palms


def _overlap(box: FloatArray, boxes: FloatArray) -> FloatArray:
    """Return the intersection over union of one box (2, 2) with others (N, 2, 2)."""
    low, high = np.maximum(box[0], boxes[:, 0]), np.minimum(box[1], boxes[:, 1])
    common = np.maximum(high - low, 0.0).prod(axis=1)
    union = (box[1] - box[0]).prod() + (boxes[:, 1] - boxes[:, 0]).prod(axis=1) - common
    return np.where(union > 0, common / np.where(union > 0, union, 1.0), 0.0)
