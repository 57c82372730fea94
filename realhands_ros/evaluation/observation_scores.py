"""
The scores of what a hand's views show: detected keypoints, masks, reprojection.

Those of the first kind need no truth and exist for any recording; the others compare detections
and masks with the true hand. Pixels are those of the whole images.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from realhands_ros.evaluation.hand_scores import Metric, Scores
from realhands_ros.evaluation.mask_scores import MASK_METRICS, mask_scores
from realhands_ros.evaluation.metrics import mask_iou, point_errors
from realhands_ros.evaluation.tracked_truth import TrackedTruth
from realhands_ros.geometry.camera import PinholeCamera
from realhands_ros.geometry.rasterizer import projected_mask
from realhands_ros.hand.hand_mesh import HandMesh, HandView
from realhands_ros.keypoints.two_view import epipolar_distances

FloatArray = NDArray[np.float64]
Faces = NDArray[np.int64]

# A keypoint counts as right in 2D within this share of the longer side of the hand's box.
PCK_2D_SHARE = 0.1

FIT_METRICS: dict[str, Metric] = {
    'reprojection': Metric('reproj.', 'px', "mesh keypoints from detected ones, the views' mean"),
    'silhouette_iou': Metric(
        'mask IoU', '', "projected mesh with the network's own mask", higher=True, digits=3
    ),
}
DETECTION_METRICS: dict[str, Metric] = {
    'epipolar': Metric(
        'epipolar', 'px', "both views' keypoints from each other's epipolar lines (Sampson)"
    ),
    'detected': Metric('2D error', 'px', 'detected keypoints from true ones'),
    'pck_2d': Metric(
        'PCK@0.1', '', "detected keypoints within 0.1 of the hand's box", higher=True, digits=3
    ),
    **MASK_METRICS,
    'coverage': Metric(
        'texture', '', 'share of the atlas seen so far, mean over frames', higher=True, digits=3
    ),
}
PROJECTION_METRICS: dict[str, Metric] = {
    'keypoints_px': Metric('2D', 'px', 'projected keypoints of the mesh from true ones'),
    'mesh_iou': Metric('mesh IoU', '', 'projected mesh with the true one', higher=True, digits=3),
}


def fit_scores(mesh: HandMesh, cameras: Sequence[PinholeCamera], faces: Faces) -> Scores:
    """Return how well a mesh fits what was detected, by the names of FIT_METRICS."""
    errors, overlaps = [], []
    keypoints = np.asarray(mesh.keypoints_cam, np.float64)
    vertices = np.asarray(mesh.vertices_cam, np.float64)
    for view, camera in zip(mesh.views, cameras, strict=False):
        known = known_keypoints(view)
        if known.any():
            projected = camera.project(keypoints[known])
            errors.append(float(point_errors(projected, view.keypoints_px[known]).mean()))
        crop = crop_camera(view, camera)
        if crop is not None and view.silhouette is not None:
            overlaps.append(mask_iou(projected_mask(vertices, faces, crop), view.silhouette > 127))
    scores: Scores = {}
    if errors:
        scores['reprojection'] = float(np.mean(errors))
    if overlaps:
        scores['silhouette_iou'] = float(np.mean(overlaps))
    return scores


def detection_scores(
    mesh: HandMesh, cameras: Sequence[PinholeCamera], truth: TrackedTruth | None, faces: Faces
) -> Scores:
    """Return the scores of a mesh's views, by the names of DETECTION_METRICS."""
    scores: Scores = {}
    if len(mesh.views) == 2:
        left, right = mesh.views
        known = known_keypoints(left) & known_keypoints(right)
        if known.any():
            pixels = left.keypoints_px[known], right.keypoints_px[known]
            scores['epipolar'] = float(epipolar_distances(cameras, *pixels).mean())
    if truth is not None:
        views = [
            _true_detection_scores(number, view, camera, truth, faces)
            for number, (view, camera) in enumerate(zip(mesh.views, cameras, strict=False))
        ]
        names = {name for view in views for name in view}
        for name in sorted(names):
            scores[name] = float(np.mean([view[name] for view in views if name in view]))
    return scores


def projection_scores(
    mesh: HandMesh, cameras: Sequence[PinholeCamera], truth: TrackedTruth, faces: Faces
) -> Scores:
    """Return how a mesh projects compared with the true hand, by PROJECTION_METRICS."""
    errors, overlaps = [], []
    keypoints = np.asarray(mesh.keypoints_cam, np.float64)
    vertices = np.asarray(mesh.vertices_cam, np.float64)
    for number, (view, camera) in enumerate(zip(mesh.views, cameras, strict=False)):
        true_px = truth.keypoints_px(number, camera)
        marked = np.isfinite(true_px).all(axis=1)
        if marked.any():
            projected = camera.project(keypoints[marked])
            errors.append(float(point_errors(projected, true_px[marked]).mean()))
        true_mask = _true_mask(number, view, camera, truth, faces)
        crop = crop_camera(view, camera)
        if true_mask is not None and crop is not None:
            overlaps.append(mask_iou(projected_mask(vertices, faces, crop), true_mask))
    scores: Scores = {}
    if errors:
        scores['keypoints_px'] = float(np.mean(errors))
    if overlaps:
        scores['mesh_iou'] = float(np.mean(overlaps))
    return scores


def known_keypoints(view: HandView) -> NDArray[np.bool_]:
    """Return which keypoints a view's detector gave, (21,)."""
    finite = np.isfinite(view.keypoints_px).all(axis=1)
    return np.asarray(finite & (np.nan_to_num(view.keypoint_scores) > 0))


def crop_camera(view: HandView, camera: PinholeCamera) -> PinholeCamera | None:
    """Return the camera of a view's crop, None if it has none."""
    image = view.silhouette if view.silhouette is not None else view.crop
    if view.crop_affine is None or image is None:
        return None
    return camera.cropped(view.crop_affine, image.shape[1], image.shape[0])


def _true_detection_scores(
    number: int, view: HandView, camera: PinholeCamera, truth: TrackedTruth, faces: Faces
) -> Scores:
    scores: Scores = {}
    true_px = truth.keypoints_px(number, camera)
    marked = np.isfinite(true_px).all(axis=1)
    known = known_keypoints(view) & marked
    if known.any():
        errors = point_errors(view.keypoints_px[known], true_px[known])
        box = float(np.ptp(true_px[marked], axis=0).max())
        scores['detected'] = float(errors.mean())
        scores['pck_2d'] = float((errors <= PCK_2D_SHARE * box).mean())
    true_mask = _true_mask(number, view, camera, truth, faces)
    if true_mask is not None and view.silhouette is not None:
        scores |= mask_scores(view.silhouette > 127, true_mask)
    return scores


def _true_mask(
    number: int, view: HandView, camera: PinholeCamera, truth: TrackedTruth, faces: Faces
) -> NDArray[np.bool_] | None:
    """Return the true mask in a view's crop, None without a crop or a mask."""
    image = view.silhouette if view.silhouette is not None else view.crop
    if view.crop_affine is None or image is None:
        return None
    affine = np.asarray(view.crop_affine, np.float64)
    return truth.crop_mask(number, camera, affine, (image.shape[0], image.shape[1]), faces)
