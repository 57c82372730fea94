"""
Contours of masks, and which point of one is nearest to a point of another.

A contour is the list of a mask's pixels that touch a pixel outside of it, without those where the
mask is only cut off by the image's border. Equal masks have equal contours.
"""

from __future__ import annotations

import numba
import numpy as np

# The direction of a contour is measured on the mask blurred this much: pixels make stairs.
_NORMAL_BLUR_PX = 1.5
_NORMAL_REACH_PX = 3


@numba.njit(nogil=True, cache=True)
def contour_of(mask):  # type: ignore[no-untyped-def]
    """Return a mask's (H, W) contour: pixels (N, 2) as (x, y), outward unit normals (N, 2)."""
    padded = _padded(mask)
    pixels = _contour_pixels(padded)
    return pixels, _outward_normals(padded, pixels)


@numba.njit(nogil=True, cache=True)
def contour_confidence(target, pixels):  # type: ignore[no-untyped-def]
    """
    Return how sure a mask of probabilities (H, W) is of its contour ``pixels`` (N, 2), 0 to 1.

    That is the largest 2 t - 1 next to the contour, where the mask has it: a sharp contour between
    0 and 1 is sure, also when it is blurred, one around an area of probability 0.6 is not.
    """
    height, width = target.shape
    confidence = np.zeros(pixels.shape[0])
    for i in range(pixels.shape[0]):
        x, y = pixels[i]
        for row in range(max(y - _NORMAL_REACH_PX, 0), min(y + _NORMAL_REACH_PX + 1, height)):
            for column in range(
                max(x - _NORMAL_REACH_PX, 0), min(x + _NORMAL_REACH_PX + 1, width)
            ):
                confidence[i] = max(confidence[i], 2.0 * target[row, column] - 1.0)
    return confidence


@numba.njit(nogil=True, cache=True)
def _padded(mask):  # type: ignore[no-untyped-def]
    """Return a mask (H, W) as 0 and 1 with its border repeated all around, so far normals look."""
    height, width = mask.shape
    padded = np.empty((height + 2 * _NORMAL_REACH_PX, width + 2 * _NORMAL_REACH_PX), np.uint8)
    for y in range(padded.shape[0]):
        row = mask[min(max(y - _NORMAL_REACH_PX, 0), height - 1)]
        padded[y, :_NORMAL_REACH_PX] = row[0]
        for x in range(width):
            padded[y, x + _NORMAL_REACH_PX] = row[x]
        padded[y, width + _NORMAL_REACH_PX :] = row[width - 1]
    return padded


@numba.njit(nogil=True, cache=True)
def _contour_pixels(padded):  # type: ignore[no-untyped-def]
    """Return the pixels (N, 2) of a padded mask's contour; the padding is no part of it."""
    pad = _NORMAL_REACH_PX
    height, width = padded.shape[0] - 2 * pad, padded.shape[1] - 2 * pad
    pixels = np.empty((height * width, 2), dtype=np.int32)
    on_contour = np.empty(width, dtype=np.uint8)
    count = 0
    for y in range(height):
        above, row, below = padded[y + pad - 1], padded[y + pad], padded[y + pad + 1]
        # The compiler vectorises a row of this, but no loop with branches.
        for x in range(width):
            left, right = row[x + pad - 1], row[x + pad + 1]
            around = left & right & above[x + pad] & below[x + pad]
            on_contour[x] = row[x + pad] & ~around
        for x in range(width):
            if on_contour[x]:
                pixels[count, 0], pixels[count, 1] = x, y
                count += 1
    return pixels[:count].copy()


@numba.njit(nogil=True, cache=True, fastmath={'reassoc', 'contract'})
def _outward_normals(padded, pixels):  # type: ignore[no-untyped-def]
    """Return the downhill directions (N, 2) of a padded mask under a Gaussian blur."""
    reach = np.arange(-_NORMAL_REACH_PX, _NORMAL_REACH_PX + 1)
    kernel = np.exp(-0.5 * (reach / _NORMAL_BLUR_PX) ** 2)
    weights = np.outer(kernel, kernel)
    downhill_x, downhill_y = -weights * reach, -weights * reach.reshape(-1, 1)
    normals = np.zeros((pixels.shape[0], 2))
    for i in range(pixels.shape[0]):
        x, y = 0.0, 0.0
        for row in range(len(reach)):
            for column in range(len(reach)):
                # The padding is as wide as the reach, so a window begins at its pixel's indices.
                inside = padded[pixels[i, 1] + row, pixels[i, 0] + column]
                x += downhill_x[row, column] * inside
                y += downhill_y[row, column] * inside
        length = np.sqrt(x * x + y * y)
        if length > 0.0:
            normals[i, 0], normals[i, 1] = x / length, y / length
    return normals


@numba.njit(nogil=True, cache=True)
def nearest(points, among):  # type: ignore[no-untyped-def]
    """
    Return for each of ``points`` (N, 2) the index of the nearest of ``among`` (M, 2), M > 0.

    Of several at the same distance the first. Coordinates are pixels, below 2**15.
    """
    x, y = among[:, 0].copy(), among[:, 1].copy()
    squares = np.empty(len(among), dtype=np.int32)
    index = np.empty(points.shape[0], dtype=np.intp)
    for i in range(points.shape[0]):
        # The compiler vectorises a minimum of 32 bit integers; where it was is searched for after.
        least = np.int32(2**31 - 1)
        for j in range(len(among)):
            dx, dy = np.int32(x[j] - points[i, 0]), np.int32(y[j] - points[i, 1])
            squares[j] = np.int32(dx * dx) + np.int32(dy * dy)
            least = min(least, squares[j])
        found = 0
        while squares[found] != least:
            found += 1
        index[i] = found
    return index
