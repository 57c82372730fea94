"""Boundary loops of a mesh, and strips of triangles that join them to new loops."""

from __future__ import annotations

import numpy as np

from realhands_ros.hand.open_hand.source import FloatArray, IntArray


def bridged(
    vertices: FloatArray, faces: IntArray, loops: list[FloatArray]
) -> tuple[FloatArray, IntArray]:
    """Join each boundary loop of the faces to the nearest of ``loops``; these come first."""
    used, compact = np.unique(faces, return_inverse=True)
    num_fixed = sum(len(loop) for loop in loops)
    patch_faces = compact.reshape(-1, 3) + num_fixed
    joined = np.vstack([*loops, vertices[used]])
    all_faces = [patch_faces]
    starts = np.cumsum([0, *(len(loop) for loop in loops)])
    for boundary in boundary_loops(patch_faces):
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


def boundary_loops(faces: IntArray) -> list[IntArray]:
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
