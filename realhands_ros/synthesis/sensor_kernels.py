"""
What ``camera_effects`` does to every value of a picture, compiled: one pass in place of many.

All numbers are float32, and nothing is reordered or fused: the picture is the same to the last bit
wherever it is made.
"""

from __future__ import annotations

import math

import numba
import numpy as np

_exact = numba.njit(nogil=True, cache=True, error_model='numpy')


@_exact
def join_layers(foreground, background, light):  # type: ignore[no-untyped-def]
    """Put a foreground (H, W, 4), radiance times coverage and coverage, before (H, W, 3)."""
    one = np.float32(1)
    for y in range(light.shape[0]):
        for x in range(light.shape[1]):
            uncovered = one - foreground[y, x, 3]
            for c in range(3):
                light[y, x, c] = foreground[y, x, c] + uncovered * background[y, x, c]


@_exact
def sense(  # type: ignore[no-untyped-def]
    light, gain, vignette, noise, read, shot, balance, curve, steps, picture
):
    """
    Expose a sensor and develop what it delivers: noise, white balance, tone curve.

    ``light``, ``noise`` and ``picture`` are (H, W, 3), ``vignette`` (H, W), ``balance`` (3,).
    ``read`` is the variance of the noise in the dark, ``shot`` what light adds; ``curve`` has
    ``steps`` entries per unit of light.
    """
    zero, last = np.float32(0), np.float32(curve.shape[0] - 1)
    for y in range(light.shape[0]):
        for x in range(light.shape[1]):
            for c in range(3):
                value = light[y, x, c] * gain * vignette[y, x]
                spread = np.float32(math.sqrt(read + shot * max(value, zero)))
                value = (value + spread * noise[y, x, c]) * balance[c]
                picture[y, x, c] = curve[int(min(max(value * steps, zero), last))]


@_exact
def saturate(picture, grey, saturation):  # type: ignore[no-untyped-def]
    """Move the colours of a picture (H, W, 3) away from their ``grey`` (H, W), in place."""
    for y in range(picture.shape[0]):
        for x in range(picture.shape[1]):
            for c in range(3):
                colourfulness = picture[y, x, c] - grey[y, x]
                picture[y, x, c] = grey[y, x] + saturation * colourfulness


@_exact
def sharpen(picture, soft, amount, levels):  # type: ignore[no-untyped-def]
    """Add what ``soft`` (H, W, 3) lacks to a picture, and round it to ``levels``, uint8."""
    white, half, zero = np.float32(255), np.float32(0.5), np.float32(0)
    for y in range(picture.shape[0]):
        for x in range(picture.shape[1]):
            for c in range(3):
                value = picture[y, x, c] + amount * (picture[y, x, c] - soft[y, x, c])
                levels[y, x, c] = np.uint8(min(max(value * white + half, zero), white))
