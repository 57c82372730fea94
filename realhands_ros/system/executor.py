"""The executor that nodes are spun by: the one that costs the least where there is a choice."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rclpy.executors import Executor


def create_executor() -> Executor:
    """
    Return an executor of one thread.

    From Kilted on that is rclpy's EventsExecutor, which wakes for what has arrived; the older one
    looks through all of a node's entities each time, which at camera rate is a good part of a
    node's work.
    """
    try:
        from rclpy.experimental import EventsExecutor
    except ImportError:
        from rclpy.executors import SingleThreadedExecutor

        return SingleThreadedExecutor()
    return EventsExecutor()
