"""Things in the hand or before it, which hide parts of it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from realhands_ros.data.topology import KEYPOINT_NAMES
from realhands_ros.synthesis.mesh import MeshGeometry, box, cylinder, ellipsoid, unit
from realhands_ros.synthesis.scene import HandTruth, Label, Material, SceneMesh
from realhands_ros.synthesis.textures import plain, sample_texture

FloatArray = NDArray[np.float64]

_INDEX = KEYPOINT_NAMES.index('index_mcp')
_MIDDLE = KEYPOINT_NAMES.index('middle_mcp')
_LITTLE = KEYPOINT_NAMES.index('little_mcp')
_HALF_PALM_M = 0.016


def held_object(rng: np.random.Generator, hand: HandTruth) -> SceneMesh:
    """Return a bottle, phone, pen or ball that lies against the palm."""
    geometry, thickness = _sample_shape(rng)
    points = hand.keypoints
    across = unit(points[_LITTLE] - points[_INDEX])
    along = unit(points[_MIDDLE] - points[0])
    side = 1.0 if hand.handedness == 'right' else -1.0
    out_of_palm = unit(np.cross(across, along)) * side
    axes = np.stack([np.cross(along, across), along, across], axis=1)
    middle = 0.35 * points[0] + 0.65 * points[_MIDDLE] + rng.normal(0, 0.008, 3)
    position = middle + out_of_palm * (_HALF_PALM_M + thickness)
    turn = Rotation.from_rotvec(rng.normal(0, 0.25, 3)).as_matrix()
    return _mesh(rng, geometry.transformed(turn @ axes, position))


def object_before(rng: np.random.Generator, hand: HandTruth) -> SceneMesh:
    """Return something between the camera and an edge of the hand."""
    geometry, _ = _sample_shape(rng)
    target = hand.keypoints[rng.integers(len(hand.keypoints))]
    target = target + rng.normal(0, 0.03, 3)
    turn = Rotation.random(random_state=int(rng.integers(2**31))).as_matrix()
    return _mesh(rng, geometry.transformed(turn, target * rng.uniform(0.55, 0.85)))


def _sample_shape(rng: np.random.Generator) -> tuple[MeshGeometry, float]:
    """Return a shape whose long side is its z axis, and half its thickness along x."""
    kind = rng.integers(4)
    if kind == 0:
        radius = rng.uniform(0.008, 0.036)
        return cylinder(radius, rng.uniform(0.09, 0.2)), radius
    if kind == 1:
        size = rng.uniform([0.006, 0.05, 0.09], [0.03, 0.08, 0.16])
        return box(size), size[0] / 2
    if kind == 2:
        radius = rng.uniform(0.0035, 0.006)
        return cylinder(radius, rng.uniform(0.12, 0.17)), radius
    radius = rng.uniform(0.018, 0.038)
    return ellipsoid([radius] * 3), radius


def _mesh(rng: np.random.Generator, geometry: MeshGeometry) -> SceneMesh:
    material: Material
    if rng.random() < 0.6:
        colour = rng.uniform(0.03, 0.95, 3)
        material = plain((colour[0], colour[1], colour[2]), rng.uniform(0.15, 0.7))
    else:
        material = sample_texture(rng, ('clutter', 'print', 'wood', 'cloth')[rng.integers(4)])
    return SceneMesh(Label.OBJECT, *geometry, material)
