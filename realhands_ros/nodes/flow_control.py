"""
Begin a frame only while few others are under way.

Where stages share the cores, each new frame slows those that are under way: on a machine that
cannot keep up, frames grow old in every stage and not only before the first. Who begins late
begins with a newer frame.
"""

from __future__ import annotations

import threading
import time
from collections import deque


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
