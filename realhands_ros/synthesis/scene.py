"""
One synthetic scene: everything that a renderer needs, and the truth about the hand in it.

All positions are metres in the rig's frame, the left optical frame (x right, y down, z forward).
Colours are linear RGB.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from realhands_ros.data.topology import Handedness
from realhands_ros.geometry.camera import StereoRig
from realhands_ros.synthesis.config import ViewMix

FloatArray = NDArray[np.float64]
Texture = NDArray[np.float32]
IntArray = NDArray[np.int64]


class Label(IntEnum):
    """What a pixel shows; the hand mask of a sample is ``labels == Label.HAND``."""

    BACKGROUND = 0
    HAND = 1
    ARM = 2
    OTHER_HAND = 3
    OTHER_ARM = 4
    OBJECT = 5


@dataclass(frozen=True, eq=False)
class Material:
    """
    How a surface looks.

    ``albedo`` (H, W, 3), linear; textures repeat by reflection. ``roughness`` (H, W) in 0..1.
    ``height`` (H, W) metres of relief along the normal, or None. ``subsurface`` is 1 for skin, 0
    for everything without scattering below its surface. ``specular`` is the reflectance at normal
    incidence. An ``emissive`` surface shows its albedo whatever the light (photographs).
    """

    albedo: Texture
    roughness: Texture
    height: Texture | None = None
    subsurface: float = 0.0
    specular: float = 0.04
    emissive: bool = False


@dataclass(frozen=True, eq=False)
class SceneMesh:
    """
    A textured triangle mesh.

    ``vertices`` (V, 3) metres, rig frame; ``faces`` (F, 3); ``normals`` (V, 3) unit, smooth across
    meshes that are joined; ``uv`` (T, 2) with (0, 0) the middle of the texture's first texel and
    (1, 1) that of its last; ``face_uv`` (F, 3) indexes ``uv``. ``is_backdrop`` marks what lies
    behind the hands and is drawn without supersampling. ``tint`` (3,) multiplies the albedo.
    """

    label: Label
    vertices: FloatArray
    faces: IntArray
    normals: FloatArray
    uv: FloatArray
    face_uv: IntArray
    material: Material
    is_backdrop: bool = False
    tint: tuple[float, float, float] = (1.0, 1.0, 1.0)


@dataclass(frozen=True, eq=False)
class Lighting:
    """
    A soft environment and one key light.

    ``environment`` (9, 3): radiance as real spherical harmonics of order 2 over directions in the
    rig's frame. ``key_direction`` (3,) points towards the light, ``key_irradiance`` (3,) arrives
    on a surface that faces it, ``key_radius`` is its angular radius in radians.
    """

    environment: FloatArray
    key_direction: FloatArray
    key_irradiance: FloatArray
    key_radius: float


@dataclass(frozen=True, eq=False)
class CameraEffects:
    """
    What lens, sensor and image processing add; arrays of two are (left, right).

    ``exposure`` (2,) factors on top of automatic exposure; ``white_balance`` (2, 3) gains;
    ``blur_sigma`` pixels; ``motion_px`` (2,) path of the hand and ``shake_px`` (2,) of the camera
    during the exposure; ``vignetting`` relative loss in the corners; ``shot_noise`` and
    ``read_noise`` standard deviations at full and no signal; ``sharpening`` amount of the unsharp
    mask; ``contrast`` exponent; ``saturation`` factor; ``jpeg_quality`` None for uncompressed;
    ``seed`` of the noise.
    """

    exposure: FloatArray
    white_balance: FloatArray
    blur_sigma: float
    motion_px: FloatArray
    shake_px: FloatArray
    vignetting: float
    shot_noise: float
    read_noise: float
    sharpening: float
    contrast: float
    saturation: float
    jpeg_quality: int | None
    seed: int


@dataclass(frozen=True, eq=False)
class HandTruth:
    """
    The hand of a scene, in the rig's frame.

    ``pose_aa`` (48,) axis-angle, wrist first, relative to the flat hand; ``shape`` (10,);
    ``translation`` (3,); ``vertices`` (778, 3); ``joints`` (16, 3); ``keypoints`` (21, 3); and the
    model's ``faces`` (1538, 3) and ``skin_weights`` (778, 16).
    """

    handedness: Handedness
    pose_aa: FloatArray
    shape: FloatArray
    translation: FloatArray
    vertices: FloatArray
    joints: FloatArray
    keypoints: FloatArray
    faces: IntArray
    skin_weights: FloatArray


@dataclass(frozen=True, eq=False)
class Scene:
    """A rig, what it looks at, and the hand that the sample is about."""

    rig: StereoRig
    meshes: tuple[SceneMesh, ...]
    lighting: Lighting
    effects: CameraEffects
    hand: HandTruth
    view_mix: ViewMix
