"""The scores of several methods on the same hands, one row a hand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from realhands_ros.evaluation.hand_scores import Scores

FloatArray = NDArray[np.float64]


class ScoreBook:
    """
    Scores by method, in the order of the hands.

    Every method has an entry for every hand, an empty one where it gave no result, so that any
    selection of hands can be compared between methods.
    """

    def __init__(self) -> None:
        self._rows: dict[str, list[Scores]] = {}

    @property
    def methods(self) -> tuple[str, ...]:
        """Return the methods in the order of their first appearance."""
        return tuple(self._rows)

    def add(self, method: str, scores: Scores | None) -> None:
        """Add what a method reached on the next hand, None where it gave no result."""
        self._rows.setdefault(method, []).append(scores or {})

    def column(self, method: str, metric: str) -> FloatArray:
        """Return a metric hand by hand, NaN where there is none."""
        rows = self._rows.get(method, [])
        return np.array([row.get(metric, np.nan) for row in rows], dtype=np.float64)

    def mean(self, method: str, metric: str, hands: Sequence[bool] | None = None) -> float:
        """Return the mean over the chosen hands that have the metric, NaN if none has."""
        values = self.column(method, metric)
        if hands is not None and len(values):
            values = values[np.asarray(hands, dtype=bool)]
        known = values[np.isfinite(values)]
        return float(known.mean()) if len(known) else float('nan')

    def count(self, method: str, hands: Sequence[bool] | None = None) -> int:
        """Return on how many of the chosen hands the method gave a result."""
        given = np.array([bool(row) for row in self._rows.get(method, [])], dtype=bool)
        if hands is not None and len(given):
            given &= np.asarray(hands, dtype=bool)
        return int(given.sum())
