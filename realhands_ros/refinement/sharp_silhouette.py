"""
Hard silhouettes of projected triangles, with the nearest triangle of every pixel.

A lean sibling of geometry/rasterizer.py for the inner loop of the refinement: vertices are
projected already and all before the camera, and nothing but the triangle's number is wanted, which
takes a quarter of the time. Tests hold the two together.
"""

from __future__ import annotations

import numba
import numpy as np

from realhands_ros.geometry.rasterizer import NO_FACE

# A pixel on an edge that two triangles share must not fall between them by rounding.
_OVERLAP_PX = 1e-4
# Triangles that reach further belong to no hand, and their pixels would not fit an integer.
_MAX_PX = 1e6


@numba.njit(nogil=True, inline='always', error_model='numpy')
def _edge(px, py, qx, qy):  # type: ignore[no-untyped-def]
    """Return an edge's rows (lowest, highest), a point of it, and columns per row along it."""
    return min(py, qy), max(py, qy), px, py, (qx - px) / (qy - py)


@numba.njit(nogil=True, inline='always')
def _widen(y, edge, left, right):  # type: ignore[no-untyped-def]
    """Widen [left, right] by where an edge crosses row y, if it does and does not run along it."""
    low, high, px, py, slope = edge
    if low <= y <= high and low < high:
        x = px + (y - py) * slope
        return min(left, x), max(right, x)
    return left, right


@numba.njit(nogil=True, inline='always')
def _draw_row(f, near, slope_x, left, right, face_id, nearness):  # type: ignore[no-untyped-def]
    """Draw columns [left, right] of triangle f, ``near + slope_x x`` in nearness, in one row."""
    start = max(0, int(np.ceil(left - _OVERLAP_PX)))
    stop = min(len(face_id), int(np.floor(right + _OVERLAP_PX)) + 1)
    for x in range(start, stop):
        here = np.float32(near + slope_x * x)
        if here > nearness[x]:
            nearness[x] = here
            face_id[x] = f


@numba.njit(nogil=True, cache=True, error_model='numpy')
def draw_faces(vertices_px, depth, faces, height, width):  # type: ignore[no-untyped-def]
    """
    Return the number (H, W) of the triangle that each pixel sees, NO_FACE where there is none.

    ``vertices_px`` (V, 2) are projected vertices in pixels and ``depth`` (V,) their depths,
    positive where the image shall mean anything; ``faces`` (F, 3). Triangles with a corner that is
    not finite, or absurdly far away, are skipped.
    """
    face_id = np.full((height, width), NO_FACE, dtype=np.int32)
    nearness = np.zeros((height, width), dtype=np.float32)
    for f in range(faces.shape[0]):
        a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
        ax, ay = vertices_px[a, 0], vertices_px[a, 1]
        bx, by = vertices_px[b, 0] - ax, vertices_px[b, 1] - ay
        cx, cy = vertices_px[c, 0] - ax, vertices_px[c, 1] - ay
        double_area = bx * cy - by * cx
        extent = abs(ax) + abs(ay) + abs(bx) + abs(by) + abs(cx) + abs(cy)
        if double_area == 0.0 or not extent < _MAX_PX:  # NaN is not below it either
            continue
        ab, ac, bc = _edge(0.0, 0.0, bx, by), _edge(0.0, 0.0, cx, cy), _edge(bx, by, cx, cy)
        # The inverse depth is a linear function of the pixel.
        near_a = 1.0 / depth[a]
        near_b, near_c = 1.0 / depth[b] - near_a, 1.0 / depth[c] - near_a
        slope_x = (near_b * cy - near_c * by) / double_area
        slope_y = (near_c * bx - near_b * cx) / double_area
        first = max(0, int(np.ceil(ay + min(0.0, by, cy))))
        last = min(height - 1, int(np.floor(ay + max(0.0, by, cy))))
        for row in range(first, last + 1):
            y = row - ay
            left, right = _widen(y, ab, np.inf, -np.inf)
            left, right = _widen(y, ac, left, right)
            left, right = _widen(y, bc, left, right)
            if left <= right:
                near = near_a + slope_y * y - slope_x * ax
                _draw_row(f, near, slope_x, ax + left, ax + right, face_id[row], nearness[row])
    return face_id
