"""
The smoothness terms of the refinement energy (paper, eq. 2 to 4) with analytic gradients.

Each is a mean, so that a weight means the same for any mesh, and takes lengths in units of
LENGTH_UNIT_M, about half the width of a hand's crop, so that lengths and silhouettes (which are in
NDC, half the crop's width) are commensurable.
"""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int32]

LENGTH_UNIT_M = 0.1

# Twice the area in square metres, squared, below which a face has no normal.
_NO_NORMAL = 1e-24


class MeshTerms:
    """
    Edge length, Laplacian and normal consistency of one triangle list.

    ``faces`` (F, 3) index ``num_vertices`` vertices. Each term takes vertices (V, 3) in metres,
    returns ``weight`` times its value, and adds the derivative of that to ``gradient`` (V, 3), if
    there is one: values alone take half the time.
    """

    def __init__(self, faces: IntArray, num_vertices: int) -> None:
        self.edges = unique_edges(faces)
        self.neighbouring_faces = neighbouring_faces(faces)
        self._faces = np.ascontiguousarray(faces, dtype=np.int32)
        degree = np.bincount(self.edges.ravel(), minlength=num_vertices)
        # A vertex without a face has no neighbourhood; its Laplacian is then itself, times zero.
        self._inverse_degree = np.where(degree > 0, 1.0 / np.maximum(degree, 1), 0.0)

    def edge_length(
        self, vertices: FloatArray, weight: float, gradient: FloatArray | None
    ) -> float:
        """Return eq. 2, right: per vertex, the sum of squared lengths of its edges."""
        return float(_edge_length(vertices, self.edges, weight / LENGTH_UNIT_M**2, gradient))

    def laplacian(self, vertices: FloatArray, weight: float, gradient: FloatArray | None) -> float:
        """Return eq. 3: per vertex, its squared distance from the mean of its neighbours."""
        scaled = weight / LENGTH_UNIT_M**2
        return float(_laplacian(vertices, self.edges, self._inverse_degree, scaled, gradient))

    def normal_consistency(
        self, vertices: FloatArray, weight: float, gradient: FloatArray | None
    ) -> float:
        """Return eq. 4: per pair of faces with a common edge, 1 - cosine between their normals."""
        return float(
            _normal_consistency(vertices, self._faces, self.neighbouring_faces, weight, gradient)
        )


def unique_edges(faces: IntArray) -> IntArray:
    """Return the undirected edges (E, 2) of faces (F, 3), lower index first, sorted."""
    sides = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    edges: IntArray = np.unique(np.sort(sides, axis=1), axis=0).astype(np.int32)
    return edges


def neighbouring_faces(faces: IntArray) -> IntArray:
    """Return the pairs (P, 2) of faces that share an edge."""
    sides = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    face = np.tile(np.arange(len(faces)), 3)
    _, edge = np.unique(np.sort(sides, axis=1), axis=0, return_inverse=True)
    order = np.argsort(edge.ravel(), kind='stable')
    edge, face = edge.ravel()[order], face[order]
    shared = edge[1:] == edge[:-1]
    pairs: IntArray = np.stack([face[:-1][shared], face[1:][shared]], axis=1).astype(np.int32)
    return pairs


@numba.njit(nogil=True, cache=True)
def _edge_length(vertices, edges, scale, gradient):  # type: ignore[no-untyped-def]
    # Both ends of an edge count it (eq. 2 sums over vertices, then over their neighbours).
    factor = 2.0 * scale / vertices.shape[0]
    total = 0.0
    for i in range(edges.shape[0]):
        a, b = edges[i, 0], edges[i, 1]
        for axis in range(3):
            difference = vertices[a, axis] - vertices[b, axis]
            total += difference * difference
            if gradient is not None:
                gradient[a, axis] += 2.0 * factor * difference
                gradient[b, axis] -= 2.0 * factor * difference
    return total * factor


