"""From what was collected frame by frame to a result."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from realhands_ros.evaluation import provenance
from realhands_ros.evaluation.columns import Columns
from realhands_ros.evaluation.frame_evaluator import FrameEvaluator
from realhands_ros.evaluation.result import EvaluationResult


@dataclass(frozen=True, eq=False)
class Outcome:
    """Scores, titles of the stages, milliseconds by stage, and how many hands gave no mesh."""

    evaluator: FrameEvaluator
    titles: Mapping[str, str]
    timing: Columns
    rejected: int


def assemble(
    outcome: Outcome,
    about: Mapping[str, Any],
    partial: str | None,
    elapsed_s: float,
    skipped: int,
) -> EvaluationResult:
    """
    Return the result.

    ``about`` names the source and the configuration; ``skipped`` counts what gave no frame.
    """
    found = outcome.evaluator
    counts: Counter[str] = Counter()
    counts['frames'], counts['hands'] = found.frames, len(found.shared)
    counts['rejected'], counts['skipped'] = outcome.rejected, skipped
    if found.has_truth:
        counts['true_hands'] = found.true_hands
        counts.update(vars(found.tracking.counts))
    return EvaluationResult(
        about={
            **about,
            'machine': provenance.machine(),
            'versions': provenance.versions(),
            'command': provenance.command(),
        },
        partial=partial,
        stages=outcome.titles,
        hands=found.shared.arrays(),
        scores={
            **{stage: found.scores[stage].arrays() for stage in outcome.titles},
            'views': found.views.arrays(),
        },
        tracks=found.steadiness(),
        maps={stage: found.maps[stage].arrays() for stage in outcome.titles},
        counts=dict(counts),
        timing=outcome.timing.arrays(),
        elapsed_s=elapsed_s,
        pictures=found.showcase.pictures(found.ranked_by),
    )
