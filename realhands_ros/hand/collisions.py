"""Collisions within a hand: of capsules for many poses, of the mesh for one."""

from __future__ import annotations

import math
from itertools import combinations

import numba
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import dijkstra

from realhands_ros.arrays import FloatArray
from realhands_ros.data.topology import JOINT_NAMES, JOINT_PARENTS, NUM_JOINTS
from realhands_ros.hand.model_file import HandModelData
from realhands_ros.hand.skeleton import BONE_ENDS, HandSkeleton

# A hand of capsules: the cheap stand-in for the mesh in collision tests of many poses.
#
# Every bone is a segment with the typical radius of the skin around it. How well it stands in for
# the mesh is measured with hand/collisions.py (benchmarks/pose_sampler.py).

IntArray = NDArray[np.int64]


class CapsuleHand:
    """Capsules of the 15 finger bones and of the four metacarpals of the palm."""

    def __init__(
        self, skeleton: HandSkeleton, vertices: ArrayLike, skin_weights: ArrayLike
    ) -> None:
        """Measure the radii on a rest mesh: vertices (778, 3), skin weights (778, 16)."""
        self._skeleton = skeleton
        owners = np.asarray(skin_weights).argmax(axis=1)
        bones = [(joint, BONE_ENDS[joint - 1]) for joint in range(1, NUM_JOINTS)]
        metacarpals = [(0, j) for j in range(1, NUM_JOINTS) if JOINT_NAMES[j].endswith('1')][:-1]
        self._starts, self._ends = np.array(bones + metacarpals).T
        self._radii = _radii(skeleton.points, self._starts, self._ends, vertices, owners)
        self._pairs = self._collision_pairs()
        # Overlap of the rest pose, as between fingers side by side, is the shape of the hand.
        self._rest_overlaps = np.maximum(self._overlaps(skeleton.points[None])[0], 0.0)

    def _collision_pairs(self) -> IntArray:
        """Return the pairs of capsules (P, 2) that are not neighbours in the skeleton."""
        pairs = []
        for a, b in combinations(range(len(self._starts)), 2):
            joint_a, joint_b = self._starts[a], self._starts[b]
            touching = self._ends[a] == joint_b or self._ends[b] == joint_a
            both_in_palm = all(j == 0 or JOINT_PARENTS[j] == 0 for j in (joint_a, joint_b))
            if not touching and not both_in_palm:
                pairs.append((a, b))
        return np.array(pairs)

    def overlap(self, pose_aa: ArrayLike) -> FloatArray:
        """Return the worst overlap beyond rest of finger poses (n, 45), (n,) metres, 0 if none."""
        overlaps = self._overlaps(self._skeleton.posed_points(pose_aa)) - self._rest_overlaps
        return np.asarray(np.maximum(overlaps.max(axis=1), 0.0))

    def _overlaps(self, points: FloatArray) -> FloatArray:
        """Return how far each pair of capsules overlaps, (n, P) metres, negative for a gap."""
        a, b = self._pairs.T
        distance = _segment_distance(
            points[:, self._starts[a]], points[:, self._ends[a]],
            points[:, self._starts[b]], points[:, self._ends[b]],
        )  # fmt: skip
        return np.asarray(self._radii[a] + self._radii[b] - distance)


def _radii(
    points: FloatArray, starts: IntArray, ends: IntArray, vertices: ArrayLike, owners: IntArray
) -> FloatArray:
    """Return the median distance of each bone's own skin to the bone, (bones,) metres."""
    skin = np.asarray(vertices, dtype=np.float64)
    a, b = points[starts], points[ends]
    along = ((skin[:, None] - a) * (b - a)).sum(axis=2) / ((b - a) ** 2).sum(axis=1)
    nearest = a + np.clip(along, 0.0, 1.0)[..., None] * (b - a)
    distances = np.linalg.norm(skin[:, None] - nearest, axis=2)
    # The palm's skin belongs to the nearest metacarpal; ends of bones would count their caps.
    beside = (along > 0.0) & (along < 1.0)
    radii = []
    for bone, joint in enumerate(starts):
        own = (owners == joint) & beside[:, bone]
        if joint == 0:
            own &= distances[:, starts == 0].min(axis=1) == distances[:, bone]
        radii.append(np.median(distances[own, bone]))
    return np.array(radii)


