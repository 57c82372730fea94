"""A trial: the nodes as processes, a recording played to them in real time, results recorded."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import psutil

from realhands_ros.errors import DatasetError
from realhands_ros.evaluation.live_statistics import Arrival
from realhands_ros.recordings.bag import BagFile
from realhands_ros.system.dds_profile import environment_with_profile
from realhands_ros.system.graph import Wiring, player_command, recorder_command
from realhands_ros.system.supervisor import Supervisor, stop_on_signals

# Processor time and memory of processes, sampled while they run.

_PERIOD_S = 0.5


@dataclass(frozen=True)
class ProcessLoad:
    """
    Processor time and memory of one process, its children not included.

    ``cpu_percent`` is relative to one core, averaged over the requested interval: two busy cores
    are 200. ``peak_mb`` is the largest resident set in 10^6 bytes, shared libraries included.
    """

    cpu_percent: float = 0.0
    peak_mb: float = 0.0


class _Sample(NamedTuple):
    time_s: float
    cpu_s: float
    memory_mb: float


class LoadSampler:
    """Samples processes from its entry as a context manager to its exit."""

    def __init__(self, pids: Mapping[str, int]) -> None:
        """Take the ids of running processes by their names."""
        self._pids = pids
        self._processes: dict[str, psutil.Process] = {}
        self._samples: dict[str, list[_Sample]] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name='load sampler', daemon=True)

    def loads(
        self, begin_s: float = -float('inf'), end_s: float = float('inf')
    ) -> dict[str, ProcessLoad]:
        """
        Return the load of each process from ``begin_s`` to ``end_s`` (time.monotonic), by name.

        Samples are half a second apart, which limits the precision of the interval. The peak is
        that of all samples.
        """
        return {name: _load(samples, begin_s, end_s) for name, samples in self._samples.items()}

    def __enter__(self) -> LoadSampler:
        """Begin to sample."""
        for name, pid in self._pids.items():
            try:
                self._processes[name] = psutil.Process(pid)
            except psutil.Error:  # it has ended already
                continue
            self._samples[name] = []
        self._sample()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Take a last sample and end."""
        self._stop.set()
        self._thread.join()
        self._sample()

    def _run(self) -> None:
        while not self._stop.wait(_PERIOD_S):
            self._sample()

    def _sample(self) -> None:
        for name, process in self._processes.items():
            try:
                cpu_s = sum(process.cpu_times()[:2])
                memory_mb = 1e-6 * process.memory_info().rss
            except psutil.Error:  # it has ended: the samples so far stay
                continue
            self._samples[name].append(_Sample(time.monotonic(), cpu_s, memory_mb))


def _load(samples: list[_Sample], begin_s: float, end_s: float) -> ProcessLoad:
    within = [sample for sample in samples if begin_s <= sample.time_s <= end_s]
    peak_mb = max((sample.memory_mb for sample in samples), default=0.0)
    if len(within) < 2:
        return ProcessLoad(0.0, peak_mb)
    first, last = within[0], within[-1]
    passed_s = last.time_s - first.time_s
    cpu_s = last.cpu_s - first.cpu_s
    return ProcessLoad(100.0 * cpu_s / passed_s if passed_s > 0 else 0.0, peak_mb)


_PUBLISHED, _RECEIVED, _RESULTS = 'published.json', 'received.json', 'results'
_POLL_S = 0.1
# Nodes load libraries for a moment after they have subscribed. Playing waits for that, because it
# would delay the first frames once and say nothing of the live system.
_SETTLE_S = 2.0


@dataclass(frozen=True)
class Trial:
    """
    The recording, the results and their times.

    ``published``: each message of the recording and when it was sent; ``received``: each result
    and when it reached the recorder, both by one monotonic clock. ``results``: the bag of the
    received messages. ``loads``: of the processes by name, while the recording played.
    """

    recording: Path
    results: Path
    published: tuple[Arrival, ...]
    received: tuple[Arrival, ...]
    loads: dict[str, ProcessLoad]


def run_trial(
    recording: Path,
    wiring: Wiring,
    folder: Path,
    *,
    rate: float = 1.0,
    say: Callable[[str], None] = print,
) -> Trial:
    """
    Start the nodes of ``wiring``, play the recording at ``rate``, and end everything.

    ``folder`` takes what is recorded; it must be empty or not exist. Raises DatasetError when the
    recording cannot be played, and KeyboardInterrupt when a signal ended the trial.
    """
    with BagFile(recording):
        pass  # raises before any process is started
    folder.mkdir(parents=True, exist_ok=True)
    results = folder / _RESULTS
    commands = wiring.commands()
    commands['recorder'] = recorder_command(results, wiring, timing=folder / _RECEIVED)
    player = player_command(
        recording,
        wiring,
        rate=rate,
        also_await=('hands/mesh=recorder',),
        settle_s=_SETTLE_S,
        timing=folder / _PUBLISHED,
    )
    sampler = _play(commands, player, say)
    published, received = (_arrivals(folder / name) for name in (_PUBLISHED, _RECEIVED))
    return Trial(recording, results, published, received, _loads_while_playing(sampler, published))


def _play(
    commands: Mapping[str, Sequence[str]], player: Sequence[str], say: Callable[[str], None]
) -> LoadSampler:
    """Run everything until the player ends; return the sampler of the nodes' loads."""
    environment = environment_with_profile()
    with (
        stop_on_signals() as stop,
        Supervisor(commands, environment, once=('recorder',), say=say) as nodes,
        Supervisor(
            {'bag_player': player}, environment, once=('bag_player',), say=_nothing
        ) as playing,
    ):
        process = playing.processes['bag_player']
        with LoadSampler({name: node.pid for name, node in nodes.processes.items()}) as sampler:
            while playing.poll() and nodes.poll() and not stop.wait(_POLL_S):
                pass
        if stop.is_set():
            raise KeyboardInterrupt
    if process.returncode != 0:
        message = f'the recording could not be played: the player ended with {process.returncode}'
        raise DatasetError(message)
    return sampler


def _loads_while_playing(
    sampler: LoadSampler, published: Sequence[Arrival]
) -> dict[str, ProcessLoad]:
    """Return the loads from the first message to the last; the start of the nodes is left out."""
    times_s = [1e-9 * message.arrived_ns for message in published]
    return sampler.loads(min(times_s), max(times_s)) if times_s else sampler.loads()


def _nothing(text: str) -> None:
    """Drop the supervisor's message that the player has ended, which is expected."""


def _arrivals(path: Path) -> tuple[Arrival, ...]:
    return tuple(Arrival(*row) for row in json.loads(path.read_text()))
