"""Match what belongs to one instant: the images of two cameras, or two stages' view of a frame."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from realhands_ros.errors import ConfigError

T = TypeVar('T')


@dataclass(frozen=True)
class _Waiting(Generic[T]):
    arrival: int
    stamp_ns: int
    item: T


class Pairer(Generic[T]):
    """
    Pairs items of two sources by their stamps; not thread-safe.

    Nothing depends on stamps that rise: what waits is forgotten in the order of its arrival, so
    that a bag that starts anew, a clock that is set back or a source that falls silent cannot
    stall it. ``unpaired`` counts by source what was forgotten without a partner.
    """

    def __init__(
        self,
        sources: Sequence[str] = ('left', 'right'),
        *,
        slop_ns: int = 0,
        most_waiting: int = 10,
    ) -> None:
        """
        Pair exactly equal stamps, or with ``slop_ns`` those that differ by no more than that.

        ``most_waiting`` items of each source wait for a partner. Raises ConfigError for a negative
        slop.
        """
        if slop_ns < 0:
            message = f'sync_slop is {slop_ns} ns; it must be 0 (exact) or more'
            raise ConfigError(message)
        self.sources = tuple(sources)
        self.unpaired = dict.fromkeys(self.sources, 0)
        self._slop_ns = slop_ns
        self._most_waiting = most_waiting
        self._waiting: dict[str, deque[_Waiting[T]]] = {name: deque() for name in self.sources}
        self._arrivals = 0

    def add(self, source: str, stamp_ns: int, item: T) -> tuple[T, T] | None:
        """Take in an item; return the pair that it completes, in the order of the sources."""
        self._arrivals += 1
        new = _Waiting(self._arrivals, stamp_ns, item)
        other = self.sources[1 - self.sources.index(source)]
        partner = self._nearest(other, stamp_ns)
        if partner is None:
            self._keep(source, new)
            return None
        self._forget_older(source, new.arrival)
        self._forget_older(other, partner.arrival)
        self._waiting[other].popleft()
        first, second = (item, partner.item) if source == self.sources[0] else (partner.item, item)
        return first, second

    def clear(self) -> None:
        """Forget what waits, uncounted."""
        for waiting in self._waiting.values():
            waiting.clear()

    def _nearest(self, source: str, stamp_ns: int) -> _Waiting[T] | None:
        def distance(waiting: _Waiting[Any]) -> int:
            return abs(waiting.stamp_ns - stamp_ns)

        nearest = min(self._waiting[source], key=distance, default=None)
        return nearest if nearest and distance(nearest) <= self._slop_ns else None

    def _keep(self, source: str, new: _Waiting[T]) -> None:
        waiting = self._waiting[source]
        waiting.append(new)
        if len(waiting) > self._most_waiting:
            waiting.popleft()
            self.unpaired[source] += 1

    def _forget_older(self, source: str, arrival: int) -> None:
        # Sources deliver in order: what came before a matched item will not be matched any more.
        waiting = self._waiting[source]
        while waiting and waiting[0].arrival < arrival:
            waiting.popleft()
            self.unpaired[source] += 1
