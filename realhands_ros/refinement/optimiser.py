"""What the optimisers have in common: their interface, their result, and the clock."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Protocol

from realhands_ros.refinement.energy import Energy
from realhands_ros.refinement.hand_estimate import HandParameters
from realhands_ros.refinement.hand_state import HandState


@dataclass(frozen=True, eq=False)
class OptimiserResult:
    """
    Where an optimiser ended.

    ``state`` is the hand with its sharp silhouettes (sharp_state). ``energies`` are those at the
    start and after every iteration, of the energy as the optimiser sees it; ``stopped_by`` is one
    of 'iterations', 'converged', 'budget', 'failed'.
    """

    state: HandState
    energies: tuple[float, ...]
    stopped_by: str

    @property
    def parameters(self) -> HandParameters:
        """Return the parameters."""
        return self.state.parameters


class Optimiser(Protocol):
    """Minimises an energy from a given hand."""

    def minimise(self, energy: Energy, start: HandState, deadline: Deadline) -> OptimiserResult:
        """Return a better hand; begin no iteration that would end after ``deadline``."""


class Deadline:
    """A time budget: knows whether one more step of the length of the last ones fits in."""

    def __init__(self, budget_ms: float | None) -> None:
        """Start the clock; None is no limit."""
        self._start = time.perf_counter()
        self._budget = budget_ms / 1e3 if budget_ms is not None else float('inf')
        self._last = self._start
        self._longest = 0.0

    def step_fits(self) -> bool:
        """Return whether a step as long as the longest so far would end in time."""
        now = time.perf_counter()
        self._longest = max(self._longest, now - self._last)
        self._last = now
        return now + self._longest - self._start <= self._budget

    @property
    def elapsed_ms(self) -> float:
        """Return the milliseconds since the start."""
        return (time.perf_counter() - self._start) * 1e3
