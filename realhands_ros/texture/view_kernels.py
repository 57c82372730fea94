"""
Compiled kernels that look at one view of a hand: which texels it shows, in what colour, how well.

Shapes: V vertices, F faces, N texels of the atlas, a crop of H x W pixels.
"""

from __future__ import annotations

import numba
import numpy as np

# Sums may be reordered; NaN and infinity keep their meaning.
_FASTMATH = {'reassoc', 'contract', 'nsz'}

# Surface seen at a flatter angle than this cosine is not sampled.
_MIN_COSINE = 0.12
# A texel further behind the z-buffer than this is hidden; half a pixel on a slanted surface is
# less, a finger in front of another is more.
_DEPTH_TOLERANCE_M = 0.004
# Neighbouring pixels that differ more in depth belong to different parts of the hand.
_DEPTH_STEP_M = 0.008
# Lens and demosaicing mix the colours on both sides of an edge: nothing is taken nearer to one
# than the first distance (pixels), and everything counts in full from the second.
_EDGE_START_PX, _EDGE_FULL_PX = 1.5, 5.0


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


@numba.njit(nogil=True, cache=True, fastmath=_FASTMATH)
def sample_texels(  # type: ignore[no-untyped-def]
    rays,
    cosines,
    faces,
    starts,
    barycentric,
    depth,
    edge_distance,
    crop,
    silhouette,
    sharpness,
    is_plain,
    colours,
    weights,
):
    """
    Fill colours (N, 3) float32, RGB 0..255, and weights (N,) float32 in 0..1, 0 for not seen.

    ``rays`` (V, 3) are K times the vertices, ``cosines`` (V,) those of the viewing angle;
    ``starts`` (F + 1,) and ``barycentric`` (N, 3) are a TexelTable's; ``edge_distance`` (H, W)
    float32 is how far a pixel of this hand is from any edge and 0 elsewhere; ``crop`` (H, W, 3)
    BGR. With ``is_plain`` all that is seen weighs the same.
    """
    height, width = depth.shape
    for f in range(len(faces)):
        first, last = starts[f], starts[f + 1]
        p, q, r = rays[faces[f, 0]], rays[faces[f, 1]], rays[faces[f, 2]]
        volume = (
            p[0] * (q[1] * r[2] - q[2] * r[1])
            + p[1] * (q[2] * r[0] - q[0] * r[2])
            + p[2] * (q[0] * r[1] - q[1] * r[0])
        )
        # Outward faces turn clockwise seen from the origin behind them: towards the camera < 0.
        if volume >= 0.0 or not (p[2] > 0.0 and q[2] > 0.0 and r[2] > 0.0):
            for n in range(first, last):
                weights[n] = 0.0
            continue
        cos_p, cos_q, cos_r = cosines[faces[f, 0]], cosines[faces[f, 1]], cosines[faces[f, 2]]
        for n in range(first, last):
            weights[n] = 0.0
            b0, b1, b2 = barycentric[n, 0], barycentric[n, 1], barycentric[n, 2]
            z = b0 * p[2] + b1 * q[2] + b2 * r[2]
            x = (b0 * p[0] + b1 * q[0] + b2 * r[0]) / z
            y = (b0 * p[1] + b1 * q[1] + b2 * r[1]) / z
            if not (x >= 0.0 and y >= 0.0 and x < width - 1.0 and y < height - 1.0):
                continue
            near_x, near_y = int(x + 0.5), int(y + 0.5)
            distance = edge_distance[near_y, near_x]
            if distance <= 0.0 or z > depth[near_y, near_x] + _DEPTH_TOLERANCE_M:
                continue
            weight = 1.0
            if not is_plain:
                cosine = b0 * cos_p + b1 * cos_q + b2 * cos_r
                from_edge = min(
                    (distance - _EDGE_START_PX) / (_EDGE_FULL_PX - _EDGE_START_PX), 1.0
                )
                sure = (silhouette[near_y, near_x] - 127.5) / 127.5
                if cosine <= _MIN_COSINE or from_edge <= 0.0:
                    continue
                weight = cosine * cosine * from_edge * sure * sharpness
            weights[n] = weight
            column, row = int(x), int(y)
            right, down = np.float32(x - column), np.float32(y - row)
            for channel in range(3):
                top_left = np.float32(crop[row, column, channel])
                top_right = np.float32(crop[row, column + 1, channel])
                low_left = np.float32(crop[row + 1, column, channel])
                low_right = np.float32(crop[row + 1, column + 1, channel])
                top = top_left + right * (top_right - top_left)
                low = low_left + right * (low_right - low_left)
                colours[n, 2 - channel] = top + down * (low - top)
