"""
Hands with known truth and disturbed observations, for measuring the refinement without a network.

Poses are those of the pose sampler, placements and rigs those of the synthetic dataset; crops are
cut around detected keypoints as the live system does; masks are hard renderings of the true mesh.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass, replace

import numpy as np
from numpy.typing import NDArray

from realhands_ros.evaluation.disturbance import (
    HandDisturbance,
    MaskDisturbance,
    disturb_hand,
    disturb_keypoints,
    disturb_mask,
)
from realhands_ros.evaluation.metrics import mask_iou, mean_position_error, procrustes_aligned
from realhands_ros.geometry.camera import PinholeCamera, StereoRig
from realhands_ros.geometry.crop import apply_affine, crop_affine
from realhands_ros.geometry.rasterizer import rasterize
from realhands_ros.geometry.rotations import matrix_to_axis_angle
from realhands_ros.hand.fast_model import FastHandModel
from realhands_ros.hand.model_file import HandModelData
from realhands_ros.hand.pose_sampler import PoseSampler
from realhands_ros.refinement.hand_estimate import HandEstimate, HandParameters, ViewObservation
from realhands_ros.synthesis.config import VIEW_MIXES
from realhands_ros.synthesis.placement import sample_placement, sample_up
from realhands_ros.synthesis.rigs import sample_rig

FloatArray = NDArray[np.float64]
Mask = NDArray[np.float32]

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
