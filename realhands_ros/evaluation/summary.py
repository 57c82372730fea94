"""A result as text: a table of the stages, counts, times, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from realhands_ros.evaluation.all_metrics import ALL_METRICS, COUNT_METRICS, TIME_METRICS
from realhands_ros.evaluation.observation_scores import DETECTION_METRICS
from realhands_ros.evaluation.result import EvaluationResult
from realhands_ros.evaluation.text_table import text_table

# What a table shows of the stages where it is known, in this order.
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
    """Return what a terminal shows of a result."""
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
    """Return headings and figures of what was counted."""
    return _figures(COUNT_METRICS, {name: float(n) for name, n in result.counts.items()})


def time_figures(result: EvaluationResult) -> list[tuple[str, str]]:
    """Return headings and figures of the time it took."""
    return _figures(TIME_METRICS, result.timing_means)


def _figures(names: Iterable[str], values: dict[str, float]) -> list[tuple[str, str]]:
    return [
        (ALL_METRICS[name].heading, ALL_METRICS[name].text(values[name]))
        for name in names
        if np.isfinite(values.get(name, np.nan))
    ]


def _line(figures: Sequence[tuple[str, str]]) -> str:
    return ', '.join(f'{heading} {text}' for heading, text in figures)
