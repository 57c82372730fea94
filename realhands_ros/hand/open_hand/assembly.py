"""The model's mesh: ringed fingers, a remeshed palm between them, and a 16-vertex wrist rim."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from realhands_ros.hand.open_hand.bone_line import bone_line
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
    rim = _rim(surface)
    loops = [finger.vertices[: finger.around] for finger in fingers] + [rim]
    palm_faces = _palm_faces(surface, fingers, _BRIDGE_WIDTH)
    vertices, faces = _bridged(surface.vertices, palm_faces, loops)
    num_fixed = sum(len(loop) for loop in loops)
    beyond_loops = sum(len(finger.vertices) - finger.around for finger in fingers)
    fixed_loops = np.vstack(loops[:-1])
    knuckles = surface.joints[[JOINT_NAMES.index(name) for name in _KNUCKLES]]

    def edge_length(points: FloatArray) -> FloatArray:
        to_finger = np.linalg.norm(points[:, None] - fixed_loops, axis=2).min(axis=1)
        to_knuckle = np.linalg.norm(points[:, None] - knuckles, axis=2).min(axis=1)
        beyond = np.maximum(to_knuckle - _KNUCKLE_RADIUS, 0.0)
        wanted = np.minimum(
            _EDGE_AT_FINGERS + _EDGE_GROWTH * to_finger, _EDGE_AT_KNUCKLES + _EDGE_GROWTH * beyond
        )
        return np.asarray(np.minimum(wanted, _EDGE_FAR))

    smooth_faces = _palm_faces(surface, fingers, -_PROJECTION_OVERLAP)
    tree = cKDTree(surface.vertices[np.unique(smooth_faces)])

    def project(points: FloatArray) -> FloatArray:
        return closest_points(points, surface.vertices, smooth_faces).positions

    def distance(points: FloatArray) -> FloatArray:
        # The surface's vertices lie dense enough to stand for it.
        return np.asarray(tree.query(points)[0])

    patch = PatchMesh(vertices, faces, set(range(num_fixed)), distance)
    palm = remeshed(patch, edge_length, project, NUM_VERTICES - beyond_loops)
    return _with_mano_tips(*_joined(palm, fingers), fingers)


def _rim(surface: RiggedHand) -> FloatArray:
    """Return the wrist rim resampled to 16 vertices at equal arc lengths, wound like its loop."""
    loop = surface.vertices[_boundary_loops(surface.faces)[0]]
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


def _bridged(
    vertices: FloatArray, faces: IntArray, loops: list[FloatArray]
) -> tuple[FloatArray, IntArray]:
    """Join each boundary loop of the faces to the nearest of ``loops``; these come first."""
    used, compact = np.unique(faces, return_inverse=True)
    num_fixed = sum(len(loop) for loop in loops)
    patch_faces = compact.reshape(-1, 3) + num_fixed
    joined = np.vstack([*loops, vertices[used]])
    all_faces = [patch_faces]
    starts = np.cumsum([0, *(len(loop) for loop in loops)])
    for boundary in _boundary_loops(patch_faces):
        middle = joined[boundary].mean(axis=0)
        nearest = int(np.argmin([np.linalg.norm(loop.mean(axis=0) - middle) for loop in loops]))
        ring = np.arange(starts[nearest], starts[nearest + 1])
        all_faces.append(_zipped(joined, boundary, ring))
    return joined, np.vstack(all_faces)


def _zipped(vertices: FloatArray, boundary: IntArray, ring: IntArray) -> IntArray:
    """
    Fill the strip between a boundary and a ring with triangles.

    ``boundary`` runs with its faces on the left; the ring may run either way.
    """
    middle = vertices[boundary].mean(axis=0)
    turn = _loop_normal(vertices[boundary]) @ _loop_normal(vertices[ring])
    if turn < 0.0:
        ring = ring[::-1]
    first = int(np.argmin(np.linalg.norm(vertices[ring] - vertices[boundary[0]], axis=1)))
    ring = np.roll(ring, -first)
    normal = _loop_normal(vertices[boundary])
    outer = _turns(vertices[np.append(boundary, boundary[0])] - middle, normal)
    inner = _turns(vertices[np.append(ring, ring[0])] - middle, normal, outer[0])
    i = j = 0
    faces = []
    while i < len(boundary) or j < len(ring):
        a, b = boundary[i % len(boundary)], ring[j % len(ring)]
        advance = i < len(boundary) and (j == len(ring) or outer[i + 1] <= inner[j + 1])
        if advance:
            i += 1
            faces.append((boundary[i % len(boundary)], a, b))
        else:
            j += 1
            faces.append((ring[j % len(ring)], a, b))
    return np.array(faces)


def _turns(arms: FloatArray, normal: FloatArray, near: float = 0.0) -> FloatArray:
    """Return the unwrapped angles of arms about a normal; the first lies within pi of ``near``."""
    across = np.cross(normal, [0.36, 0.48, 0.8])
    across /= np.linalg.norm(across)
    angles = np.unwrap(np.arctan2(arms @ np.cross(normal, across), arms @ across))
    return np.asarray(angles - 2.0 * np.pi * np.round((angles[0] - near) / (2.0 * np.pi)))


def _loop_normal(loop: FloatArray) -> FloatArray:
    """Return the unit normal about which a loop runs counter-clockwise."""
    arms = loop - loop.mean(axis=0)
    normal = np.cross(arms, np.roll(arms, -1, axis=0)).sum(axis=0)
    return np.asarray(normal / np.linalg.norm(normal))


def _boundary_loops(faces: IntArray) -> list[IntArray]:
    """Return the boundary loops of a mesh, each running with its faces on the left."""
    edges = np.vstack([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    _, first, count = np.unique(
        np.sort(edges, axis=1), axis=0, return_index=True, return_counts=True
    )
    following = dict(edges[first[count == 1]].tolist())
    loops = []
    while following:
        vertex = min(following)
        loop = []
        while vertex in following:
            loop.append(vertex)
            vertex = following.pop(vertex)
        loops.append(np.array(loop))
    return loops


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
