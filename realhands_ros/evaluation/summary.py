"""Results as text: the table of a result, and the comparison of two."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from realhands_ros.arrays import FloatArray
from realhands_ros.errors import DatasetError
from realhands_ros.evaluation.result import EvaluationResult
from realhands_ros.evaluation.scores import (
    ALL_METRICS,
    COUNT_METRICS,
    DETECTION_METRICS,
    TIME_METRICS,
)

# Tables in aligned Markdown: readable in a terminal, rendered in a browser.


def text_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table; the first column is text, aligned left, the others are numbers."""
    lines = [list(headings), *[list(row) for row in rows]]
    widths = [max(3, *(len(line[column]) for line in lines)) for column in range(len(headings))]
    rule = ['-' * widths[0], *('-' * (width - 1) + ':' for width in widths[1:])]
    return '\n'.join(_table_line(line, widths) for line in (lines[0], rule, *lines[1:]))


def _table_line(cells: Sequence[str], widths: Sequence[int]) -> str:
    first = cells[0].ljust(widths[0])
    others = [cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True)]
    return '| ' + ' | '.join([first, *others]) + ' |'


# A result as text: the table of the stages, counts, times, and whether it is partial.

# The metrics of the table of stages, in this order; those without a value are left out.
TABLE_METRICS = (
    'pa_mpvpe',
    'pa_mpvpe_proper',
    'pa_mpjpe',
    'f5',
    'f15',
    'auc',
    'mpjpe',
    'wrist',
    'wrist_rotation',
    'keypoints_px',
    'mesh_iou',
    'reprojection',
    'silhouette_iou',
    'jitter',
    'jitter_error',
    'bone_variation',
)


def summary_text(result: EvaluationResult) -> str:
    """Return a result as text for a terminal."""
    parts = [stage_table(result), _line(view_figures(result)), _line(count_figures(result))]
    parts.append(_line(time_figures(result)))
    skipped = result.about.get('skipped') or {}
    parts += [f'skipped: {number} {reason}' for reason, number in skipped.items()]
    if result.partial:
        parts.append(f'PARTIAL RESULT: {result.partial}')
    return '\n\n'.join(part for part in parts if part)


def shown_metrics(result: EvaluationResult) -> list[str]:
    """Return the metrics of TABLE_METRICS that any stage has."""
    return [
        name
        for name in TABLE_METRICS
        if any(np.isfinite(result.means[stage].get(name, np.nan)) for stage in result.stages)
    ]


def stage_rows(result: EvaluationResult) -> tuple[list[str], list[list[str]]]:
    """Return headings and rows of the table of the stages."""
    names = shown_metrics(result)
    headings = ['', *(ALL_METRICS[name].heading for name in names)]
    rows = [
        [
            title,
            *(ALL_METRICS[n].text(result.means[stage].get(n, float('nan'))) for n in names),
        ]
        for stage, title in result.stages.items()
    ]
    return headings, rows


def stage_table(result: EvaluationResult) -> str:
    """Return the table of the stages."""
    return text_table(*stage_rows(result))


def view_figures(result: EvaluationResult) -> list[tuple[str, str]]:
    """Return headings and figures of detections and masks."""
    means = result.means.get('views', {})
    return _figures(DETECTION_METRICS, means)


def count_figures(result: EvaluationResult) -> list[tuple[str, str]]:
    """Return headings and figures of the counts."""
    return _figures(COUNT_METRICS, {name: float(n) for name, n in result.counts.items()})


def time_figures(result: EvaluationResult) -> list[tuple[str, str]]:
    """Return headings and figures of the times."""
    return _figures(TIME_METRICS, result.timing_means)


def _figures(names: Iterable[str], values: dict[str, float]) -> list[tuple[str, str]]:
    return [
        (ALL_METRICS[name].heading, ALL_METRICS[name].text(values[name]))
        for name in names
        if np.isfinite(values.get(name, np.nan))
    ]


def _line(figures: Sequence[tuple[str, str]]) -> str:
    return ', '.join(f'{heading} {text}' for heading, text in figures)


# Comparison of results on the same hands: differences with confidence intervals.
#
# Hands are paired by frame and true hand (by frame and track without truth). Neighbouring frames
# show nearly the same hand, so that whole blocks of consecutive frames are drawn, not single hands
# (paired block bootstrap; Kuensch 1989), and the 2.5th and 97.5th percentile of the mean
# differences bound the interval.


_RESAMPLES = 2000
_LONGEST_BLOCK = 30
_FEWEST_BLOCKS = 10
_INTERVAL = (2.5, 97.5)


