"""How the hands of a recording moved, for an animation."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from realhands_ros.bag_types import stamp_ns
from realhands_ros.errors import DatasetError
from realhands_ros.evaluation.bags.bag_file import BagFile
from realhands_ros.evaluation.bags.topics import HANDS_TYPE, find_truth
from realhands_ros.hand.export.hand_rig import HandAnimation
from realhands_ros.hand.topology import NUM_POSE, Handedness

# Pose and translation (51,) by stamp in nanoseconds.
Moments = dict[int, NDArray[np.float64]]

_SIDES: dict[int, Handedness] = {1: 'left', 2: 'right'}


def read_movement(bag: Path, topic: str) -> dict[Handedness, HandAnimation]:
    """
    Return the movement of each hand in a HandMeshArray topic, with or without its leading slash.

    Raises DatasetError when the recording cannot be read or no hand moves in it.
    """
    moments: dict[Handedness, Moments] = defaultdict(dict)
    with BagFile(bag) as file:
        name = topic if topic in file.topics else f'/{topic}'
        find_truth(file.topics, name)
        for _, message in file.messages({name}):
            for hand in message.hands:
                values = np.concatenate([hand.pose, hand.translation]).astype(np.float64)
                if hand.handedness in _SIDES and np.isfinite(values).all():
                    moments[_SIDES[hand.handedness]].setdefault(stamp_ns(message), values)
    if not moments:
        text = f'{topic} of {bag} holds no hand: name another {HANDS_TYPE} with --topic'
        raise DatasetError(text)
    start = min(min(stamps) for stamps in moments.values())
    return {side: _animation(stamps, start) for side, stamps in moments.items()}


def _animation(moments: Moments, start: int) -> HandAnimation:
    stamps = sorted(moments)
    values = np.stack([moments[stamp] for stamp in stamps])
    times = 1e-9 * (np.array(stamps, dtype=np.int64) - start)
    return HandAnimation(times, values[:, :NUM_POSE], values[:, NUM_POSE:])
