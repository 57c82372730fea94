"""How well a hand fits what its views show, in the usual measures."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from realhands_ros.geometry.rasterizer import NO_FACE
from realhands_ros.refinement.energy import Energy
from realhands_ros.refinement.hand_state import HandState

# A fit is poor when its keypoints are off by more than this share of the hand's length; each tenth
# of overlap with the mask that is missing to the usual one counts as the second number does.
# Calibrated with hands that grasp and hold objects, see docs/refinement.md. The length is that of
# the model's hand: a fist's keypoints have a smaller box, but no smaller errors.
_POOR_ERROR = 0.06
_USUAL_IOU = 0.85
_ERROR_PER_IOU = 0.2
# Without keypoints only the overlap is left to judge by.
_POOR_IOU = 0.7
# Wrist to the tip of the middle finger, along the bones.
_LENGTH = (0, 9, 10, 11, 12)


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
    return FitQuality(
        overlap, _reprojection_error(energy, state), _is_poor(overlap, _error(energy, state))
    )


def _is_poor(overlap: float, error: float) -> bool:
    """Judge by overlap and error relative to the hand's length; NaN is what is not known."""
    if np.isnan(error):
        return bool(overlap < _POOR_IOU)
    missing = 0.0 if np.isnan(overlap) else max(_USUAL_IOU - overlap, 0.0)
    return bool(error + _ERROR_PER_IOU * missing > _POOR_ERROR)


def _error(energy: Energy, state: HandState) -> float:
    """Return the keypoints' mean distance over the hand's length in pixels, the views' mean."""
    posed, views = state.posed, energy.views
    bones = np.diff(posed.keypoints[list(_LENGTH)], axis=0)
    length_m = float(np.linalg.norm(bones, axis=1).sum())
    errors = []
    for view, camera in enumerate(views.cameras):
        weights = views.keypoint_weights[view]
        if not weights.any():
            continue
        distance = np.linalg.norm(posed.keypoints_px[view] - views.keypoints_px[view], axis=-1)
        focal_px = np.sqrt(abs(np.linalg.det(camera.intrinsics[:2, :2])))
        length_px = focal_px * length_m / posed.keypoints_depth[view].mean()
        errors.append((weights @ distance) / weights.sum() / length_px)
    return float(np.mean(errors)) if errors else float('nan')


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
