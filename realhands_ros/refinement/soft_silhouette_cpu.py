"""
The soft silhouette on the CPU: two passes over the pixels near each triangle, all cores, no list.

The definition is in silhouette_settings.py. With ``x_j = s d^2 / sigma`` the transmittance of a
pixel is ``T = prod_j (1 - D_j) = 1 / prod_j (1 + exp(x_j))``. So the forward pass multiplies one
number a pixel, and since ``dS / dx_j = T D_j`` the backward pass needs T and the distances, which
it computes again: nothing is stored for a (triangle, pixel) pair.

A task is a band of rows of one view, and threads take turns. A band visits the triangles in their
order and keeps a gradient buffer of its own; the buffers are added in order afterwards. Results
are therefore the same to the last bit whatever the number of threads. Pixels are done in blocks of
fixed length, which the compiler turns into vector instructions; for its sake comparisons below are
written as they are ("t if t > 0 else 0" is one instruction, "0 if t < 0 else t" was seven).

Blocks that are opaque already are skipped: forward where T < 1e-7 in all of the block (S changes
by less than that), backward where ``|dL/dS| T`` is below 1e-6 of the largest ``|dL/dS|`` in all of
the block (a pair's share of the gradient changes by less than that). How much that saves depends
on sigma: the inside of a hand of small triangles is opaque at 1e-5 and not quite at 1e-4.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import float32, int32
from numba.extending import intrinsic
from numpy.typing import NDArray

from realhands_ros.cores import next_task, run_shared
from realhands_ros.refinement.silhouette_settings import CUTOFF, SilhouetteSettings

FloatImage = NDArray[np.float32]

OPAQUE_TRANSMITTANCE = 1e-7
NEGLIGIBLE_GRADIENT = 1e-6

# Eight float32 fill an AVX register; triangles of a hand at 224 x 224 are about that wide.
_BLOCK = 8
_BAND_ROWS = 16

# Beyond this exponent a triangle covers a pixel but for 2e-9; exp() of it still fits float32.
_MAX_EXPONENT = np.float32(20.0)
_CUTOFF = np.float32(CUTOFF)
_OPAQUE = np.float32(1.0 / OPAQUE_TRANSMITTANCE)
_ZERO, _HALF, _ONE, _TWO = np.float32(0.0), np.float32(0.5), np.float32(1.0), np.float32(2.0)
_TINY = np.float32(1e-12)

# Reordering of sums is allowed (it lets the compiler use vectors); NaN and infinity keep their
# meaning.
_FASTMATH = {'reassoc', 'contract', 'nsz', 'arcp'}

# 2**f on [-1/2, 1/2] as a polynomial, highest power first; relative error below 3e-7.
_LOG2_E = np.float32(1.4426950408889634)
_P5, _P4, _P3, _P2, _P1 = (
    np.float32(c) for c in (1.32647e-3, 9.67151e-3, 5.550734e-2, 2.4022242e-1, 6.9314698e-1)
)


def render(
    vertices_px: NDArray[np.float32], faces: NDArray[np.int32], settings: SilhouetteSettings
) -> tuple[FloatImage, FloatImage]:
    """
    Render soft silhouettes.

    ``vertices_px`` (B, V, 2) are projected vertices in pixels, float32, C order; ``faces`` (F, 3)
    index them. Triangles with a non-finite corner are skipped. Returns the silhouettes
    (B, height, width) in [0, 1] and the transmittance, which `backward` wants back.
    """
    batch = vertices_px.shape[0]
    opacity = np.ones((batch, settings.height, settings.width + _BLOCK), dtype=np.float32)
    triangles = _lay_out(vertices_px, faces, settings)
    run_shared(_forward_bands, triangles, opacity, np.float32(settings.sharpness_px))
    transmittance = np.reciprocal(opacity, out=opacity)
    return 1.0 - transmittance[:, :, : settings.width], transmittance


def backward(
    vertices_px: NDArray[np.float32],
    faces: NDArray[np.int32],
    settings: SilhouetteSettings,
    transmittance: FloatImage,
    gradient: FloatImage,
) -> NDArray[np.float32]:
    """
    Return the gradient (B, V, 2) with respect to the vertices.

    ``gradient`` (B, height, width) is dL/dS; the other arguments are those of `render` and the
    transmittance it gave.
    """
    batch, num_vertices = vertices_px.shape[:2]
    weight = np.zeros_like(transmittance)
    np.multiply(
        gradient, transmittance[:, :, : settings.width], out=weight[:, :, : settings.width]
    )
    negligible = np.float32(NEGLIGIBLE_GRADIENT * np.abs(gradient).max(initial=0.0))
    num_bands = -(-settings.height // _BAND_ROWS)
    partial = np.zeros((batch, num_bands, num_vertices, 2), dtype=np.float32)
    triangles = _lay_out(vertices_px, faces, settings)
    sharpness = np.float32(settings.sharpness_px)
    run_shared(_backward_bands, triangles, weight, partial, negligible, sharpness)
    gradient_px: NDArray[np.float32] = partial.sum(axis=1)
    return gradient_px


class _Triangles(NamedTuple):
    """
    What both passes want to know of the F triangles in each of B views.

    ``corners`` (B, F, 3) are numbers of vertices, in the order that runs around the triangle from
    x to y; ``shapes`` (B, F, 9) the corners' places (a, b, c) and the inverse squared lengths of
    the edges (ab, bc, ca), pixels; ``boxes`` (B, F, 4) the pixels near it: rows [0, 1) and columns
    [2, 3), none for a triangle that covers nothing.
    """

    corners: NDArray[np.int32]
    shapes: NDArray[np.float32]
    boxes: NDArray[np.int32]


def _lay_out(
    vertices_px: NDArray[np.float32], faces: NDArray[np.int32], settings: SilhouetteSettings
) -> _Triangles:
    batch, count = len(vertices_px), len(faces)
    triangles = _Triangles(
        corners=np.empty((batch, count, 3), dtype=np.int32),
        shapes=np.empty((batch, count, 9), dtype=np.float32),
        boxes=np.zeros((batch, count, 4), dtype=np.int32),
    )
    radius = np.float32(settings.blur_radius_px)
    min_double_area = np.float32(settings.min_double_area_px)
    size = settings.height, settings.width
    _fill_triangles(vertices_px, faces, size, radius, min_double_area, triangles)
    return triangles


def _read_as_float(typing_context, bits):  # type: ignore[no-untyped-def]
    """Read the bits of an int32 as a float32."""

    def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
        return builder.bitcast(args[0], ir.FloatType())

    return float32(int32), codegen


_float_from_bits: Any = intrinsic(_read_as_float)


@numba.njit(fastmath=_FASTMATH, inline='always')
def _exp(x):  # type: ignore[no-untyped-def]
    """Return e**x for |x| < 80: numba's own is exact to the last bit, but one pixel at a time."""
    y = x * _LOG2_E
    whole = np.floor(y + _HALF)
    f = y - whole
    power = ((((_P5 * f + _P4) * f + _P3) * f + _P2) * f + _P1) * f + _ONE
    return power * _float_from_bits((int32(whole) + int32(127)) << int32(23))


