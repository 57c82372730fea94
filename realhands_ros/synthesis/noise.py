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

    def __call__(self, points: Floats, *, cell: float, channels: int = CHANNELS) -> Floats:
        """
        Return the first ``channels`` fields (N, C) at points (N, 3) float32.

        Cells are ``cell`` metres wide.
        """
        result = np.empty((len(points), channels), dtype=np.float32)
        _sample(np.ascontiguousarray(points, dtype=np.float32), 1.0 / cell, self._values, result)
        return result


@numba.njit(nogil=True, cache=True, inline='always')
def _mix(t, a, b):  # type: ignore[no-untyped-def]
    return a + t * (b - a)


@numba.njit(nogil=True, cache=True, inline='always')
def _fade(t):  # type: ignore[no-untyped-def]
    # Quintic: the field's slope is continuous, as relief needs it to be.
    return t * t * t * (t * (t * np.float32(6) - np.float32(15)) + np.float32(10))


@numba.njit(nogil=True, cache=True, fastmath={'contract', 'nsz'}, error_model='numpy')
def _sample(points, frequency, values, result):  # type: ignore[no-untyped-def]
    wrap = values.shape[0] - 1
    scale = np.float32(frequency)
    for n in range(points.shape[0]):
        x, y, z = points[n, 0] * scale, points[n, 1] * scale, points[n, 2] * scale
        floor_x, floor_y, floor_z = np.floor(x), np.floor(y), np.floor(z)
        u, v, w = _fade(x - floor_x), _fade(y - floor_y), _fade(z - floor_z)
        i, j, k = np.int32(floor_x) & wrap, np.int32(floor_y) & wrap, np.int32(floor_z) & wrap
        i1, j1, k1 = (i + 1) & wrap, (j + 1) & wrap, (k + 1) & wrap
        for c in range(result.shape[1]):
            front = _mix(
                v,
                _mix(u, values[i, j, k, c], values[i1, j, k, c]),
                _mix(u, values[i, j1, k, c], values[i1, j1, k, c]),
            )
            back = _mix(
                v,
                _mix(u, values[i, j, k1, c], values[i1, j, k1, c]),
                _mix(u, values[i, j1, k1, c], values[i1, j1, k1, c]),
            )
            result[n, c] = _mix(w, front, back)
