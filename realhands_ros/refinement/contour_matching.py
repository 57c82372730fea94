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
        normal = target_normals[t]
        dx = float(mesh_pixels[m, 0] - target_pixels[t, 0])
        dy = float(mesh_pixels[m, 1] - target_pixels[t, 1])
        distances[i] = dx * normal[0] + dy * normal[1]
        cosine = mesh_normals[m, 0] * normal[0] + mesh_normals[m, 1] * normal[1]
        falloff = 1.0 / (1.0 + (dx * dx + dy * dy) / (far * far))
        reliability[i] = confidence[t] * falloff * falloff if cosine > _MIN_COSINE else 0.0
        # Each of the two directions of pairs counts half.
        weights[i] = 0.5 * _STRIDE * weight * reliability[i] / max(abs(distances[i]), kink)
        vertices[i] = faces[face_id[mesh_pixels[m, 1], mesh_pixels[m, 0]]]
        shares = _barycentric(mesh_pixels[m], vertices_px, vertices[i])
        for corner in range(3):
            slope = slopes[vertices[i, corner]]
            for axis in range(3):
                along = normal[0] * slope[0, axis] + normal[1] * slope[1, axis]
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
def _barycentric(pixel, vertices_px, corners):  # type: ignore[no-untyped-def]
    a, b, c = vertices_px[corners[0]], vertices_px[corners[1]], vertices_px[corners[2]]
    x, y = pixel[0] - a[0], pixel[1] - a[1]
    double_area = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
    share_b = (x * (c[1] - a[1]) - y * (c[0] - a[0])) / double_area
    share_c = ((b[0] - a[0]) * y - (b[1] - a[1]) * x) / double_area
    return 1.0 - share_b - share_c, share_b, share_c
