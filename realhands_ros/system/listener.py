"""Listens to a running system and notes what arrives when, for ``realhands eval live``."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from functools import partial

import rclpy
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo

from realhands_ros.messages.topics import MESH, OBSERVATIONS, REGRESSED, RESULT_TYPES
from realhands_ros.messages.types import message_class, serialised_stamp_ns
from realhands_ros.system.dds_profile import environment_with_profile
from realhands_ros.system.executor import create_executor

# Topic, stamp, and moment of arrival (time.monotonic_ns), nanoseconds.
Arrived = tuple[str, int, int]

# What the listener can listen to, by the last part of a topic's name.
_TYPES = {name.rpartition('/')[2]: RESULT_TYPES[name] for name in (OBSERVATIONS, REGRESSED, MESH)}
_POLL_S = 0.2
_DEPTH = 100


class LiveListener(Node):
    """Notes the stamps of camera_info and of the system's results; the messages stay packed."""

    def __init__(self, camera_topic: str, topics: Sequence[str]) -> None:
        """Subscribe; best effort to the camera, so that any publisher will do."""
        super().__init__('live_listener')
        self.arrivals: list[Arrived] = []
        kinds = {topic: message_class(_TYPES[topic.rpartition('/')[2]]) for topic in topics}
        for topic, kind in {camera_topic: CameraInfo, **kinds}.items():
            self.create_subscription(
                kind,
                topic,
                partial(self._on_message, topic),
                QoSProfile(depth=_DEPTH, reliability=ReliabilityPolicy.BEST_EFFORT),
                raw=True,
            )

    def _on_message(self, topic: str, data: bytes) -> None:
        self.arrivals.append((topic, serialised_stamp_ns(data), time.monotonic_ns()))


def listen(
    camera_topic: str,
    topics: Sequence[str],
    seconds: float,
    is_over: Callable[[], bool] = lambda: False,
) -> tuple[list[Arrived], int]:
    """Listen for some seconds; return what arrived and the time at the end, nanoseconds."""
    os.environ.update(environment_with_profile())
    rclpy.init()
    listener, executor = LiveListener(camera_topic, topics), create_executor()
    executor.add_node(listener)
    end = time.monotonic() + seconds
    try:
        while time.monotonic() < end and not is_over():
            executor.spin_once(timeout_sec=_POLL_S)
    finally:
        listener.destroy_node()
        executor.shutdown()
        rclpy.try_shutdown()
    return listener.arrivals, time.monotonic_ns()
