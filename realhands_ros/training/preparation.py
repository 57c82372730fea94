"""
From a sample to what the network sees of it: detected keypoints, crop, targets in its axes.

Runs in the loader's processes. Scale, rotation and position of the crop vary at random; the crop
follows the detected keypoints, not the true ones, as it does when the system runs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from realhands_ros.data.topology import NUM_KEYPOINTS, NUM_SHAPE
from realhands_ros.geometry.camera import PinholeCamera
from realhands_ros.geometry.crop import (
    CropView,
    apply_affine,
    crop_affine,
    crop_image,
    crop_view,
    in_plane_rotation,
    turn_of,
)
from realhands_ros.geometry.mirror import (
    mirror_axis_angle,
    mirror_camera,
    mirror_pixels,
    mirror_points,
)
from realhands_ros.geometry.rotations import axis_angle_to_matrix, matrix_to_axis_angle
from realhands_ros.handnet.config import REFERENCE_KEYPOINT, HandNetConfig
from realhands_ros.training.hand_source import Detection, HandSample, ViewSample
from realhands_ros.training.keypoint_noise import KeypointNoise

FloatArray = NDArray[np.float64]
Row = dict[str, NDArray[np.generic]]


@dataclass(frozen=True)
class PreparationConfig:
    """
    How much crops and keypoints vary.

    ``margin``: range of factors on the network's crop margin. ``turn_deg``: largest rotation.
    ``shift``: largest displacement, share of the crop's side. ``hide_all``: share of views without
    any keypoints, so that the network stands without them; ``hide_some``: share of views in which
    single keypoints are missing; ``hide_world``: share without world landmarks.
    ``use_detections``: share of the views with a real detection that use it; the others draw from
    the noise model.
    """

    margin: tuple[float, float] = (0.85, 1.3)
    turn_deg: float = 30.0
    shift: float = 0.06
    hide_all: float = 0.08
    hide_some: float = 0.15
    hide_world: float = 0.25
    use_detections: float = 0.8


# As the system runs: what the detector says, and the crop that follows from it.
AS_DEPLOYED = PreparationConfig((1.0, 1.0), 0.0, 0.0, 0.0, 0.0, 0.0, 1.0)

_HIDDEN_SHARE = 0.3


class Preparation:
    """Prepares views for one network."""

    def __init__(
        self,
        network: HandNetConfig,
        noise: KeypointNoise,
        config: PreparationConfig | None = None,
    ) -> None:
        self._network = network
        self._noise = noise
        self._config = config or PreparationConfig()

    def rows(self, sample: HandSample, rng: np.random.Generator) -> list[Row]:
        """Return one row of TrainingBatch for each view of a hand."""
        hand = _as_right_hand(sample)
        return [self._row(hand, view, rng) for view in hand.views]

    def _row(self, hand: HandSample, view: ViewSample, rng: np.random.Generator) -> Row:
        size = self._network.input_size
        detection = self._detection(hand, view, rng)
        affine = self._affine(detection, view.camera, rng)
        crop_camera = view.camera.cropped(affine, size, size)
        axes = crop_view(crop_camera.intrinsics, size)
        keypoints_px, world = self._visible(detection, affine, rng)
        row = {
            **_pictures(view, affine, size),
            'keypoints_px': keypoints_px,
            'world': world,
            **_targets(hand, crop_camera, axes),
        }
        return {name: np.asarray(value) for name, value in row.items()}

    def _detection(
        self, hand: HandSample, view: ViewSample, rng: np.random.Generator
    ) -> Detection:
        use_real = rng.random() < self._config.use_detections
        if view.detection is not None and use_real:
            return view.detection
        keypoints_px = view.camera.project(hand.keypoints)
        keypoints_cam = view.camera.to_camera(hand.keypoints)
        return Detection(*self._noise.draw(rng, keypoints_px, keypoints_cam))

    def _affine(
        self, detection: Detection, camera: PinholeCamera, rng: np.random.Generator
    ) -> FloatArray:
        config = self._config
        turn = np.deg2rad(config.turn_deg)
        return crop_affine(
            detection.keypoints_px,
            self._network.input_size,
            self._network.crop_margin * rng.uniform(*config.margin),
            camera.intrinsics,
            turn=rng.uniform(-turn, turn),
            shift=rng.uniform(-config.shift, config.shift, 2),
        )

    def _visible(
        self, detection: Detection, affine: FloatArray, rng: np.random.Generator
    ) -> tuple[FloatArray, FloatArray]:
        """Return keypoints and world landmarks in the crop, some of them or all hidden (NaN)."""
        config = self._config
        keypoints = apply_affine(affine, detection.keypoints_px)
        world = detection.world @ in_plane_rotation(turn_of(affine)).T
        hide_all, hide_some, hide_world = rng.random(3)
        single = rng.random(NUM_KEYPOINTS) < _HIDDEN_SHARE
        if hide_some < config.hide_some:
            keypoints[single] = np.nan
        if hide_all < config.hide_all:
            keypoints[:] = np.nan
        if hide_all < config.hide_all or hide_world < config.hide_world:
            world[:] = np.nan
        return keypoints, world


def _as_right_hand(sample: HandSample) -> HandSample:
    """Return a left hand's mirror image, cameras and pictures included."""
    if sample.handedness == 'right':
        return sample
    return HandSample(
        handedness='right',
        pose_aa=mirror_axis_angle(sample.pose_aa),
        shape=sample.shape,
        keypoints=mirror_points(sample.keypoints),
        views=tuple(_mirrored(view) for view in sample.views),
        trust=sample.trust,
    )


