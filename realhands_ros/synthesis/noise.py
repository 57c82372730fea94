"""Smooth random fields in 3D: what makes skin, plaster and wood uneven."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

_CELLS = 32
CHANNELS = 4


class NoiseField:
    """
    Four independent smooth random fields that repeat every 32 cells.

    Values have zero mean and a standard deviation near 0.3, and change over about one cell.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        self._values = rng.uniform(-1, 1, (_CELLS, _CELLS, _CELLS, CHANNELS)).astype(np.float32)

    def __call__(self, points: Floats, *, cell: float) -> Floats:
        """Return the fields (N, 4) at points (N, 3) float32, with cells of ``cell`` metres."""
        result = np.empty((len(points), CHANNELS), dtype=np.float32)
        _sample(np.ascontiguousarray(points, dtype=np.float32), 1.0 / cell, self._values, result)
        return result


@numba.njit(nogil=True, cache=True, fastmath={'contract', 'nsz'})
def _sample(points, frequency, values, result):  # type: ignore[no-untyped-def]
    cells = values.shape[0]
    lower = np.empty(3, dtype=np.int64)
    upper = np.empty(3, dtype=np.int64)
    weight = np.empty(3, dtype=np.float32)
    for n in range(points.shape[0]):
        for axis in range(3):
            x = points[n, axis] * np.float32(frequency)
            floor = np.floor(x)
            t = x - floor
            # Quintic fade: the field's slope is continuous, as relief needs it to be.
            weight[axis] = t * t * t * (t * (t * np.float32(6) - np.float32(15)) + np.float32(10))
            lower[axis] = np.int64(floor) & (cells - 1)
            upper[axis] = (lower[axis] + 1) & (cells - 1)
        for channel in range(values.shape[3]):
            total = np.float32(0)
            for corner in range(8):
                i = upper[0] if corner & 1 else lower[0]
                j = upper[1] if corner & 2 else lower[1]
                k = upper[2] if corner & 4 else lower[2]
                w = weight[0] if corner & 1 else np.float32(1) - weight[0]
                w *= weight[1] if corner & 2 else np.float32(1) - weight[1]
                w *= weight[2] if corner & 4 else np.float32(1) - weight[2]
                total += w * values[i, j, k, channel]
            result[n, channel] = total
