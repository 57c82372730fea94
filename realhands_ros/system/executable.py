"""
Run one node, or several in one process, until SIGINT or SIGTERM.

    python -m realhands_ros.system.executable keypoint_node handnet_node --ros-args ...
"""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from realhands_ros.errors import ConfigError, RealhandsError
from realhands_ros.system.dds_profile import avoid_abandoned_ports
from realhands_ros.system.graph import COMPOSED_EXECUTABLE, GRAPH
from realhands_ros.system.supervisor import ignore_unhandled_signals, is_orphan, stop_on_signals

# What takes its time is imported when signals are handled: Ctrl-C may come at once.
if TYPE_CHECKING:
    from realhands_ros.nodes.stage_node import StageNode

# How soon a signal is noticed.
_POLL_S = 0.2


def main(names: Sequence[str] | None = None) -> int:
    """Run the nodes named, or those of the command line; return the exit code."""
    names = list(sys.argv[1:] if names is None else names)
    if '--ros-args' in names:
        names = names[: names.index('--ros-args')]
    with _end_at_once_on_signals():
        import rclpy
        from rclpy.signals import SignalHandlerOptions

        rclpy.init(args=sys.argv, signal_handler_options=SignalHandlerOptions.NO)
        try:
            return _run(names)
        except RealhandsError as error:
            print(f'{" ".join(names)}: {error}', file=sys.stderr)
            return 1
        finally:
            rclpy.try_shutdown()


def main_by_name() -> int:
    """Run the node after which the executable is named, or those that hand_nodes is given."""
    ignore_unhandled_signals()
    name = Path(sys.argv[0]).name
    return main(None if name == COMPOSED_EXECUTABLE else [name])


def create_node(name: str) -> StageNode:
    """Create a node of the graph by its name; ConfigError when there is none."""
    factories = {spec.name: spec.factory for spec in GRAPH}
    if name not in factories:
        message = f'there is no node {name!r}; use {", ".join(factories)}'
        raise ConfigError(message)
    module, _, kind = factories[name].partition(':')
    return getattr(importlib.import_module(module), kind)()


def start(node: StageNode) -> None:
    """Configure and activate a node, unless its parameters leave that to a manager."""
    from rclpy.lifecycle import TransitionCallbackReturn

    if not node.values['autostart']:
        return
    for transition in (node.trigger_configure, node.trigger_activate):
        if transition() != TransitionCallbackReturn.SUCCESS:
            message = f'{node.get_name()} cannot start: the reason is above'
            raise ConfigError(message)


def _run(names: Sequence[str]) -> int:
    # numpy's BLAS reads it when it is imported. Its threads turn on the spot while they wait.
    os.environ.setdefault('OPENBLAS_NUM_THREADS', '1')
    from realhands_ros.system.executor import create_executor

    executor = create_executor()
    nodes: list[StageNode] = []
    try:
        for name in names:
            with avoid_abandoned_ports():
                nodes.append(create_node(name))
            if len(names) == 1:
                _yield_to_others(nodes[-1].values['niceness'])
            start(nodes[-1])
            executor.add_node(nodes[-1])
        _use_few_threads()
        with stop_on_signals() as stop:
            while not stop.is_set() and not is_orphan():
                executor.spin_once(timeout_sec=_POLL_S)
    finally:
        for node in nodes:
            node.end()
            node.destroy_node()
        executor.shutdown()
    return 0


def _use_few_threads() -> None:
    """Stages are small: threads of their libraries cost the other nodes more than they gain."""
    import cv2
    from threadpoolctl import threadpool_limits

    cv2.setNumThreads(1)
    threadpool_limits(1)


def _yield_to_others(niceness: int) -> None:
    """Make this thread, and those that it will start, yield to other processes."""
    own = os.getpriority(os.PRIO_PROCESS, 0)
    os.setpriority(os.PRIO_PROCESS, 0, max(own, niceness))


@contextlib.contextmanager
def _end_at_once_on_signals() -> Iterator[None]:
    """
    Let SIGINT and SIGTERM end the process at once, as long as nothing else handles them.

    While models are loaded there is nothing to put in order yet, and an exception in the midst of
    a library would be lost there, or take the process down.
    """

    def on_signal(number: int, frame: FrameType | None) -> None:
        os._exit(0)

    before = {
        number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


if __name__ == '__main__':
    ignore_unhandled_signals()
    sys.exit(main())
