"""The scores of reconstructed hands, under the names that results are kept by."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from realhands_ros.data.hands import HandMesh, HandView
from realhands_ros.data.topology import NUM_KEYPOINTS
from realhands_ros.data.truth import TrackedTruth, TrueHand
from realhands_ros.evaluation.methods import PoseLevel, Reconstruction
from realhands_ros.evaluation.metrics import (
    JITTER_WINDOW,
    bone_length_variation,
    boundary_f,
    f_score,
    jitter_rms,
    mask_iou,
    mean_position_error,
    pck_auc,
    pixel_accuracy,
    point_errors,
    procrustes_aligned,
    root_relative,
    rotation_error,
)
from realhands_ros.geometry.camera import PinholeCamera
from realhands_ros.geometry.rasterizer import projected_mask
from realhands_ros.keypoints.two_view import epipolar_distances

# The scores of one reconstructed hand against the true one, under names that results are kept by.
#
# Averaged over hands they are the figures of the tables. The area under the PCK curve may be
# averaged too: all hands have equally many points, so the mean of their areas is the area of the
# curve of all points together, as FreiHAND computes it.

Scores = dict[str, float]

_MM = 1000.0
_WRIST = 0


@dataclass(frozen=True)
class Metric:
    """
    How a score is named and read.

    ``title`` heads a column; ``unit`` is empty for a plain number; ``higher`` tells that more is
    better; ``meaning`` is one line for a legend.
    """

    title: str
    unit: str
    meaning: str
    higher: bool = False
    digits: int = 1

    @property
    def heading(self) -> str:
        """Return title and unit."""
        return f'{self.title} {self.unit}'.strip()

    def text(self, value: float) -> str:
        """Return a value in the metric's usual precision, a dash where there is none."""
        return '–' if not np.isfinite(value) else f'{value:.{self.digits}f}'


def _share(title: str, meaning: str) -> Metric:
    return Metric(title, '', meaning, higher=True, digits=3)


HAND_METRICS: dict[str, Metric] = {
    'pa_mpvpe': Metric('PA-MPVPE', 'mm', 'vertices after FreiHAND alignment (may mirror)'),
    'pa_mpvpe_proper': Metric('PA-MPVPE proper', 'mm', 'vertices after alignment by a rotation'),
    'pa_mpjpe': Metric('PA-MPJPE', 'mm', '21 keypoints after FreiHAND alignment'),
    'pa_mpjpe_proper': Metric('PA-MPJPE proper', 'mm', 'keypoints after alignment by a rotation'),
    'f5': _share('F@5', 'F-score of aligned vertices at 5 mm'),
    'f15': _share('F@15', 'F-score of aligned vertices at 15 mm'),
    'auc': _share('AUC', 'area under the PCK curve of aligned vertices, 0 to 50 mm'),
    'auc_keypoints': _share('AUC keypoints', 'the same of aligned keypoints'),
    'mpvpe': Metric('MPVPE', 'mm', 'vertices relative to the wrist'),
    'mpjpe': Metric('MPJPE', 'mm', 'keypoints relative to the wrist'),
    'auc_relative': _share('AUC wrist-rel.', 'area under the PCK curve, vertices rel. to wrist'),
    'mpvpe_abs': Metric('MPVPE abs', 'mm', 'vertices in the left optical frame'),
    'mpjpe_abs': Metric('MPJPE abs', 'mm', 'keypoints in the left optical frame'),
    'f5_raw': _share('F@5 raw', 'F-score at 5 mm without alignment'),
    'f15_raw': _share('F@15 raw', 'F-score at 15 mm without alignment'),
    'wrist': Metric('wrist', 'mm', 'distance of the wrist from where it is'),
    'centre': Metric('centre', 'mm', 'distance of the mean of the vertices from where it is'),
    'wrist_rotation': Metric('wrist rot.', 'deg', 'angle between the wrists'),
}


