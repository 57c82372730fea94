"""One arm of a scene: hand, forearm and what is worn on it, as meshes, with the hand's truth."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from realhands_ros.data.topology import Handedness
from realhands_ros.geometry.rasterizer import vertex_normals
from realhands_ros.geometry.rotations import matrix_to_axis_angle
from realhands_ros.hand.fast_model import FastHandModel
from realhands_ros.hand.model_file import (
    HandModelData,
    UvAtlas,
    default_model_folder,
    load_hand_model_data,
    load_uv_atlas,
)
from realhands_ros.hand.pose_sampler import PoseSampler
from realhands_ros.synthesis.forearm import (
    ARM_TO_SHOULDER_M,
    LONG_ARM_M,
    ArmCurve,
    arm_curve,
    band_mesh,
    boundary_loop,
    forearm_mesh,
)
from realhands_ros.synthesis.mesh import MeshGeometry, unit
from realhands_ros.synthesis.placement import HandPlacement
from realhands_ros.synthesis.scene import HandTruth, Label, Material, SceneMesh
from realhands_ros.synthesis.skin import SkinLook, paint_skin
from realhands_ros.synthesis.skin_atlas import SKIN_SPECULAR, SkinAtlas
from realhands_ros.synthesis.skin_features import SkinFeatures, arm_features
from realhands_ros.synthesis.textures import plain, sample_texture

FloatArray = NDArray[np.float64]

_ATLAS_SIZES = (128, 192, 256, 384, 512, 768, 1024)
# Side of a texel of a hand's atlas of one texel, metres: the atlas is this wide on the skin.
_ATLAS_WIDTH_M = 0.28
# Texels around and along the texture of a bare forearm, for a hand's atlas of 512 texels.
_ARM_TEXELS = (128, 384)
_HALF_WRIST_WIDTH_M = 0.029


@dataclass(frozen=True, eq=False)
class Clothing:
    """
    What covers an arm.

    ``sleeve_start`` metres from the wrist's edge (None: bare), ``sleeve_gap`` from the skin,
    ``fold_seed``; ``band_start`` of a watch or bracelet or None. Each with material and tint.
    """

    sleeve_start: float | None
    sleeve_gap: float
    sleeve_material: Material
    sleeve_tint: tuple[float, float, float]
    fold_seed: int
    band_start: float | None
    band_width: float
    band_material: Material


@dataclass(frozen=True, eq=False)
class Arm:
    """
    The meshes of one arm and the truth of its hand.

    ``shoulder`` (3,) is where the arm joins a body, in the rig's frame, or None.
    """

    meshes: tuple[SceneMesh, ...]
    truth: HandTruth
    shoulder: FloatArray | None


def sample_clothing(rng: np.random.Generator) -> Clothing:
    """Draw a sleeve of any length and brightness, or none."""
    kind = rng.random()
    start: float | None = None
    if kind < 0.45:
        start = rng.uniform(-0.012, 0.04)
    elif kind < 0.65:
        start = rng.uniform(0.04, 0.18)
    brightness = np.exp(rng.uniform(np.log(0.03), np.log(1.2)))
    hue = 1 + rng.uniform(0, 0.8) * rng.uniform(-1, 1, 3)
    tint = np.clip(brightness * hue, 0.015, 1.3)
    metal = rng.random() < 0.3
    grey = rng.uniform(0.02, 0.5)
    return Clothing(
        sleeve_start=start,
        sleeve_gap=rng.uniform(0.002, 0.014),
        sleeve_material=sample_texture(rng, 'cloth'),
        sleeve_tint=(float(tint[0]), float(tint[1]), float(tint[2])),
        fold_seed=int(rng.integers(2**31)),
        band_start=rng.uniform(0.008, 0.05) if rng.random() < 0.15 else None,
        band_width=rng.uniform(0.006, 0.028),
        band_material=plain(
            (0.8, 0.75, 0.6) if metal else (grey, grey, grey * rng.uniform(0.7, 1.2)),
            0.3 if metal else 0.6,
        ),
    )


class ArmBuilder:
    """Poses, places and dresses hands of one model, right and left."""

    def __init__(self, model_folder: Path | None = None) -> None:
        """Read the models of a folder (None: the open hand); ModelFileError when it has none."""
        folder = model_folder or default_model_folder()
        self._data: dict[Handedness, HandModelData] = {}
        self._models: dict[Handedness, FastHandModel] = {}
        self._atlases: dict[Handedness, UvAtlas] = {}
        sides: tuple[Handedness, ...] = ('right', 'left')
        for side in sides:
            self._data[side] = load_hand_model_data(folder, side)
            self._models[side] = FastHandModel(self._data[side], dtype=np.float64)
            self._atlases[side] = load_uv_atlas(folder, side)
        self._sampler = PoseSampler(self._data['right'])
        self._loops = {side: boundary_loop(self._data[side].faces) for side in sides}
        self._skin_atlases: dict[int, SkinAtlas] = {}
        # Both hands of a person, and all frames of a film, wear the same skin.
        self._skins = lru_cache(maxsize=2)(self._paint_skins)
        self._arm_features = lru_cache(maxsize=4)(self._lay_out_arm)

    def sample_finger_pose(self, rng: np.random.Generator, handedness: Handedness) -> FloatArray:
        """Draw a finger pose (45,): mostly of 6 principal components, as in the paper."""
        components = 6 if rng.random() < 0.7 else None
        pose = self._sampler.sample(rng, 1, components)[0]
        return pose if handedness == 'right' else _mirrored_pose(pose)

    def build(
        self,
        placement: HandPlacement,
        handedness: Handedness,
        finger_pose: FloatArray,
        shape: FloatArray,
        skin: SkinLook,
        clothing: Clothing,
        *,
        girth: float,
        pixel_m: float,
        is_main: bool = True,
    ) -> Arm:
        """
        Return one arm.

        ``finger_pose`` (45,) and ``shape`` (10,) are the model's; ``girth`` of the forearm, 1 for
        an average; ``pixel_m`` the size of a pixel on the hand, which the textures match.
        The main arm is the one that the sample is about.
        """
        truth = self._pose_hand(placement, handedness, finger_pose, shape)
        curve = self._arm_curve(truth, placement, girth)
        size = _atlas_size(pixel_m)
        hand_label = Label.HAND if is_main else Label.OTHER_HAND
        arm_label = Label.ARM if is_main else Label.OTHER_ARM
        arm = forearm_mesh(curve)
        hand_normals, arm_normals = _joined_normals(truth, arm, self._loops[handedness])
        atlas = self._atlases[handedness]
        hand_skin, arm_skin = self._skins(skin, size)
        hand_mesh = SceneMesh(
            hand_label,
            truth.vertices,
            truth.faces,
            hand_normals,
            atlas.uv.astype(np.float64),
            atlas.face_uv.astype(np.int64),
            hand_skin,
        )
        arm_mesh = _mesh(arm._replace(normals=arm_normals), arm_label, arm_skin)
        worn = [_mesh_worn(part, arm_label, clothing) for part in _worn(curve, clothing)]
        shoulder = curve.end if placement.has_body else None
        return Arm((hand_mesh, arm_mesh, *worn), truth, shoulder)

    def _pose_hand(
        self,
        placement: HandPlacement,
        handedness: Handedness,
        finger_pose: FloatArray,
        shape: FloatArray,
    ) -> HandTruth:
        data = self._data[handedness]
        pose = np.concatenate([matrix_to_axis_angle(placement.rotation), finger_pose])
        rest_wrist = data.joint_regressor[0] @ (data.v_template + data.shapedirs @ shape)
        translation = placement.wrist - rest_wrist
        output = self._models[handedness].forward(pose, shape, translation)
        return HandTruth(
            handedness=handedness,
            pose_aa=pose,
            shape=shape,
            translation=translation,
            vertices=output.vertices,
            joints=output.joints,
            keypoints=output.keypoints,
            faces=data.faces,
            skin_weights=data.skin_weights,
        )

    def _arm_curve(self, truth: HandTruth, placement: HandPlacement, girth: float) -> ArmCurve:
        loop = truth.vertices[self._loops[truth.handedness]]
        fingers = -placement.rotation[:, 0] * (1.0 if truth.handedness == 'right' else -1.0)
        spread = np.linalg.norm(loop - loop.mean(0), axis=1).max()
        return arm_curve(
            loop,
            fingers,
            placement.rotation[:, 1],
            placement.to_elbow,
            placement.to_shoulder,
            girth=girth * spread / _HALF_WRIST_WIDTH_M,
            length=ARM_TO_SHOULDER_M if placement.has_body else LONG_ARM_M,
        )

    def _paint_skins(self, skin: SkinLook, size: int) -> tuple[Material, Material]:
        """Return the textures of one person's hand and forearm."""
        return self._skin_atlas(size).paint(skin), self._arm_skin(skin, size)

    def _skin_atlas(self, size: int) -> SkinAtlas:
        if size not in self._skin_atlases:
            self._skin_atlases[size] = SkinAtlas.of(
                self._data['right'], self._atlases['right'], size
            )
        return self._skin_atlases[size]

    def _arm_skin(self, skin: SkinLook, size: int) -> Material:
        """Return the texture of a bare forearm that continues the hand's at the wrist."""
        features, shape = self._arm_features(size)
        points = paint_skin(skin, features)
        return Material(
            albedo=points.albedo.reshape(*shape, 3),
            roughness=points.roughness.reshape(shape),
            height=points.height.reshape(shape),
            subsurface=1.0,
            specular=SKIN_SPECULAR,
        )

    def _lay_out_arm(self, size: int) -> tuple[SkinFeatures, tuple[int, int]]:
        """Return what there is to paint on a forearm's texture, and its height and width."""
        data = self._data['right']
        loop = data.v_template[self._loops['right']]
        along = np.array([1.0, 0.0, 0.0])
        curve = arm_curve(loop, -along, np.array([0.0, 1.0, 0.0]), along, along, girth=1.0)
        rest = forearm_mesh(curve)
        rings = rest.vertices.reshape(-1, len(loop), 3)
        rings = np.concatenate([rings, rings[:, :1]], axis=1)
        width, height = (texels * size // 512 for texels in _ARM_TEXELS)
        position = _stretched(rings, width, height)
        dorsal = _stretched(
            np.clip(0.5 + unit(rings - rings.mean(1, keepdims=True))[..., 1:2], 0, 1),
            width,
            height,
        )
        return arm_features(position.reshape(-1, 3), dorsal.ravel()), (height, width)


def _worn(curve: ArmCurve, clothing: Clothing) -> list[tuple[str, MeshGeometry]]:
    parts = []
    if clothing.sleeve_start is not None:
        rings, around = 28, 24
        folds = _folds(clothing, rings, around)
        sleeve = band_mesh(
            curve,
            clothing.sleeve_start,
            curve.length - 0.01,
            gap=clothing.sleeve_gap,
            folds=folds,
            around=around,
            rings=rings,
        )
        parts.append(('sleeve', sleeve))
    covered = clothing.sleeve_start if clothing.sleeve_start is not None else np.inf
    start = clothing.band_start
    if start is not None and start + clothing.band_width < covered:
        band = band_mesh(curve, start, start + clothing.band_width, gap=0.003, rings=3)
        parts.append(('band', band))
    return parts


def _folds(clothing: Clothing, rings: int, around: int) -> FloatArray:
    """Return the cloth's folds in metres (rings, around): deeper away from the hem."""
    rng = np.random.default_rng(clothing.fold_seed)
    field = rng.standard_normal((rings, around))
    padded = cv2.GaussianBlur(np.tile(field, (1, 3)), (0, 0), sigmaX=2.2, sigmaY=1.0)
    folds = padded[:, around : 2 * around]
    folds = folds / (folds.std() + 1e-9) * rng.uniform(0.0015, 0.005)
    grows = np.clip(np.arange(rings) / 4.0, 0.25, 1.0)[:, None]
    widens = np.linspace(0, rng.uniform(0.004, 0.02), rings)[:, None]
    return np.asarray(np.maximum(folds * grows, -0.6 * clothing.sleeve_gap) + widens)


def _mesh_worn(part: tuple[str, MeshGeometry], label: Label, clothing: Clothing) -> SceneMesh:
    name, geometry = part
    if name == 'sleeve':
        return _mesh(geometry, label, clothing.sleeve_material, clothing.sleeve_tint)
    return _mesh(geometry, label, clothing.band_material)


def _mesh(
    geometry: MeshGeometry,
    label: Label,
    material: Material,
    tint: tuple[float, float, float] = (1.0, 1.0, 1.0),
) -> SceneMesh:
    return SceneMesh(label, *geometry, material, tint=tint)


def _joined_normals(
    truth: HandTruth, arm: MeshGeometry, loop: NDArray[np.int64]
) -> tuple[FloatArray, FloatArray]:
    """Return the normals of hand and forearm, smooth across the wrist's edge."""
    count = len(truth.vertices)
    # Ring 0 of the forearm is the loop itself.
    renumber = np.concatenate([loop, np.arange(count, count + len(arm.vertices) - len(loop))])
    vertices = np.concatenate([truth.vertices, arm.vertices[len(loop) :]])
    normals = vertex_normals(vertices, np.concatenate([truth.faces, renumber[arm.faces]]))
    return normals[:count], normals[renumber]


def _mirrored_pose(pose: FloatArray) -> FloatArray:
    return np.asarray((pose.reshape(-1, 3) * [1.0, -1.0, -1.0]).ravel())


def _atlas_size(pixel_m: float) -> int:
    """Return the smallest atlas with texels smaller than a pixel."""
    wanted = _ATLAS_WIDTH_M / pixel_m
    return next((size for size in _ATLAS_SIZES if size >= wanted), _ATLAS_SIZES[-1])


def _stretched(grid: FloatArray, width: int, height: int) -> NDArray[np.float32]:
    """Interpolate (R, K, C) to (height, width, C), corner to corner."""
    rows = np.linspace(0, grid.shape[0] - 1, height, dtype=np.float32)
    columns = np.linspace(0, grid.shape[1] - 1, width, dtype=np.float32)
    x, y = np.meshgrid(columns, rows)
    values = cv2.remap(grid.astype(np.float32), x, y, cv2.INTER_LINEAR)
    return np.asarray(values, dtype=np.float32)
