"""The true hands of a recording, frame by frame."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from realhands_ros.data.topology import NUM_KEYPOINTS, NUM_VERTICES
from realhands_ros.data.truth import TrackedTruth, TrueHand
from realhands_ros.errors import DatasetError
from realhands_ros.messages.decode import HANDEDNESS_OF_NUMBER
from realhands_ros.messages.types import stamp_ns
from realhands_ros.recordings.bag import BagFile
from realhands_ros.recordings.topics import zed_frames


class TruthStream:
    """The truth by stamps, which must be asked for in rising order."""

    def __init__(self, bag: BagFile, topic: str, image_topic: str) -> None:
        """Read ``topic``; the truth must be in the frame of ``image_topic``."""
        self._messages: Iterator[tuple[str, Any]] = bag.messages({topic})
        self._topic = topic
        self._frames = zed_frames(image_topic)
        self._next: Any | None = None

    def at(self, stamp: int, frame_id: str) -> tuple[TrackedTruth, ...] | None:
        """
        Return the hands at a stamp (nanoseconds), None where the recording has no truth for it.

        Raises DatasetError when the truth is in another frame than the image.
        """
        while self._next is None or stamp_ns(self._next) < stamp:
            self._next = next((message for _, message in self._messages), None)
            if self._next is None:
                return None
        if stamp_ns(self._next) != stamp:
            return None
        self._check_frame(self._next.header.frame_id, frame_id)
        return tuple(_hand(message, self._topic) for message in self._next.hands)

    def _check_frame(self, truth_id: str, image_id: str) -> None:
        same = truth_id == image_id or {truth_id, image_id} <= self._frames
        if not same:
            message = (
                f'{self._topic} is in the frame {truth_id!r}, the left image in {image_id!r}: '
                'transform the truth into the frame of the left image first'
            )
            raise DatasetError(message)


def _hand(message: Any, topic: str) -> TrackedTruth:
    keypoints = np.asarray(message.keypoints, np.float64).reshape(-1, 3)
    vertices = np.asarray(message.vertices, np.float64).reshape(-1, 3)
    if message.handedness not in HANDEDNESS_OF_NUMBER or len(keypoints) != NUM_KEYPOINTS:
        text = (
            f'a hand of {topic} has handedness {message.handedness} and {len(keypoints)} '
            f'keypoints; it must be 1 (left) or 2 (right) with {NUM_KEYPOINTS}'
        )
        raise DatasetError(text)
    scores = [np.asarray(view.keypoint_scores) > 0.5 for view in message.views]
    hand = TrueHand(
        HANDEDNESS_OF_NUMBER[message.handedness],
        keypoints,
        vertices if len(vertices) == NUM_VERTICES else None,
        np.asarray(message.pose, np.float64)[:3] if len(message.pose) else None,
    )
    visible = np.array(scores, dtype=bool)
    return TrackedTruth(message.id, hand.handedness, hand, visible=visible)
