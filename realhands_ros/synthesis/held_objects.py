"""
Things fitted into a grasp: they fill the room that thumb, fingers and palm leave between them.

The hand is posed first. A rod or ball is then the largest one that lies against the palm without
entering the hand; what is held between pads is as thick as the gap between them. So an object
touches the hand from inside and hides what lies behind it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from realhands_ros.data.topology import JOINT_NAMES, KEYPOINT_NAMES
from realhands_ros.hand.grasps import Held
from realhands_ros.synthesis.mesh import (
    MeshGeometry,
    box,
    concatenate,
    cylinder,
    ellipsoid,
    rotation_between,
    tube,
    unit,
)
from realhands_ros.synthesis.objects import object_material
from realhands_ros.synthesis.scene import HandTruth, Label, Material, SceneMesh
from realhands_ros.synthesis.textures import plain

FloatArray = NDArray[np.float64]
_Parts = list[tuple[MeshGeometry, Material]]

# Flesh gives way by this much; vertices are this sparse.
_GIVE_M = 0.0015
# An object that enters the hand deeper than this is not shown.
MAX_DEPTH_M = 0.006
_RADIUS_M = (0.004, 0.048)
_BALL_RADIUS_M = (0.010, 0.055)
_AXIS_TILT_DEG = 9.0
_TRIES = 4
_AROUND, _STEP = 20, 2


class _Frame(NamedTuple):
    """The hand's axes (3,) each: towards the little finger, to the fingers, out of the palm."""

    across: FloatArray
    along: FloatArray
    out: FloatArray


class _Solid(NamedTuple):
    """
    A simple solid that stands in for an object in tests of depth.

    ``axes`` (3, 3) columns and ``centre`` (3,) place it; ``half`` (3,): half sizes of a box, or
    radius, radius, half length of a cylinder about its third axis.
    """

    axes: FloatArray
    centre: FloatArray
    half: FloatArray
    is_round: bool

    def depth(self, points: FloatArray) -> float:
        """Return how deep the deepest of points (N, 3) lies inside, metres, 0 if none."""
        local = (points - self.centre) @ self.axes
        if self.is_round:
            rho = np.hypot(local[:, 0], local[:, 1])
            inside = np.minimum(self.half[0] - rho, self.half[2] - np.abs(local[:, 2]))
        else:
            inside = (self.half - np.abs(local)).min(1)
        return float(max(inside.max(), 0.0))


def fitted_object(rng: np.random.Generator, hand: HandTruth, held: Held) -> list[SceneMesh]:
    """Return the meshes of an object that fits this hand; none where nothing fits."""
    if held in (Held.ROD, Held.PLATE):
        return _rod_or_slab(rng, hand)
    if held is Held.BALL:
        return _ball(rng, hand)
    if held in (Held.PADS, Held.PEN, Held.SIDE):
        return _between_pads(rng, hand, held)
    return []


def _frame(hand: HandTruth) -> _Frame:
    k = hand.keypoints
    across = unit(k[_name('little_mcp')] - k[_name('index_mcp')])
    along = k[_name('middle_mcp')] - k[0]
    along = unit(along - (along @ across) * across)
    side = -1.0 if hand.handedness == 'right' else 1.0
    return _Frame(across, along, np.cross(across, along) * side)


def _name(keypoint: str) -> int:
    return KEYPOINT_NAMES.index(keypoint)


def _rod_axis(rng: np.random.Generator, hand: HandTruth) -> FloatArray:
    """Return the direction that the fingers curl about, (3,): the lines of their joints."""
    k = hand.keypoints
    lines = [
        unit(k[_name(f'little_{joint}')] - k[_name(f'index_{joint}')])
        for joint in ('mcp', 'pip', 'dip')
    ]
    axis = unit(np.sum(lines, axis=0))
    return unit(axis + np.deg2rad(_AXIS_TILT_DEG) * rng.standard_normal(3))


