"""
How precise each detected keypoint is: by what it is, whether it is seen, and by the other view.

A detector guesses a joint that the hand itself hides, and its guess is the worse the deeper the
joint lies behind what is seen. Two views that are both right meet on the epipolar line.
"""

from __future__ import annotations

from collections.abc import Sequence

import numba
import numpy as np
from numpy.typing import NDArray

from realhands_ros.geometry.rasterizer import NO_FACE
from realhands_ros.keypoints.two_view import epipolar_distances
from realhands_ros.refinement.hand_estimate import FloatArray
from realhands_ros.refinement.mesh_terms import IntArray
from realhands_ros.refinement.view_set import ViewSet

# A joint lies this deep in a finger anyway; metres.
_JOINT_DEPTH_M = 0.006


def keypoint_precision(
    views: ViewSet,
    noise: FloatArray,
    hidden_noise: float,
    behind_m: FloatArray,
) -> FloatArray:
    """
    Return the inverse standard deviations (B, 21) of the detected keypoints, 1/NDC.

    ``noise`` (21,) is that of keypoints which are seen, a share of the longer side of their box;
    ``hidden_noise`` is added for each metre of ``behind_m`` (B, 21), see ``depth_behind``. Zero in
    views without keypoints.
    """
    precision = np.zeros(views.keypoint_weights.shape)
    known = views.keypoint_weights > 0.0
    hidden_m = np.maximum(behind_m - _JOINT_DEPTH_M, 0.0).astype(np.float64)
    variances: FloatArray = np.square(noise + hidden_noise * hidden_m)
    sizes_px = np.array([_size_px(views, view) for view in range(len(views))], np.float64)
    if len(views) == 2 and known.all(axis=0).any():
        variances = variances * _by_agreement(views, variances, sizes_px, known.all(axis=0))
    for view in np.flatnonzero(known.any(axis=1)):
        precision[view] = 1.0 / (np.sqrt(variances[view]) * sizes_px[view] * views.ndc_per_px)
    return precision


def depth_behind(
    face_ids: Sequence[NDArray[np.int32]],
    faces: IntArray,
    vertices_depth: FloatArray,
    keypoints_px: FloatArray,
    keypoints_depth: FloatArray,
) -> FloatArray:
    """
    Return how far keypoints lie behind the surface that hides them, (B, 21) metres.

    ``face_ids`` are the triangles of ``faces`` that the pixels (H, W) of each view see; the rest
    is as PosedHand has it. Zero outside of the mesh and of the view.
    """
    behind = [
        _behind(face_id, faces, vertices_depth[view], keypoints_px[view], keypoints_depth[view])
        for view, face_id in enumerate(face_ids)
    ]
    return np.stack(behind)


def _size_px(views: ViewSet, view: int) -> float:
    """Return the longer side of the box of a view's keypoints, at least one pixel."""
    known = views.keypoints_px[view][views.keypoint_weights[view] > 0.0]
    return max(float(np.ptp(known, axis=0).max()), 1.0) if len(known) else 1.0


def _by_agreement(
    views: ViewSet, variances: FloatArray, sizes_px: FloatArray, both: FloatArray
) -> FloatArray:
    """
    Return what the variances (21,) of keypoints become, as factors, by the two views' agreement.

    A keypoint off the epipolar line by more than its noise explains has a variance to match.
    Agreement makes none more precise: both views err alike where a finger is hidden or blurred.
    Keypoints that are not known in ``both`` views (21,) keep their variance.
    """
    distance = epipolar_distances(views.cameras, *views.keypoints_px)
    expected = (variances * sizes_px[:, None] ** 2).mean(axis=0)
    return np.where(both, np.maximum(1.0, distance**2 / expected), 1.0)


@numba.njit(nogil=True, cache=True)
def _behind(face_id, faces, vertices_depth, points_px, points_depth):  # type: ignore[no-untyped-def]
    """Return the depth (N,) of points behind the triangles drawn where they are seen, or zero."""
    behind = np.zeros(len(points_px))
    height, width = face_id.shape
    for k in range(len(points_px)):
        x, y = points_px[k, 0], points_px[k, 1]
        if not (x > -0.5 and y > -0.5 and x < width - 0.5 and y < height - 0.5):
            continue
        face = face_id[int(np.floor(y + 0.5)), int(np.floor(x + 0.5))]
        if face == NO_FACE:
            continue
        surface = 0.0
        for corner in range(3):
            surface += vertices_depth[faces[face, corner]] / 3.0
        behind[k] = max(points_depth[k] - surface, 0.0)
    return behind
