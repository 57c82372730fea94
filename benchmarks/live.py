"""
The live system on synthetic recordings, in real time: rate, drops, latency, load and accuracy.

    python benchmarks/live.py [--seconds 10] [--case NAME ...]

Each case films hands (once; kept in --folder), starts the nodes as processes, plays the film at
its own rate through DDS and reads what was published. Other work on the machine shows in the
figures.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path
from typing import NamedTuple

import numpy as np

from realhands_ros.cli.demo import default_folder
from realhands_ros.demo.demo_run import DemoRun, recording, replay
from realhands_ros.demo.trial_results import END_TO_END
from realhands_ros.evaluation.summary import text_table
from realhands_ros.synthesis.config import FilmSettings


class Case(NamedTuple):
    """What is filmed, and how the nodes run."""

    hands: int
    resolution: str
    composition: bool


CASES = {
    'one hand, four processes': Case(1, 'VGA', False),
    'one hand, one process': Case(1, 'VGA', True),
    'two hands, four processes': Case(2, 'VGA', False),
    'two hands, one process': Case(2, 'VGA', True),
    'one hand, HD720, four processes': Case(1, 'HD720', False),
}
_HEADINGS = (
    '', 'meshes/s', 'without mesh %', 'p50 ms', 'p95 ms', 'p99 ms', 'keypoints ms', 'handnet ms',
    'refinement ms', 'cores', 'wrist mm', 'PA-MPVPE mm', 'id switches', 'wrong side',
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--seconds', type=float, default=10.0)
    parser.add_argument('--case', action='append', choices=CASES, help='(default: all)')
    parser.add_argument('--folder', type=Path, default=default_folder(), help='for films')
    parser.add_argument('--details', action='store_true', help='print the tables of each case')
    args = parser.parse_args()
    rows = []
    for name in args.case or CASES:
        case = CASES[name]
        film = recording(
            args.folder,
            FilmSettings(seconds=args.seconds, hands=case.hands, resolution=case.resolution),
        )
        folder = args.folder / 'benchmark'
        shutil.rmtree(folder, ignore_errors=True)
        run = replay(film, folder, composition=case.composition)
        if args.details:
            print(f'\n{name}\n\n{run.text()}\n')
        rows.append([name, *figures(run)])
    print(text_table(_HEADINGS, rows))


def figures(run: DemoRun) -> list[str]:
    """Return the row of one case; the wrist's error is the median, stage times are medians."""
    latency, scores = run.latency, run.scores
    end = latency.stages[END_TO_END]
    stages = [
        latency.stages[s].milliseconds['p50'] for s in ('keypoints', 'handnet', 'refinement')
    ]
    nodes = [load.cpu_percent for name, load in run.trial.loads.items() if name != 'recorder']
    final = scores.scores[scores.final_stage]
    return [
        f'{end.rate:.1f}',
        f'{100 * latency.dropped / latency.sent:.1f}',
        *(f'{end.milliseconds[p]:.0f}' for p in ('p50', 'p95', 'p99')),
        *(f'{value:.0f}' for value in stages),
        f'{sum(nodes) / 100:.2f}',
        f'{np.nanmedian(final["wrist"]):.1f}',
        f'{np.nanmean(final["pa_mpvpe"]):.1f}',
        f'{scores.counts["id_switches"]}',
        f'{scores.counts["handedness_errors"]}',
    ]


if __name__ == '__main__':
    main()
