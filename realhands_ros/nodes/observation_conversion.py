"""HandObservation messages from the HandObservation dataclass, and back."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from std_msgs.msg import Header

from realhands.msg import HandObservation as HandObservationMsg
from realhands_ros.hand.hand_mesh import FloatArray
from realhands_ros.hand.hand_observation import HandObservation
from realhands_ros.hand.topology import NUM_KEYPOINTS
from realhands_ros.nodes.handedness import handedness_from_msg, handedness_to_msg
from realhands_ros.nodes.validation import validate
from realhands_ros.nodes.view_conversion import view_from_msg, view_to_msg


def observation_to_msg(observation: HandObservation, header: Header) -> HandObservationMsg:
    """Build the message of one observation; ``header`` is the left image's."""
    return HandObservationMsg(
        id=observation.id,
        handedness=handedness_to_msg(observation.handedness),
        handedness_score=observation.handedness_score,
        score=observation.score,
        views=[view_to_msg(view, header) for view in observation.views],
        world_landmarks=_world_to_msg(observation.world_landmarks[: len(observation.views)]),
    )


def observation_from_msg(msg: HandObservationMsg) -> HandObservation:
    """
    Read a message back.

    Raises MessageError when the message contradicts its definition, or when its handedness is
    unknown: nothing can be reconstructed without it.
    """
    validate(msg)
    return HandObservation(
        id=msg.id,
        handedness=handedness_from_msg(msg.handedness, 'HandObservation'),
        views=tuple(view_from_msg(view) for view in msg.views),
        handedness_score=msg.handedness_score,
        score=msg.score,
        world_landmarks=_world_from_msg(msg),
    )


def _world_to_msg(landmarks: Sequence[FloatArray | None]) -> FloatArray:
    if all(points is None for points in landmarks):
        return np.zeros(0, np.float32)
    unknown = np.full((NUM_KEYPOINTS, 3), np.nan)
    known = [unknown if points is None else points for points in landmarks]
    return np.asarray(known, np.float32).reshape(-1)


def _world_from_msg(msg: HandObservationMsg) -> tuple[FloatArray | None, ...]:
    views = np.asarray(msg.world_landmarks, np.float32).reshape(-1, NUM_KEYPOINTS, 3)
    known = [points if np.isfinite(points).all() else None for points in views]
    return tuple(known) if known else (None,) * len(msg.views)