@numba.njit(fastmath=_FASTMATH, inline='always')
def _nearest_on_edge(px, py, ax, ay, bx, by, inverse_square):  # type: ignore[no-untyped-def]
    """
    Return the pixel's nearest point on the edge from a to b, seen from it.

    These are: the point's place on the edge (0 start, 1 end), the offset from it to the pixel (2),
    the offset's square, and a number that is positive on the inner side of the edge.
    """
    ex, ey = bx - ax, by - ay
    dx, dy = px - ax, py - ay
    t = (dx * ex + dy * ey) * inverse_square
    t = t if t > _ZERO else _ZERO
    t = t if t < _ONE else _ONE
    qx, qy = dx - t * ex, dy - t * ey
    return t, qx, qy, qx * qx + qy * qy, ex * dy - ey * dx


@numba.njit(fastmath=_FASTMATH, inline='always')
def _nearest_on_triangle(px, py, shape):  # type: ignore[no-untyped-def]
    """
    Return the pixel's nearest point on a triangle's boundary.

    These are: the point's weights on the three corners, the offset from it to the pixel (2), the
    offset's square, and a number that is positive inside the triangle.
    """
    ax, ay, bx, by, cx, cy, ab, bc, ca = shape
    t, qx, qy, square, inside = _nearest_on_edge(px, py, ax, ay, bx, by, ab)
    wa, wb, wc = _ONE - t, t, _ZERO
    t, qx1, qy1, square1, inside1 = _nearest_on_edge(px, py, bx, by, cx, cy, bc)
    nearer = square1 < square
    wa, wb, wc = (_ZERO, _ONE - t, t) if nearer else (wa, wb, wc)
    qx, qy, square = (qx1, qy1, square1) if nearer else (qx, qy, square)
    inside = inside1 if inside1 < inside else inside
    t, qx2, qy2, square2, inside2 = _nearest_on_edge(px, py, cx, cy, ax, ay, ca)
    nearer = square2 < square
    wa, wb, wc = (t, _ZERO, _ONE - t) if nearer else (wa, wb, wc)
    qx, qy, square = (qx2, qy2, square2) if nearer else (qx, qy, square)
    inside = inside2 if inside2 < inside else inside
    return wa, wb, wc, qx, qy, square, inside


