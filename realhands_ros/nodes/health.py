"""A node's health: what it counts about itself, and the message on /diagnostics."""

from __future__ import annotations

import re
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.node import Node
from rclpy.publisher import Publisher
from std_msgs.msg import Header

# What a node counts about itself, and when it says so; thread-safe, without ROS.

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


# A node's health as a message on /diagnostics.


def diagnostics_publisher(node: Node) -> Publisher:
    """Return a publisher on /diagnostics, where aggregators expect it."""
    return node.create_publisher(DiagnosticArray, '/diagnostics', 10)


def diagnostics_message(
    name: str, stamp: Time, state: str, report: HealthReport, facts: Mapping[str, str]
) -> DiagnosticArray:
    """
    Return the message of one node.

    ERROR: frames came in and none could be used; WARN: some were dropped or bad; STALE: the node
    is active and nothing came in.
    """
    level, summary = _judge(state, report)
    values = {
        'state': state,
        'rate (Hz)': f'{report.rate_hz:.1f}',
        'received': str(report.received),
        'published': str(report.published),
        'dropped': str(report.dropped),
        'published since the start': str(report.total_published),
        'dropped since the start': str(report.total_dropped),
        'hands': str(report.hands),
        'stage time p50/p95/p99 (ms)': _spread(report.stage_ms),
        'age of results p50/p95/p99 (ms)': _spread(report.age_ms),
        **facts,
        **{f'problem: {reason}': str(count) for reason, count in report.problems.items()},
    }
    status = DiagnosticStatus(
        level=level,
        name=name,
        message=summary,
        values=[KeyValue(key=key, value=value) for key, value in values.items()],
    )
    return DiagnosticArray(header=Header(stamp=stamp), status=[status])


def _judge(state: str, report: HealthReport) -> tuple[bytes, str]:
    if state != 'active':
        return DiagnosticStatus.WARN, f'the node is {state}'
    if report.problems:
        reason = max(report.problems, key=lambda each: report.problems[each])
        is_blind = report.published == 0
        return DiagnosticStatus.ERROR if is_blind else DiagnosticStatus.WARN, reason
    if report.received == 0:
        return DiagnosticStatus.STALE, 'nothing is received'
    if report.dropped:
        return DiagnosticStatus.WARN, f'{report.dropped} late frames dropped'
    return DiagnosticStatus.OK, f'{report.rate_hz:.1f} Hz'


def _spread(spread: Spread) -> str:
    return f'{spread.p50:.1f} / {spread.p95:.1f} / {spread.p99:.1f}'