def hand_scores(found: Reconstruction, truth: TrueHand) -> Scores:
    """Return the scores that a method's level allows, by name of HAND_METRICS; mm, degrees."""
    scores = _form_scores(found, truth)
    if found.level >= PoseLevel.ORIENTATION:
        scores |= _orientation_scores(found, truth)
    if found.level >= PoseLevel.POSITION:
        scores |= _position_scores(found, truth)
    return scores


def _form_scores(found: Reconstruction, truth: TrueHand) -> Scores:
    keypoints = procrustes_aligned(found.keypoints, truth.keypoints, allow_reflection=True)
    proper = procrustes_aligned(found.keypoints, truth.keypoints, allow_reflection=False)
    scores = {
        'pa_mpjpe': _MM * mean_position_error(keypoints, truth.keypoints),
        'pa_mpjpe_proper': _MM * mean_position_error(proper, truth.keypoints),
        'auc_keypoints': pck_auc(point_errors(keypoints, truth.keypoints)),
    }
    if found.vertices is not None and truth.vertices is not None:
        vertices = procrustes_aligned(found.vertices, truth.vertices, allow_reflection=True)
        proper = procrustes_aligned(found.vertices, truth.vertices, allow_reflection=False)
        scores |= {
            'pa_mpvpe': _MM * mean_position_error(vertices, truth.vertices),
            'pa_mpvpe_proper': _MM * mean_position_error(proper, truth.vertices),
            'f5': f_score(vertices, truth.vertices, 0.005),
            'f15': f_score(vertices, truth.vertices, 0.015),
            'auc': pck_auc(point_errors(vertices, truth.vertices)),
        }
    return scores


def _orientation_scores(found: Reconstruction, truth: TrueHand) -> Scores:
    wrist, true_wrist = found.keypoints[_WRIST], truth.keypoints[_WRIST]
    keypoints = root_relative(found.keypoints, wrist)
    scores = {'mpjpe': _MM * mean_position_error(keypoints, truth.keypoints - true_wrist)}
    if found.vertices is not None and truth.vertices is not None:
        errors = point_errors(root_relative(found.vertices, wrist), truth.vertices - true_wrist)
        scores |= {'mpvpe': _MM * float(errors.mean()), 'auc_relative': pck_auc(errors)}
    if found.root_aa is not None and truth.root_aa is not None:
        angle = rotation_error(found.root_aa, truth.root_aa)
        scores['wrist_rotation'] = float(np.rad2deg(angle))
    return scores


def _position_scores(found: Reconstruction, truth: TrueHand) -> Scores:
    wrist = np.linalg.norm(found.keypoints[_WRIST] - truth.keypoints[_WRIST])
    scores = {
        'wrist': _MM * float(wrist),
        'mpjpe_abs': _MM * mean_position_error(found.keypoints, truth.keypoints),
    }
    if found.vertices is not None and truth.vertices is not None:
        centre = found.vertices.mean(axis=0) - truth.vertices.mean(axis=0)
        scores |= {
            'centre': _MM * float(np.linalg.norm(centre)),
            'mpvpe_abs': _MM * mean_position_error(found.vertices, truth.vertices),
            'f5_raw': f_score(found.vertices, truth.vertices, 0.005),
            'f15_raw': f_score(found.vertices, truth.vertices, 0.015),
        }
    return scores


# The scores of a mask, by the names that results are kept under.

BoolArray = NDArray[np.bool_]

# DAVIS takes 0.8 % of the image's diagonal.
_TOLERANCE = 0.008

MASK_METRICS: dict[str, Metric] = {
    'iou': Metric('IoU', '', 'of the silhouette with the true mask', higher=True, digits=3),
    'accuracy': Metric('accuracy', '', 'share of right pixels', higher=True, digits=3),
    'boundary_f': Metric('boundary F', '', 'F-measure of the outlines', higher=True, digits=3),
}


def mask_scores(found: BoolArray, truth: BoolArray) -> Scores:
    """Return the scores of a mask (H, W), by the names of MASK_METRICS."""
    tolerance = max(1.0, _TOLERANCE * float(np.hypot(truth.shape[0], truth.shape[1])))
    return {
        'iou': mask_iou(found, truth),
        'accuracy': pixel_accuracy(found, truth),
        'boundary_f': boundary_f(found, truth, tolerance),
    }