@numba.njit(fastmath=_FASTMATH, inline='always')
def _coverage_exponential(square, inside, sharpness):  # type: ignore[no-untyped-def]
    """Return exp(x), zero beyond the cut-off."""
    x = square * sharpness
    x = x if x < _MAX_EXPONENT else _MAX_EXPONENT
    x = x if inside > _ZERO else -x
    e = _exp(x)
    return e if x > -_CUTOFF else _ZERO


@numba.njit(inline='always')
def _any_below(block, limit):  # type: ignore[no-untyped-def]
    found = int32(0)
    for i in range(_BLOCK):
        found |= int32(block[i] < limit)
    return found != 0


@numba.njit(inline='always')
def _any_magnitude_above(block, limit):  # type: ignore[no-untyped-def]
    found = int32(0)
    for i in range(_BLOCK):
        found |= int32(abs(block[i]) > limit)
    return found != 0


@numba.njit(inline='always')
def _pixel_range(a, b, c, radius, size):  # type: ignore[no-untyped-def]
    """Return the pixels [first, last) of [0, size) within ``radius`` of a..c; none if NaN."""
    low = min(a, min(b, c)) - radius
    high = max(a, max(b, c)) + radius
    if not (low <= size and high >= 0):
        return 0, 0
    first = int(np.ceil(low)) if low > 0 else 0
    last = int(np.floor(high)) + 1 if high < size - 1 else size
    return first, last


@numba.njit(error_model='numpy', inline='always')
def _inverse_square(ax, ay, bx, by):  # type: ignore[no-untyped-def]
    ex, ey = bx - ax, by - ay
    return _ONE / max(ex * ex + ey * ey, _TINY)


@numba.njit(error_model='numpy', nogil=True, cache=True)
def _fill_triangles(  # type: ignore[no-untyped-def]
    vertices, faces, size, radius, min_double_area, triangles
):
    """Fill ``triangles``, but for the boxes of those that are seen edge-on, which are empty."""
    for view in range(vertices.shape[0]):
        for j in range(faces.shape[0]):
            a, b, c = faces[j, 0], faces[j, 1], faces[j, 2]
            ax, ay = vertices[view, a, 0], vertices[view, a, 1]
            bx, by = vertices[view, b, 0], vertices[view, b, 1]
            cx, cy = vertices[view, c, 0], vertices[view, c, 1]
            double_area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
            if double_area < _ZERO:
                b, c, bx, by, cx, cy = c, b, cx, cy, bx, by
            corners, shape = triangles.corners[view, j], triangles.shapes[view, j]
            corners[0], corners[1], corners[2] = a, b, c
            shape[0], shape[1] = ax, ay
            shape[2], shape[3] = bx, by
            shape[4], shape[5] = cx, cy
            shape[6] = _inverse_square(ax, ay, bx, by)
            shape[7] = _inverse_square(bx, by, cx, cy)
            shape[8] = _inverse_square(cx, cy, ax, ay)
            if abs(double_area) > min_double_area:
                box = triangles.boxes[view, j]
                box[0], box[1] = _pixel_range(ay, by, cy, radius, size[0])
                box[2], box[3] = _pixel_range(ax, bx, cx, radius, size[1])


@numba.njit(inline='always')
def _unpacked(s):  # type: ignore[no-untyped-def]
    return s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7], s[8]


