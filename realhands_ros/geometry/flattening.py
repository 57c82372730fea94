"""
Flattening of a disc of triangles into the plane with as little stretch as possible.

As-rigid-as-possible parameterisation (Liu et al., "A Local/Global Approach to Mesh
Parameterization", 2008): every triangle is rotated into the plane as it is, and the plane's
vertices follow from a linear system with the cotangent Laplacian; the two steps alternate.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csc_array, diags
from scipy.sparse.linalg import factorized

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

# Obtuse triangles have negative cotangents, which make the system indefinite.
_SMALLEST_COTANGENT = 0.05
# Holds the drawing where it is: the energy itself does not depend on its place.
_ANCHOR_WEIGHT = 1e-6


def flatten(
    vertices: FloatArray,
    faces: IntArray,
    start: FloatArray,
    *,
    pull: FloatArray,
    iterations: int = 300,
) -> FloatArray:
    """
    Return plane coordinates (V, 2), in the unit of ``vertices`` (V, 3), of all vertices.

    ``start`` (V, 2) is a rough drawing of the mesh to begin with; ``pull`` (V,) says how strongly
    (against cotangent weights of about 1) each vertex is drawn towards its place in it, which
    decides between drawings that the energy finds equally good.
    """
    triangles = triangle_coordinates(vertices, faces)
    first, second, weights = _cotangent_edges(triangles, faces)
    holds = csc_array(diags(pull + _ANCHOR_WEIGHT))
    solve = factorized(_laplacian(first, second, weights, len(vertices)) + holds)
    edges = np.roll(triangles, -1, axis=1) - np.roll(triangles, -2, axis=1)
    plane = np.asarray(start, dtype=np.float64)
    for _ in range(iterations):
        rotations = _closest_rotations(jacobians(triangles, plane, faces))
        turned = weights[..., None] * np.einsum('fab,fkb->fka', rotations, edges)
        right_side = (pull + _ANCHOR_WEIGHT)[:, None] * start
        np.add.at(right_side, first, turned)
        np.add.at(right_side, second, -turned)
        plane = np.stack([solve(right_side[:, 0]), solve(right_side[:, 1])], axis=1)
    return plane


def triangle_coordinates(vertices: FloatArray, faces: IntArray) -> FloatArray:
    """Lay each triangle in a plane of its own: corners (F, 3, 2), the first one at the origin."""
    a, b, c = np.moveaxis(np.asarray(vertices)[faces], 1, 0)
    length = np.linalg.norm(b - a, axis=1)
    x_axis = (b - a) / length[:, None]
    along = ((c - a) * x_axis).sum(axis=1)
    height = np.linalg.norm(c - a - along[:, None] * x_axis, axis=1)
    corners = np.zeros((len(faces), 3, 2))
    corners[:, 1, 0], corners[:, 2, 0], corners[:, 2, 1] = length, along, height
    return corners


def jacobians(triangles: FloatArray, plane: FloatArray, faces: IntArray) -> FloatArray:
    """Return the linear maps (F, 2, 2) of triangles (F, 3, 2) to their place in the plane."""
    source = np.swapaxes(triangles[:, 1:] - triangles[:, :1], 1, 2)
    target = np.swapaxes(plane[faces[:, 1:]] - plane[faces[:, :1]], 1, 2)
    return np.asarray(target @ np.linalg.inv(source))


def stretches(vertices: FloatArray, faces: IntArray, plane: FloatArray) -> FloatArray:
    """
    Return the larger and smaller stretch (F, 2) of each triangle from 3D to the plane.

    They are the singular values of its linear map; the smaller one carries the sign of the area,
    negative for a triangle that is turned over.
    """
    maps = jacobians(triangle_coordinates(vertices, faces), plane, faces)
    singular = np.linalg.svd(maps, compute_uv=False)
    singular[:, 1] *= np.sign(np.linalg.det(maps))
    return np.asarray(singular)


def _cotangent_edges(
    triangles: FloatArray, faces: IntArray
) -> tuple[IntArray, IntArray, FloatArray]:
    """Return start, end and weight (F, 3) of the edge opposite each corner."""
    to_next = np.roll(triangles, -1, axis=1) - triangles
    to_last = np.roll(triangles, -2, axis=1) - triangles
    area = np.abs(to_next[..., 0] * to_last[..., 1] - to_next[..., 1] * to_last[..., 0])
    cotangents = np.maximum((to_next * to_last).sum(axis=2) / area, _SMALLEST_COTANGENT)
    return np.roll(faces, -1, axis=1), np.roll(faces, -2, axis=1), cotangents / 2


def _laplacian(first: IntArray, second: IntArray, weights: FloatArray, size: int) -> csc_array:
    i, j, w = first.ravel(), second.ravel(), weights.ravel()
    rows, columns = np.concatenate([i, j, i, j]), np.concatenate([i, j, j, i])
    values = np.concatenate([w, w, -w, -w])
    return csc_array(coo_array((values, (rows, columns)), shape=(size, size)))


def _closest_rotations(maps: FloatArray) -> FloatArray:
    u, _, vt = np.linalg.svd(maps)
    u[:, :, 1] *= np.sign(np.linalg.det(u @ vt))[:, None]
    return np.asarray(u @ vt)