def _segment_distance(
    a0: FloatArray, a1: FloatArray, b0: FloatArray, b1: FloatArray
) -> FloatArray:
    """Distance between segments (..., 3) (Ericson, Real-Time Collision Detection, 5.1.9)."""
    u, v, w = a1 - a0, b1 - b0, a0 - b0
    uu, uv, vv = (u * u).sum(-1), (u * v).sum(-1), (v * v).sum(-1)
    uw, vw = (u * w).sum(-1), (v * w).sum(-1)
    s = np.clip((uv * vw - vv * uw) / np.maximum(uu * vv - uv * uv, 1e-12), 0.0, 1.0)
    t = np.clip((uv * s + vw) / vv, 0.0, 1.0)
    s = np.clip((uv * t - uw) / uu, 0.0, 1.0)
    gap = w + s[..., None] * u - t[..., None] * v
    return np.asarray(np.linalg.norm(gap, axis=-1))


# How deep a posed hand goes into itself.
#
# The hand is cut into palm (with the thumb's metacarpal) and five fingers by the skin weights. A
# vertex of one part is inside another when the generalised winding number (Jacobson et al.,
# "Robust inside-outside segmentation using generalized winding numbers", 2013) of the other part's
# faces at the vertex exceeds one half, which needs no caps where a part was cut off. Its depth is
# the distance to the nearest of these faces. Vertices that lie within ADJACENT_M of the other part
# along the surface of the rest pose do not count: skin that folds next to a joint is no collision.
# The last phalanx of a finger is also held against the first of the same finger.

Vector = tuple[float, float, float]

ADJACENT_M = 0.015
PALM_JOINTS = ('wrist', 'thumb1')
_FINGERS = ('index', 'middle', 'little', 'ring', 'thumb')


class InterpenetrationMeter:
    """Measures the self-penetration of posed meshes of one hand model, right or left."""

    def __init__(self, data: HandModelData) -> None:
        """Cut the model into parts and find which vertices of one may collide with which other."""
        segment = np.asarray(data.skin_weights).argmax(axis=1)
        self._pairs: list[tuple[IntArray, IntArray]] = []
        faces = np.asarray(data.faces, dtype=np.int64)
        distances = _EdgeDistances(data.v_template, faces)
        for vertex_part, face_part in _part_pairs():
            part_faces = faces[np.isin(segment[faces], face_part).any(axis=1)]
            far = distances.to_vertices(np.unique(part_faces)) > ADJACENT_M
            tested = np.flatnonzero(np.isin(segment, vertex_part) & far)
            self._pairs.append((tested, part_faces))

    def depth(self, vertices: ArrayLike) -> float:
        """Return the deepest penetration of a posed mesh (778, 3) in metres; 0 if none."""
        return float(self.vertex_depths(vertices).max())

    def vertex_depths(self, vertices: ArrayLike) -> FloatArray:
        """Return how deep each vertex (778, 3) is in another part, (778,) metres; 0 outside."""
        vertices = np.ascontiguousarray(vertices, dtype=np.float64)
        depths = np.zeros(len(vertices))
        for tested, part_faces in self._pairs:
            triangles = vertices[part_faces]
            low, high = triangles.min(axis=(0, 1)), triangles.max(axis=(0, 1))
            points = vertices[tested]
            near = ((points >= low) & (points <= high)).all(axis=1)
            if near.any():
                found = depths_inside(points[near], triangles)
                depths[tested[near]] = np.maximum(depths[tested[near]], found)
        return depths


def _part_pairs() -> list[tuple[list[int], list[int]]]:
    """Return (joints of the vertices, joints of the faces) of all pairs to be tested."""
    parts = {'palm': [JOINT_NAMES.index(name) for name in PALM_JOINTS]}
    for finger in _FINGERS:
        first = 2 if finger == 'thumb' else 1
        parts[finger] = [JOINT_NAMES.index(f'{finger}{k}') for k in range(first, 4)]
    pairs = [(parts[a], parts[b]) for a in parts for b in parts if a != b]
    pairs += [(parts[finger][2:], parts[finger][:1]) for finger in _FINGERS if finger != 'thumb']
    return pairs


