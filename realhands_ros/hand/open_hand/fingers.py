"""
The fingers' part of the mesh: rings of vertices around each bone line, closed at the tip.

Rings run square to the finger, with one on each joint, so that a bent finger folds along rings.
Each ring has its first vertex on the dorsal middle.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from realhands_ros.hand.open_hand.bone_line import BoneLine, bone_line
from realhands_ros.hand.open_hand.sections import (
    polygon_area,
    polygon_centroid,
    section_outline,
)
from realhands_ros.hand.open_hand.source import FloatArray, IntArray, RiggedHand

# Steps of the first interval shorten towards the PIP joint by about this part.
_EASING = 0.12

# The dome of the tip begins this part of the finger's length before the tip; a second ring lies on
# it, at this part of the dome.
_DOME_PART = 0.085
_DOME_RING = 0.3

# The tip is the mean of the surface's points within this distance of the axis, metres.
_TIP_SEARCH_RADIUS = 0.0015

# A quad is cut the other way when its usual diagonal is longer than the other by more than this.
_DIAGONAL_TOLERANCE = 1.1


@dataclass(frozen=True)
class RingPlan:
    """
    Where one finger's rings go.

    ``start`` is the distance of the first ring from the finger's first joint in metres, just
    beyond the web. ``rings`` are the numbers of ring intervals up to the PIP joint (thumb: IP), on
    to the DIP joint (thumb: none), and on to the start of the tip's dome. ``around`` is the number
    of vertices of a ring.
    """

    start: float
    rings: tuple[int, ...]
    around: int


RING_PLANS = {
    'thumb': RingPlan(start=0.046, rings=(4, 4), around=9),
    'index': RingPlan(start=0.0295, rings=(3, 4, 3), around=8),
    'middle': RingPlan(start=0.0265, rings=(4, 4, 3), around=8),
    'ring': RingPlan(start=0.030, rings=(3, 4, 3), around=8),
    'little': RingPlan(start=0.0255, rings=(2, 3, 3), around=8),
}


@dataclass(frozen=True)
class FingerMesh:
    """
    One finger: vertices (V, 3), ring by ring from the base and last the tip; faces (F, 3).

    The first ``around`` vertices are the open base ring.
    """

    vertices: FloatArray
    faces: IntArray
    around: int


def finger_mesh(hand: RiggedHand, finger: str) -> FingerMesh:
    """Return one finger's rings and faces, laid on the hand's surface."""
    plan, line = RING_PLANS[finger], bone_line(hand, finger)
    rings = [_ring(hand, line, s, plan.around) for s in ring_distances(plan, line)]
    tip = _tip_point(hand, line, rings[-1].mean(axis=0))
    vertices = np.vstack([*rings, tip])
    return FingerMesh(vertices, _ring_faces(vertices, len(rings), plan.around), plan.around)


def ring_distances(plan: RingPlan, line: BoneLine) -> list[float]:
    """Return where the rings lie along the line, one of them on each joint."""
    joints = line.distances[1:-1][-(len(plan.rings) - 1) :]
    tip = line.distances[-1]
    radius = _DOME_PART * tip
    stops = [plan.start, *joints, tip - radius]
    distances: list[float] = []
    for number, intervals in enumerate(plan.rings):
        eased = np.linspace(0.0, 1.0, intervals + 1)[:-1]
        if number == 0:
            eased = eased + _EASING * eased * (1.0 - eased)
        distances += (stops[number] + (stops[number + 1] - stops[number]) * eased).tolist()
    return [*distances, tip - radius, tip - _DOME_RING * radius]


def _ring(hand: RiggedHand, line: BoneLine, distance: float, around: int) -> FloatArray:
    """Sample the section at a distance at equal arc lengths; same area as the section."""
    frame = line.frame(distance)
    centre = line.point(distance)
    for _ in range(2):
        outline = section_outline(hand.vertices, hand.faces, centre, frame)
        centre = centre + polygon_centroid(outline) @ frame[:2]
    outline = section_outline(hand.vertices, hand.faces, centre, frame)
    closed = np.vstack([outline, outline[:1]])
    arc = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(closed, axis=0), axis=1))])
    wanted = np.arange(around) / around * arc[-1]
    ring = np.stack([np.interp(wanted, arc, closed[:, k]) for k in range(2)], axis=1)
    # A polygon on a curve cuts corners; without this the fingers would lose a tenth of their area.
    ring *= np.sqrt(polygon_area(outline) / polygon_area(ring))
    return np.asarray(centre + ring @ frame[:2])


def _tip_point(hand: RiggedHand, line: BoneLine, last_centre: FloatArray) -> FloatArray:
    """Return where the line through the last ring's centre leaves the fingertip."""
    axis = line.frame(line.distances[-1])[2]
    ahead = hand.vertices[(hand.vertices - last_centre) @ axis > 0.0]
    local = ahead - last_centre
    across = np.linalg.norm(local - (local @ axis)[:, None] * axis, axis=1)
    near = across < _TIP_SEARCH_RADIUS
    return np.asarray(last_centre + axis * (local[near] @ axis).mean())


def _ring_faces(vertices: FloatArray, num_rings: int, around: int) -> IntArray:
    """Join consecutive rings by two triangles per quad, the last ring and the tip by a fan."""
    faces = []
    for ring in range(num_rings - 1):
        for k in range(around):
            a, b = ring * around + k, ring * around + (k + 1) % around
            c, d = a + around, b + around
            one_way = np.linalg.norm(vertices[a] - vertices[d])
            other_way = np.linalg.norm(vertices[b] - vertices[c])
            # The same diagonal everywhere keeps six edges at each vertex.
            if one_way < _DIAGONAL_TOLERANCE * other_way:
                faces += [(a, d, b), (a, c, d)]
            else:
                faces += [(a, c, b), (b, c, d)]
    last, tip = (num_rings - 1) * around, num_rings * around
    faces += [(last + (k + 1) % around, last + k, tip) for k in range(around)]
    return np.array(faces)