def _rod_or_slab(rng: np.random.Generator, hand: HandTruth) -> list[SceneMesh]:
    frame, axis = _frame(hand), _rod_axis(rng, hand)
    # The plane across the axis: along the palm, and out of it.
    u = unit(frame.along - (frame.along @ axis) * axis)
    v = np.cross(axis, u)
    v = v if v @ frame.out > 0 else -v
    centre, radius = _largest_inside(hand, np.stack([u, v], 1), frame, _RADIUS_M[1])
    if radius < _RADIUS_M[0]:
        return []
    axes = np.stack([u, np.cross(axis, u), axis], axis=1)
    turn = rng.uniform(-np.pi, np.pi)
    cosine, sine = np.cos(turn), np.sin(turn)
    axes = axes @ np.array([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1]])
    if rng.random() < 0.5:
        axes = axes * [1, -1, -1]
    # Along its axis the middle of the object lies somewhere near the middle of the palm.
    shift = rng.uniform(-0.02, 0.02)
    parts = _rod_like(rng, radius)
    return [
        SceneMesh(Label.OBJECT, *part.transformed(axes, centre + shift * axis), material)
        for part, material in parts
    ]


def _largest_inside(
    hand: HandTruth, plane: FloatArray, frame: _Frame, limit: float
) -> tuple[FloatArray, float]:
    """
    Return the centre (3,) and radius in metres of the largest circle that lies on the palm.

    ``plane`` (3, D) are the directions in which distances count: two for rods, three for balls.
    Radii stop at ``limit``.
    """
    k = hand.keypoints
    palm = 0.45 * k[0] + 0.55 * k[_name('middle_mcp')]
    points = hand.vertices[::_STEP] @ plane
    along, out = frame.along, frame.out
    shifts = np.arange(-0.01, 0.075, 0.007)
    lifts = np.arange(0.012, limit + 0.022, 0.004)
    across = np.zeros(1) if plane.shape[1] == 2 else np.array([-0.015, 0.0, 0.015])
    s, lift, a = (grid.ravel() for grid in np.meshgrid(shifts, lifts, across, indexing='ij'))
    centres = palm + np.outer(s, along) + np.outer(lift, out) + np.outer(a, frame.across)
    flat = centres @ plane
    squared = (flat**2).sum(1)[:, None] + (points**2).sum(1) - 2 * flat @ points.T
    nearest = squared.argmin(1)
    radii = np.sqrt(np.maximum(squared[np.arange(len(flat)), nearest], 0.0))
    # It lies on the palm where the palm is about as near as anything.
    is_palm = np.isin(hand.skin_weights[::_STEP].argmax(1), _PALM)
    to_palm = np.sqrt(np.maximum(squared[:, is_palm].min(1), 0.0))
    fits = to_palm < radii + 0.004
    score = np.where(fits, np.minimum(radii, limit), -1.0)
    best = int(score.argmax())
    return centres[best], float(score[best] + _GIVE_M)


_PALM = [JOINT_NAMES.index(name) for name in ('wrist', 'thumb1')]


def _ball(rng: np.random.Generator, hand: HandTruth) -> list[SceneMesh]:
    frame = _frame(hand)
    centre, radius = _largest_inside(hand, np.eye(3), frame, _BALL_RADIUS_M[1])
    if radius < _BALL_RADIUS_M[0]:
        return []
    axes = _random_rotation(rng)
    kind = rng.random()
    if kind < 0.6:
        shape = ellipsoid([radius, radius, radius])
    elif kind < 0.8:
        shape = box(radius * rng.uniform(1.0, 1.3, 3))
    else:
        shape = _revolved([(-0.6, 0.75), (-0.5, 0.95), (0.5, 0.95), (0.6, 0.75)], radius)
    return [SceneMesh(Label.OBJECT, *shape.transformed(axes, centre), object_material(rng))]


def _between_pads(rng: np.random.Generator, hand: HandTruth, held: Held) -> list[SceneMesh]:
    a, b = _closest(hand, held)
    gap = float(np.linalg.norm(b - a))
    if gap > 0.07:
        return []
    frame = _frame(hand)
    normal = unit(b - a) if gap > 1e-4 else frame.across
    middle = (a + b) / 2
    best: tuple[float, list[SceneMesh]] = (MAX_DEPTH_M, [])
    for _ in range(_TRIES):
        solid, parts = _pad_object(rng, hand, held, gap, normal, middle)
        depth = solid.depth(hand.vertices)
        if depth < best[0]:
            best = (
                depth,
                [
                    SceneMesh(Label.OBJECT, *part.transformed(solid.axes, solid.centre), material)
                    for part, material in parts
                ],
            )
    return best[1]


