"""The model's mesh: ringed fingers, a remeshed palm between them, and a 16-vertex wrist rim."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from realhands_ros.data.topology import FINGER_NAMES, JOINT_NAMES, NUM_VERTICES, TIP_VERTEX_IDS
from tools.open_hand.remesh import PatchMesh, boundary_loops, bridged, remeshed
from tools.open_hand.rest_pose import BoneLine, bone_line
from tools.open_hand.source import FloatArray, IntArray, RiggedHand
from tools.open_hand.surface import closest_points, polygon_area, polygon_centroid, section_outline

# The fingers' part of the mesh: rings of vertices around each bone line, closed at the tip.
#
# Rings run square to the finger, with one on each joint, so that a bent finger folds along rings.
# Each ring has its first vertex on the dorsal middle.

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


NUM_RIM = 16

# Between a loop of the final mesh and the source's surface a strip of this width is left for the
# bridge that joins them.
_BRIDGE_WIDTH = 0.003

# The palm's vertices are projected on the surface that reaches this far into the fingers.
_PROJECTION_OVERLAP = 0.004

# Edge lengths of the palm, metres: in the webs as on the fingers, growing with the distance, but
# short enough around the knuckles to bend well.
_EDGE_AT_FINGERS = 0.0055
_EDGE_AT_KNUCKLES = 0.0085
_KNUCKLE_RADIUS = 0.016
_EDGE_GROWTH = 0.17
_EDGE_FAR = 0.0098
_KNUCKLES = ('index1', 'middle1', 'ring1', 'little1', 'thumb2')


@dataclass(frozen=True)
class HandMesh:
    """Vertices (778, 3) and faces (1538, 3); the tips have MANO's ids, the rim is the last 16."""

    vertices: FloatArray
    faces: IntArray


def build_mesh(surface: RiggedHand) -> HandMesh:
    """
    Lay MANO's number of vertices on a smooth, flat hand.

    ``surface`` is the subdivided hand, open at the wrist.
    """
    fingers = [finger_mesh(surface, finger) for finger in FINGER_NAMES]
    beyond_bases = sum(len(finger.vertices) - finger.around for finger in fingers)
    palm = _palm(surface, fingers, NUM_VERTICES - beyond_bases)
    return _with_mano_tips(*_joined(palm, fingers), fingers)


def _palm(
    surface: RiggedHand, fingers: list[FingerMesh], num_vertices: int
) -> tuple[FloatArray, IntArray]:
    """
    Remesh palm, webs and wrist to a number of vertices.

    The fingers' base rings come first among the vertices, then the wrist's rim.
    """
    bases = [finger.vertices[: finger.around] for finger in fingers]
    loops = [*bases, _rim(surface)]
    coarse_faces = _palm_faces(surface, fingers, _BRIDGE_WIDTH)
    vertices, faces = bridged(surface.vertices, coarse_faces, loops)
    smooth_faces = _palm_faces(surface, fingers, -_PROJECTION_OVERLAP)
    tree = cKDTree(surface.vertices[np.unique(smooth_faces)])
    knuckles = surface.joints[[JOINT_NAMES.index(name) for name in _KNUCKLES]]

    def project(points: FloatArray) -> FloatArray:
        return closest_points(points, surface.vertices, smooth_faces).positions

    def distance(points: FloatArray) -> FloatArray:
        # The surface's vertices lie dense enough to stand for it.
        return np.asarray(tree.query(points)[0])

    def edge_length(points: FloatArray) -> FloatArray:
        return _edge_length(points, np.vstack(bases), knuckles)

    fixed = set(range(sum(len(loop) for loop in loops)))
    patch = PatchMesh(vertices, faces, fixed, distance)
    return remeshed(patch, edge_length, project, num_vertices)


def _edge_length(points: FloatArray, bases: FloatArray, knuckles: FloatArray) -> FloatArray:
    """Return the wanted edge length (P,) at points, given finger bases and knuckle joints."""
    to_finger = np.linalg.norm(points[:, None] - bases, axis=2).min(axis=1)
    to_knuckle = np.linalg.norm(points[:, None] - knuckles, axis=2).min(axis=1)
    beyond = np.maximum(to_knuckle - _KNUCKLE_RADIUS, 0.0)
    near_finger = _EDGE_AT_FINGERS + _EDGE_GROWTH * to_finger
    near_knuckle = _EDGE_AT_KNUCKLES + _EDGE_GROWTH * beyond
    return np.asarray(np.minimum(np.minimum(near_finger, near_knuckle), _EDGE_FAR))


def _rim(surface: RiggedHand) -> FloatArray:
    """Return the wrist rim resampled to 16 vertices at equal arc lengths, wound like its loop."""
    loop = surface.vertices[boundary_loops(surface.faces)[0]]
    closed = np.vstack([loop, loop[:1]])
    arc = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(closed, axis=0), axis=1))])
    # Start in the middle of the back of the hand, so that the rim lies symmetric.
    start = arc[int(np.argmax(loop[:, 1] - np.abs(loop[:, 2] - loop[:, 2].mean())))]
    wanted = (start + np.arange(NUM_RIM) / NUM_RIM * arc[-1]) % arc[-1]
    return np.stack([np.interp(wanted, arc, closed[:, k]) for k in range(3)], axis=1)


def _palm_faces(surface: RiggedHand, fingers: list[FingerMesh], margin: float) -> IntArray:
    """Return the surface's faces that end ``margin`` short of all finger bases and of the rim."""
    beyond = surface.vertices[:, 0] > surface.vertices[:, 0].max() - margin
    for name, finger in zip(FINGER_NAMES, fingers, strict=True):
        base = finger.vertices[: finger.around]
        centre = base.mean(axis=0)
        axis = bone_line(surface, name).points[-1] - centre
        axis /= np.linalg.norm(axis)
        local = surface.vertices - centre
        along = local @ axis
        radius = 1.3 * np.linalg.norm(base - centre, axis=1).max()
        across = np.linalg.norm(local - along[:, None] * axis, axis=1)
        beyond |= (along > -margin) & (across < radius)
    return np.asarray(surface.faces[~beyond[surface.faces].any(axis=1)])


def _joined(
    palm: tuple[FloatArray, IntArray], fingers: list[FingerMesh]
) -> tuple[FloatArray, IntArray]:
    """Append the fingers' vertices beyond their base rings, which are the palm's first ones."""
    vertices, faces = [palm[0]], [palm[1]]
    base_start, next_vertex = 0, len(palm[0])
    for finger in fingers:
        beyond = len(finger.vertices) - finger.around
        ids = np.concatenate(
            [base_start + np.arange(finger.around), next_vertex + np.arange(beyond)]
        )
        vertices.append(finger.vertices[finger.around :])
        faces.append(ids[finger.faces])
        base_start += finger.around
        next_vertex += beyond
    return np.vstack(vertices), np.vstack(faces)


def _with_mano_tips(vertices: FloatArray, faces: IntArray, fingers: list[FingerMesh]) -> HandMesh:
    """Renumber the vertices so that the fingertips get MANO's ids."""
    palm_size = len(vertices) - sum(len(finger.vertices) - finger.around for finger in fingers)
    tips = palm_size - 1 + np.cumsum([len(f.vertices) - f.around for f in fingers])
    order = np.delete(np.arange(len(vertices)), tips).tolist()
    for tip, finger in sorted(
        zip(tips.tolist(), FINGER_NAMES, strict=True), key=lambda pair: TIP_VERTEX_IDS[pair[1]]
    ):
        order.insert(TIP_VERTEX_IDS[finger], tip)
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    return HandMesh(vertices[order], rank[faces])
