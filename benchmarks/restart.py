"""
How soon the stream is back when a node was killed, while all the others go on.

    python benchmarks/restart.py [--kills 5] [--node NAME ...]

Starts the nodes as ``realhands run stereo`` does, plays a film to them over and over (made once;
kept in --folder), kills one node after the other, and waits for the first message of hands/mesh
that is of no frame under way at the kill, and for the first one with a hand. What passes until the
supervisor notices counts, as do start and rehearsal. Other work on the machine shows in the
figures, and so does a film whose hand is out of sight.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import threading
import time
from bisect import bisect
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import rclpy
from rclpy.serialization import deserialize_message

from realhands.msg import HandMeshArray
from realhands_ros.cli.demo import default_folder
from realhands_ros.demo.demo_run import recording
from realhands_ros.evaluation.summary import text_table
from realhands_ros.messages.topics import WRAPPER_VERSIONS
from realhands_ros.synthesis.config import FilmSettings
from realhands_ros.system.dds_profile import environment_with_profile
from realhands_ros.system.executor import create_executor
from realhands_ros.system.graph import Wiring, player_command, zed_remappings
from realhands_ros.system.supervisor import Supervisor

# The stream depends on these; the texture hangs beside it.
NODES = ('keypoint_node', 'handnet_node', 'refinement_node')
_LISTENER = 'restart_listener'
# Frames under way at the kill come out within this time, and no node starts in less.
_UNDER_WAY_S = 0.3
# Between two kills, in no step with anything periodic; a node that died sooner than this after
# its start would have to wait.
_PAUSE_S = (6.0, 8.0)
_PATIENCE_S = 60.0
_HEADINGS = ('killed', 'back after s', 'median', 'worst', 'with a hand, median')


class Arrivals:
    """When messages of hands/mesh came (time.monotonic), and whether they held a hand."""

    def __init__(self) -> None:
        self._arrivals: list[tuple[float, bool]] = []

    def add(self, message: Any) -> None:
        """Note a message that has just come."""
        self._arrivals.append((time.monotonic(), bool(message.hands)))

    def wait(self, since: float, *, with_hand: bool = False) -> float:
        """Wait for the first message that came after ``since``; return when that was."""
        while time.monotonic() < since + _PATIENCE_S:
            for arrival, has_hand in self._arrivals[bisect(self._arrivals, (since, True)) :]:
                if has_hand or not with_hand:
                    return arrival
            time.sleep(0.02)
        raise SystemExit(f'hands/mesh has not come for {_PATIENCE_S:g} s')


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--kills', type=int, default=5, help='of each node')
    parser.add_argument('--node', action='append', choices=NODES, help='(default: all)')
    parser.add_argument('--folder', type=Path, default=default_folder(), help='for films')
    args = parser.parse_args()
    film = recording(args.folder, FilmSettings())
    names = args.node or NODES
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
    pauses = random.Random(0)
    with running_system(film) as (nodes, arrivals):
        arrivals.wait(time.monotonic(), with_hand=True)
        for name in names * args.kills:
            time.sleep(pauses.uniform(*_PAUSE_S))
            times[name].append(kill(nodes, name, arrivals))
    print(text_table(_HEADINGS, [row(name, found) for name, found in times.items()]))


def kill(nodes: Supervisor, name: str, arrivals: Arrivals) -> tuple[float, float]:
    """Kill a node; return the seconds until hands/mesh came again, and came with a hand."""
    nodes.processes[name].kill()
    killed = time.monotonic()
    first, with_hand = (
        arrivals.wait(killed + _UNDER_WAY_S, with_hand=wanted) - killed for wanted in (False, True)
    )
    return first, with_hand


def row(name: str, times: list[tuple[float, float]]) -> list[str]:
    """Return the table's row of one node."""
    first, with_hand = zip(*times, strict=True)
    figures = (statistics.median(first), max(first), statistics.median(with_hand))
    return [name, ' '.join(f'{s:.2f}' for s in first), *(f'{s:.2f}' for s in figures)]


@contextmanager
def running_system(film: Path) -> Iterator[tuple[Supervisor, Arrivals]]:
    """Run nodes, player and a listener; give the nodes and what the listener hears."""
    wiring = Wiring(
        remappings=zed_remappings(WRAPPER_VERSIONS[-1], 'zed'), parameters={'stereo': True}
    )
    player = player_command(film, wiring, loop=True, also_await=[f'hands/mesh={_LISTENER}'])
    os.environ.update(environment_with_profile())
    arrivals, stop = Arrivals(), threading.Event()
    with (
        Supervisor(wiring.commands(), os.environ) as nodes,
        Supervisor({'bag_player': player}, os.environ, once=('bag_player',)),
    ):
        threads = [
            threading.Thread(target=nodes.wait, args=(stop,)),
            threading.Thread(target=listen, args=(arrivals.add, stop)),
        ]
        for thread in threads:
            thread.start()
        try:
            yield nodes, arrivals
        finally:
            stop.set()
            for thread in threads:
                thread.join()


def listen(on_mesh: Callable[[Any], None], stop: threading.Event) -> None:
    """Call ``on_mesh`` with each message of hands/mesh until ``stop`` is set."""
    rclpy.init()
    listener, executor = rclpy.create_node(_LISTENER), create_executor()

    def hear(data: bytes) -> None:
        # What a node wrote while it was killed need not be a message.
        with suppress(RuntimeError):
            on_mesh(deserialize_message(data, HandMeshArray))

    listener.create_subscription(HandMeshArray, 'hands/mesh', hear, 50, raw=True)
    executor.add_node(listener)
    while not stop.is_set():
        executor.spin_once(timeout_sec=0.1)
    listener.destroy_node()
    executor.shutdown()
    rclpy.try_shutdown()


if __name__ == '__main__':
    main()
