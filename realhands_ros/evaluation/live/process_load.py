"""What processes cost: processor time and memory, sampled while they run."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import psutil

_PERIOD_S = 0.5


@dataclass
class ProcessLoad:
    """
    Processor time and memory of one process, its children not included.

    ``cpu_percent`` is that of one core, averaged over the time that was sampled: two busy cores
    are 200. ``peak_mb`` is the largest resident set in 10^6 bytes, shared libraries included.
    """

    cpu_percent: float = 0.0
    peak_mb: float = 0.0


@dataclass
class _Sampled:
    process: psutil.Process
    first_s: float
    first_cpu_s: float
    load: ProcessLoad = field(default_factory=ProcessLoad)

    def sample(self) -> None:
        try:
            cpu_s = sum(self.process.cpu_times()[:2])
            memory = self.process.memory_info().rss
        except psutil.Error:  # it has ended: what was seen until now stands
            return
        passed = time.monotonic() - self.first_s
        self.load.cpu_percent = 100.0 * (cpu_s - self.first_cpu_s) / passed if passed > 0 else 0.0
        self.load.peak_mb = max(self.load.peak_mb, 1e-6 * memory)


class LoadSampler:
    """Samples processes from its entry as a context manager to its exit; ``loads`` by name."""

    def __init__(self, pids: Mapping[str, int]) -> None:
        """Take the ids of running processes by their names."""
        self._pids = pids
        self._sampled: dict[str, _Sampled] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name='load sampler', daemon=True)

    @property
    def loads(self) -> dict[str, ProcessLoad]:
        """Return what was seen of each process so far."""
        return {name: sampled.load for name, sampled in self._sampled.items()}

    def __enter__(self) -> LoadSampler:
        """Begin to sample."""
        for name, pid in self._pids.items():
            try:
                process = psutil.Process(pid)
                cpu_s = sum(process.cpu_times()[:2])
            except psutil.Error:  # it has ended already
                continue
            self._sampled[name] = _Sampled(process, time.monotonic(), cpu_s)
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
        for sampled in self._sampled.values():
            sampled.sample()
