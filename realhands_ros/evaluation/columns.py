"""A table of numbers that grows row by row and costs eight bytes a cell."""

from __future__ import annotations

from array import array
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


class Columns:
    """Rows of named numbers; a name that a row lacks, or that came up later, is NaN there."""

    def __init__(self) -> None:
        self._columns: dict[str, array[float]] = {}
        self._rows = 0

    def __len__(self) -> int:
        """Return the number of rows."""
        return self._rows

    def add(self, row: Mapping[str, float]) -> None:
        """Add a row."""
        for name in row:
            if name not in self._columns:
                self._columns[name] = array('d', [float('nan')]) * self._rows
        for name, column in self._columns.items():
            column.append(row.get(name, float('nan')))
        self._rows += 1

    def arrays(self) -> dict[str, FloatArray]:
        """Return a copy of each column, (rows,)."""
        return {name: np.array(column, np.float64) for name, column in self._columns.items()}
