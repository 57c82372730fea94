"""
Play a bag through DDS, at real rate.

    python -m realhands_ros.system.player BAG [--rate 2] [--loop] [--clock]

The messages go out as they lie in the bag, under their topics and qualities of service.
"""

from __future__ import annotations

import argparse
import json
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from queue import Empty, Full, Queue
from typing import Any

import rclpy
import rclpy.utilities
from builtin_interfaces.msg import Time
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.signals import SignalHandlerOptions
from rosbags.interfaces import Connection, QosDurability, QosReliability
from rosgraph_msgs.msg import Clock

from realhands_ros.errors import DatasetError
from realhands_ros.messages.types import message_class, serialised_stamp_ns
from realhands_ros.recordings.bag import open_bag
from realhands_ros.system.supervisor import ignore_unhandled_signals, is_orphan, stop_on_signals

_CLOCK_PERIOD_S = 0.01
# Messages read ahead, so that reading and unpacking do not show in the timing.
_READ_AHEAD = 40
_MATCH_TIMEOUT_S = 120.0


class BagPlayer(Node):
    """
    Publishes what a bag holds.

    With ``timing``, ``published`` lists, of each message with a header, its topic, stamp
    (nanoseconds) and the moment of its publication (time.monotonic_ns).
    """

    def __init__(
        self, bag: Path, *, rate: float = 1.0, clock: bool = False, timing: bool = False
    ) -> None:
        """Open publishers for the bag's topics; DatasetError when it cannot be read."""
        super().__init__('bag_player')
        self._bag = bag
        self._rate = rate
        self._timing = timing
        self.published: list[tuple[str, int, int]] = []
        with open_bag(bag) as reader:
            self._publishers_by_topic = {
                connection.topic: publisher
                for connection in reader.connections
                if (publisher := self._create(connection)) is not None
            }
            self._with_header = {
                connection.topic
                for connection in reader.connections
                if connection.msgdef.data.lstrip().startswith('std_msgs/Header')
                or connection.msgtype.startswith('sensor_msgs/')
            }
        self._clock = self.create_publisher(Clock, '/clock', 1) if clock else None

    def wait_for_nodes(self, inputs: list[str], stop: threading.Event) -> bool:
        """
        Wait until nodes listen; return whether that came true within two minutes.

        ``inputs`` name topics and nodes, '/hands/mesh=texture_node'.
        """
        deadline = time.monotonic() + _MATCH_TIMEOUT_S
        waiting = {tuple(entry.split('=')) for entry in inputs}
        while waiting:
            if stop.wait(0.05) or is_orphan():
                return False
            if time.monotonic() > deadline:
                self.get_logger().warning(f'nobody listens to {sorted(waiting)}: playing anyway')
                return True
            waiting = {(topic, node) for topic, node in waiting if not self._listens(topic, node)}
        return True

    def play(self, stop: threading.Event) -> None:
        """Publish the bag once, message by message at its time."""
        first_ns: int | None = None
        begin = time.monotonic()
        for topic, stamp_ns, data in _read_ahead(self._bag, self._publishers_by_topic, stop):
            first_ns = stamp_ns if first_ns is None else first_ns
            due = begin + 1e-9 * (stamp_ns - first_ns) / self._rate
            if not self._pass_time_until(due, begin, first_ns, stop):
                return
            if is_orphan():
                return
            if self._timing and topic in self._with_header:
                self.published.append((topic, serialised_stamp_ns(data), time.monotonic_ns()))
            self._publishers_by_topic[topic].publish(data)

    def _pass_time_until(
        self, due: float, begin: float, first_ns: int, stop: threading.Event
    ) -> bool:
        """Sleep, telling the time on /clock; return whether to go on."""
        while (now := time.monotonic()) < due:
            if self._clock is not None:
                self._tell_time(first_ns + round(1e9 * self._rate * (now - begin)))
                pause = min(due - now, _CLOCK_PERIOD_S)
            else:
                pause = due - now
            if stop.wait(pause):
                return False
        return not stop.is_set()

    def _listens(self, topic: str, node: str) -> bool:
        return any(info.node_name == node for info in self.get_subscriptions_info_by_topic(topic))

    def _tell_time(self, now_ns: int) -> None:
        seconds, nanoseconds = divmod(now_ns, 1_000_000_000)
        self._clock.publish(Clock(clock=Time(sec=seconds, nanosec=nanoseconds)))

    def _create(self, connection: Connection) -> Publisher | None:
        try:
            kind = message_class(connection.msgtype)
        except (ImportError, AttributeError):
            self.get_logger().warning(
                f'{connection.topic} is left out: there is no {connection.msgtype} here'
            )
            return None
        return self.create_publisher(kind, connection.topic, _qos(connection))


