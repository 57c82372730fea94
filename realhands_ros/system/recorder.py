"""
Record what the nodes publish to a bag, without the rosbag2 packages.

    python -m realhands_ros.system.recorder BAG [--timing FILE]
"""

from __future__ import annotations

import argparse
import json
import sys
import threading
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import rclpy
import rclpy.utilities
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from rclpy.signals import SignalHandlerOptions
from rosbags.interfaces import Connection
from rosbags.rosbag2 import StoragePlugin, Writer, WriterError

from realhands_ros.errors import DatasetError
from realhands_ros.messages.topics import LATCHED_TOPICS, RESULT_TYPES
from realhands_ros.messages.types import (
    bag_typestore,
    message_class,
    reliable_qos,
    serialised_stamp_ns,
)
from realhands_ros.system.executor import create_executor
from realhands_ros.system.supervisor import ignore_unhandled_signals, is_orphan, stop_on_signals

_POLL_S = 0.2
_DEPTH = 10


class Recorder(Node):
    """
    Writes messages to a bag as they arrive.

    With ``timing``, ``received`` lists the topic, the stamp (nanoseconds) and the moment of
    arrival (time.monotonic_ns) of each message with a header.
    """

    def __init__(
        self, bag: Path, topics: Sequence[str] = tuple(RESULT_TYPES), *, timing: bool = False
    ) -> None:
        """Open the bag; DatasetError when it exists or cannot be written."""
        super().__init__('recorder')
        self._timing = timing
        self.received: list[tuple[str, int, int]] = []
        try:
            self._writer = Writer(bag, version=8, storage_plugin=StoragePlugin.MCAP)
            self._writer.open()
        except (WriterError, OSError) as error:
            message = f'{bag} cannot be written ({error}): choose another name'
            raise DatasetError(message) from error
        for topic in topics:
            self._subscribe(topic)

    def close(self) -> None:
        """Finish the bag."""
        self._writer.close()

    def _subscribe(self, topic: str) -> None:
        is_latched = topic in LATCHED_TOPICS
        durability = DurabilityPolicy.TRANSIENT_LOCAL if is_latched else DurabilityPolicy.VOLATILE
        kind = RESULT_TYPES[topic]
        connection = self._writer.add_connection(
            self.resolve_topic_name(topic),
            kind,
            typestore=bag_typestore(),
            offered_qos_profiles=[reliable_qos(_DEPTH, is_latched=is_latched)],
        )
        self.create_subscription(
            message_class(kind),
            topic,
            partial(self._on_message, connection, topic, self._timing and not is_latched),
            QoSProfile(depth=50, durability=durability),
            raw=True,
        )

    def _on_message(
        self, connection: Connection, topic: str, with_timing: bool, data: bytes
    ) -> None:
        if with_timing:
            self.received.append((topic, serialised_stamp_ns(data), time.monotonic_ns()))
        self._writer.write(connection, self.get_clock().now().nanoseconds, data)


def main() -> int:
    """Record until SIGINT."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('bag', type=Path)
    parser.add_argument('--timing', type=Path, help='write what came when, as JSON')
    args = parser.parse_args(rclpy.utilities.remove_ros_args(sys.argv)[1:])
    try:
        with stop_on_signals() as stop:
            rclpy.init(args=sys.argv, signal_handler_options=SignalHandlerOptions.NO)
            _record(args.bag, args.timing, stop)
    except DatasetError as error:
        print(f'recorder: {error}', file=sys.stderr)
        return 1
    finally:
        rclpy.try_shutdown()
    return 0


def _record(bag: Path, timing: Path | None, stop: threading.Event) -> None:
    recorder = Recorder(bag, timing=timing is not None)
    executor = create_executor()
    executor.add_node(recorder)
    try:
        while not stop.is_set() and not is_orphan():
            executor.spin_once(timeout_sec=_POLL_S)
    finally:
        recorder.close()
        recorder.destroy_node()
        executor.shutdown()
    if timing is not None:
        timing.write_text(json.dumps(recorder.received))


if __name__ == '__main__':
    ignore_unhandled_signals()
    sys.exit(main())