class _EdgeDistances:
    """Distances along the edges of a mesh."""

    def __init__(self, vertices: FloatArray, faces: IntArray) -> None:
        starts, ends = faces.ravel(), np.roll(faces, -1, axis=1).ravel()
        lengths = np.linalg.norm(vertices[starts] - vertices[ends], axis=1)
        graph = coo_array((lengths, (starts, ends)), shape=(len(vertices), len(vertices)))
        self._graph = graph.tocsr()

    def to_vertices(self, targets: IntArray) -> FloatArray:
        """Return the distance of each vertex to the nearest of ``targets``."""
        return np.asarray(dijkstra(self._graph, directed=False, indices=targets, min_only=True))


@numba.njit(cache=True)
def depths_inside(points: FloatArray, triangles: FloatArray) -> FloatArray:
    """Return the distance of the points (P, 3) to triangles (F, 3, 3) that wind around them."""
    depths = np.zeros(len(points))
    for i in range(len(points)):
        angle = 0.0
        for j in range(len(triangles)):
            angle += _solid_angle(points[i], triangles[j])
        if angle > 2.0 * np.pi:
            nearest = np.inf
            for j in range(len(triangles)):
                nearest = min(nearest, _squared_distance(points[i], triangles[j]))
            depths[i] = np.sqrt(nearest)
    return depths


@numba.njit(cache=True, inline='always')
def _dot(a: Vector, b: Vector) -> float:
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


@numba.njit(cache=True, inline='always')
def _minus(row: FloatArray, point: FloatArray) -> Vector:
    # Tuples of scalars, since numba allocates memory for every small array.
    return row[0] - point[0], row[1] - point[1], row[2] - point[2]


@numba.njit(cache=True)
def _solid_angle(point: FloatArray, triangle: FloatArray) -> float:
    """Signed solid angle (van Oosterom and Strackee, 1983)."""
    a, b, c = _minus(triangle[0], point), _minus(triangle[1], point), _minus(triangle[2], point)
    cross = (b[1] * c[2] - b[2] * c[1], b[2] * c[0] - b[0] * c[2], b[0] * c[1] - b[1] * c[0])
    la, lb, lc = math.sqrt(_dot(a, a)), math.sqrt(_dot(b, b)), math.sqrt(_dot(c, c))
    base = la * lb * lc + _dot(a, b) * lc + _dot(b, c) * la + _dot(c, a) * lb
    return 2.0 * math.atan2(_dot(a, cross), base)


@numba.njit(cache=True)
def _squared_distance(point: FloatArray, triangle: FloatArray) -> float:
    """Squared distance to a triangle (Ericson, Real-Time Collision Detection, 5.1.5)."""
    a, b, c = triangle[0], triangle[1], triangle[2]
    ab, ac = _minus(b, a), _minus(c, a)
    ap, bp, cp = _minus(point, a), _minus(point, b), _minus(point, c)
    d1, d2, d3 = _dot(ab, ap), _dot(ac, ap), _dot(ab, bp)
    d4, d5, d6 = _dot(ac, bp), _dot(ab, cp), _dot(ac, cp)
    va, vb, vc = d3 * d6 - d5 * d4, d5 * d2 - d1 * d6, d1 * d4 - d3 * d2
    if d1 <= 0.0 and d2 <= 0.0:
        s, t = 0.0, 0.0
    elif d3 >= 0.0 and d4 <= d3:
        s, t = 1.0, 0.0
    elif d6 >= 0.0 and d5 <= d6:
        s, t = 0.0, 1.0
    elif vc <= 0.0 and d1 >= 0.0 and d3 <= 0.0:
        s, t = d1 / (d1 - d3), 0.0
    elif vb <= 0.0 and d2 >= 0.0 and d6 <= 0.0:
        s, t = 0.0, d2 / (d2 - d6)
    elif va <= 0.0 and d4 - d3 >= 0.0 and d5 - d6 >= 0.0:
        t = (d4 - d3) / ((d4 - d3) + (d5 - d6))
        s = 1.0 - t
    else:
        s, t = vb / (va + vb + vc), vc / (va + vb + vc)
    gap = (
        ap[0] - s * ab[0] - t * ac[0],
        ap[1] - s * ab[1] - t * ac[1],
        ap[2] - s * ab[2] - t * ac[2],
    )
    return _dot(gap, gap)
