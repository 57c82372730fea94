"""One worker thread that always works on the newest item; what it is too late for is dropped."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

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
