"""The keypoint term of the energy: robust distances to detected keypoints (beyond the paper)."""

from __future__ import annotations

from typing import NamedTuple

import numba
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


def keypoint_term(
    points_px: FloatArray,
    views: ViewSet,
    precision: FloatArray,
    robust_scale: float,
) -> KeypointTerm:
    """
    Return the robust distances of ``points_px`` (B, 21, 2) from the detected keypoints.

    The mean over views and keypoints of ``score * rho(precision * e)``, where e is the distance in
    NDC, ``precision`` (B, 21) the inverse of a keypoint's standard deviation, and
    ``rho(u) = u^2 / (1 + (u / robust_scale)^2)`` Geman and McClure's function: quadratic for small
    distances, constant for outliers. A keypoint that is unknown leaves its share to no other.
    """
    return KeypointTerm(
        *_robust_distances(
            points_px, views.keypoints_px, views.keypoint_weights, precision * views.ndc_per_px,
            robust_scale,
        )
    )  # fmt: skip


@numba.njit(nogil=True, cache=True, error_model='numpy')
def _robust_distances(  # type: ignore[no-untyped-def]
    points_px, detected_px, weights, precision, robust_scale
):
    """Return what KeypointTerm holds; ``precision`` (B, 21) is in 1/px."""
    curvature, gradient_px = np.zeros(weights.shape), np.zeros(points_px.shape)
    views_with_keypoints = 0
    for b in range(weights.shape[0]):
        views_with_keypoints += weights[b].max() > 0.0
    count = max(views_with_keypoints, 1) * weights.shape[1]
    value = 0.0
    for b in range(weights.shape[0]):
        for k in range(weights.shape[1]):
            share = weights[b, k] / count
            error_px = points_px[b, k] - detected_px[b, k]
            square = (error_px[0] ** 2 + error_px[1] ** 2) * precision[b, k] ** 2
            falloff = 1.0 / (1.0 + square / robust_scale**2)
            value += share * square * falloff
            curvature[b, k] = share * falloff * falloff * precision[b, k] ** 2
            gradient_px[b, k] = 2.0 * curvature[b, k] * error_px
    return value, gradient_px, curvature


@numba.njit(nogil=True, cache=True, fastmath={'reassoc', 'contract'})
def keypoint_rows(slopes, marks, jacobian):  # type: ignore[no-untyped-def]
    """
    Return the derivatives (B 21 2, P) of the marked keypoints' pixels by the P parameters.

    ``slopes`` (B, 21, 2, 3) are those of the pixels by the marks, pixels a metre, ``marks``
    (21, 21) takes the model's keypoints to the marks, and ``jacobian`` (21, 3, P) is that of the
    model's keypoints.
    """
    views, points, parameters = slopes.shape[0], slopes.shape[1], jacobian.shape[2]
    by_keypoint = jacobian.reshape(points, -1)
    by_mark = np.zeros((points, 3 * parameters))
    for k in range(points):
        for j in range(points):
            for i in range(by_mark.shape[1]):
                by_mark[k, i] += marks[k, j] * by_keypoint[j, i]
    rows = np.empty((views * points * 2, parameters))
    for row in range(rows.shape[0]):
        b, k, p = row // (2 * points), row // 2 % points, row % 2
        x, y, z = slopes[b, k, p]
        for n in range(parameters):
            moved = x * by_mark[k, n] + y * by_mark[k, parameters + n]
            rows[row, n] = moved + z * by_mark[k, 2 * parameters + n]
    return rows
