"""
The term of the detector's own 3D guess of a hand, MediaPipe's world landmarks (beyond the paper).

They say nothing of where the hand is, and their size is a guess. What they add to the keypoints in
the image is how the hand lies in depth. Their errors are largely independent of the network's.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import ArrayLike

from realhands_ros.data.topology import NUM_KEYPOINTS
from realhands_ros.refinement.hand_estimate import FloatArray
from realhands_ros.refinement.view_set import ViewSet

# Standard deviations of world landmarks along x, y and z of their camera, after their mean and
# their size have been fitted (docs/refinement.md).
_NOISE_M = np.array([0.009, 0.009, 0.017])
# Landmarks that span less than this are no hand, and their size means nothing.
_LEAST_EXTENT_M = 1e-3


class WorldTerm(NamedTuple):
    """
    The term at one set of keypoints.

    ``gradient`` (21, 3) is its derivative by the model's keypoints, 1/m; ``residual`` (63 V,) are
    the whitened residuals of V views and ``curvature`` (63 V,) the weights with which the term
    looks quadratic, ``sum curvature residual^2`` (iteratively reweighted least squares).
    """

    value: float
    gradient: FloatArray
    residual: FloatArray
    curvature: FloatArray


class WorldLandmarks:
    """
    The world landmarks of some views, compared with the model's marked keypoints.

    With x the marked keypoints in a camera's axes, relative to their mean and divided by the noise
    of each axis, and w the landmarks treated alike, the residual is ``x - w (x.w) / (w.w)``: what
    is left when the landmarks' size is fitted. It is linear in the model's keypoints; ``rows``
    (63 V, 63) are its derivatives, 1/m, none for a view without landmarks.
    """

    def __init__(
        self, views: ViewSet, landmarks: list[FloatArray | None], marks: FloatArray
    ) -> None:
        """Take the landmarks (21, 3) of each view, metres, in the axes of its camera, or None."""
        rows = [
            _rows(points, camera.rotation, marks)
            for points, camera in zip(landmarks, views.cameras, strict=True)
            if points is not None and np.isfinite(points).all()
            and np.ptp(points, axis=0).max() > _LEAST_EXTENT_M
        ]  # fmt: skip
        self.rows: FloatArray = np.concatenate(rows) if rows else np.zeros((0, 3 * NUM_KEYPOINTS))

    def __bool__(self) -> bool:
        """Return whether any view has landmarks."""
        return len(self.rows) > 0

    def term(self, keypoints: FloatArray, robust_scale: float) -> WorldTerm:
        """
        Return the mean over views and keypoints of Geman and McClure's function of the residual.

        ``keypoints`` (21, 3) are the model's, in the rig's frame. The function stops growing at
        ``robust_scale`` standard deviations.
        """
        residual = _times(self.rows, np.ascontiguousarray(keypoints, np.float64).ravel())
        value, curvature = _robust(residual, robust_scale)
        gradient = _times_transposed(self.rows, 2.0 * curvature * residual)
        return WorldTerm(value, gradient.reshape(NUM_KEYPOINTS, 3), residual, curvature)


def _rows(landmarks: ArrayLike, rotation: FloatArray, marks: FloatArray) -> FloatArray:
    """Return what takes the keypoints' coordinates (63,) to the residuals (63,)."""
    centring = np.eye(NUM_KEYPOINTS) - 1.0 / NUM_KEYPOINTS
    whitened = (centring @ np.asarray(landmarks, np.float64) / _NOISE_M).ravel()
    direction = whitened / np.linalg.norm(whitened)
    rows: FloatArray = np.kron(centring @ marks, rotation / _NOISE_M[:, None])
    return rows - np.outer(direction, direction @ rows)


@numba.njit(nogil=True, cache=True)
def _times(rows, x):  # type: ignore[no-untyped-def]
    out = np.zeros(rows.shape[0])
    for i in range(rows.shape[0]):
        for j in range(rows.shape[1]):
            out[i] += rows[i, j] * x[j]
    return out


@numba.njit(nogil=True, cache=True)
def _times_transposed(rows, x):  # type: ignore[no-untyped-def]
    out = np.zeros(rows.shape[1])
    for i in range(rows.shape[0]):
        for j in range(rows.shape[1]):
            out[j] += rows[i, j] * x[i]
    return out


@numba.njit(nogil=True, cache=True, error_model='numpy')
def _robust(residual, scale):  # type: ignore[no-untyped-def]
    """Return the mean of the robust function over points, and the residuals' weights."""
    curvature = np.zeros(residual.shape[0])
    points = residual.shape[0] // 3
    value = 0.0
    for k in range(points):
        square = 0.0
        for c in range(3):
            square += residual[3 * k + c] ** 2
        falloff = 1.0 / (1.0 + square / scale**2)
        value += square * falloff / points
        for c in range(3):
            curvature[3 * k + c] = falloff * falloff / points
    return value, curvature


@numba.njit(nogil=True, cache=True, fastmath={'reassoc', 'contract'})
def world_rows(rows, jacobian):  # type: ignore[no-untyped-def]
    """Return the residuals' derivatives (N, P) from those of the keypoints, (21, 3, P)."""
    by_coordinate = jacobian.reshape(rows.shape[1], -1)
    parameters = by_coordinate.shape[1]
    out = np.zeros((rows.shape[0], parameters))
    for i in range(rows.shape[0]):
        for j in range(rows.shape[1]):
            share = rows[i, j]
            for n in range(parameters):
                out[i, n] += share * by_coordinate[j, n]
    return out
