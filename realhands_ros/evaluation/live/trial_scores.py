"""How good what a running system published was, against the truth in the recording."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack

from realhands_ros.errors import DatasetError
from realhands_ros.evaluation.assembly import Outcome, assemble
from realhands_ros.evaluation.bags.bag_file import BagFile
from realhands_ros.evaluation.bags.frames import FrameStream
from realhands_ros.evaluation.bags.recorded_hands import RecordedHands
from realhands_ros.evaluation.bags.topics import find_camera, find_truth
from realhands_ros.evaluation.bags.truth import TruthStream
from realhands_ros.evaluation.columns import Columns
from realhands_ros.evaluation.frame_evaluator import FrameEvaluator
from realhands_ros.evaluation.live.trial import Trial
from realhands_ros.evaluation.replay import REFINED, REGRESSED
from realhands_ros.evaluation.result import EvaluationResult
from realhands_ros.hand.hand_mesh import HandMesh
from realhands_ros.hand.model_file import default_model_folder, load_hand_model_data


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
    return assemble(outcome, {'source': str(trial.recording)}, None, 0.0, dropped)


def _of_the_same_hands(
    regressed: Sequence[HandMesh], refined: Sequence[HandMesh]
) -> list[HandMesh]:
    by_id = {mesh.id: mesh for mesh in regressed}
    return [by_id[mesh.id] for mesh in refined]
