"""The smooth surface that the model's vertices are laid on, sections through it, skin weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numba
import numpy as np
import trimesh

from tools.open_hand.source import FloatArray, IntArray, RiggedHand

# The smooth surface that the model's vertices are laid on: subdivision, projection, sections.

# Loop's scheme shrinks a cage towards its limit surface. Moving the cage out by this part of the
# shrinkage, this many times, nearly interpolates the source's vertices without ringing.
_CAGE_CORRECTION = 0.8
_CAGE_ROUNDS = 2


def subdivided(hand: RiggedHand, *, levels: int) -> RiggedHand:
    """Return the hand with its surface subdivided by Loop's scheme, passing near its vertices."""
    cage = hand.vertices.copy()
    for _ in range(_CAGE_ROUNDS):
        limit = _loop(cage, hand.faces, levels)[0][: len(cage)]
        cage += _CAGE_CORRECTION * (hand.vertices - limit)
    vertices, faces = _loop(cage, hand.faces, levels)
    weights = _loop(hand.skin_weights, hand.faces, levels)[0]
    return replace(hand, vertices=vertices, faces=faces, skin_weights=weights)


def _loop(values: FloatArray, faces: IntArray, levels: int) -> tuple[FloatArray, IntArray]:
    """Loop subdivision of per-vertex values (V, C); trimesh takes three columns at a time."""
    padded = np.pad(values, ((0, 0), (0, -values.shape[1] % 3)))
    blocks = np.split(padded, padded.shape[1] // 3, axis=1)
    subdivide: Callable[..., tuple[FloatArray, IntArray]] = trimesh.remesh.subdivide_loop
    results = [subdivide(block, faces, levels) for block in blocks]
    fine = np.hstack([vertices for vertices, _ in results])[:, : values.shape[1]]
    return fine, results[0][1].astype(np.int64)


@dataclass(frozen=True)
class SurfacePoints:
    """
    Points on a triangle mesh.

    positions (P, 3) metres; face_ids (P,); barycentric (P, 3).
    """

    positions: FloatArray
    face_ids: IntArray
    barycentric: FloatArray

    def interpolate(self, values: FloatArray, faces: IntArray) -> FloatArray:
        """Return per-vertex ``values`` (V, C) at the points, (P, C)."""
        corners = values[faces[self.face_ids]]
        return np.asarray(np.einsum('pk,pkc->pc', self.barycentric, corners))


def closest_points(points: FloatArray, vertices: FloatArray, faces: IntArray) -> SurfacePoints:
    """Return the points of a triangle mesh that lie nearest to ``points`` (P, 3)."""
    face_ids, barycentric = _closest(np.ascontiguousarray(points), vertices[faces])
    positions = np.einsum('pk,pkc->pc', barycentric, vertices[faces[face_ids]])
    return SurfacePoints(positions, face_ids, barycentric)


@numba.njit(cache=True)
def _closest(points: FloatArray, triangles: FloatArray) -> tuple[IntArray, FloatArray]:
    face_ids = np.zeros(len(points), dtype=np.int64)
    barycentric = np.zeros((len(points), 3))
    # Bounding spheres skip nearly all triangles.
    centres = (triangles[:, 0] + triangles[:, 1] + triangles[:, 2]) / 3.0
    radii = np.zeros(len(triangles))
    for j in range(len(triangles)):
        for k in range(3):
            radii[j] = max(radii[j], np.sqrt(np.sum((triangles[j, k] - centres[j]) ** 2)))
    for i in range(len(points)):
        best = np.inf
        for j in range(len(triangles)):
            centre_distance = np.sqrt(np.sum((points[i] - centres[j]) ** 2))
            if centre_distance - radii[j] >= best:
                continue
            v, w = _closest_in_triangle(points[i], triangles[j])
            corner, ab = triangles[j, 0], triangles[j, 1] - triangles[j, 0]
            ac = triangles[j, 2] - triangles[j, 0]
            distance = np.sqrt(np.sum((corner + v * ab + w * ac - points[i]) ** 2))
            if distance < best:
                best = distance
                face_ids[i] = j
                barycentric[i, 0], barycentric[i, 1], barycentric[i, 2] = 1.0 - v - w, v, w
    return face_ids, barycentric


@numba.njit(cache=True)
def _closest_in_triangle(point: FloatArray, triangle: FloatArray) -> tuple[float, float]:
    """Barycentric weights of corners b and c (Ericson, Real-Time Collision Detection, 5.1.5)."""
    a, b, c = triangle[0], triangle[1], triangle[2]
    ab, ac = b - a, c - a
    d1, d2 = np.dot(ab, point - a), np.dot(ac, point - a)
    if d1 <= 0.0 and d2 <= 0.0:
        return 0.0, 0.0
    d3, d4 = np.dot(ab, point - b), np.dot(ac, point - b)
    if d3 >= 0.0 and d4 <= d3:
        return 1.0, 0.0
    vc = d1 * d4 - d3 * d2
    if vc <= 0.0 and d1 >= 0.0 and d3 <= 0.0:
        return d1 / (d1 - d3), 0.0
    d5, d6 = np.dot(ab, point - c), np.dot(ac, point - c)
    if d6 >= 0.0 and d5 <= d6:
        return 0.0, 1.0
    vb = d5 * d2 - d1 * d6
    if vb <= 0.0 and d2 >= 0.0 and d6 <= 0.0:
        return 0.0, d2 / (d2 - d6)
    va = d3 * d6 - d5 * d4
    if va <= 0.0 and d4 - d3 >= 0.0 and d5 - d6 >= 0.0:
        w = (d4 - d3) / ((d4 - d3) + (d5 - d6))
        return 1.0 - w, w
    total = va + vb + vc
    return vb / total, vc / total


# Plane sections through a hand's mesh: outlines, areas, extents.

NUM_RAYS = 128


def section_outline(
    vertices: FloatArray, faces: IntArray, centre: FloatArray, frame: FloatArray
) -> FloatArray:
    """
    Cut the surface with the plane through ``centre``; return its outline around it.

    ``frame`` (3, 3) has the rows side, dorsal (both in the plane) and the plane's normal. The
    outline (NUM_RAYS, 2), in side and dorsal coordinates, is where rays from the centre first meet
    the surface, starting dorsal and turning towards the side; NaN for rays that meet nothing.
    """
    segments = section_segments(vertices, faces, centre, frame)
    angles = 2.0 * np.pi * np.arange(NUM_RAYS) / NUM_RAYS
    rays = np.stack([np.sin(angles), np.cos(angles)], axis=1)
    distances = _first_hits(segments, rays)
    distances[np.isinf(distances)] = np.nan
    return np.asarray(distances[:, None] * rays)


def section_segments(
    vertices: FloatArray, faces: IntArray, centre: FloatArray, frame: FloatArray
) -> FloatArray:
    """Return the segments (S, 2, 2) in which a plane cuts the faces, in its own axes."""
    local = (vertices - centre) @ frame.T
    height = local[faces, 2]
    corners = local[faces[(height.min(axis=1) < 0.0) & (height.max(axis=1) >= 0.0)]]
    ends = []
    for k in range(3):
        a, b = corners[:, k], corners[:, (k + 1) % 3]
        crosses = (a[:, 2] < 0.0) != (b[:, 2] < 0.0)
        share = a[:, 2] / np.where(crosses, a[:, 2] - b[:, 2], np.inf)
        ends.append(np.where(crosses[:, None], a + share[:, None] * (b - a), np.nan)[:, :2])
    stacked = np.stack(ends, axis=1)
    return np.asarray(stacked[~np.isnan(stacked[:, :, 0])].reshape(-1, 2, 2))


def _first_hits(segments: FloatArray, rays: FloatArray) -> FloatArray:
    """Return the distance (R,) at which each ray from the origin first meets a segment."""
    across = segments @ np.stack([rays[:, 1], -rays[:, 0]])
    along = segments @ rays.T
    crosses = (across[:, 0] < 0.0) != (across[:, 1] < 0.0)
    share = across[:, 0] / np.where(crosses, across[:, 0] - across[:, 1], np.inf)
    distance = along[:, 0] + share * (along[:, 1] - along[:, 0])
    return np.asarray(np.where(crosses & (distance > 0.0), distance, np.inf).min(axis=0))


def polygon_area(polygon: FloatArray) -> float:
    """Return the area of a polygon (P, 2)."""
    x, y = polygon.T
    return float(0.5 * abs(x @ np.roll(y, -1) - y @ np.roll(x, -1)))


def polygon_centroid(polygon: FloatArray) -> FloatArray:
    """Return the centre of area (2,) of a polygon (P, 2)."""
    following = np.roll(polygon, -1, axis=0)
    cross = polygon[:, 0] * following[:, 1] - polygon[:, 1] * following[:, 0]
    return np.asarray(((polygon + following) * cross[:, None]).sum(axis=0) / (3.0 * cross.sum()))


# Skin weights of the model's vertices, carried over from the source's surface.

# Smaller weights move a vertex by less than a tenth of a millimetre and only cost time.
_NEGLIGIBLE = 2e-3


def transferred_weights(surface: RiggedHand, vertices: FloatArray) -> FloatArray:
    """Return the surface's weights next to ``vertices``, (V, 16); rows sum to 1."""
    points = closest_points(vertices, surface.vertices, surface.faces)
    weights = points.interpolate(surface.skin_weights, surface.faces)
    weights[weights < _NEGLIGIBLE] = 0.0
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))