def _qos(connection: Connection) -> QoSProfile:
    offered = connection.ext.offered_qos_profiles
    is_best_effort = bool(offered) and offered[0].reliability is QosReliability.BEST_EFFORT
    is_latched = bool(offered) and offered[0].durability is QosDurability.TRANSIENT_LOCAL
    return QoSProfile(
        depth=10,
        reliability=ReliabilityPolicy.BEST_EFFORT
        if is_best_effort
        else ReliabilityPolicy.RELIABLE,
        durability=DurabilityPolicy.TRANSIENT_LOCAL if is_latched else DurabilityPolicy.VOLATILE,
    )


def _read_ahead(
    bag: Path, topics: dict[str, Any], stop: threading.Event
) -> Iterator[tuple[str, int, bytes]]:
    """Read messages (topic, time of recording, data) in a thread of their own."""
    queue: Queue[tuple[str, int, bytes] | Exception | None] = Queue(_READ_AHEAD)

    def put(entry: tuple[str, int, bytes] | Exception | None) -> bool:
        while not stop.is_set():
            try:
                queue.put(entry, timeout=0.1)
            except Full:
                continue
            return True
        return False

    def read_all() -> None:
        with open_bag(bag) as reader:
            chosen = [
                connection for connection in reader.connections if connection.topic in topics
            ]
            for connection, stamp_ns, data in reader.messages(chosen):
                if not put((connection.topic, stamp_ns, bytes(data))):
                    return
        put(None)

    def read() -> None:
        try:
            read_all()
        # What a damaged file makes the reader raise depends on where it is damaged.
        except Exception as error:  # noqa: BLE001
            put(error)

    threading.Thread(target=read, name='bag reader', daemon=True).start()
    while not stop.is_set():
        try:
            entry = queue.get(timeout=0.1)
        except Empty:
            continue
        if entry is None:
            return
        if isinstance(entry, Exception):
            message = f'{bag} is damaged, and cannot be played to its end ({entry})'
            raise DatasetError(message) from entry
        yield entry


def main() -> int:
    """Play a bag as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('bag', type=Path)
    parser.add_argument('--rate', type=float, default=1.0, help='speed; 1 is real time')
    parser.add_argument('--loop', action='store_true', help='start anew at the end')
    parser.add_argument('--clock', action='store_true', help="publish the bag's time on /clock")
    parser.add_argument(
        '--wait-for', nargs='*', default=[], metavar='TOPIC=NODE', help='who must listen at first'
    )
    parser.add_argument(
        '--settle', type=float, default=0.0, help='seconds to wait once they do (default 0)'
    )
    parser.add_argument('--timing', type=Path, help='write what was published when, as JSON')
    args = parser.parse_args(rclpy.utilities.remove_ros_args(sys.argv)[1:])
    try:
        with stop_on_signals() as stop:
            rclpy.init(args=sys.argv, signal_handler_options=SignalHandlerOptions.NO)
            _play(args, stop)
    except DatasetError as error:
        print(f'bag_player: {error}', file=sys.stderr)
        return 1
    finally:
        rclpy.try_shutdown()
    return 0


def _play(args: argparse.Namespace, stop: threading.Event) -> None:
    player = BagPlayer(args.bag, rate=args.rate, clock=args.clock, timing=args.timing is not None)
    if player.wait_for_nodes(args.wait_for, stop) and not stop.wait(args.settle):
        player.play(stop)
        while args.loop and not stop.is_set() and not is_orphan():
            player.play(stop)
    if args.timing:
        args.timing.write_text(json.dumps(player.published))
    # What was sent last may still be on its way to a reliable subscriber.
    stop.wait(1.0)
    player.destroy_node()


if __name__ == '__main__':
    ignore_unhandled_signals()
    sys.exit(main())