@dataclass(frozen=True)
class Difference:
    """
    A metric of two results on the hands that both have: means, difference, its 95 % interval.

    The interval is NaN where too few hands tell anything.
    """

    metric: str
    hands: int
    first: float
    second: float
    low: float
    high: float

    @property
    def difference(self) -> float:
        """Return by how much the second is above the first."""
        return self.second - self.first

    @property
    def is_clear(self) -> bool:
        """Return whether zero lies outside of the interval."""
        return bool(self.low > 0 or self.high < 0)


def compare(
    first: EvaluationResult, second: EvaluationResult, *, seed: int = 0
) -> list[Difference]:
    """
    Return the differences of all metrics that both final stages have, hand by hand.

    Raises DatasetError when no hand is in both.
    """
    rows_first, rows_second, frames = _paired_rows(first, second)
    if not len(frames):
        message = (
            f'{first.about.get("source")} and {second.about.get("source")} have no hand in '
            'common: compare results of the same recording'
        )
        raise DatasetError(message)
    found = []
    for name, column in first.scores[first.final_stage].items():
        other = second.scores[second.final_stage].get(name)
        if other is None:
            continue
        pairs = np.stack([column[rows_first], other[rows_second]], axis=1)
        known = np.isfinite(pairs).all(axis=1)
        if known.any():
            found.append(_difference(name, pairs[known], frames[known], seed))
    order = list(ALL_METRICS)
    return sorted(found, key=lambda difference: order.index(difference.metric))


def comparison_text(results: Mapping[str, EvaluationResult]) -> str:
    """Return tables that compare each result with the first, by the results' names."""
    (base_name, base), *others = results.items()
    parts = []
    for name, other in others:
        differences = compare(base, other)
        rows = [_row(difference) for difference in differences]
        headings = (
            f'{name} against {base_name}', base_name, name, 'difference', '95 % interval', 'hands'
        )  # fmt: skip
        parts.append(text_table(headings, rows))
    parts.append('* the interval excludes zero')
    for name, result in results.items():
        if result.partial:
            parts.append(f'{name} is a PARTIAL RESULT: {result.partial}')
    return '\n\n'.join(parts)


def _row(found: Difference) -> Sequence[str]:
    metric = ALL_METRICS[found.metric]
    digits = metric.digits + 1
    interval = '–'
    if np.isfinite(found.low):
        interval = f'{found.low:+.{digits}f} .. {found.high:+.{digits}f}'
        interval += ' *' if found.is_clear else '  '
    return (
        metric.heading,
        metric.text(found.first),
        metric.text(found.second),
        f'{found.difference:+.{digits}f}',
        interval,
        str(found.hands),
    )


def _paired_rows(
    first: EvaluationResult, second: EvaluationResult
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return the rows of hands in both results, and their frames."""
    key = 'truth' if first.about.get('truth') == second.about.get('truth') == 'yes' else 'track'
    tables = []
    for result in (first, second):
        frames, hands = result.hands.get('frame', np.zeros(0)), result.hands.get(key, np.zeros(0))
        pairs = zip(frames.astype(int).tolist(), hands.astype(int).tolist(), strict=True)
        tables.append({pair: row for row, pair in enumerate(pairs) if pair[1] >= 0})
    common = sorted(tables[0].keys() & tables[1].keys())
    return (
        np.array([tables[0][pair] for pair in common], np.int64),
        np.array([tables[1][pair] for pair in common], np.int64),
        np.array([frame for frame, _ in common], np.int64),
    )


def _difference(
    metric: str, pairs: FloatArray, frames: NDArray[np.int64], seed: int
) -> Difference:
    first, second = (float(mean) for mean in pairs.mean(axis=0))
    low, high = _interval(pairs[:, 1] - pairs[:, 0], frames, seed)
    return Difference(metric, len(pairs), first, second, low, high)


def _interval(
    differences: FloatArray, frames: NDArray[np.int64], seed: int
) -> tuple[float, float]:
    """Return the bootstrap interval of the mean of ``differences`` (N,), by blocks of frames."""
    span = int(frames.max() - frames.min()) + 1
    length = max(1, min(_LONGEST_BLOCK, span // _FEWEST_BLOCKS))
    _, block = np.unique((frames - frames.min()) // length, return_inverse=True)
    sums = np.bincount(block, weights=differences)
    sizes = np.bincount(block).astype(np.float64)
    if len(sums) < _FEWEST_BLOCKS // 2:
        return float('nan'), float('nan')
    drawn = np.random.default_rng(seed).integers(len(sums), size=(_RESAMPLES, len(sums)))
    means = sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)
    low, high = np.percentile(means, _INTERVAL)
    return float(low), float(high)
