"""How well a hand fits what its views show, in the usual measures."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from realhands_ros.geometry.rasterizer import NO_FACE
from realhands_ros.refinement.energy import Energy
from realhands_ros.refinement.hand_state import HandState

# Below this overlap, or with keypoints off by more than this share of the crop's side, a fit is
# poor.
_POOR_IOU = 0.7
_POOR_REPROJECTION = 0.06


class FitQuality(NamedTuple):
    """
    Agreement of a mesh with its observations, means over views; NaN without observations.

    ``silhouette_iou`` of mesh and mask; ``reprojection_error_px``, the distance of the mesh's
    keypoints from the detected ones, weighted by their scores, in pixels of the crops.
    """

    silhouette_iou: float
    reprojection_error_px: float
    is_poor: bool


def measure_fit(energy: Energy, state: HandState) -> FitQuality:
    """Return how well a hand with sharp silhouettes fits."""
    overlap = _silhouette_iou(energy, state)
    error_px = _reprojection_error(energy, state)
    side = min(energy.views.height, energy.views.width)
    is_poor = overlap < _POOR_IOU or error_px > _POOR_REPROJECTION * side
    return FitQuality(overlap, error_px, bool(is_poor))


def _silhouette_iou(energy: Energy, state: HandState) -> float:
    overlaps = []
    for view in np.flatnonzero(energy.views.has_target):
        mesh, mask = state.face_ids[view] != NO_FACE, energy.views.targets[view] > 0.5
        union = max(np.count_nonzero(mesh | mask), 1)
        overlaps.append(np.count_nonzero(mesh & mask) / union)
    return float(np.mean(overlaps)) if overlaps else float('nan')


def _reprojection_error(energy: Energy, state: HandState) -> float:
    weights = energy.views.keypoint_weights
    if not weights.any():
        return float('nan')
    distance = np.linalg.norm(state.posed.keypoints_px - energy.views.keypoints_px, axis=-1)
    return float((weights * distance).sum() / weights.sum())
