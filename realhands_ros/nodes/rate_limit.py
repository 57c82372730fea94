"""Things that happen no more often than so many times a second."""

from __future__ import annotations

import time
from collections.abc import Callable


class RateLimit:
    """Says whether something is due again."""

    def __init__(self, rate_hz: float, clock: Callable[[], float] = time.monotonic) -> None:
        """Allow it at once, and then at ``rate_hz`` at most."""
        self._period_s = 1.0 / rate_hz
        self._clock = clock
        self._last = float('-inf')

    def __call__(self) -> bool:
        """Return whether it is due, and take it that it happens now."""
        now = self._clock()
        if now - self._last < self._period_s:
            return False
        self._last = now
        return True
