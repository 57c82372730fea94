"""
Pseudo-truth for one photograph: readings, the hand model laid on them, masks, and what to trust.

A hand is kept when repeated readings of it agree (photograph_readings.py); its pose counts when
the hand model can be laid on the readings (photograph_fit.py), its mask when colour, silhouette
and selfie segmentation agree (photograph_mask.py). With a teacher, a network trained before, the
pose also has to be near to what that sees.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from realhands_ros.data.topology import Handedness
from realhands_ros.geometry.alignment import align_points
from realhands_ros.geometry.camera import PinholeCamera
from realhands_ros.geometry.crop import apply_affine, crop_image
from realhands_ros.hand.model_file import default_model_folder, load_hand_model_data
from realhands_ros.handnet.stage import HandNetStage, HandNetStageConfig
from realhands_ros.keypoints.keypoint_marks import marks_matrix
from realhands_ros.keypoints.observer import CropConfig
from realhands_ros.refinement.sharp_silhouette import draw_faces
from realhands_ros.training.hand_source import Detection, ViewSample
from realhands_ros.training.observation import observe_views
from realhands_ros.training.photograph_fit import PhotographFit, PhotographFitter
from realhands_ros.training.photograph_mask import CuedMask, PersonSegmentation, cued_mask
from realhands_ros.training.photograph_readings import HandReadings, PhotographReader

FloatArray = NDArray[np.float64]
Image = NDArray[np.uint8]
Row = dict[str, Any]

# Reasons for which a hand is dropped; the card counts them.
UNSTABLE = 'readings differ'
SIDES = 'left or right is uncertain'
SMALL = 'too small'
CUT_OFF = 'cut off by the edge'
DOUBLE = 'two readings of one hand'
UNLAID = 'the hand model cannot be laid on it'
DOUBTED = 'the teacher sees another hand'


@dataclass(frozen=True)
class LabelLimits:
    """
    How much may disagree.

    Hands are dropped when ``spread`` of the readings (share of the hand's box) is larger, the box
    is smaller than ``size_px``, or more keypoints than ``outside`` lie outside of the picture, and
    when a teacher's keypoints are farther off than ``teacher_2d`` (share of the box) or
    ``teacher_m`` (metres, aligned). Poses count up to ``misfit_2d``, ``misfit_world_m`` and
    ``beyond_limits`` (radians) of the fit (PhotographFit), while no more than ``uncovered`` of the
    silhouette shows something else. Masks count from ``agreement`` on, up to ``unknown``
    (CuedMask).
    """

    spread: float = 0.035
    size_px: float = 28.0
    outside: int = 4
    teacher_2d: float = 0.12
    teacher_m: float = 0.025
    misfit_2d: float = 0.03
    misfit_world_m: float = 0.012
    beyond_limits: float = 0.45
    uncovered: float = 0.2
    agreement: float = 0.85
    unknown: float = 0.5


@dataclass(frozen=True, eq=False)
class DroppedHand:
    """A hand without a label: its keypoints (21, 2) in the photograph, and the reason."""

    keypoints_px: FloatArray
    reason: str


@dataclass(frozen=True, eq=False)
class LabelledPicture:
    """
    What a photograph gave.

    ``rows``: one a hand kept, the fields of photographs.py without ``photograph``, with ``crop``
    and ``mask``, encoded, in place of their places.
    """

    rows: list[Row]
    dropped: list[DroppedHand]


# The crop that is stored: side in hand boxes, and at most in pixels; smaller hands are not
# enlarged, down to a least size.
_CROP_MARGIN = 2.4
_LARGEST_CROP, _SMALLEST_CROP = 384, 64
_JPEG_QUALITY = 92
_SAME_HAND = 0.35
_MIDDLE_MCP = 9
# Of the longer side of a photograph, whose camera is not known.
_FIELD_OF_VIEW_DEG = 60.0


class PhotographLabeller:
    """Labels single photographs; holds the models that it takes."""

    def __init__(self, teacher: Path | None = None, limits: LabelLimits | None = None) -> None:
        """Load them; raises what they raise when they cannot be used."""
        self.limits = limits or LabelLimits()
        folder = default_model_folder()
        self._read = PhotographReader()
        data = load_hand_model_data(folder, 'right')
        self._fit = PhotographFitter(data)
        sides: tuple[Handedness, ...] = ('left', 'right')
        self._faces = {side: load_hand_model_data(folder, side).faces for side in sides}
        self._wrist_ring = _open_end(data.faces)
        self._person = PersonSegmentation()
        self._marks = marks_matrix('mediapipe')
        self._teacher: HandNetStage | None = None
        if teacher is not None:
            self._teacher = HandNetStage(HandNetStageConfig(weights=teacher, threads=1))

    def __call__(self, picture: Image) -> LabelledPicture:
        """Return the labels of a picture (H, W, 3), BGR."""
        height, width = picture.shape[:2]
        camera = PinholeCamera.of_field_of_view(width, height, _FIELD_OF_VIEW_DEG)
        result = LabelledPicture([], [])
        hands = self._read(picture)
        for hand in hands:
            others = [other for other in hands if other is not hand]
            reason = self._unreadable(hand, others, picture)
            if reason is None:
                labelled = self._label(picture, camera, hand)
                if not isinstance(labelled, str):
                    result.rows.append(labelled)
                    continue
                reason = labelled
            result.dropped.append(DroppedHand(hand.marked_px, reason))
        return result

    def close(self) -> None:
        """Free the models."""
        self._read.close()
        self._person.close()

    def _unreadable(
        self, hand: HandReadings, others: list[HandReadings], picture: Image
    ) -> str | None:
        """Return why a hand is dropped for its readings, None if it is not."""
        height, width = picture.shape[:2]
        pixels = hand.marked_px
        outside = ((pixels < 0) | (pixels > [width - 1, height - 1])).any(axis=1)
        if hand.size_px < self.limits.size_px:
            return SMALL
        if hand.missed or hand.spread > self.limits.spread:
            return UNSTABLE
        if not hand.sides_agree:
            return SIDES
        if outside.sum() > self.limits.outside:
            return CUT_OFF
        if any(_is_doubled(hand, other) for other in others):
            return DOUBLE
        return None

    def _label(self, picture: Image, camera: PinholeCamera, hand: HandReadings) -> Row | str:
        """Return a hand's row, or why it is dropped."""
        teacher: tuple[FloatArray, FloatArray] | None = None
        if self._teacher is not None:
            taught = self._taught(picture, camera, hand)
            if taught is None:
                return DOUBTED
            teacher = taught
        fit = self._fit(hand.marked_px, hand.world, camera, hand.handedness, teacher)
        if fit is None or not np.isfinite(fit.keypoints).all():
            return UNLAID
        affine, side = _crop_affine(hand.marked_px)
        crop = _cut(picture, affine, side)
        crop_camera = camera.cropped(affine, side, side)
        mask = self._mask(picture, crop, affine, crop_camera, hand, fit)
        return self._row(hand, fit, mask, crop, affine, crop_camera)

    def _taught(
        self, picture: Image, camera: PinholeCamera, hand: HandReadings
    ) -> tuple[FloatArray, FloatArray] | None:
        """Return pose and shape as the teacher sees them; None if it sees another hand."""
        assert self._teacher is not None
        stage = self._teacher
        detection = Detection(hand.marked_px, hand.world)
        view = ViewSample(np.ascontiguousarray(picture[..., ::-1]), camera, detection=detection)
        crop = CropConfig(stage.input_size, stage.crop_margin, stage.crop_upright)
        observation = observe_views((view,), hand.handedness, crop, fills_image=False)
        meshes = stage([observation], [camera]).meshes
        if not meshes:
            return None
        marks = self._marks @ np.asarray(meshes[0].keypoints_cam, dtype=np.float64)
        off_px = np.linalg.norm(camera.project(marks) - hand.marked_px, axis=1).mean()
        aligned = align_points(hand.world, marks).apply(hand.world)
        off_m = np.linalg.norm(aligned - marks, axis=1).mean()
        limits = self.limits
        if off_px > limits.teacher_2d * hand.size_px or off_m > limits.teacher_m:
            return None
        pose = np.asarray(meshes[0].pose_aa, dtype=np.float64)
        return pose, np.asarray(meshes[0].shape, dtype=np.float64)

    def _mask(
        self,
        picture: Image,
        crop: Image,
        affine: FloatArray,
        crop_camera: PinholeCamera,
        hand: HandReadings,
        fit: PhotographFit,
    ) -> CuedMask:
        side = len(crop)
        silhouette = draw_faces(
            crop_camera.project(fit.vertices), np.ascontiguousarray(fit.vertices[:, 2]),
            self._faces[hand.handedness], side, side,
        ) >= 0  # fmt: skip
        end = fit.vertices[self._wrist_ring].mean(axis=0)
        farther = end + 0.5 * (end - fit.keypoints[_MIDDLE_MCP])
        inside = np.full(picture.shape[:2], 255, dtype=np.uint8)
        in_picture = cv2.warpAffine(inside, affine, (side, side), flags=cv2.INTER_NEAREST) > 0
        return cued_mask(
            crop,
            silhouette,
            apply_affine(affine, hand.marked_px),
            crop_camera.project(np.stack([end, farther])),
            self._person(crop),
            np.asarray(in_picture),
        )

    def _row(
        self,
        hand: HandReadings,
        fit: PhotographFit,
        mask: CuedMask,
        crop: Image,
        affine: FloatArray,
        crop_camera: PinholeCamera,
    ) -> Row:
        limits = self.limits
        pose_known = (
            fit.misfit_2d <= limits.misfit_2d
            and fit.misfit_world <= limits.misfit_world_m
            and fit.beyond_limits <= limits.beyond_limits
            and mask.uncovered <= limits.uncovered
        )
        mask_known = (
            pose_known and mask.agreement >= limits.agreement and mask.unknown <= limits.unknown
        )
        return {
            'left': hand.handedness == 'left',
            'intrinsics': crop_camera.intrinsics,
            'detected_px': apply_affine(affine, hand.first.keypoints_px),
            'world': hand.first.world,
            'marked_px': apply_affine(affine, hand.marked_px),
            'presence': hand.first.presence,
            'right': hand.right,
            'pose_aa': fit.pose_aa,
            'shape': fit.shape,
            'translation': fit.translation,
            'keypoints': fit.keypoints,
            'misfit_2d': fit.misfit_2d,
            'misfit_world': fit.misfit_world,
            'spread': hand.spread,
            'pose_known': pose_known,
            'mask_known': mask_known,
            'crop': _encoded('.jpg', crop, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY]),
            'mask': _encoded('.png', mask.mask, []) if mask_known else b'',
        }


