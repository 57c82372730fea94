"""
Which points of the mesh's contour belong to which of the target's.

Pairs go both ways, from contour points of the mesh to the nearest of the target (what sticks out
is pulled in) and back (what the mesh leaves uncovered pulls it), each counting half. The distance
is measured along the target's normal. Pairs whose contours face different ways are left out, and
pairs far apart count less: they are holes, or an arm that the target has and the mesh has not.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from realhands_ros.geometry.rasterizer import NO_FACE
from realhands_ros.refinement.contours import contour_of, nearest
from realhands_ros.refinement.hand_estimate import FloatArray

# Cosine between outward normals below which two contour points do not belong together.
_MIN_COSINE = 0.5
# Every second contour pixel is as good as all of them.
_STRIDE = 2


class ContourPairs(NamedTuple):
    """
    Pairs of contour points of one view.

    Pair i adds ``weight[i] * distance[i]**2`` to the energy. Its distance, in pixels, depends on
    the three vertices ``vertices[i]`` (3,) by ``slopes[i]`` (3, 3), pixels a metre.
    """

    vertices: NDArray[np.int32]
    slopes: FloatArray
    distance: FloatArray
    weight: FloatArray
    reliability: FloatArray


@numba.njit(nogil=True, cache=True, error_model='numpy')
def match_contours(  # type: ignore[no-untyped-def]
    face_id,
    faces,
    vertices_px,
    slopes,
    target_pixels,
    target_normals,
    confidence,
    weight,
    kink,
    far,
):
    """
    Return the pairs of one view, as ContourPairs has them.

    ``face_id`` (H, W) is the rendered mesh, ``vertices_px`` (V, 2) its projected vertices, and
    ``slopes`` (V, 2, 3) their movement in pixels a metre; ``target_pixels`` and ``target_normals``
    are the contour of the target and ``confidence`` (N,) what its points count. A pixel's length
    of contour counts ``weight``; distances below ``kink`` pixels count squared rather than by
    magnitude, and pairs count less from about ``far`` pixels on.
    """
    mesh_pixels, mesh_normals = contour_of(face_id != NO_FACE)
    mesh_index, target_index = _pair_up(mesh_pixels, target_pixels)
    count = len(mesh_index)
    vertices = np.empty((count, 3), dtype=np.int32)
    vertex_slopes = np.empty((count, 3, 3))
    distances, weights, reliability = np.empty(count), np.empty(count), np.empty(count)
    for i in range(count):
        m, t = mesh_index[i], target_index[i]
        x, y = mesh_pixels[m, 0], mesh_pixels[m, 1]
        normal_x, normal_y = target_normals[t, 0], target_normals[t, 1]
        dx, dy = float(x - target_pixels[t, 0]), float(y - target_pixels[t, 1])
        distances[i] = dx * normal_x + dy * normal_y
        cosine = mesh_normals[m, 0] * normal_x + mesh_normals[m, 1] * normal_y
        falloff = 1.0 / (1.0 + (dx * dx + dy * dy) / (far * far))
        reliability[i] = confidence[t] * falloff * falloff if cosine > _MIN_COSINE else 0.0
        # Each of the two directions of pairs counts half.
        weights[i] = 0.5 * _STRIDE * weight * reliability[i] / max(abs(distances[i]), kink)
        face = face_id[y, x]
        shares = _barycentric(x, y, vertices_px, faces, face)
        for corner in range(3):
            vertex = faces[face, corner]
            vertices[i, corner] = vertex
            for axis in range(3):
                along = normal_x * slopes[vertex, 0, axis] + normal_y * slopes[vertex, 1, axis]
                vertex_slopes[i, corner, axis] = shares[corner] * along
    return vertices, vertex_slopes, distances, weights, reliability


@numba.njit(nogil=True, cache=True)
def _pair_up(mesh_pixels, target_pixels):  # type: ignore[no-untyped-def]
    """Return indices of paired points, mesh to target first, then back; none if one is empty."""
    if len(mesh_pixels) == 0 or len(target_pixels) == 0:
        nothing = np.zeros(0, dtype=np.intp)
        return nothing, nothing
    some_mesh = np.arange(0, len(mesh_pixels), _STRIDE)
    some_target = np.arange(0, len(target_pixels), _STRIDE)
    to_target = nearest(mesh_pixels[::_STRIDE], target_pixels)
    to_mesh = nearest(target_pixels[::_STRIDE], mesh_pixels)
    return np.concatenate((some_mesh, to_mesh)), np.concatenate((to_target, some_target))


@numba.njit(nogil=True, inline='always', error_model='numpy')
def _barycentric(x, y, vertices_px, faces, face):  # type: ignore[no-untyped-def]
    """Return the shares that the corners of a face have in the pixel (x, y)."""
    a, b, c = faces[face, 0], faces[face, 1], faces[face, 2]
    ax, ay = vertices_px[a, 0], vertices_px[a, 1]
    bx, by = vertices_px[b, 0] - ax, vertices_px[b, 1] - ay
    cx, cy = vertices_px[c, 0] - ax, vertices_px[c, 1] - ay
    double_area = bx * cy - by * cx
    share_b = ((x - ax) * cy - (y - ay) * cx) / double_area
    share_c = (bx * (y - ay) - by * (x - ax)) / double_area
    return 1.0 - share_b - share_c, share_b, share_c
