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

# Rows of triangles that are worked out before any of them is drawn.
_BUFFERED_SPANS = 1024
# A pixel on an edge that two triangles share must not fall between them by rounding.
_OVERLAP_PX = 1e-4
# Triangles that reach further belong to no hand, and their pixels would not fit an integer.
_MAX_PX = 1e6


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
    # The processor mostly guesses wrong how many pixels a row of a small triangle has. That costs
    # little where the number is known long before it is needed, so rows are drawn many at a time.
    places = np.empty((_BUFFERED_SPANS + height, 4), dtype=np.int32)
    planes = np.empty((len(places), 2))
    near = 1.0 / depth
    count = 0
    for f in range(faces.shape[0]):
        if count > _BUFFERED_SPANS:
            _draw_spans(places[:count], planes[:count], face_id, nearness)
            count = 0
        count = _add_spans(f, vertices_px, near, faces, height, width, places, planes, count)
    _draw_spans(places[:count], planes[:count], face_id, nearness)
    return face_id


@numba.njit(nogil=True, inline='always', error_model='numpy')
def _add_spans(  # type: ignore[no-untyped-def]
    f, vertices_px, near, faces, height, width, places, planes, count
):
    """
    Add the rows of pixels of triangle ``f`` from index ``count`` on, and return the new count.

    ``near`` (V,) are the vertices' inverse depths. ``places`` (N, 4) take row, first column, the
    column after the last, and triangle; ``planes`` (N, 2) the inverse depth at column 0 and its
    change from column to column: it is a linear function of the pixel.
    """
    a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
    ax, ay = vertices_px[a, 0], vertices_px[a, 1]
    bx, by = vertices_px[b, 0] - ax, vertices_px[b, 1] - ay
    cx, cy = vertices_px[c, 0] - ax, vertices_px[c, 1] - ay
    double_area = bx * cy - by * cx
    extent = abs(ax) + abs(ay) + abs(bx) + abs(by) + abs(cx) + abs(cy)
    if double_area == 0.0 or not extent < _MAX_PX:  # NaN is not below it either
        return count
    near_b, near_c = near[b] - near[a], near[c] - near[a]
    slope_x = (near_b * cy - near_c * by) / double_area
    slope_y = (near_c * bx - near_b * cx) / double_area
    # From here on the corners from top to bottom, relative to a.
    top_x, top_y, bx, by = _upper_first(0.0, 0.0, bx, by)
    bx, by, bottom_x, bottom_y = _upper_first(bx, by, cx, cy)
    top_x, top_y, bx, by = _upper_first(top_x, top_y, bx, by)
    long_side = (bottom_x - top_x) / (bottom_y - top_y)
    upper_side, lower_side = (bx - top_x) / (by - top_y), (bottom_x - bx) / (bottom_y - by)
    # A lower side that runs along a row has no slope.
    lower_from = by if by < bottom_y else np.inf
    first = max(0, int(np.ceil(ay + top_y)))
    last = min(height - 1, int(np.floor(ay + bottom_y)))
    for row in range(first, last + 1):
        y = row - ay
        one = top_x + (y - top_y) * long_side
        other = top_x + (y - top_y) * upper_side if y < lower_from else bx + (y - by) * lower_side
        places[count, 0] = row
        places[count, 1] = max(0, int(np.ceil(ax + min(one, other) - _OVERLAP_PX)))
        places[count, 2] = min(width, int(np.floor(ax + max(one, other) + _OVERLAP_PX)) + 1)
        places[count, 3] = f
        planes[count, 0] = near[a] + slope_y * y - slope_x * ax
        planes[count, 1] = slope_x
        count += places[count, 1] < places[count, 2]
    return count


@numba.njit(nogil=True, inline='always')
def _upper_first(px, py, qx, qy):  # type: ignore[no-untyped-def]
    if qy < py:
        return qx, qy, px, py
    return px, py, qx, qy


@numba.njit(nogil=True, cache=True)
def _draw_spans(places, planes, face_id, nearness):  # type: ignore[no-untyped-def]
    """Draw rows of pixels, as _add_spans has them, where they are nearer than what is there."""
    for i in range(places.shape[0]):
        row, f = places[i, 0], places[i, 3]
        for x in range(places[i, 1], places[i, 2]):
            here = np.float32(planes[i, 0] + planes[i, 1] * x)
            if here > nearness[row, x]:
                nearness[row, x] = here
                face_id[row, x] = f
