"""
Compiled kernels of the running average of an atlas.

Shapes: N texels, V vertices, F faces, two views (of a single one, the other weighs nothing).
Colours are RGB in 0..255. The state of an atlas is the mean ``colours`` (N, 3) and the
``confidence`` (N,) in it, which is the sum of the weights that went in, up to a cap.
"""

from __future__ import annotations

import numba
import numpy as np

from realhands_ros.shared_work import next_task

# Sums may be reordered; NaN and infinity keep their meaning.
_FASTMATH = {'reassoc', 'contract', 'nsz'}

# Enough that taking a task costs nothing, few enough that both cores end together.
_TEXELS_A_TASK = 4096

# How much of the disbelieved weight of an outlier is taken from the confidence in the mean.
_DOUBT = np.float32(0.5)


@numba.njit(nogil=True, cache=True, fastmath=_FASTMATH)
def average_into(  # type: ignore[no-untyped-def]
    texel_faces,
    barycentric,
    faces,
    view_colours,
    view_weights,
    vertex_gains,
    most_confidence,
    outlier_step,
    colours,
    confidence,
    counter_address,
):
    """
    Average the views into all texels, each by its weight; a kernel for run_shared.

    ``view_colours`` (2, N, 3), ``view_weights`` (2, N); ``vertex_gains`` (2, V, 3): how much
    brighter than the atlas a view shows the hand, at its vertices; ``texel_faces`` (N,) and
    ``barycentric`` (N, 3) are a TexelTable's. A colour that is ``outlier_step`` off the mean
    counts half, one further off less, but it shakes the confidence in the mean: a texel that is
    seen wrongly once hardly changes, one that has changed follows after some frames.
    """
    own = np.zeros((2, 3), np.float32)
    seen = np.empty(3, np.float32)
    while True:
        first = next_task(counter_address) * _TEXELS_A_TASK
        if first >= len(confidence):
            return
        for n in range(first, min(first + _TEXELS_A_TASK, len(confidence))):
            weight_left, weight_right = view_weights[0, n], view_weights[1, n]
            if weight_left + weight_right <= 0.0:
                continue
            face = texel_faces[n]
            for view in range(2):
                if view_weights[view, n] > 0.0:
                    for channel in range(3):
                        gain = (
                            barycentric[n, 0] * vertex_gains[view, faces[face, 0], channel]
                            + barycentric[n, 1] * vertex_gains[view, faces[face, 1], channel]
                            + barycentric[n, 2] * vertex_gains[view, faces[face, 2], channel]
                        )
                        own[view, channel] = view_colours[view, n, channel] / gain
            weight = _blend_views(own, weight_left, weight_right, outlier_step, seen)
            known = confidence[n]
            away = np.float32(0.0)
            for channel in range(3):
                away = max(away, abs(seen[channel] - colours[n, channel]))
            if known > 0.0:
                ratio = away / outlier_step
                believed = weight / (np.float32(1.0) + ratio * ratio)
                known = max(known - _DOUBT * (weight - believed), np.float32(0.0))
                weight = believed
            share = weight / (known + weight)
            for channel in range(3):
                colours[n, channel] += share * (seen[channel] - colours[n, channel])
            confidence[n] = min(known + weight, most_confidence)


@numba.njit(nogil=True, cache=True, fastmath=_FASTMATH)
def _blend_views(own, weight_left, weight_right, outlier_step, seen):  # type: ignore[no-untyped-def]
    """Fill ``seen`` (3,) with the mean of both views' colours (2, 3); return the weight of it."""
    total = weight_left + weight_right
    share = weight_right / total
    best = 1 if weight_right > weight_left else 0
    spread = np.float32(0.0)
    for channel in range(3):
        if share == 0.0:
            seen[channel] = own[0, channel]
        elif share == 1.0:
            seen[channel] = own[1, channel]
        else:
            difference = own[1, channel] - own[0, channel]
            seen[channel] = own[0, channel] + share * difference
            spread = max(spread, abs(difference))
    # Two views that contradict one another: a highlight, or one shows something else.
    if spread > outlier_step:
        total = np.float32(0.5) * max(weight_left, weight_right)
        for channel in range(3):
            seen[channel] = own[best, channel]
    return total


@numba.njit(nogil=True, cache=True, fastmath=_FASTMATH)
def smooth_exponentially(  # type: ignore[no-untyped-def]
    view_colours, view_weights, rate, colours, confidence
):
    """
    Move all texels towards the mean of the views by ``rate`` (paper, section 3.2).

    A texel that was never seen takes the colour at once.
    """
    for n in range(len(confidence)):
        total = view_weights[0, n] + view_weights[1, n]
        if total <= 0.0:
            continue
        share = rate if confidence[n] > 0.0 else 1.0
        for channel in range(3):
            mean = 0.0
            for view in range(2):
                if view_weights[view, n] > 0.0:
                    mean += view_weights[view, n] * view_colours[view, n, channel] / total
            colours[n, channel] += share * (mean - colours[n, channel])
        confidence[n] = 1.0


@numba.njit(nogil=True, cache=True)
def write_picture(  # type: ignore[no-untyped-def]
    texels, colours, confidence, most_confidence, picture, coverage_map, counter_address
):
    """
    Write colours to (T * T, 3) uint8 and confidence to (T * T,) uint8; a kernel for run_shared.

    Texels that were not seen are left as they are.
    """
    while True:
        first = next_task(counter_address) * _TEXELS_A_TASK
        if first >= len(texels):
            return
        for n in range(first, min(first + _TEXELS_A_TASK, len(texels))):
            if confidence[n] <= 0.0:
                continue
            texel = texels[n]
            for channel in range(3):
                picture[texel, channel] = np.uint8(min(max(colours[n, channel] + 0.5, 0.0), 255.0))
            coverage_map[texel] = np.uint8(1.0 + 254.0 * min(confidence[n] / most_confidence, 1.0))