def _mirrored(view: ViewSample) -> ViewSample:
    detection = view.detection
    if detection is not None:
        detection = Detection(
            mirror_pixels(detection.keypoints_px, view.camera.width),
            mirror_points(detection.world),
        )
    return ViewSample(
        image=view.image[:, ::-1],
        camera=mirror_camera(view.camera),
        mask=None if view.mask is None else view.mask[:, ::-1],
        detection=detection,
        mask_known=None if view.mask_known is None else view.mask_known[:, ::-1],
        marked_px=(
            None if view.marked_px is None else mirror_pixels(view.marked_px, view.camera.width)
        ),
    )


def _pictures(view: ViewSample, affine: FloatArray, size: int) -> dict[str, object]:
    image = crop_image(np.ascontiguousarray(view.image), affine, size)
    mask = np.zeros((size, size), dtype=np.uint8)
    if view.mask is not None:
        full = np.ascontiguousarray(view.mask).astype(np.uint8) * np.uint8(255)
        mask = np.where(crop_image(full, affine, size) > 127, 255, 0).astype(np.uint8)
    return {'image': image, 'mask': mask, 'has_mask': view.mask is not None}


def _targets(hand: HandSample, crop_camera: PinholeCamera, axes: CropView) -> dict[str, object]:
    """Return the truth in the axes of a crop."""
    size = crop_camera.width
    to_ndc = np.array([[2 / size, 0, 1 / size - 1], [0, 2 / size, 1 / size - 1], [0, 0, 1]])
    to_crop = axes.rotation @ crop_camera.rotation
    root = to_crop @ axis_angle_to_matrix(hand.pose_aa[:3])
    relative = (hand.keypoints - hand.keypoints[REFERENCE_KEYPOINT]) @ to_crop.T
    reference_cam = crop_camera.to_camera(hand.keypoints[REFERENCE_KEYPOINT])
    return {
        'root': root,
        'root_aa': matrix_to_axis_angle(root),
        'fingers_aa': hand.pose_aa[3:],
        'shape': np.zeros(NUM_SHAPE) if hand.shape is None else hand.shape,
        'has_shape': hand.shape is not None,
        'keypoints_ndc': (2 * crop_camera.project(hand.keypoints) + 1) / size - 1,
        'keypoints': relative,
        'scale': 1 / (axes.half_angle * np.linalg.norm(reference_cam)),
        'half_angle': axes.half_angle,
        'projection': to_ndc @ crop_camera.intrinsics @ axes.rotation.T,
        'to_rig': to_crop.T,
    }
