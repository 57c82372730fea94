"""Start processes, start those that die anew, and end all of them together."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from types import FrameType, TracebackType

# A process ends itself when the one with this id, which started it, is gone.
PARENT_VARIABLE = 'REALHANDS_PARENT'
_PARENT = os.getppid()

# How soon an end is noticed.
_POLL_S = 0.02
_PATIENCE_S = 5.0
# A process that has run for a while is started again at once. One that fails right at its start
# will do so again: wait longer every time.
_A_WHILE_S = 5.0
_FIRST_DELAY_S, _LONGEST_DELAY_S = 0.2, 5.0
_STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Supervisor:
    """
    Runs named commands; a context manager that leaves nothing running.

    A command that ends, however it does, is started again, unless its name is in ``once``. ``say``
    is told what happens.
    """

    def __init__(
        self,
        commands: Mapping[str, Sequence[str]],
        environment: Mapping[str, str],
        *,
        once: Collection[str] = (),
        say: Callable[[str], None] = lambda text: print(text, file=sys.stderr, flush=True),
    ) -> None:
        self._commands = dict(commands)
        self._environment = {**environment, PARENT_VARIABLE: str(os.getpid())}
        self._once = frozenset(once)
        self._say = say
        self._delays = dict.fromkeys(self._commands, _FIRST_DELAY_S)
        self._started_at: dict[str, float] = {}
        self._start_at: dict[str, float] = {}
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Supervisor:
        """Start all commands."""
        for name in self._commands:
            self._start(name)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End all processes."""
        self.stop()

    def poll(self) -> bool:
        """Start anew what has ended; return whether anything runs or will run."""
        now = time.monotonic()
        for name, process in list(self.processes.items()):
            if process.poll() is not None:
                del self.processes[name]
                self._on_end(name, process.returncode, now)
        for name, due in list(self._start_at.items()):
            if now >= due:
                del self._start_at[name]
                self._start(name)
        return bool(self.processes or self._start_at)

    def wait(self, stop: threading.Event) -> None:
        """Keep everything running until ``stop`` is set, or nothing is left to wait for."""
        while not stop.wait(_POLL_S) and self.poll():
            pass

    def stop(self) -> None:
        """Ask all processes to end, and kill those that do not within five seconds."""
        self._start_at = {}
        for process in self.processes.values():
            process.send_signal(signal.SIGINT)
        deadline = time.monotonic() + _PATIENCE_S
        for name, process in self.processes.items():
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                self._say(f'{name} does not end and is killed')
                process.kill()
                process.wait()
        self.processes = {}

    def _start(self, name: str) -> None:
        # In a session of its own: Ctrl-C reaches us alone, and we end all in order.
        self.processes[name] = subprocess.Popen(
            self._commands[name], env=self._environment, start_new_session=True
        )
        self._started_at[name] = time.monotonic()

    def _on_end(self, name: str, code: int, now: float) -> None:
        if name in self._once:
            self._say(f'{name} has ended with code {code}')
            return
        delay = self._delay(name, now - self._started_at[name])
        when = f'in {delay:g} s' if delay else 'at once'
        self._say(f'{name} has ended with code {code}; it is started again {when}')
        self._start_at[name] = now + delay

    def _delay(self, name: str, ran_for_s: float) -> float:
        if ran_for_s > _A_WHILE_S:
            self._delays[name] = _FIRST_DELAY_S
            return 0.0
        delay = self._delays[name]
        self._delays[name] = min(2 * delay, _LONGEST_DELAY_S)
        return delay


def ignore_unhandled_signals() -> None:
    """
    Let SIGINT, SIGTERM and SIGHUP do nothing where a program does not handle them.

    For the start of a program that does so while it works. Who ends it may say so twice (a service
    manager and launch, or somebody impatient), and the second signal would else kill it in the
    last half second, in which the interpreter and libraries clean up.
    """
    for number in _STOPPING:
        signal.signal(number, signal.SIG_IGN)


@contextlib.contextmanager
def stop_on_signals() -> Iterator[threading.Event]:
    """Give an event that SIGINT, SIGTERM and SIGHUP set; afterwards they act as before."""
    stop = threading.Event()

    def on_signal(number: int, frame: FrameType | None) -> None:
        stop.set()

    before = {number: signal.signal(number, on_signal) for number in _STOPPING}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def is_orphan() -> bool:
    """Return whether the supervisor (or launch) that started this process is gone."""
    starter = os.environ.get(PARENT_VARIABLE)
    if starter is None:
        return False
    # Between the two there may be a debugger, which outlives the one that started it.
    return os.getppid() != _PARENT or not _exists(int(starter))


def _exists(pid: int) -> bool:
    # Asked with every message: psutil opens a file for it.
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