def _closest(hand: HandTruth, held: Held) -> tuple[FloatArray, FloatArray]:
    """Return where thumb and index finger are nearest to each other, two points (3,)."""
    owner = hand.skin_weights.argmax(1)
    others = ('index2', 'index3') if held is Held.SIDE else ('index3',)
    thumb = hand.vertices[owner == JOINT_NAMES.index('thumb3')]
    index = hand.vertices[np.isin(owner, [JOINT_NAMES.index(name) for name in others])]
    distances = ((thumb[:, None] - index) ** 2).sum(2)
    row, column = np.unravel_index(int(distances.argmin()), distances.shape)
    return thumb[row], index[column]


def _pad_object(
    rng: np.random.Generator,
    hand: HandTruth,
    held: Held,
    gap: float,
    normal: FloatArray,
    middle: FloatArray,
) -> tuple[_Solid, _Parts]:
    """Return one object that is as thick as the gap, and the solid that stands in for it."""
    k = hand.keypoints
    distal = unit(middle - 0.5 * (k[0] + k[_name('middle_mcp')]))
    if held is Held.PEN:
        back = 0.5 * (k[_name('thumb_mcp')] + k[_name('index_mcp')]) + 0.01 * rng.normal(size=3)
        lean = back - middle
    else:
        lean = -distal + 0.7 * rng.standard_normal(3)
    lean = unit(lean - (lean @ normal) * normal)
    # Third axis: away from the palm; first: from thumb to finger.
    axes = np.stack([normal, np.cross(-lean, normal), -lean], axis=1)
    material = object_material(rng)
    kind = rng.random()
    if held is Held.PEN and kind < 0.8:
        radius = float(np.clip(gap / 2, 0.003, 0.014))
        ahead, behind = rng.uniform(0.02, 0.045), rng.uniform(0.08, 0.13)
        half = (ahead + behind) / 2
        centre = middle + (ahead - behind) / 2 * axes[:, 2]
        solid = _Solid(axes, centre, np.array([radius, radius, half]), is_round=True)
        tip = min(0.02, ahead / 2)
        outline = [(-half, 0.85), (half - tip, 1.0), (half - 0.002, 0.15), (half, 0.1)]
        return solid, [(_lathe(outline, radius), material)]
    if gap < 0.006 or (held is Held.SIDE and kind < 0.8):
        # Cards, sheets, keys, and what is as thin.
        thick = max(gap, 0.001)
        size = rng.uniform([0.02, 0.03], [0.10, 0.15])
        hold = np.array(
            [rng.uniform(-0.3, 0.3) * size[0], 0.5 * size[1] - rng.uniform(0.006, 0.02)]
        )
        centre = middle + hold[0] * axes[:, 1] + hold[1] * axes[:, 2]
        half3 = np.array([thick, size[0], size[1]]) / 2
        return _Solid(axes, centre, half3, is_round=False), [(box(2 * half3), material)]
    if kind < 0.45:
        solid = _Solid(axes, middle, np.array([gap / 2, gap / 2, gap / 2]), is_round=True)
        return solid, [(ellipsoid([gap / 2 + 0.0005] * 3), material)]
    if kind < 0.7:
        # A small box, or the neck of something larger that hangs down or stands up.
        size = rng.uniform([0.012, 0.012], [0.05, 0.10])
        half3 = np.array([gap, size[0], size[1]]) / 2
        centre = middle + (0.5 * size[1] - rng.uniform(0.008, 0.015)) * axes[:, 2]
        return _Solid(axes, centre, half3, is_round=False), [(box(2 * half3), material)]
    radius, half = gap / 2, rng.uniform(0.01, 0.06)
    centre = middle + (half - rng.uniform(0.005, 0.012)) * axes[:, 2]
    solid = _Solid(axes, centre, np.array([radius, radius, half]), is_round=True)
    return solid, [(cylinder(radius, 2 * half, around=_AROUND), material)]


