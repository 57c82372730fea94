"""A trial as text: speed, processes, accuracy."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from realhands_ros.evaluation.live.process_load import ProcessLoad
from realhands_ros.evaluation.live.trial_latency import TrialLatency
from realhands_ros.evaluation.result import EvaluationResult
from realhands_ros.evaluation.summary import count_figures, stage_rows, view_figures
from realhands_ros.evaluation.text_table import text_table

_PERCENTILES = ('p50', 'p95', 'p99')


def latency_text(latency: TrialLatency) -> str:
    """Return frames in and out, and the table of the stages."""
    rows = [
        [
            name,
            f'{stage.frames}',
            f'{stage.rate:.1f}',
            *(f'{stage.milliseconds[p]:.1f}' for p in _PERCENTILES),
        ]
        for name, stage in latency.stages.items()
        if stage.frames
    ]
    table = text_table(['stage', 'results', 'a second', 'p50 ms', 'p95 ms', 'p99 ms'], rows)
    share = 100.0 * latency.dropped / latency.sent if latency.sent else 0.0
    lines = f'{latency.sent} stereo frames in, {latency.dropped} without a mesh ({share:.1f} %)'
    return f'{lines}\n\n{table}'


def load_text(loads: Mapping[str, ProcessLoad]) -> str:
    """Return the table of the processes."""
    rows = [
        [name, f'{load.cpu_percent:.0f}', f'{load.peak_mb:.0f}'] for name, load in loads.items()
    ]
    return text_table(['process', '% of a core', 'peak MB'], rows)


def accuracy_text(result: EvaluationResult) -> str:
    """Return the table of the mesh topics, the wrist's median error, counts and masks."""
    parts = [text_table(*stage_rows(result))]
    wrist = result.scores[result.final_stage].get('wrist')
    if wrist is not None:
        parts.append(f'absolute wrist error: median {np.nanmedian(wrist):.1f} mm')
    for figures in (count_figures(result), view_figures(result)):
        parts.append(', '.join(f'{heading} {text}' for heading, text in figures))
    return '\n\n'.join(part for part in parts if part)