@numba.njit(nogil=True, cache=True)
def _laplacian(vertices, edges, inverse_degree, scale, gradient):  # type: ignore[no-untyped-def]
    factor = scale / vertices.shape[0]
    mean = np.zeros_like(vertices)
    for i in range(edges.shape[0]):
        a, b = edges[i, 0], edges[i, 1]
        for axis in range(3):
            mean[a, axis] += vertices[b, axis] * inverse_degree[a]
            mean[b, axis] += vertices[a, axis] * inverse_degree[b]
    total = 0.0
    delta = vertices - mean
    for v in range(vertices.shape[0]):
        if inverse_degree[v] == 0.0:
            delta[v] = 0.0
        for axis in range(3):
            total += delta[v, axis] * delta[v, axis]
    if gradient is not None:
        gradient += 2.0 * factor * delta
        for i in range(edges.shape[0]):
            a, b = edges[i, 0], edges[i, 1]
            for axis in range(3):
                gradient[b, axis] -= 2.0 * factor * delta[a, axis] * inverse_degree[a]
                gradient[a, axis] -= 2.0 * factor * delta[b, axis] * inverse_degree[b]
    return total * factor


@numba.njit(nogil=True, cache=True, inline='always')
def _cross(a, b):  # type: ignore[no-untyped-def]
    return (
        a[1] * b[2] - a[2] * b[1],
        a[2] * b[0] - a[0] * b[2],
        a[0] * b[1] - a[1] * b[0],
    )


@numba.njit(nogil=True, cache=True)
def face_normals(vertices, faces):  # type: ignore[no-untyped-def]
    """Return the normals (F, 3) of faces, twice the area long; ``vertices`` (V, 3)."""
    normals = np.empty((faces.shape[0], 3))
    for f in range(faces.shape[0]):
        a, b, c = vertices[faces[f, 0]], vertices[faces[f, 1]], vertices[faces[f, 2]]
        normals[f, 0], normals[f, 1], normals[f, 2] = _cross(
            (b[0] - a[0], b[1] - a[1], b[2] - a[2]), (c[0] - a[0], c[1] - a[1], c[2] - a[2])
        )
    return normals


@numba.njit(nogil=True, cache=True)
def _normal_consistency(vertices, faces, pairs, weight, gradient):  # type: ignore[no-untyped-def]
    factor = weight / max(pairs.shape[0], 1)
    normals = face_normals(vertices, faces)
    if gradient is not None:
        normal_gradient = np.zeros_like(normals)
    total = 0.0
    for i in range(pairs.shape[0]):
        m, n = normals[pairs[i, 0]], normals[pairs[i, 1]]
        square_m = m[0] * m[0] + m[1] * m[1] + m[2] * m[2]
        square_n = n[0] * n[0] + n[1] * n[1] + n[2] * n[2]
        if square_m < _NO_NORMAL or square_n < _NO_NORMAL:
            continue
        length = np.sqrt(square_m * square_n)
        cosine = (m[0] * n[0] + m[1] * n[1] + m[2] * n[2]) / length
        total += 1.0 - cosine
        if gradient is not None:
            for axis in range(3):
                by_m = n[axis] / length - cosine * m[axis] / square_m
                by_n = m[axis] / length - cosine * n[axis] / square_n
                normal_gradient[pairs[i, 0], axis] -= factor * by_m
                normal_gradient[pairs[i, 1], axis] -= factor * by_n
    if gradient is not None:
        _pull_back_normals(vertices, faces, normal_gradient, gradient)
    return total * factor


@numba.njit(nogil=True, cache=True)
def _pull_back_normals(  # type: ignore[no-untyped-def]
    vertices, faces, normal_gradient, gradient
):
    """
    Add to ``gradient`` (V, 3) what derivatives (F, 3) by the normals of faces are by vertices.

    With n = (b - a) x (c - a): dn . g = db . ((c - a) x g) + dc . (g x (b - a)), a the negative.
    """
    for f in range(faces.shape[0]):
        a, b, c = vertices[faces[f, 0]], vertices[faces[f, 1]], vertices[faces[f, 2]]
        g = normal_gradient[f]
        to_b = _cross((c[0] - a[0], c[1] - a[1], c[2] - a[2]), g)
        to_c = _cross(g, (b[0] - a[0], b[1] - a[1], b[2] - a[2]))
        for axis in range(3):
            gradient[faces[f, 1], axis] += to_b[axis]
            gradient[faces[f, 2], axis] += to_c[axis]
            gradient[faces[f, 0], axis] -= to_b[axis] + to_c[axis]