# The scores of a hand's views: detected keypoints, masks, reprojection.
#
# FIT_METRICS and the epipolar distance need no truth; the others compare detections, masks and the
# projected mesh with the true hand. Pixels are those of the whole images.

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
    'detected_share': Metric(
        '2D error', '%', "the same relative to the longer side of the true keypoints' box"
    ),
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
    'keypoints_share': Metric(
        '2D', '%', "the same relative to the longer side of the true keypoints' box"
    ),
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
    errors, shares, overlaps = [], [], []
    keypoints = np.asarray(mesh.keypoints_cam, np.float64)
    vertices = np.asarray(mesh.vertices_cam, np.float64)
    for number, (view, camera) in enumerate(zip(mesh.views, cameras, strict=False)):
        true_px = truth.keypoints_px(number, camera)
        marked = np.isfinite(true_px).all(axis=1)
        if marked.any():
            projected = camera.project(keypoints[marked])
            errors.append(float(point_errors(projected, true_px[marked]).mean()))
            shares.append(100.0 * errors[-1] / float(np.ptp(true_px[marked], axis=0).max()))
        true_mask = _true_mask(number, view, camera, truth, faces)
        crop = crop_camera(view, camera)
        if true_mask is not None and crop is not None:
            overlaps.append(mask_iou(projected_mask(vertices, faces, crop), true_mask))
    scores: Scores = {}
    if errors:
        scores['keypoints_px'] = float(np.mean(errors))
        scores['keypoints_share'] = float(np.mean(shares))
    if overlaps:
        scores['mesh_iou'] = float(np.mean(overlaps))
    return scores


def picture_mask_scores(meshes: Sequence[HandMesh], mask: BoolArray) -> Scores:
    """
    Return the scores of all silhouettes together, by the names of MASK_METRICS.

    ``mask`` (H, W) holds all hands of the picture, and the meshes are those of all hands found in
    it. Compared where any of their crops looks; nothing without silhouettes.
    """
    seen, found = np.zeros(mask.shape, np.bool_), np.zeros(mask.shape, np.bool_)
    for mesh in meshes:
        view = mesh.views[0]
        if view.silhouette is None or view.crop_affine is None:
            continue
        seen |= _into_picture(np.full_like(view.silhouette, 255), view.crop_affine, mask.shape)
        found |= _into_picture(view.silhouette, view.crop_affine, mask.shape)
    return mask_scores(found & seen, mask & seen) if seen.any() else {}


def picture_projection_scores(
    meshes: Sequence[HandMesh], camera: PinholeCamera, mask: BoolArray, faces: Faces
) -> Scores:
    """Return how all meshes together cover ``mask`` (H, W), as ``picture_mask_scores``."""
    seen, drawn = np.zeros(mask.shape, np.bool_), np.zeros(mask.shape, np.bool_)
    for mesh in meshes:
        view = mesh.views[0]
        if (crop := crop_camera(view, camera)) is None or view.crop_affine is None:
            continue
        whole = np.full((crop.height, crop.width), 255, np.uint8)
        seen |= _into_picture(whole, view.crop_affine, mask.shape)
        drawn |= projected_mask(np.asarray(mesh.vertices_cam, np.float64), faces, camera)
    return {'mesh_iou': mask_iou(drawn & seen, mask & seen)} if seen.any() else {}


def _into_picture(crop: NDArray[np.uint8], affine: ArrayLike, size: tuple[int, ...]) -> BoolArray:
    """Return where a crop (H, W), 0..255, is above one half in the picture of ``size``."""
    to_picture = cv2.invertAffineTransform(np.asarray(affine, np.float64))
    spread = cv2.warpAffine(crop, to_picture, (size[1], size[0]), flags=cv2.INTER_LINEAR)
    return np.asarray(spread > 127)


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
        scores['detected_share'] = 100.0 * float(errors.mean()) / box
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


# Jitter and bone lengths of tracks, from the keypoints of all frames.

