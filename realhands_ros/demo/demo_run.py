"""Film synthetic hands, replay the film to the live system, measure it against the truth."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import util
from pathlib import Path

from realhands_ros.demo.demo_video import write_video
from realhands_ros.demo.trial import Trial, run_trial
from realhands_ros.demo.trial_results import (
    TrialLatency,
    accuracy_text,
    latency_text,
    load_text,
    score_trial,
    trial_latency,
)
from realhands_ros.evaluation.result import EvaluationResult
from realhands_ros.messages.topics import WRAPPER_VERSIONS
from realhands_ros.recordings.bag import BagFile
from realhands_ros.recordings.topics import find_camera
from realhands_ros.synthesis.config import FilmSettings
from realhands_ros.synthesis.dataset_format import GENERATOR_VERSION
from realhands_ros.synthesis.zed_bag.record import record_bag
from realhands_ros.system.graph import Wiring, zed_remappings
from realhands_ros.viewing.bag_view import save_rrd

_VERSION = WRAPPER_VERSIONS[-1]
_CAMERA = 'zed'


@dataclass(frozen=True, eq=False)
class DemoRun:
    """The results of a replay: timing, load of the processes, accuracy, and the bags."""

    trial: Trial
    latency: TrialLatency
    scores: EvaluationResult

    def text(self) -> str:
        """Return all tables."""
        return '\n\n'.join((
            latency_text(self.latency),
            load_text(self.trial.loads),
            accuracy_text(self.scores),
        ))  # fmt: skip

    def write_pictures(self, folder: Path) -> Iterator[Path]:
        """Write a video, and a Rerun recording where Rerun is installed; yields each file."""
        recording, results = self.trial.recording, self.trial.results
        yield write_video(recording, results, folder / 'demo.mp4')
        if util.find_spec('rerun') is not None:
            path = folder / 'demo.rrd'
            save_rrd(recording, results, path, overwrite=True)
            yield path


def recording(folder: Path, settings: FilmSettings) -> Path:
    """Return the recording that shows ``settings``, made now unless it is in ``folder``."""
    name = (
        f'{settings.resolution}_{settings.hands}hand_{settings.seconds:g}s_seed{settings.seed}'
        f'_v{GENERATOR_VERSION}'
    )
    bag = folder / name
    if not bag.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        print(f'Filming {settings.seconds:g} s of synthetic hands (once; kept in {bag}) …')
        record_bag(bag, settings, wrappers=(_VERSION,), processes=os.cpu_count() or 1)
    return bag


def replay(bag: Path, folder: Path, *, rate: float = 1.0, composition: bool = False) -> DemoRun:
    """Run the live system on a recording; its results are recorded in ``folder``."""
    wiring = Wiring(
        remappings=zed_remappings(_VERSION, _CAMERA),
        parameters={'stereo': True},
        composition=composition,
    )
    trial = run_trial(bag, wiring, folder, rate=rate)
    with BagFile(bag) as opened:
        image_topic = find_camera(opened.topics).images[0]
    return DemoRun(trial, trial_latency(trial, image_topic), score_trial(trial))
