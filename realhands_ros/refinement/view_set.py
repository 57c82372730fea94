"""All views of one hand as stacked arrays, and perspective projection with its derivatives."""

from __future__ import annotations

from collections.abc import Sequence

import numba
import numpy as np

from realhands_ros.data.topology import NUM_KEYPOINTS
from realhands_ros.errors import ConfigError
from realhands_ros.refinement.hand_estimate import FloatArray, FloatImage, ViewObservation


class ViewSet:
    """
    B views of one hand: cameras, target masks and keypoints.

    ``height``, ``width`` are the crops' common size; ``ndc_per_px`` turns pixel distances into
    NDC, where the crop's shorter side runs from -1 to 1. ``targets`` (B, H, W) are hand
    probabilities, zero in views without a mask, and ``has_target`` (B,) says which have one.
    ``keypoints_px`` (B, 21, 2) and ``keypoint_weights`` (B, 21): zero weight where a keypoint is
    unknown. Raises ConfigError for no views or views of different size.
    """

    def __init__(self, views: Sequence[ViewObservation]) -> None:
        sizes = {(view.camera.height, view.camera.width) for view in views}
        if len(sizes) != 1:
            message = f'views must have one size, found {sorted(sizes)}: make crops of equal size'
            raise ConfigError(message)
        self.cameras = tuple(view.camera for view in views)
        ((self.height, self.width),) = sizes
        self.ndc_per_px = 2.0 / min(self.height, self.width)
        # Homogeneous pixels of a point are ``matrix @ point + offset``.
        self._matrices = np.stack([view.intrinsics @ view.rotation for view in self.cameras])
        self._offsets = np.stack([view.intrinsics @ view.translation for view in self.cameras])
        self.has_target = np.array([view.target is not None for view in views])
        self.targets: FloatImage = np.stack([_target(view) for view in views])
        keypoints, weights = zip(*(_keypoints(view) for view in views), strict=True)
        self.keypoints_px: FloatArray = np.stack(keypoints)
        self.keypoint_weights: FloatArray = np.stack(weights)

    def __len__(self) -> int:
        """Return the number of views."""
        return len(self.cameras)

    def project(self, points: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return pixels (B, N, 2) and depths (B, N) in metres of points (N, 3) of the rig."""
        pixels, depth = _project(points, self._matrices, self._offsets)
        return pixels, depth

    def pull_back(
        self, gradient_px: FloatArray | FloatImage, points_px: FloatArray, depth: FloatArray
    ) -> FloatArray:
        """
        Turn derivatives by projected points into derivatives by the points, summed over views.

        ``gradient_px`` (B, N, 2) is dL/dpixels at what `project` gave; returns dL/dpoints (N, 3).
        """
        scaled = gradient_px / depth[..., None]
        along = -(scaled * points_px).sum(axis=-1, keepdims=True)
        homogeneous = np.concatenate([scaled, along], axis=-1)
        gradient: FloatArray = np.matmul(homogeneous, self._matrices).sum(axis=0)
        return gradient

    def jacobian(self, points_px: FloatArray, depth: FloatArray) -> FloatArray:
        """Return dpixels/dpoints (B, N, 2, 3) at what `project` gave, pixels a metre."""
        jacobian: FloatArray = _jacobian(points_px, depth, self._matrices)
        return jacobian


@numba.njit(nogil=True, cache=True, error_model='numpy')
def _project(points, matrices, offsets):  # type: ignore[no-untyped-def]
    """Return pixels (B, N, 2) and depths (B, N) of points (N, 3), see ViewSet.project."""
    shape = matrices.shape[0], points.shape[0]
    pixels, depths = np.empty((*shape, 2)), np.empty(shape)
    for b in range(shape[0]):
        matrix, offset = matrices[b], offsets[b]
        for i in range(shape[1]):
            x, y, z = points[i, 0], points[i, 1], points[i, 2]
            depth = matrix[2, 0] * x + matrix[2, 1] * y + matrix[2, 2] * z + offset[2]
            depths[b, i] = depth
            for p in range(2):
                along = matrix[p, 0] * x + matrix[p, 1] * y + matrix[p, 2] * z + offset[p]
                pixels[b, i, p] = along / depth
    return pixels, depths


@numba.njit(nogil=True, cache=True, error_model='numpy')
def _jacobian(points_px, depths, matrices):  # type: ignore[no-untyped-def]
    """Return dpixels/dpoints (B, N, 2, 3), see ViewSet.jacobian."""
    views, points = depths.shape
    jacobian = np.empty((views, points, 2, 3))
    for b in range(views):
        matrix = matrices[b]
        for i in range(points):
            near = 1.0 / depths[b, i]
            for p in range(2):
                for axis in range(3):
                    moved = matrix[p, axis] - points_px[b, i, p] * matrix[2, axis]
                    jacobian[b, i, p, axis] = moved * near
    return jacobian


def _target(view: ViewObservation) -> FloatImage:
    if view.target is None:
        return np.zeros((view.camera.height, view.camera.width), dtype=np.float32)
    return view.target


def _keypoints(view: ViewObservation) -> tuple[FloatArray, FloatArray]:
    if view.keypoints_px is None or view.keypoint_scores is None:
        return np.zeros((NUM_KEYPOINTS, 2)), np.zeros(NUM_KEYPOINTS)
    known = np.isfinite(view.keypoints_px).all(axis=1) & np.isfinite(view.keypoint_scores)
    keypoints = np.where(known[:, None], view.keypoints_px, 0.0)
    return keypoints, np.where(known, np.clip(view.keypoint_scores, 0.0, 1.0), 0.0)
