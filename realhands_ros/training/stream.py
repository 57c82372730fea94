"""Batches by number: which samples, and how they vary, follow from seed and step alone."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from multiprocessing.context import BaseContext
from typing import Any

import numpy as np
from torch.utils.data import DataLoader, Dataset

from realhands_ros.cores import use_one_core
from realhands_ros.training.batch import TrainingBatch
from realhands_ros.training.hand_source import HandSource
from realhands_ros.training.preparation import Preparation


class BatchStream(Dataset[TrainingBatch]):
    """
    Item ``step`` is the batch of that step, the same whenever and in whatever process it is made.

    So a run that goes on from a checkpoint sees what it would have seen without the stop. With
    several processes (torchrun), each has its own ``rank`` and gets other samples.
    """

    def __init__(
        self,
        source: HandSource,
        preparation: Preparation,
        *,
        hands: int,
        seed: tuple[int, ...],
        steps: int,
        rank: int = 0,
    ) -> None:
        """Make batches of ``hands`` hands; ``steps`` is where the stream ends."""
        self._source = source
        self._preparation = preparation
        self._hands = hands
        self._seed = seed
        self._steps = steps
        self._rank = rank

    def __len__(self) -> int:
        """Return the number of steps."""
        return self._steps

    def __getitem__(self, step: int) -> TrainingBatch:
        """Return the batch of ``step``."""
        rows = []
        for hand in range(self._hands):
            rng = np.random.default_rng([*self._seed, step, self._rank, hand])
            sample = self._source.sample(int(rng.integers(len(self._source))))
            rows += self._preparation.rows(sample, rng)
        return TrainingBatch.stack(rows)


def batches(stream: BatchStream, first_step: int, *, workers: int) -> Iterator[TrainingBatch]:
    """Yield the batches from ``first_step`` to the end, made ahead by ``workers`` processes."""
    options: dict[str, Any] = {}
    if workers > 0:
        options = {
            'multiprocessing_context': _worker_context(),
            'worker_init_fn': _start_worker,
            'prefetch_factor': 4,
        }
    steps = range(first_step, len(stream))
    loader = DataLoader(stream, sampler=steps, batch_size=None, num_workers=workers, **options)
    yield from loader


def _worker_context() -> BaseContext:
    """
    Return a way to start workers that costs the imports once, not for each in turn.

    Forked children of a process that has used OpenMP or numba may hang, so that they are forked
    from a process that has only imported.
    """
    context = multiprocessing.get_context('forkserver')
    context.set_forkserver_preload([__name__])
    return context


def _start_worker(_worker: int) -> None:
    use_one_core()
