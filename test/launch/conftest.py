"""The live system as its users start it: processes, and a node that listens to them."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest

pytest.importorskip('realhands.msg', reason='the messages are not built (make setup)')

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import QoSProfile

from realhands_ros.system.dds_profile import environment_with_profile

# Only that something happens is tested here, never how soon: a busy machine takes its time.
PATIENCE_S = 90.0


class Listener:
    """Keeps what arrives; spun by whoever waits for something."""

    def __init__(self, domain: int) -> None:
        self._context = rclpy.Context()
        rclpy.init(context=self._context, domain_id=domain)
        self.node = rclpy.create_node('listener', context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self.got: dict[str, list[Any]] = defaultdict(list)
        self._subscriptions: dict[str, Any] = {}

    def listen(self, kind: type, topic: str, qos: QoSProfile | int = 50) -> list[Any]:
        """Subscribe, if not done yet; return the list to which messages are added."""
        if topic not in self._subscriptions:
            self._subscriptions[topic] = self.node.create_subscription(
                kind, topic, self.got[topic].append, qos
            )
        return self.got[topic]

    def forget(self, topic: str) -> None:
        self.node.destroy_subscription(self._subscriptions.pop(topic))
        del self.got[topic]

    def wait(self, is_true: Callable[[], Any], what: str) -> Any:
        """Spin until something is true, and return it."""
        end = time.monotonic() + PATIENCE_S
        while not (result := is_true()):
            assert time.monotonic() < end, f'waited {PATIENCE_S:g} s in vain for {what}'
            self._executor.spin_once(timeout_sec=0.1)
        return result

    def spin(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self._executor.spin_once(timeout_sec=0.1)

    def close(self) -> None:
        self._executor.shutdown()
        self.node.destroy_node()
        self._context.shutdown()


class Process:
    """A command with all that it starts; its output goes to a file."""

    def __init__(self, command: Sequence[str], log: Path, domain: int) -> None:
        self.log = log
        environment = environment_with_profile() | {'ROS_DOMAIN_ID': str(domain)}
        with log.open('w') as output:
            self._popen = subprocess.Popen(
                [str(word) for word in command],
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,
            )
        self._family: set[psutil.Process] = set()

    @property
    def said(self) -> str:
        return self.log.read_text()

    def nodes(self) -> dict[str, int]:
        """Return the ids of the node processes that run, by the names of their nodes."""
        ids = {}
        for child in self._children():
            # A process may end at any moment.
            with contextlib.suppress(psutil.NoSuchProcess):
                command = child.cmdline()
                if 'realhands_ros.system.executable' in command:
                    start = command.index('realhands_ros.system.executable') + 1
                    ids[' '.join(command[start : command.index('--ros-args')])] = child.pid
        return ids

    @property
    def is_running(self) -> bool:
        return self._popen.poll() is None

    def wait(self) -> int:
        """Return the exit code, once it has ended by itself."""
        self._children()
        return self._popen.wait(PATIENCE_S)

    def interrupt(self, number: int = signal.SIGINT) -> int:
        """Send a signal, as Ctrl-C does; return the exit code."""
        self._children()
        self._popen.send_signal(number)
        return self._popen.wait(PATIENCE_S)

    def left_over(self) -> list[psutil.Process]:
        """Return what still runs of all that it has started."""
        return [child for child in self._family if child.is_running()]

    def kill(self) -> None:
        self._children()
        if self.is_running:
            self._popen.kill()
            self._popen.wait()
        for child in self.left_over():
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()

    def _children(self) -> list[psutil.Process]:
        """Return what it has started and runs, and remember it."""
        try:
            found = psutil.Process(self._popen.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []
        self._family.update(found)
        return found


@pytest.fixture(scope='module')
def listener(ros_domain: int) -> Iterator[Listener]:
    listener = Listener(ros_domain)
    yield listener
    listener.close()


@pytest.fixture(scope='module')
def start(
    ros_domain: int, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., Process]]:
    """Return a function that starts a command, which does not outlive the module's tests."""
    processes: list[Process] = []
    folder = tmp_path_factory.mktemp('logs')

    def begin(*command: Any) -> Process:
        processes.append(Process(command, folder / f'{len(processes)}.log', ros_domain))
        return processes[-1]

    yield begin
    for process in processes:
        process.kill()


@pytest.fixture(scope='module')
def realhands_run(start: Callable[..., Process]) -> Callable[..., Process]:
    """Return a function that starts `realhands run` with some arguments."""
    command = (sys.executable, '-m', 'realhands_ros.cli.main', 'run')
    return lambda *arguments: start(*command, *arguments)


@pytest.fixture(scope='module')
def play(start: Callable[..., Process]) -> Callable[..., Process]:
    """Return a function that plays a bag, over and over, once nodes listen."""

    def begin(bag: Path, *awaited: str) -> Process:
        player = (sys.executable, '-m', 'realhands_ros.system.player', bag, '--loop')
        return start(*player, '--wait-for', *awaited)

    return begin
