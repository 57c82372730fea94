"""Evaluation of a recording, whole or damaged, with or without truth."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from realhands_ros.errors import DatasetError, RealhandsError
from realhands_ros.evaluation.evaluator import make_result
from realhands_ros.evaluation.replay import AnnotatedFrame, Replay, ReplayConfig
from realhands_ros.evaluation.result import EvaluationResult
from realhands_ros.recordings.bag import BagFile
from realhands_ros.recordings.frames import FrameStream
from realhands_ros.recordings.topics import find_camera, find_truth
from realhands_ros.recordings.truth import TruthStream


@dataclass(frozen=True)
class BagSource:
    """
    The recording to replay, and its topics.

    ``truth``: a topic of the recording, or another recording that holds the truth; None looks for
    the usual topic. ``left`` and ``right``: image topics, None for those of a ZED. ``mono``: the
    left camera alone. ``frames``: at most so many.
    """

    bag: Path
    truth: str | None = None
    left: str | None = None
    right: str | None = None
    mono: bool = False
    frames: int | None = None


def evaluate_bag(
    source: BagSource, config: ReplayConfig, about: Mapping[str, Any]
) -> EvaluationResult:
    """
    Replay a recording and return the result, marked as partial when it ended too early.

    Raises DatasetError when the recording cannot be read, lacks topics or holds no frame, and
    what the pipeline raises when it cannot be built.
    """
    with ExitStack() as stack:
        bag = stack.enter_context(BagFile(source.bag))
        topics = find_camera(bag.topics, left=source.left, right=source.right, mono=source.mono)
        stream = FrameStream(bag, topics)
        truth = _truth(stack, source, topics.images[0])
        replay = stack.enter_context(Replay(config))
        start = time.perf_counter()
        stopped = _run(replay, stream, truth, source.frames)
        elapsed = time.perf_counter() - start
        if replay.evaluator.frames == 0:
            raise DatasetError(stopped or f'{source.bag} holds no frame')
        damage = f'{source.bag} is damaged: {bag.damage}' if bag.damage else None
        about = {
            **about,
            'source': str(source.bag),
            'topics': [*topics.images],
            'views': 'stereo' if len(topics.images) == 2 else 'mono',
            'truth': 'yes' if replay.evaluator.has_truth else 'none',
            'skipped': dict(stream.skipped),
        }
        return make_result(
            replay.outcome(), about, stopped or damage, elapsed, stream.skipped.total()
        )


def _truth(stack: ExitStack, source: BagSource, image_topic: str) -> TruthStream | None:
    name, path = source.truth, source.bag
    if name is not None and Path(name).exists():
        path, name = Path(name), None
    # Opened a second time, since a damaged file can be read at one place at a time only.
    bag = stack.enter_context(BagFile(path))
    topic = find_truth(bag.topics, name)
    if topic is None and source.truth is not None:
        message = f'{path} holds no truth; it has {", ".join(sorted(bag.topics))}'
        raise DatasetError(message)
    return None if topic is None else TruthStream(bag, topic, image_topic)


def _run(
    replay: Replay, stream: FrameStream, truth: TruthStream | None, most: int | None
) -> str | None:
    """Replay all frames; return why it stopped early, None if it did not."""
    total = stream.expected if most is None else min(most, stream.expected)

    def frames() -> Iterator[AnnotatedFrame]:
        for number, frame in enumerate(stream):
            if number == most:
                return
            true_hands = None if truth is None else truth.at(frame.stamp_ns, frame.frame_id)
            yield AnnotatedFrame(frame, true_hands)

    try:
        for _ in tqdm(replay.run(frames()), total=total, unit='frame', dynamic_ncols=True):
            pass
    except RealhandsError as error:
        return str(error)
    except KeyboardInterrupt:
        return 'it was interrupted'
    return None
