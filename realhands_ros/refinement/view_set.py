"""All views of one hand as stacked arrays, and perspective projection with its derivatives."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from realhands_ros.errors import ConfigError
from realhands_ros.hand.topology import NUM_KEYPOINTS
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
        homogeneous = points @ self._matrices.transpose(0, 2, 1) + self._offsets[:, None]
        depth = homogeneous[..., 2]
        return homogeneous[..., :2] / depth[..., None], depth

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
        matrices = self._matrices[:, None]
        moved: FloatArray = matrices[:, :, :2] - points_px[..., None] * matrices[:, :, 2:]
        return moved / depth[..., None, None]


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