@numba.njit(fastmath=_FASTMATH, error_model='numpy', nogil=True, cache=True)
def _forward_band(shapes, boxes, opacity, sharpness, band):  # type: ignore[no-untyped-def]
    """Multiply 1 / (1 - D_j) of every triangle into one band of rows of one view."""
    for j in range(shapes.shape[0]):
        first = max(boxes[j, 0], band * _BAND_ROWS)
        stop = min(boxes[j, 1], (band + 1) * _BAND_ROWS)
        left, right, shape = boxes[j, 2], boxes[j, 3], _unpacked(shapes[j])
        for y in range(first, stop):
            for x in range(left, right, _BLOCK):
                block = opacity[y, x : x + _BLOCK]
                if not _any_below(block, _OPAQUE):
                    continue
                for i in range(_BLOCK):
                    _, _, _, _, _, square, inside = _nearest_on_triangle(
                        np.float32(x) + np.float32(i), np.float32(y), shape
                    )
                    block[i] *= _ONE + _coverage_exponential(square, inside, sharpness)


@numba.njit(fastmath=_FASTMATH, error_model='numpy', nogil=True, cache=True)
def _backward_band(  # type: ignore[no-untyped-def]
    corners, shapes, boxes, weight, gradient, negligible, sharpness, band
):
    """Add the gradients of one band of rows of one view to ``gradient`` (V, 2)."""
    for j in range(shapes.shape[0]):
        first = max(boxes[j, 0], band * _BAND_ROWS)
        stop = min(boxes[j, 1], (band + 1) * _BAND_ROWS)
        left, right, shape = boxes[j, 2], boxes[j, 3], _unpacked(shapes[j])
        gax = gay = gbx = gby = gcx = gcy = _ZERO
        for y in range(first, stop):
            for x in range(left, right, _BLOCK):
                block = weight[y, x : x + _BLOCK]
                if not _any_magnitude_above(block, negligible):
                    continue
                for i in range(_BLOCK):
                    wa, wb, wc, qx, qy, square, inside = _nearest_on_triangle(
                        np.float32(x) + np.float32(i), np.float32(y), shape
                    )
                    e = _coverage_exponential(square, inside, sharpness)
                    g = block[i] * e / (_ONE + e)
                    g = -g if inside > _ZERO else g
                    gax, gay = gax + g * wa * qx, gay + g * wa * qy
                    gbx, gby = gbx + g * wb * qx, gby + g * wb * qy
                    gcx, gcy = gcx + g * wc * qx, gcy + g * wc * qy
        if first < stop:
            # d(s d^2 / sigma)/d(corner) = -2 s / sigma * (corner's weight) * (offset).
            scale = _TWO * sharpness
            a, b, c = corners[j, 0], corners[j, 1], corners[j, 2]
            gradient[a, 0] += scale * gax
            gradient[a, 1] += scale * gay
            gradient[b, 0] += scale * gbx
            gradient[b, 1] += scale * gby
            gradient[c, 0] += scale * gcx
            gradient[c, 1] += scale * gcy


@numba.njit(nogil=True, cache=True)
def _forward_bands(triangles, opacity, sharpness, counter):  # type: ignore[no-untyped-def]
    """Do bands of rows of any view until none is left."""
    bands = (opacity.shape[1] + _BAND_ROWS - 1) // _BAND_ROWS
    task = next_task(counter)
    while task < opacity.shape[0] * bands:
        view, band = task // bands, task % bands
        _forward_band(
            triangles.shapes[view], triangles.boxes[view], opacity[view], sharpness, band
        )
        task = next_task(counter)


@numba.njit(nogil=True, cache=True)
def _backward_bands(  # type: ignore[no-untyped-def]
    triangles, weight, gradient, negligible, sharpness, counter
):
    """Do bands of rows of any view until none is left, each into its own gradient buffer."""
    bands = gradient.shape[1]
    task = next_task(counter)
    while task < gradient.shape[0] * bands:
        view, band = task // bands, task % bands
        _backward_band(
            triangles.corners[view], triangles.shapes[view], triangles.boxes[view], weight[view],
            gradient[view, band], negligible, sharpness, band,
        )  # fmt: skip
        task = next_task(counter)
