"""Latency, load and accuracy of the running system, measured by a trial."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np

from realhands_ros.data.hands import HandMesh
from realhands_ros.demo.trial import ProcessLoad, Trial
from realhands_ros.errors import DatasetError
from realhands_ros.evaluation.evaluator import Columns, FrameEvaluator, Outcome, make_result
from realhands_ros.evaluation.metrics import latency_percentiles
from realhands_ros.evaluation.replay import REFINED, REGRESSED
from realhands_ros.evaluation.result import EvaluationResult
from realhands_ros.evaluation.summary import count_figures, stage_rows, text_table, view_figures
from realhands_ros.hand.model_file import default_model_folder, load_hand_model_data
from realhands_ros.recordings.bag import BagFile
from realhands_ros.recordings.frames import FrameStream
from realhands_ros.recordings.hands import RecordedHands
from realhands_ros.recordings.topics import find_camera, find_truth
from realhands_ros.recordings.truth import TruthStream

# Latency, rate and drops of each stage, from the times of sending and receiving.

# Name of the stage, topic of its result, topic of its input (None: the left image).
_STAGES = (
    ('keypoints', 'hands/observations', None),
    ('handnet', 'hands/mesh_regressed', 'hands/observations'),
    ('refinement', 'hands/mesh', 'hands/mesh_regressed'),
    ('texture', 'hands/texture', 'hands/mesh'),
    ('image to mesh', 'hands/mesh', None),
)
END_TO_END = _STAGES[-1][0]


@dataclass(frozen=True)
class StageLatency:
    """
    One row of the latency table.

    ``frames``: number of results; ``rate``: results a second; ``milliseconds``: percentiles
    'p50', 'p95', 'p99' of the time from the stage's input to its result, transport included.
    """

    frames: int
    rate: float
    milliseconds: Mapping[str, float]


@dataclass(frozen=True)
class TrialLatency:
    """``sent``: stereo frames of the recording; ``dropped``: those without a refined mesh."""

    sent: int
    dropped: int
    stages: Mapping[str, StageLatency]


def trial_latency(trial: Trial, image_topic: str) -> TrialLatency:
    """
    Return the latency of each stage.

    A frame begins when its left image, ``image_topic``, is handed to DDS, and ends with the
    arrival of its refined mesh in the recorder's process.
    """
    images = {a.stamp_ns: a.arrived_ns for a in trial.published if a.topic == image_topic}
    seconds = 1e-9 * (max(images.values()) - min(images.values())) if len(images) > 1 else 0.0
    arrived: dict[str, dict[int, int]] = {}
    for arrival in trial.received:
        arrived.setdefault(arrival.topic, {}).setdefault(arrival.stamp_ns, arrival.arrived_ns)
    stages = {}
    for name, result, source in _STAGES:
        begin = images if source is None else arrived.get(source, {})
        end = arrived.get(result, {})
        times = [1e-6 * (end[stamp] - begin[stamp]) for stamp in end if stamp in begin]
        rate = (len(end) - 1) / seconds if seconds and end else float('nan')
        stages[name] = StageLatency(len(end), rate, latency_percentiles(np.array(times)))
    meshes = arrived.get('hands/mesh', {})
    return TrialLatency(len(images), sum(stamp not in meshes for stamp in images), stages)


# Accuracy of the published meshes against the truth in the recording.


def score_trial(trial: Trial) -> EvaluationResult:
    """
    Return the scores of all frames that have a refined message.

    Frames that the system dropped are counted as skipped. Raises DatasetError when nothing came.
    """
    evaluator = FrameEvaluator(
        (REGRESSED, REFINED),
        {
            side: load_hand_model_data(default_model_folder(), side).faces
            for side in ('left', 'right')
        },
    )
    dropped = 0
    with ExitStack() as stack:
        cameras, truths = (stack.enter_context(BagFile(trial.recording)) for _ in range(2))
        topics = find_camera(cameras.topics)
        truth_topic = find_truth(truths.topics, None)
        truth = TruthStream(truths, truth_topic, topics.images[0]) if truth_topic else None
        hands = RecordedHands(trial.results, stack)
        stamps = set(hands.stamps())
        for frame in FrameStream(cameras, topics):
            if frame.stamp_ns not in stamps:
                dropped += 1
                continue
            refined, regressed, _ = hands.at(frame.stamp_ns)
            same_hands = {
                REGRESSED: _of_the_same_hands(regressed, refined),
                REFINED: refined,
            }
            true_hands = None if truth is None else truth.at(frame.stamp_ns, frame.frame_id)
            evaluator.add(frame, same_hands, true_hands)
    if evaluator.frames == 0:
        message = 'no frame came through the system: the reason is in what the nodes said above'
        raise DatasetError(message)
    outcome = Outcome(evaluator, {REGRESSED: REGRESSED, REFINED: REFINED}, Columns(), 0)
    return make_result(outcome, {'source': str(trial.recording)}, None, 0.0, dropped)


def _of_the_same_hands(
    regressed: Sequence[HandMesh], refined: Sequence[HandMesh]
) -> list[HandMesh]:
    by_id = {mesh.id: mesh for mesh in regressed}
    return [by_id[mesh.id] for mesh in refined]


# A trial as text: speed, processes, accuracy.

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
