"""
Hands with known truth and disturbed observations, for measuring the refinement without a network.

Poses are those of the pose sampler, placements and rigs those of the synthetic dataset; crops are
cut around detected keypoints as the live system does; masks are hard renderings of the true mesh.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass, replace
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from realhands_ros.evaluation.metrics import mask_iou, mean_position_error, procrustes_aligned
from realhands_ros.geometry.camera import PinholeCamera, StereoRig
from realhands_ros.geometry.crop import apply_affine, crop_affine
from realhands_ros.geometry.rasterizer import rasterize
from realhands_ros.geometry.rotations import axis_angle_to_matrix, matrix_to_axis_angle
from realhands_ros.hand.fast_model import FastHandModel
from realhands_ros.hand.model_file import HandModelData
from realhands_ros.hand.pose_limits import clamp_angles
from realhands_ros.hand.pose_sampler import PoseSampler
from realhands_ros.hand.skeleton import HandSkeleton
from realhands_ros.refinement.hand_estimate import (
    HandEstimate,
    HandParameters,
    Refinement,
    ViewObservation,
)
from realhands_ros.synthesis.config import VIEW_MIXES
from realhands_ros.synthesis.placement import sample_placement, sample_up
from realhands_ros.synthesis.rigs import sample_rig

# Disturb true hands, keypoints and masks as a network would, for measuring the refinement.
#
# All draws come from the generator that is passed in, so that a seed gives the same numbers.

FloatArray = NDArray[np.float64]
Mask = NDArray[np.float32]

MaskDisturbance = Literal['eroded', 'dilated', 'holes', 'arm', 'unsure', 'all']

# Relative size of the noise in flexion, abduction and twist of a finger joint: a network errs most
# where the hand moves most.
_JOINT_NOISE = (1.0, 0.35, 0.2)
_SHAPE_NOISE_PER_JOINT_NOISE = 1.0


@dataclass(frozen=True)
class HandDisturbance:
    """
    How far a disturbed hand is from the true one; the defaults are a light network's errors.

    ``aligned_error_m`` is the range of the mean vertex error after similarity alignment,
    ``translation_error_m`` the range of the wrist's error, ``root_angle_deg`` the standard
    deviation of each component of the root's rotation error.
    """

    aligned_error_m: tuple[float, float] = (0.007, 0.013)
    translation_error_m: tuple[float, float] = (0.010, 0.020)
    root_angle_deg: float = 5.0


def disturb_hand(
    rng: np.random.Generator,
    model: FastHandModel,
    pose_aa: FloatArray,
    shape: FloatArray,
    translation: FloatArray,
    disturbance: HandDisturbance | None = None,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """
    Return disturbed pose (48,), shape (10,) and translation (3,) of a right hand.

    Finger angles and shape get normal noise, kept within the joint limits, whose size is found by
    bisection so that the aligned vertex error is a number drawn from its range; the root is turned
    and the wrist shifted in a random direction, independently of that.
    """
    wanted = disturbance or HandDisturbance()
    skeleton = HandSkeleton.from_model(model.data)
    angles = skeleton.angles_from_pose(pose_aa[3:])
    angle_noise = rng.standard_normal(angles.shape) * _JOINT_NOISE
    shape_noise = rng.standard_normal(shape.shape) * _SHAPE_NOISE_PER_JOINT_NOISE
    truth = model.forward(pose_aa, shape).vertices

    def disturbed(size: float) -> tuple[FloatArray, FloatArray]:
        fingers = skeleton.pose_from_angles(clamp_angles(angles + size * angle_noise))
        return np.concatenate([pose_aa[:3], fingers]), shape + size * shape_noise

    def error(size: float) -> float:
        vertices = model.forward(*disturbed(size)).vertices
        aligned = procrustes_aligned(vertices, truth, allow_reflection=False)
        return mean_position_error(aligned, truth)

    pose, new_shape = disturbed(_bisect(error, rng.uniform(*wanted.aligned_error_m)))
    turn = Rotation.from_rotvec(np.deg2rad(wanted.root_angle_deg) * rng.standard_normal(3))
    pose[:3] = (turn * Rotation.from_matrix(axis_angle_to_matrix(pose_aa[:3]))).as_rotvec()
    direction = rng.standard_normal(3)
    shift = rng.uniform(*wanted.translation_error_m) * direction / np.linalg.norm(direction)
    wrist = model.forward(pose_aa, shape).joints[0] + translation + shift
    return pose, new_shape, wrist - model.forward(pose, new_shape).joints[0]


def disturb_keypoints(
    rng: np.random.Generator,
    keypoints_px: FloatArray,
    *,
    noise: float = 0.015,
    outlier_share: float = 0.05,
) -> tuple[FloatArray, FloatArray]:
    """
    Return detected keypoints (21, 2) and scores (21,) for true keypoints in pixels.

    ``noise`` is the standard deviation, a share of the longer side of the keypoints' box
    (MediaPipe has about 1.5 %). A few keypoints are outliers, ten times as far off, and have a low
    score.
    """
    size = np.ptp(keypoints_px, axis=0).max()
    outlier = rng.random(len(keypoints_px)) < outlier_share
    spread = noise * size * np.where(outlier, 10.0, 1.0)
    scores = np.where(
        outlier, rng.uniform(0.1, 0.6, outlier.shape), rng.uniform(0.5, 1.0, outlier.shape)
    )
    return keypoints_px + spread[:, None] * rng.standard_normal(keypoints_px.shape), scores


def disturb_mask(
    rng: np.random.Generator, mask: Mask, kind: MaskDisturbance, *, wrist_px: FloatArray
) -> Mask:
    """
    Return a mask (H, W) in [0, 1] as a segmentation network would give for the true ``mask``.

    ``eroded`` and ``dilated`` by 0.4 % to 1.2 % of the image's side; ``holes``: up to five, round,
    inside or at the border; ``arm``: a stripe of it beyond ``wrist_px`` (2,), away from the hand's
    middle; ``unsure``: holes and arm, of probabilities between 0.35 and 0.65; ``all``: holes and
    arm, then eroded or dilated. All are blurred a little.
    """
    disturbed = (mask > 0.5).astype(np.uint8)
    if kind in ('holes', 'unsure', 'all'):
        _punch_holes(rng, disturbed)
    if kind in ('arm', 'unsure', 'all'):
        _add_arm(rng, disturbed, wrist_px)
    if kind == 'all':
        kind = 'eroded' if rng.random() < 0.5 else 'dilated'
    if kind in ('eroded', 'dilated'):
        radius = max(1, round(rng.uniform(0.004, 0.012) * max(mask.shape)))
        element = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1,) * 2)
        operation = cv2.erode if kind == 'eroded' else cv2.dilate
        disturbed = np.asarray(operation(disturbed, element), dtype=np.uint8)
    probability = disturbed.astype(np.float32)
    if kind == 'unsure':
        wrong = probability != (mask > 0.5)
        probability[wrong] = 0.5 + rng.uniform(0.05, 0.15) * (2.0 * probability[wrong] - 1.0)
    blurred = cv2.GaussianBlur(probability, (0, 0), 1.0)
    return np.asarray(blurred, dtype=np.float32)


def _punch_holes(rng: np.random.Generator, mask: NDArray[np.uint8]) -> None:
    rows, columns = np.nonzero(mask)
    for _ in range(rng.integers(1, 6)):
        i = rng.integers(len(rows))
        radius = int(rng.uniform(0.01, 0.04) * max(mask.shape)) + 1
        cv2.circle(mask, (int(columns[i]), int(rows[i])), radius, (0,), -1)


def _add_arm(rng: np.random.Generator, mask: NDArray[np.uint8], wrist_px: FloatArray) -> None:
    rows, columns = np.nonzero(mask)
    away = wrist_px - np.array([columns.mean(), rows.mean()])
    away /= max(float(np.linalg.norm(away)), 1e-6)
    width = 0.25 * np.sqrt(len(rows))
    end = wrist_px + rng.uniform(0.05, 0.2) * max(mask.shape) * away
    across = width * np.array([-away[1], away[0]])
    corners = np.stack([wrist_px - across, wrist_px + across, end + across, end - across])
    cv2.fillConvexPoly(mask, np.round(corners).astype(np.int32), (1,))


def _bisect(error: Callable[[float], float], wanted: float) -> float:
    """Return a size at which a roughly rising ``error`` is as wanted."""
    low, high = 0.0, 1.5
    for _ in range(30):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if error(middle) < wanted else (low, middle)
    return 0.5 * (low + high)


_CAMERAS = ('zed2i', 'zedm')
# An arm's length and less.
_DISTANCE_M = (0.25, 0.55)
_CROP_MARGIN = 1.35


@dataclass(frozen=True, eq=False)
class RefinementSample:
    """
    One hand: ``estimate`` is what the refinement gets, the rest is true.

    ``masks`` (H, W) and ``wrists_px`` (2,) are those of the crops, view by view.
    """

    estimate: HandEstimate
    truth: HandParameters
    vertices: FloatArray
    wrist: FloatArray
    masks: tuple[Mask, ...]
    wrists_px: tuple[FloatArray, ...]

    def with_masks(self, seed: int, kind: MaskDisturbance) -> RefinementSample:
        """Return the sample with disturbed masks in place of the true ones."""
        rng = np.random.default_rng(seed)
        views = tuple(
            replace(view, target=disturb_mask(rng, mask, kind, wrist_px=wrist))
            for view, mask, wrist in zip(
                self.estimate.views, self.masks, self.wrists_px, strict=True
            )
        )
        return replace(self, estimate=replace(self.estimate, views=views))

    def without_keypoints(self) -> RefinementSample:
        """Return the sample without detected keypoints."""
        views = tuple(replace(view, keypoints_px=None) for view in self.estimate.views)
        return replace(self, estimate=replace(self.estimate, views=views))

    def first_view(self) -> RefinementSample:
        """Return the sample as one camera has it."""
        views = self.estimate.views[:1]
        return replace(
            self, estimate=replace(self.estimate, views=views), masks=self.masks[:1],
            wrists_px=self.wrists_px[:1],
        )  # fmt: skip


@dataclass(frozen=True)
class SampleErrors:
    """IoU with the true masks, aligned vertex error (m), wrist and mesh centre error (m)."""

    iou: float
    aligned_error: float
    wrist_error: float
    centre_error: float


@dataclass(frozen=True, eq=False)
class SampleScores:
    """The fields of SampleErrors for N samples, arrays (N,)."""

    iou: FloatArray
    aligned_error: FloatArray
    wrist_error: FloatArray
    centre_error: FloatArray


class RefinementSampler:
    """
    Draws samples for one right hand model.

    ``size`` is the crops' side in pixels, ``keypoint_noise`` that of disturb_keypoints. A true
    hand may differ from the model's surface by smooth offsets of the size ``surface_m``.
    """

    def __init__(
        self,
        data: HandModelData,
        *,
        size: int = 224,
        keypoint_noise: float = 0.015,
        surface_m: float = 0.0,
        disturbance: HandDisturbance | None = None,
    ) -> None:
        self.data = data
        self._model = FastHandModel(data, dtype=np.float64)
        self._poses = PoseSampler(data)
        self._size = size
        self._keypoint_noise = keypoint_noise
        self._surface_m = surface_m
        self._disturbance = disturbance

    def draw(self, seed: int) -> RefinementSample:
        """Return the sample of a seed."""
        rng = np.random.default_rng(seed)
        rig = sample_rig(rng, _CAMERAS[rng.integers(len(_CAMERAS))], 'HD720')
        truth = self._true_hand(rng, rig)
        posed = self._model.forward(truth.pose_aa, truth.shape, truth.translation)
        vertices = posed.vertices + truth.vertex_offsets
        start = disturb_hand(
            rng, self._model, truth.pose_aa, truth.shape, truth.translation, self._disturbance
        )
        views = [self._observe(rng, camera, vertices, posed.keypoints) for camera in rig.views]
        return RefinementSample(
            estimate=HandEstimate(HandParameters(*start), tuple(views)),
            truth=truth,
            vertices=vertices,
            wrist=posed.joints[0],
            masks=tuple(view.target for view in views if view.target is not None),
            wrists_px=tuple(view.camera.project(posed.joints[0]) for view in views),
        )

    def errors(self, sample: RefinementSample, parameters: HandParameters) -> SampleErrors:
        """Return how far some parameters are from the truth."""
        posed = self._model.forward(parameters.pose_aa, parameters.shape, parameters.translation)
        vertices = self.vertices(parameters)
        overlaps = [
            mask_iou(self._mask(vertices, view.camera), mask > 0.5)
            for view, mask in zip(sample.estimate.views, sample.masks, strict=True)
        ]
        aligned = procrustes_aligned(vertices, sample.vertices, allow_reflection=False)
        centre = vertices.mean(axis=0) - sample.vertices.mean(axis=0)
        return SampleErrors(
            float(np.mean(overlaps)),
            mean_position_error(aligned, sample.vertices),
            float(np.linalg.norm(posed.joints[0] - sample.wrist)),
            float(np.linalg.norm(centre)),
        )

    def scores(
        self, samples: Sequence[RefinementSample], parameters: Sequence[HandParameters]
    ) -> SampleScores:
        """Return how far parameters, one for each sample, are from the truth."""
        pairs = zip(samples, parameters, strict=True)
        rows = np.array([astuple(self.errors(sample, found)) for sample, found in pairs])
        return SampleScores(*rows.T)

    def vertices(self, parameters: HandParameters) -> FloatArray:
        """Return the mesh (778, 3) of some parameters."""
        posed = self._model.forward(parameters.pose_aa, parameters.shape, parameters.translation)
        vertices: FloatArray = posed.vertices + parameters.vertex_offsets
        return vertices

    def _true_hand(self, rng: np.random.Generator, rig: StereoRig) -> HandParameters:
        mix = VIEW_MIXES[rng.integers(len(VIEW_MIXES))]
        up = sample_up(rng, mix)
        placement = sample_placement(rng, mix, 'right', rig, up, _DISTANCE_M)
        fingers = self._poses.sample(rng, 1)[0]
        pose = np.concatenate([matrix_to_axis_angle(placement.rotation), fingers])
        shape = rng.standard_normal(10)
        translation = placement.wrist - self._model.forward(pose, shape).joints[0]
        return HandParameters(pose, shape, translation, self._surface(rng))

    def _surface(self, rng: np.random.Generator) -> FloatArray:
        """Return smooth offsets (778, 3): bumps of two centimetres' width on the rest pose."""
        rest = self._model.data.v_template
        centres = rest[rng.integers(len(rest), size=24)]
        distance = np.linalg.norm(rest[:, None] - centres, axis=2)
        bumps = np.exp(-0.5 * (distance / 0.02) ** 2) @ rng.standard_normal((24, 3))
        size = max(float(np.sqrt((bumps**2).sum(axis=1).mean())), 1e-9)
        offsets: FloatArray = self._surface_m / size * bumps
        return offsets

    def _observe(
        self,
        rng: np.random.Generator,
        camera: PinholeCamera,
        vertices: FloatArray,
        keypoints: FloatArray,
    ) -> ViewObservation:
        detected, scores = disturb_keypoints(
            rng, camera.project(keypoints), noise=self._keypoint_noise
        )
        affine = crop_affine(detected, self._size, _CROP_MARGIN, camera.intrinsics)
        crop = camera.cropped(affine, self._size, self._size)
        mask = self._mask(vertices, crop).astype(np.float32)
        return ViewObservation(crop, mask, apply_affine(affine, detected), scores)

    def _mask(self, vertices: FloatArray, camera: PinholeCamera) -> NDArray[np.bool_]:
        return rasterize(camera.to_camera(vertices), self.data.faces, camera).mask


