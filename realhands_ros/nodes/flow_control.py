"""The flow of frames through a node: pairs of one instant, the newest first, few at a time."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from realhands_ros.errors import ConfigError

# Begin a frame only while few others are under way.
#
# Where stages share the cores, each new frame slows those that are under way: on a machine that
# cannot keep up, frames grow old in every stage and not only before the first. Who begins late
# begins with a newer frame.


class FlowControl:
    """
    Counts the frames that went out and have not come back; thread-safe.

    ``limit``: how many may be under way; 0 for any number. Frames may be lost on the way, and
    those that will come back come in the order in which they went. When none comes within
    ``patience_s``, the end of the way is dead or not there, and nobody waits until one comes.
    """

    def __init__(self, limit: int, patience_s: float) -> None:
        self._limit = limit
        self._patience_s = patience_s
        self._condition = threading.Condition()
        # What never came back is displaced by what went later.
        self._under_way: deque[int] = deque(maxlen=max(limit, 1))
        self._heard_at = -float('inf')

    def sent(self, stamp_ns: int) -> None:
        """Count a frame as under way."""
        with self._condition:
            self._under_way.append(stamp_ns)

    def came_back(self, stamp_ns: int) -> None:
        """Count a frame, and those sent before it, as done."""
        with self._condition:
            self._heard_at = time.monotonic()
            if stamp_ns in self._under_way:
                while self._under_way.popleft() != stamp_ns:
                    pass
            self._condition.notify()

    def wait(self) -> None:
        """Return when a frame may begin."""
        if not self._limit:
            return
        with self._condition:
            while len(self._under_way) >= self._limit:
                patience = self._heard_at + self._patience_s - time.monotonic()
                if patience <= 0.0:
                    return
                self._condition.wait(patience)


# One worker thread that always works on the newest item; what it is too late for is dropped.

T = TypeVar('T')


class NewestSlot(Generic[T]):
    """Holds the newest item until it is taken; thread-safe."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._items: list[T] = []
        self._is_closed = False

    def put(self, item: T) -> bool:
        """Offer an item; return whether it displaced one that nobody took."""
        with self._condition:
            displaced = bool(self._items)
            self._items = [item]
            self._condition.notify()
        return displaced

    def take(self) -> T | None:
        """Wait for an item and take it; None once the slot is closed."""
        with self._condition:
            self._condition.wait_for(lambda: self._items or self._is_closed)
            return None if self._is_closed else self._items.pop()

    def close(self) -> None:
        """Wake who waits; nothing is given out any more."""
        with self._condition:
            self._is_closed = True
            self._condition.notify_all()


class Worker(Generic[T]):
    """
    A thread that calls ``work`` with the newest item, whenever ``wait`` has returned.

    Neither may raise.
    """

    def __init__(
        self, name: str, work: Callable[[T], None], wait: Callable[[], None] = lambda: None
    ) -> None:
        """Start the thread."""
        self._slot: NewestSlot[T] = NewestSlot()
        self._work = work
        self._wait = wait
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def offer(self, item: T) -> bool:
        """Hand in an item; return whether an older one was dropped for it."""
        return self._slot.put(item)

    def stop(self) -> None:
        """Finish the item in work and end the thread."""
        self._slot.close()
        self._thread.join()

    def _run(self) -> None:
        self._wait()
        while (item := self._slot.take()) is not None:
            self._work(item)
            self._wait()


# Match what belongs to one instant: the images of two cameras, or two stages' view of a frame.


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


# Things that happen no more often than so many times a second.


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
