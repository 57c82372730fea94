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
    pixels = _contour_pixels(mask)
    return pixels, _outward_normals(mask, pixels)


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
def _contour_pixels(mask):  # type: ignore[no-untyped-def]
    height, width = mask.shape
    pixels = np.empty((height * width, 2), dtype=np.int32)
    count = 0
    for y in range(height):
        for x in range(width):
            if mask[y, x] and not (
                (x == 0 or mask[y, x - 1])
                and (x == width - 1 or mask[y, x + 1])
                and (y == 0 or mask[y - 1, x])
                and (y == height - 1 or mask[y + 1, x])
            ):
                pixels[count, 0], pixels[count, 1] = x, y
                count += 1
    return pixels[:count].copy()


@numba.njit(nogil=True, cache=True)
def _outward_normals(mask, pixels):  # type: ignore[no-untyped-def]
    """Return the downhill directions (N, 2) of the mask under a Gaussian blur."""
    height, width = mask.shape
    reach = np.arange(-_NORMAL_REACH_PX, _NORMAL_REACH_PX + 1)
    kernel = np.exp(-0.5 * (reach / _NORMAL_BLUR_PX) ** 2)
    normals = np.zeros((pixels.shape[0], 2))
    for i in range(pixels.shape[0]):
        for dy in reach:
            y = min(max(pixels[i, 1] + dy, 0), height - 1)
            for dx in reach:
                x = min(max(pixels[i, 0] + dx, 0), width - 1)
                if mask[y, x]:
                    weight = kernel[dx + _NORMAL_REACH_PX] * kernel[dy + _NORMAL_REACH_PX]
                    normals[i, 0] -= weight * dx
                    normals[i, 1] -= weight * dy
        length = np.sqrt(normals[i, 0] ** 2 + normals[i, 1] ** 2)
        if length > 0.0:
            normals[i] /= length
    return normals


@numba.njit(nogil=True, cache=True)
def nearest(points, among):  # type: ignore[no-untyped-def]
    """Return for each of ``points`` (N, 2) the index of the nearest of ``among`` (M, 2), M > 0."""
    # Distance and index packed into one integer: the compiler vectorises a plain minimum.
    count = among.shape[0]
    x, y = among[:, 0].copy(), among[:, 1].copy()
    index = np.empty(points.shape[0], dtype=np.intp)
    for i in range(points.shape[0]):
        best = np.int64(2**62)
        for j in range(count):
            dx = np.int64(x[j] - points[i, 0])
            dy = np.int64(y[j] - points[i, 1])
            best = min(best, (dx * dx + dy * dy) * count + j)
        index[i] = best % count
    return index
