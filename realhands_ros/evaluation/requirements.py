"""Thresholds on a result, such as ``pa_mpvpe<9`` or ``regressed.iou>=0.9``, for a user's CI."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from realhands_ros.errors import ConfigError
from realhands_ros.evaluation.all_metrics import ALL_METRICS

_OPERATORS: dict[str, Callable[[float, float], bool]] = {
    '<=': operator.le,
    '>=': operator.ge,
    '<': operator.lt,
    '>': operator.gt,
}
_PATTERN = re.compile(r'(?:(\w+)\.)?(\w+)\s*(<=|>=|<|>)\s*([-+.\deE]+)')


class Figures(Protocol):
    """Anything that has figures by name: a result, or the statistics of a live system."""

    def value(self, metric: str, stage: str | None = None) -> float | None:
        """Return a figure, None if there is none."""
        ...


@dataclass(frozen=True)
class Requirement:
    """One threshold; ``stage`` None is the final stage. A figure that is missing is not met."""

    metric: str
    comparison: str
    limit: float
    stage: str | None = None

    @classmethod
    def parse(cls, text: str) -> Requirement:
        """Read ``[STAGE.]METRIC<NUMBER``; ConfigError for anything else."""
        match = _PATTERN.fullmatch(text.strip())
        try:
            if match is None:
                raise ValueError
            stage, metric, comparison, limit = match.groups()
            requirement = cls(metric, comparison, float(limit), stage)
        except ValueError as error:
            message = (
                f'{text!r} is no requirement; write a metric, one of {" ".join(_OPERATORS)} and a '
                "number, such as 'pa_mpvpe<9' (quoted, or the shell takes the sign)"
            )
            raise ConfigError(message) from error
        if metric not in ALL_METRICS:
            message = f'there is no metric {metric!r}; use one of {", ".join(ALL_METRICS)}'
            raise ConfigError(message)
        return requirement

    def __str__(self) -> str:
        prefix = f'{self.stage}.' if self.stage else ''
        return f'{prefix}{self.metric}{self.comparison}{self.limit:g}'

    def failure(self, result: Figures) -> str | None:
        """Return in words how the result misses the threshold, None if it does not."""
        value = result.value(self.metric, self.stage)
        if value is None or value != value:
            return f'{self}: this evaluation has no such figure'
        if _OPERATORS[self.comparison](value, self.limit):
            return None
        return f'{self}: it is {ALL_METRICS[self.metric].text(value)}'


def failures(requirements: Sequence[Requirement], result: Figures) -> list[str]:
    """Return in words what is not met."""
    found = (requirement.failure(result) for requirement in requirements)
    return [failure for failure in found if failure is not None]