def _rod_like(rng: np.random.Generator, radius: float) -> _Parts:
    """Return a thing with a handle of this radius about the z axis, its palm at the origin."""
    material = object_material(rng)
    if radius > 0.024:
        return _container(rng, radius)
    kind = rng.random()
    if kind < 0.3:
        length = rng.uniform(0.12, 0.3)
        shape = cylinder(radius, length, around=_AROUND)
        return [(shape.transformed(np.eye(3), [0, 0, rng.uniform(-0.04, 0.04)]), material)]
    if kind < 0.5:
        # A handle with a bar of its own section: phone, remote control, book.
        side = radius * rng.uniform(1.1, 1.4)
        wide = radius * rng.uniform(1.2, 1.5)
        return [(box([side, wide, rng.uniform(0.11, 0.22)]), material)]
    handle = cylinder(radius, rng.uniform(0.11, 0.14), around=_AROUND)
    reach = rng.uniform(0.06, 0.18)
    if kind < 0.75:
        # Screwdriver, brush, knife: something thinner goes on.
        thin = radius * rng.uniform(0.2, 0.5)
        blade = (
            cylinder(thin, reach, around=12)
            if rng.random() < 0.5
            else box([0.003, 2.2 * radius, reach])
        )
        end = blade.transformed(np.eye(3), [0, 0, 0.055 + reach / 2])
    else:
        # Hammer, mallet, pan: something thicker.
        size = rng.uniform([0.02, 0.05, 0.02], [0.05, 0.13, 0.05])
        stick = cylinder(0.7 * radius, reach, around=12)
        head = box(size).transformed(np.eye(3), [0, 0, 0.055 + reach])
        end = concatenate([stick.transformed(np.eye(3), [0, 0, 0.055 + reach / 2]), head])
    metal = plain((0.6, 0.6, 0.62), 0.3) if rng.random() < 0.6 else object_material(rng)
    return [(handle, material), (end, metal)]


def _container(rng: np.random.Generator, radius: float) -> _Parts:
    """Return a bottle, can, glass, mug or box of this radius about the z axis."""
    material = object_material(rng)
    below, above = rng.uniform(0.04, 0.12), rng.uniform(0.04, 0.10)
    kind = rng.random()
    if kind < 0.35:
        neck = rng.uniform(0.3, 0.5)
        outline = [(-below, 0.9), (-below + 0.005, 1.0), (above, 1.0), (above + 0.03, neck),
                   (above + rng.uniform(0.05, 0.08), neck)]  # fmt: skip
        return [(_lathe(outline, radius), material)]
    if kind < 0.6:
        taper = rng.uniform(0.75, 1.0)
        outline = [(-below, taper), (0.0, 0.5 + 0.5 * taper), (above, 1.0)]
        return [(_lathe(outline, radius), material)]
    if kind < 0.8:
        outline = [(-0.05, 0.97), (-0.045, 1.0), (0.05, 1.0)]
        parts = [_lathe(outline, radius), _handle(radius)]
        return [(concatenate(parts), material)]
    size = radius * rng.uniform(1.2, 1.45)
    return [(box([size, 1.9 * radius * rng.uniform(0.6, 0.75), below + above]), material)]


def _lathe(outline: list[tuple[float, float]], radius: float) -> MeshGeometry:
    """Return a closed solid of revolution: pairs of height in metres and share of the radius."""
    z, share = np.array(outline).T
    z, share = np.r_[z[0], z, z[-1]], np.r_[1e-3, share, 1e-3]
    azimuth = np.linspace(0, 2 * np.pi, _AROUND, endpoint=False)
    circle = np.stack([np.cos(azimuth), np.sin(azimuth)], -1)
    rings = np.empty((len(z), _AROUND, 3))
    rings[..., :2] = radius * share[:, None, None] * circle
    rings[..., 2] = z[:, None]
    # Each step is a surface of its own, so that edges stay sharp.
    return concatenate([tube(rings[i : i + 2]) for i in range(len(z) - 1)])


def _revolved(outline: list[tuple[float, float]], radius: float) -> MeshGeometry:
    """Return a solid of revolution whose heights, too, are shares of the radius."""
    return _lathe([(z * radius, share) for z, share in outline], radius)


def _handle(radius: float) -> MeshGeometry:
    """Return the handle of a mug beside a wall of this radius."""
    angle = np.linspace(-np.pi / 2, np.pi / 2, 9)
    around = np.linspace(0, 2 * np.pi, 8, endpoint=False)
    path = np.stack([radius + 0.028 * np.cos(angle), 0 * angle, 0.033 * np.sin(angle)], -1)
    outwards = np.stack([np.cos(angle), 0 * angle, np.sin(angle)], -1)
    section = np.cos(around)[:, None] * outwards[:, None] + np.sin(around)[:, None] * [0, 1, 0]
    return tube(path[:, None] + 0.005 * section)


def _random_rotation(rng: np.random.Generator) -> FloatArray:
    """Return an axis in any direction with a turn about it, (3, 3)."""
    return rotation_between([0.0, 0.0, 1.0], unit(rng.standard_normal(3)))
