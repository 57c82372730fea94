"""What a node counts about itself, and when it says so; thread-safe, without ROS."""

from __future__ import annotations

import re
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

# Latencies of this many frames are kept between two reports; more make no better percentile.
_MOST_SAMPLES = 1000


@dataclass(frozen=True)
class Spread:
    """Median, 95th and 99th percentile of some milliseconds; NaN of none."""

    p50: float
    p95: float
    p99: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Return the percentiles of a sequence."""
        if not len(values):
            return cls(float('nan'), float('nan'), float('nan'))
        return cls(*(float(value) for value in np.percentile(values, (50, 95, 99))))


@dataclass(frozen=True)
class HealthReport:
    """
    What happened in ``seconds``.

    ``problems`` counts by (latest) reason what went wrong; ``stage_ms`` is the time that the stage
    takes, ``age_ms`` that from the frame's stamp to its result; ``hands`` are those of the last
    frame. ``total_...`` count from the start.
    """

    seconds: float
    received: int
    published: int
    dropped: int
    problems: dict[str, int]
    stage_ms: Spread
    age_ms: Spread
    hands: int
    total_published: int
    total_dropped: int

    @property
    def rate_hz(self) -> float:
        """Return how many results a second were published."""
        return self.published / self.seconds if self.seconds > 0 else 0.0


class Health:
    """Counts frames, drops and problems; a report says what happened since the last one."""

    def __init__(
        self, complaint_period_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Begin; the same problem is worth saying once in ``complaint_period_s``."""
        self._lock = threading.Lock()
        self._clock = clock
        self._period_s = complaint_period_s
        self._said_at: dict[str, float] = {}
        self._hands = self._total_published = self._total_dropped = 0
        self._begin()

    def received(self) -> None:
        """Count a frame that came in."""
        with self._lock:
            self._received += 1

    def dropped(self) -> None:
        """Count a frame that was too late."""
        with self._lock:
            self._dropped += 1
            self._total_dropped += 1

    def published(self, hands: int, stage_ms: float, age_ms: float) -> None:
        """Count a result; ``age_ms`` may be NaN where stamps and clock have nothing in common."""
        with self._lock:
            self._published += 1
            self._total_published += 1
            self._hands = hands
            self._stage_ms.append(stage_ms)
            if age_ms == age_ms:
                self._age_ms.append(age_ms)

    def problem(self, reason: str) -> bool:
        """
        Count something that went wrong; return whether it is time to say so (again).

        Reasons that differ in their numbers only are the same problem.
        """
        now, kind = self._clock(), re.sub(r'[\d.]+', '#', reason)
        with self._lock:
            self._problems[kind] += 1
            self._reasons[kind] = reason
            last = self._said_at.get(kind)
            if last is not None and now - last < self._period_s:
                return False
            self._said_at = {k: at for k, at in self._said_at.items() if now - at < self._period_s}
            self._said_at[kind] = now
            return True

    def report(self) -> HealthReport:
        """Return what happened since the last report, and begin anew."""
        with self._lock:
            report = HealthReport(
                seconds=self._clock() - self._since,
                received=self._received,
                published=self._published,
                dropped=self._dropped,
                problems={self._reasons[kind]: count for kind, count in self._problems.items()},
                stage_ms=Spread.of(self._stage_ms),
                age_ms=Spread.of(self._age_ms),
                hands=self._hands,
                total_published=self._total_published,
                total_dropped=self._total_dropped,
            )
            self._begin()
        return report

    def _begin(self) -> None:
        self._since = self._clock()
        self._received = self._published = self._dropped = 0
        self._problems: Counter[str] = Counter()
        self._reasons: dict[str, str] = {}
        self._stage_ms: deque[float] = deque(maxlen=_MOST_SAMPLES)
        self._age_ms: deque[float] = deque(maxlen=_MOST_SAMPLES)
