"""Normals of a triangle mesh."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]

_SHORTEST = 1e-12


def vertex_normals(vertices: ArrayLike, faces: NDArray[np.integer[Any]]) -> FloatArray:
    """
    Return area-weighted unit normals (V, 3) of a mesh with vertices (V, 3) and faces (F, 3).

    They point to the side from which the faces turn anticlockwise. A vertex without faces has the
    normal 0.
    """
    sums = _sums_of_face_normals(
        np.ascontiguousarray(vertices, dtype=np.float64),
        np.ascontiguousarray(faces, dtype=np.int64),
    )
    lengths = np.linalg.norm(sums, axis=1, keepdims=True)
    return np.asarray(sums / np.maximum(lengths, _SHORTEST))


@numba.njit(nogil=True, cache=True)
def _sums_of_face_normals(vertices, faces):  # type: ignore[no-untyped-def]
    """Sum, at each vertex, the cross products of its faces' sides: twice their areas long."""
    sums = np.zeros((len(vertices), 3))
    for f in range(len(faces)):
        a, b, c = vertices[faces[f, 0]], vertices[faces[f, 1]], vertices[faces[f, 2]]
        ux, uy, uz = b[0] - a[0], b[1] - a[1], b[2] - a[2]
        vx, vy, vz = c[0] - a[0], c[1] - a[1], c[2] - a[2]
        nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
        for corner in range(3):
            vertex = faces[f, corner]
            sums[vertex, 0] += nx
            sums[vertex, 1] += ny
            sums[vertex, 2] += nz
    return sums