def _crop_affine(keypoints_px: FloatArray) -> tuple[FloatArray, int]:
    """Return the affine (2, 3) of the stored crop, upright and not stretched, and its side."""
    low, high = keypoints_px.min(axis=0), keypoints_px.max(axis=0)
    length = _CROP_MARGIN * float((high - low).max())
    side = int(np.clip(np.ceil(length), _SMALLEST_CROP, _LARGEST_CROP))
    scale = side / length
    offset = (side - 1) / 2 - scale * 0.5 * (low + high)
    return np.column_stack([scale * np.eye(2), offset]), side


def _cut(picture: Image, affine: FloatArray, side: int) -> Image:
    """Cut the crop out; averages over areas where it shrinks, black outside of the picture."""
    scale = affine[0, 0]
    if scale >= 1.0:
        return crop_image(picture, affine, side)
    # Area interpolation wants whole pixels: shrink the picture, then move it by what is left.
    height, width = picture.shape[:2]
    small = (max(1, round(scale * width)), max(1, round(scale * height)))
    reduced = np.asarray(cv2.resize(picture, small, interpolation=cv2.INTER_AREA), np.uint8)
    ratio = np.array([small[0] / width, small[1] / height])
    # Pixel centres: small = ratio (u + 0.5) - 0.5.
    linear = affine[:, :2] / ratio
    offset = affine[:, 2] + linear @ (0.5 - 0.5 * ratio)
    moved = cv2.warpAffine(reduced, np.column_stack([linear, offset]), (side, side))
    return np.asarray(moved, dtype=np.uint8)


def _is_doubled(hand: HandReadings, other: HandReadings) -> bool:
    """Return whether ``other`` is the same hand, and of another side or the better reading."""
    distance = np.linalg.norm(hand.marked_px - other.marked_px, axis=1).mean()
    if distance >= _SAME_HAND * max(hand.size_px, other.size_px):
        return False
    differ = hand.handedness != other.handedness
    return differ or other.first.presence >= hand.first.presence


def _open_end(faces: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the vertices of the mesh's open end: those of edges that only one face has."""
    edges = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), axis=1)
    unique, counts = np.unique(edges, axis=0, return_counts=True)
    return np.asarray(np.unique(unique[counts == 1]), dtype=np.int64)


def _encoded(suffix: str, picture: Image, options: list[int]) -> bytes:
    return bytes(cv2.imencode(suffix, picture, options)[1].tobytes())
