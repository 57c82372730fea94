"""The sRGB transfer curve (IEC 61966-2-1); colours are 0..1."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def srgb_to_linear(srgb: ArrayLike) -> NDArray[np.float32]:
    """Return linear light of sRGB values."""
    value = np.asarray(srgb, dtype=np.float32)
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4).astype(
        np.float32
    )


def linear_to_srgb(linear: ArrayLike) -> NDArray[np.float32]:
    """Return sRGB values of linear light."""
    value = np.asarray(linear, dtype=np.float32)
    curve = 1.055 * np.maximum(value, 0.0031308) ** (1 / 2.4) - 0.055
    return np.where(value <= 0.0031308, 12.92 * value, curve).astype(np.float32)
