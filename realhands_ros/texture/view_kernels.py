"""
Compiled kernels that look at one view of a hand: which texels it shows, in what colour, how well.

Shapes: V vertices, F faces, N texels, a crop of H x W pixels.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

# Sums may be reordered; NaN and infinity keep their meaning.
_FASTMATH = {'reassoc', 'contract', 'nsz'}

_ZERO, _HALF = np.float32(0.0), np.float32(0.5)
# Pixels are unsigned, since a signed index may count from the end: that test costs a quarter.
_ONE_PIXEL = np.uint64(1)
# Surface seen at a flatter angle than this cosine is not sampled.
_MIN_COSINE = np.float32(0.12)
# A texel further behind the z-buffer than this is hidden; half a pixel on a slanted surface is
# less, a finger in front of another is more.
_DEPTH_TOLERANCE_M = np.float32(0.004)
# Neighbouring pixels that differ more in depth belong to different parts of the hand.
_DEPTH_STEP_M = 0.008
# Lens and demosaicing mix the colours on both sides of an edge: nothing is taken nearer to one
# than the first distance (pixels), and everything counts in full from the second.
_EDGE_START_PX, _EDGE_FULL_PX = np.float32(1.5), np.float32(5.0)


class SeenView(NamedTuple):
    """
    What one camera sees of a hand, ready to be looked up.

    ``rays`` (V, 3) float32 are K times the vertices in the frame of the crop's camera, ``cosines``
    (V,) float32 those of the viewing angle; ``depth`` (H, W) float32 is the z-buffer, ``trust``
    (H, W) float32 how surely a pixel has the colour of the hand alone, 0..1; ``crop`` (H, W, 3)
    uint8 BGR.
    """

    rays: NDArray[np.float32]
    cosines: NDArray[np.float32]
    depth: NDArray[np.float32]
    trust: NDArray[np.float32]
    crop: NDArray[np.uint8]

    @classmethod
    def blind(cls, num_vertices: int) -> SeenView:
        """Return a view that shows nothing: no ray of it points forwards."""
        pixel = np.zeros((1, 1), np.float32)
        return cls(
            np.zeros((num_vertices, 3), np.float32),
            np.zeros(num_vertices, np.float32),
            pixel,
            pixel,
            np.zeros((1, 1, 3), np.uint8),
        )


class Layout(NamedTuple):
    """
    Where texels lie on a mesh: its ``faces`` (F, 3) and, as a TexelTable has them, the others.

    ``starts`` (F + 1,); ``barycentric`` (N, 3) float32; ``texels`` (N,).
    """

    faces: NDArray[np.int64]
    starts: NDArray[np.int64]
    barycentric: NDArray[np.float32]
    texels: NDArray[np.int64]


@numba.njit(nogil=True, cache=True)
def mark_inside(face_id, depth, first_face, last_face, silhouette, inside):  # type: ignore[no-untyped-def]
    """
    Mark the pixels that show faces [first_face, last_face), off every edge.

    ``face_id`` and ``depth`` (H, W) are a raster's; ``silhouette`` (H, W) uint8 probability of
    hand; ``inside`` (H, W) uint8 is filled with 0 and 1.
    """
    height, width = depth.shape
    for y in range(height):
        for x in range(width):
            inside[y, x] = 0
            face = face_id[y, x]
            if face < first_face or face >= last_face or silhouette[y, x] < 128:
                continue
            here = depth[y, x]
            steps = 0.0
            if x > 0:
                steps = max(steps, abs(depth[y, x - 1] - here))
            if x < width - 1:
                steps = max(steps, abs(depth[y, x + 1] - here))
            if y > 0:
                steps = max(steps, abs(depth[y - 1, x] - here))
            if y < height - 1:
                steps = max(steps, abs(depth[y + 1, x] - here))
            if steps <= _DEPTH_STEP_M:
                inside[y, x] = 1


@numba.njit(nogil=True, cache=True)
def trust_pixels(edge_distance, silhouette, trust):  # type: ignore[no-untyped-def]
    """
    Fill ``trust`` (H, W) float32: the more, the farther from an edge and the surer the mask.

    ``edge_distance`` (H, W) float32 is how far a pixel of this hand is from any edge and 0
    elsewhere; ``silhouette`` (H, W) uint8 is at least 128 where the distance is above 0.
    """
    height, width = trust.shape
    for y in range(height):
        for x in range(width):
            from_edge = (edge_distance[y, x] - _EDGE_START_PX) / (_EDGE_FULL_PX - _EDGE_START_PX)
            sure = (np.float32(silhouette[y, x]) - np.float32(127.5)) / np.float32(127.5)
            trust[y, x] = min(max(from_edge, _ZERO), np.float32(1.0)) * sure


@numba.njit(nogil=True, cache=True, fastmath=_FASTMATH)
def look_at_faces(view, layout, first_face, last_face, colours, weights):  # type: ignore[no-untyped-def]
    """
    Look up the M texels of the faces [first_face, last_face).

    Fills colours (M, 3) float32, RGB 0..255, and weights (M,) float32 in 0..1. Texels that are not
    seen are black and weigh 0.
    """
    rays, cosines, depth, trust, crop = view
    faces, starts, barycentric, _ = layout
    height, width = depth.shape
    last_x, last_y = np.float32(width - 1), np.float32(height - 1)
    first = starts[first_face]
    colours[: starts[last_face] - first] = _ZERO
    weights[: starts[last_face] - first] = _ZERO
    for f in range(first_face, last_face):
        p, q, r = faces[f, 0], faces[f, 1], faces[f, 2]
        if not _is_towards(rays, p, q, r):
            continue
        for n in range(starts[f], starts[f + 1]):
            b0, b1, b2 = barycentric[n, 0], barycentric[n, 1], barycentric[n, 2]
            z = b0 * rays[p, 2] + b1 * rays[q, 2] + b2 * rays[r, 2]
            x = (b0 * rays[p, 0] + b1 * rays[q, 0] + b2 * rays[r, 0]) / z
            y = (b0 * rays[p, 1] + b1 * rays[q, 1] + b2 * rays[r, 1]) / z
            if not (x >= _ZERO and y >= _ZERO and x < last_x and y < last_y):
                continue
            near_x, near_y = np.uint64(x + _HALF), np.uint64(y + _HALF)
            sure = trust[near_y, near_x]
            if sure <= _ZERO or z > depth[near_y, near_x] + _DEPTH_TOLERANCE_M:
                continue
            cosine = b0 * cosines[p] + b1 * cosines[q] + b2 * cosines[r]
            if cosine <= _MIN_COSINE:
                continue
            weights[n - first] = cosine * cosine * sure
            _interpolate(crop, x, y, colours, n - first)


@numba.njit(nogil=True, cache=True, fastmath=_FASTMATH)
def _is_towards(rays, p, q, r):  # type: ignore[no-untyped-def]
    """Tell whether a face with corners p, q and r is in front of the camera and faces it."""
    volume = (
        rays[p, 0] * (rays[q, 1] * rays[r, 2] - rays[q, 2] * rays[r, 1])
        + rays[p, 1] * (rays[q, 2] * rays[r, 0] - rays[q, 0] * rays[r, 2])
        + rays[p, 2] * (rays[q, 0] * rays[r, 1] - rays[q, 1] * rays[r, 0])
    )
    # Outward faces turn clockwise seen from the origin behind them: towards the camera < 0.
    return volume < _ZERO and min(rays[p, 2], rays[q, 2], rays[r, 2]) > _ZERO


@numba.njit(nogil=True, cache=True, fastmath=_FASTMATH)
def _interpolate(crop, x, y, colours, number):  # type: ignore[no-untyped-def]
    """Fill ``colours[number]`` (RGB) with what the crop (BGR) has between four pixels."""
    column, row = np.uint64(x), np.uint64(y)
    next_column, next_row = column + _ONE_PIXEL, row + _ONE_PIXEL
    right, down = x - np.float32(column), y - np.float32(row)
    for channel in range(3):
        top_left = np.float32(crop[row, column, channel])
        top_right = np.float32(crop[row, next_column, channel])
        low_left = np.float32(crop[next_row, column, channel])
        low_right = np.float32(crop[next_row, next_column, channel])
        top = top_left + right * (top_right - top_left)
        low = low_left + right * (low_right - low_left)
        colours[number, 2 - channel] = top + down * (low - top)