# A picture of the samples that a refinement left furthest from the truth, to be looked at.

Image = NDArray[np.uint8]

_TILE_PX = 224
_ARM_COLOUR, _MISSING_COLOUR = (160, 60, 0), (0, 130, 0)


def write_sheet(
    path: Path,
    sampler: RefinementSampler,
    samples: Sequence[RefinementSample],
    refinements: Sequence[Refinement],
    worst: int = 20,
) -> None:
    """
    Write a PNG of the ``worst`` samples by IoU with the true masks, in two columns.

    A row shows the start, the refined hand in each view, and the truth. What sticks out of the
    true mask is red, what the mesh leaves uncovered green, and what only the target mask holds
    (an arm) blue.
    """
    scores = sampler.scores(samples, [refinement.parameters for refinement in refinements])
    rows = []
    for index in np.argsort(scores.iou)[:worst]:
        row = _row(sampler, samples[index], refinements[index])
        label = (
            f'{index}: IoU {scores.iou[index]:.3f}, PA {1e3 * scores.aligned_error[index]:.1f} mm'
        )
        cv2.putText(row, label, (4, 14), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (255, 255, 255), 1)
        rows.append(row)
    half = -(-len(rows) // 2)
    rows += [np.zeros_like(rows[0])] * (2 * half - len(rows))
    cv2.imwrite(str(path), np.hstack([np.vstack(rows[:half]), np.vstack(rows[half:])]))


def _row(sampler: RefinementSampler, sample: RefinementSample, result: Refinement) -> Image:
    faces, views = sampler.data.faces, sample.estimate.views
    start = sampler.vertices(sample.estimate.parameters)
    tiles = [_tile(start, faces, views[0], sample.masks[0])]
    tiles += [
        _tile(result.vertices, faces, view, mask)
        for view, mask in zip(views, sample.masks, strict=True)
    ]
    tiles.append(_tile(sample.vertices, faces, views[0], sample.masks[0]))
    return np.hstack(tiles)


def _tile(
    vertices: FloatArray,
    faces: NDArray[np.int64],
    view: ViewObservation,
    mask: NDArray[np.float32],
) -> Image:
    """Shade a mesh in a view's crop, over the masks."""
    vertices_cam = view.camera.to_camera(vertices)
    fragments = rasterize(vertices_cam, faces, view.camera)
    corners = vertices_cam[faces]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    facing = np.abs(normals[:, 2]) / np.maximum(np.linalg.norm(normals, axis=1), 1e-12)
    shade = 60 + 170 * facing[np.maximum(fragments.face_id, 0)]
    is_hand = mask > 0.5
    image = np.zeros((*mask.shape, 3))
    if view.target is not None:
        image[(view.target > 0.5) & ~is_hand] = _ARM_COLOUR
    image[fragments.mask] = shade[fragments.mask, None]
    image[fragments.mask & ~is_hand] *= (0.3, 0.3, 1.0)
    image[~fragments.mask & is_hand] = _MISSING_COLOUR
    return np.asarray(cv2.resize(image.astype(np.uint8), (_TILE_PX, _TILE_PX)), dtype=np.uint8)
