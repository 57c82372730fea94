"""
Packing of two flat islands of triangles into the smallest square, with a margin between them.

The islands are drawn as masks; where one may lie beside the other is found for all shifts at once
as a convolution of the masks, for a fan of angles.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.signal import fftconvolve

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Mask = NDArray[np.uint8]

# Cells of the search grid along the longer side of an island.
_GRID = 160
_ANGLE_STEP_DEG = 15


def pack_pair(
    islands: tuple[FloatArray, FloatArray],
    faces: tuple[IntArray, IntArray],
    *,
    margin: float,
) -> tuple[FloatArray, FloatArray]:
    """
    Return the two islands' points (V, 2) turned and shifted into the unit square, equally scaled.

    ``margin`` is the least distance between the islands and to the border, in parts of the square.
    """
    cell = max(float(np.ptp(island, axis=0).max()) for island in islands) / _GRID
    # The square ends up about as wide as half as much again as one island.
    gap = int(np.ceil(1.5 * _GRID * margin)) + 1
    best: tuple[float, FloatArray, FloatArray] | None = None
    angles = np.deg2rad(np.arange(0, 360, _ANGLE_STEP_DEG))
    seconds = [_drawn(_turned(islands[1], angle), faces[1], cell, 0) for angle in angles]
    # Turning both by a right angle changes nothing, so the first needs a quarter of the angles.
    for angle in angles[: len(angles) // 4]:
        first, mask, origin = _drawn(_turned(islands[0], angle), faces[0], cell, gap)
        for second, other_mask, other_origin in seconds:
            side, shift = _tightest_shift(mask, other_mask, gap)
            if best is None or side < best[0]:
                best = side, first - origin, second - other_origin + shift * cell
    assert best is not None
    return _fitted(best[1], best[2], margin)


def _turned(points: FloatArray, angle: float) -> FloatArray:
    cos, sin = np.cos(angle), np.sin(angle)
    return np.asarray(points @ np.array([[cos, sin], [-sin, cos]]))


def _drawn(
    points: FloatArray, faces: IntArray, cell: float, border: int
) -> tuple[FloatArray, Mask, FloatArray]:
    """Return points, a mask of their faces grown by ``border`` cells, and the mask's origin."""
    origin = points.min(axis=0) - border * cell
    grid_points = np.round((points - origin) / cell).astype(np.int32)
    columns, rows = grid_points.max(axis=0) + border + 1
    mask = np.zeros((int(rows), int(columns)), dtype=np.uint8)
    for triangle in grid_points[faces]:
        cv2.fillConvexPoly(mask, triangle, (1,))
    if border:
        kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * border + 1, 2 * border + 1))
        mask = np.asarray(cv2.dilate(mask, kernel), dtype=np.uint8)
    return points, mask, origin


def _tightest_shift(mask: Mask, other: Mask, gap: int) -> tuple[float, FloatArray]:
    """Return the side of the smallest square over all shifts of ``other`` that touch nothing."""
    overlap = fftconvolve(mask.astype(np.float32), other[::-1, ::-1].astype(np.float32))
    rows, columns = overlap.shape
    # Shift of other's top-left cell in cells of mask, per row and column of the overlap.
    down = np.arange(rows) - (other.shape[0] - 1)
    right = np.arange(columns) - (other.shape[1] - 1)
    height = _extent(down, other.shape[0], mask.shape[0], gap)
    width = _extent(right, other.shape[1], mask.shape[1], gap)
    side = np.maximum(height[:, None], width[None, :]).astype(np.float64)
    side[overlap > 0.5] = np.inf
    row, column = np.unravel_index(side.argmin(), side.shape)
    return float(side[row, column]), np.array([right[column], down[row]], dtype=np.float64)


def _extent(shift: IntArray, other: int, grown: int, gap: int) -> IntArray:
    return np.asarray(np.maximum(shift + other, grown - gap) - np.minimum(shift, gap))


def _fitted(first: FloatArray, second: FloatArray, margin: float) -> tuple[FloatArray, FloatArray]:
    low = np.minimum(first.min(axis=0), second.min(axis=0))
    high = np.maximum(first.max(axis=0), second.max(axis=0))
    scale = (1.0 - 2.0 * margin) / float((high - low).max())
    shift = 0.5 - scale * (low + high) / 2
    return first * scale + shift, second * scale + shift
