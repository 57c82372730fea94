"""The model's mesh: ringed fingers, a remeshed palm between them, and a 16-vertex wrist rim."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from realhands_ros.hand.open_hand.bone_line import bone_line
from realhands_ros.hand.open_hand.bridging import boundary_loops, bridged
from realhands_ros.hand.open_hand.fingers import FingerMesh, finger_mesh
from realhands_ros.hand.open_hand.remesh import PatchMesh, remeshed
from realhands_ros.hand.open_hand.source import FloatArray, IntArray, RiggedHand
from realhands_ros.hand.open_hand.surface import closest_points
from realhands_ros.hand.topology import FINGER_NAMES, JOINT_NAMES, NUM_VERTICES, TIP_VERTEX_IDS

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