TRACK_METRICS: dict[str, Metric] = {
    'jitter': Metric('jitter', 'mm', 'RMS of keypoints after an 11-frame high-pass', digits=2),
    'jitter_error': Metric(
        'jitter err.',
        'mm',
        'the same of the keypoints less the true ones: no real motion',
        digits=2,
    ),
    'bone_variation': Metric('bones', '%', "coefficient of variation of the bones' lengths"),
}
_SIZE = NUM_KEYPOINTS * 3


class Tracks:
    """The keypoints of hands, in rows of frame, track and 63 coordinates."""

    def __init__(self) -> None:
        self._keys = array('q')
        self._points = array('f')

    def add(self, frame: int, track: int, keypoints: ArrayLike) -> None:
        """Add keypoints (21, 3) in metres of a track in a frame."""
        self._keys.extend((frame, track))
        self._points.frombytes(np.asarray(keypoints, np.float32).tobytes())

    def scores(self) -> Scores:
        """
        Return jitter (mm) and bone variation (%), by the names of TRACK_METRICS.

        Jitter is the root of the mean square over all runs of consecutive frames of a track that
        are as long as its window, bone variation the mean over tracks of two frames or more. A
        score without any such run or track is left out.
        """
        keys = np.array(self._keys, np.int64).reshape(-1, 2)
        points = np.array(self._points, np.float64).reshape(-1, NUM_KEYPOINTS, 3)
        squares, lengths, variations = [], [], []
        for track in np.unique(keys[:, 1]):
            rows = np.flatnonzero(keys[:, 1] == track)
            if len(rows) > 1:
                variations.append(bone_length_variation(points[rows]))
            for run in np.split(rows, np.flatnonzero(np.diff(keys[rows, 0]) != 1) + 1):
                if len(run) >= JITTER_WINDOW:
                    squares.append(
                        np.mean([jitter_rms(p) ** 2 for p in points[run].swapaxes(0, 1)])
                    )
                    lengths.append(len(run) - JITTER_WINDOW + 1)
        scores: Scores = {}
        if squares:
            scores['jitter'] = _MM * float(np.sqrt(np.average(squares, weights=lengths)))
        if variations:
            scores['bone_variation'] = 100.0 * float(np.mean(variations))
        return scores


# Every metric of a result by its name, for columns, legends and thresholds.

COUNT_METRICS: dict[str, Metric] = {
    'frames': Metric('frames', '', 'frames that were evaluated', higher=True, digits=0),
    'hands': Metric('hands', '', 'hands that were reconstructed', higher=True, digits=0),
    'true_hands': Metric('true hands', '', 'hands in the truth, seen well enough', digits=0),
    'matched': Metric('matched', '', 'reconstructed hands with a true one', higher=True, digits=0),
    'misses': Metric('misses', '', 'true hands that were not found', digits=0),
    'false_hands': Metric('false hands', '', 'reconstructed hands without a true one', digits=0),
    'id_switches': Metric('id switches', '', 'true hands that changed their identity', digits=0),
    'handedness_errors': Metric(
        'wrong side', '', 'left taken for right, or the reverse', digits=0
    ),
    'rejected': Metric('rejected', '', 'detected hands that gave no mesh', digits=0),
    'skipped': Metric('skipped', '', 'messages or pictures that gave no frame', digits=0),
}
TIME_METRICS: dict[str, Metric] = {
    'latency_p50': Metric('p50', 'ms', 'time of all stages for a frame, median'),
    'latency_p95': Metric('p95', 'ms', 'the same, 95th percentile'),
    'latency_p99': Metric('p99', 'ms', 'the same, 99th percentile'),
    'dropped': Metric('dropped', '', 'share of the camera frames without a result', digits=3),
    'fps': Metric('frames/s', '', 'frames a second, reading included', higher=True),
}
ALL_METRICS: dict[str, Metric] = {
    **HAND_METRICS,
    **PROJECTION_METRICS,
    **FIT_METRICS,
    **TRACK_METRICS,
    **DETECTION_METRICS,
    **COUNT_METRICS,
    **TIME_METRICS,
}
