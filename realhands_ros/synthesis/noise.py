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
        shape = (_CELLS, _CELLS, _CELLS, CHANNELS)
        self._values = 2 * rng.random(shape, dtype=np.float32) - 1

    def __call__(
        self,
        points: Floats,
        *,
        cell: float,
        channels: int = CHANNELS,
        shift: float = 0.0,
        stretch: tuple[float, float, float] = (1.0, 1.0, 1.0),
    ) -> Floats:
        """
        Return the first ``channels`` fields (N, C) at points (N, 3) float32.

        Cells are ``cell`` metres wide; ``stretch`` multiplies x, y and z before, and ``shift``,
        metres, then moves them, to where nothing else looks.
        """
        result = np.empty((len(points), channels), dtype=np.float32)
        scale = np.asarray(stretch, dtype=np.float32) / np.float32(cell)
        points = np.ascontiguousarray(points, dtype=np.float32)
        _sample(points, scale, np.float32(shift / cell), self._values, result)
        return result


@numba.njit(nogil=True, cache=True, inline='always')
def _mix(t, a, b):  # type: ignore[no-untyped-def]
    return a + t * (b - a)


@numba.njit(nogil=True, cache=True, inline='always')
def _fade(t):  # type: ignore[no-untyped-def]
    # Quintic: the field's slope is continuous, as relief needs it to be.
    return t * t * t * (t * (t * np.float32(6) - np.float32(15)) + np.float32(10))


@numba.njit(nogil=True, cache=True, fastmath={'contract', 'nsz'}, error_model='numpy')
def _sample(points, scale, shift, values, result):  # type: ignore[no-untyped-def]
    wrap = values.shape[0] - 1
    for n in range(points.shape[0]):
        x = points[n, 0] * scale[0] + shift
        y = points[n, 1] * scale[1] + shift
        z = points[n, 2] * scale[2] + shift
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
