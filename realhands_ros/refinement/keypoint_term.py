"""The keypoint term of the energy: robust distances to detected keypoints (beyond the paper)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from realhands_ros.refinement.hand_estimate import FloatArray
from realhands_ros.refinement.view_set import ViewSet


class KeypointTerm(NamedTuple):
    """
    The term at one set of projected keypoints.

    ``gradient_px`` (B, 21, 2) is its derivative by them; ``curvature`` (B, 21) the weights with
    which it looks quadratic, ``sum curvature |error_px|^2`` (iteratively reweighted least
    squares).
    """

    value: float
    gradient_px: FloatArray
    curvature: FloatArray


def keypoint_term(points_px: FloatArray, views: ViewSet, robust_scale: float) -> KeypointTerm:
    """
    Return the mean over views, weighted by score over keypoints, of Geman and McClure's function.

    ``rho(e) = e^2 / (1 + (e / robust_scale)^2)`` of the distance e in NDC between ``points_px``
    (B, 21, 2) and the detected keypoints: quadratic for small distances, constant for outliers.
    """
    error_px = points_px - views.keypoints_px
    square = (error_px * error_px).sum(axis=-1) * views.ndc_per_px**2
    total = views.keypoint_weights.sum(axis=1, keepdims=True)
    views_with_keypoints = max(int((total > 0.0).sum()), 1)
    share = views.keypoint_weights / np.maximum(total, 1e-9) / views_with_keypoints
    falloff = 1.0 / (1.0 + square / robust_scale**2)
    curvature = share * falloff * falloff * views.ndc_per_px**2
    return KeypointTerm(
        value=float((share * square * falloff).sum()),
        gradient_px=2.0 * curvature[..., None] * error_px,
        curvature=curvature,
    )
