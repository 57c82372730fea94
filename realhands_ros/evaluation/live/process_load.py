"""What processes cost: processor time and memory, sampled while they run."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import psutil

_PERIOD_S = 0.5


@dataclass(frozen=True)
class ProcessLoad:
    """
    Processor time and memory of one process, its children not included.

    ``cpu_percent`` is that of one core, averaged over the time that was asked for: two busy cores
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
        Return what each process cost from ``begin_s`` to ``end_s`` (time.monotonic), by name.

        Samples are half a second apart: so are the ends of what is averaged. The peak is that of
        all samples.
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
            except psutil.Error:  # it has ended: what was seen until now stands
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
