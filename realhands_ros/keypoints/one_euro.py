"""
The One-Euro filter: smooth when still, quick when moving.

Casiez, Roussel, Vogel, "1 Euro filter: a simple speed-based low-pass filter for noisy input in
interactive systems", CHI 2012.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

_SPEED_CUTOFF_HZ = 1.0


@dataclass(frozen=True)
class OneEuroConfig:
    """
    ``cutoff_hz``: cutoff frequency at rest; ``beta``: what a unit of speed adds to it.

    With keypoints in pixels the speed is in hand sizes a second (see OneEuroFilter), so ``beta``
    does not depend on resolution and distance.
    """

    cutoff_hz: float = 3.0
    beta: float = 1.5

    def lag_s(self, speed: float) -> float:
        """
        Return how far the output lags behind steady motion at ``speed``, in seconds.

        A first-order low-pass of cutoff f delays by ``1 / (2 pi f)``.
        """
        return 1.0 / (2.0 * math.pi * (self.cutoff_hz + self.beta * abs(speed)))


class OneEuroFilter:
    """Filters points over time, each with the cutoff of its own speed."""

    def __init__(self, config: OneEuroConfig) -> None:
        """Begin without a past."""
        self._config = config
        self._raw: FloatArray | None = None
        self._value = self._velocity = np.zeros(0)
        self._stamp_ns = 0

    def __call__(self, values: FloatArray, stamp_ns: int, unit: float = 1.0) -> FloatArray:
        """
        Return the filtered points ``values`` (N, D), measured at ``stamp_ns``.

        ``unit``: the length in which speed is counted. Values must be finite.
        """
        elapsed = 1e-9 * (stamp_ns - self._stamp_ns)
        if self._raw is None or elapsed <= 0.0:
            self._value, self._velocity = values.copy(), np.zeros_like(values)
        else:
            velocity = (values - self._raw) / elapsed
            share = _share(_SPEED_CUTOFF_HZ, elapsed)
            self._velocity = self._velocity + share * (velocity - self._velocity)
            speeds = np.linalg.norm(self._velocity, axis=1, keepdims=True) / unit
            cutoffs = self._config.cutoff_hz + self._config.beta * speeds
            self._value = self._value + _share(cutoffs, elapsed) * (values - self._value)
        self._raw, self._stamp_ns = values.copy(), stamp_ns
        return self._value.copy()


def _share(cutoff_hz: float | FloatArray, elapsed_s: float) -> float | FloatArray:
    """Return the weight of a new value in a first-order low-pass."""
    return 1.0 / (1.0 + 1.0 / (2.0 * math.pi * cutoff_hz * elapsed_s))
