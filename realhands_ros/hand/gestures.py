"""
Named gestures of the hand, as joint angles.

The pose sampler mixes them, the motion of the demo passes through them, and the pictures of the
model show them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from realhands_ros.errors import ConfigError
from realhands_ros.hand.skeleton import FINGER_JOINT_NAMES, NUM_FINGER_JOINTS

FloatArray = NDArray[np.float64]


class Finger(NamedTuple):
    """Degrees: flexion and abduction of the MCP, flexion of PIP and DIP."""

    mcp: float = 0.0
    spread: float = 0.0
    pip: float = 0.0
    dip: float = 0.0


class Thumb(NamedTuple):
    """Degrees: flexion, abduction and twist of the CMC, flexion of MCP and IP."""

    cmc: float = 0.0
    abduction: float = 0.0
    twist: float = 0.0
    mcp: float = 0.0
    ip: float = 0.0


@dataclass(frozen=True)
class Gesture:
    """How thumb and fingers are held, in degrees."""

    thumb: Thumb
    index: Finger
    middle: Finger
    ring: Finger
    little: Finger


_TABLE = {
    'open': Gesture(
        Thumb(), Finger(), Finger(), Finger(), Finger()
    ),
    'spread': Gesture(
        Thumb(-12, 4, 0, -5, -8),
        Finger(-6, 12), Finger(-6, 2), Finger(-6, -8), Finger(-6, -17),
    ),
    'rest': Gesture(
        Thumb(8, 8, 4, 12, 14),
        Finger(16, -2, 24, 12), Finger(22, 0, 28, 14),
        Finger(26, 3, 32, 16), Finger(28, 6, 32, 16),
    ),
    'fist': Gesture(
        Thumb(14, 30, -19, 44, 47),
        Finger(65, 2, 110, 69), Finger(76, 1, 104, 68),
        Finger(72, -1, 106, 66), Finger(73, -1, 106, 64),
    ),
    'point': Gesture(
        Thumb(24, 13, 0, 36, 44),
        Finger(2, 2, 4, 2), Finger(72, 1, 105, 68),
        Finger(72, -1, 106, 66), Finger(73, -1, 106, 64),
    ),
    'thumb_up': Gesture(
        Thumb(-10, -12, 0, -4, -8),
        Finger(67, 2, 106, 68), Finger(72, 1, 105, 68),
        Finger(72, -1, 106, 66), Finger(73, -1, 106, 64),
    ),
    'pinch': Gesture(
        Thumb(23, 18, 6, 17, 14),
        Finger(50, 4, 49, 22), Finger(50, 0, 50, 28),
        Finger(54, 0, 54, 30), Finger(56, 0, 54, 30),
    ),
    'ok': Gesture(
        Thumb(22, 17, 5, 19, 15),
        Finger(49, 3, 50, 24), Finger(14, 4, 14, 6),
        Finger(4, -4, 8, 4), Finger(0, -10, 4, 2),
    ),
    'tripod': Gesture(
        Thumb(29, 20, 5, 12, 11),
        Finger(53, 1, 45, 20), Finger(53, 4, 45, 26),
        Finger(66, 2, 74, 44), Finger(72, 2, 76, 46),
    ),
    'victory': Gesture(
        Thumb(42, 17, 2, 35, 35),
        Finger(2, 10, 4, 2), Finger(2, -8, 4, 2),
        Finger(72, -1, 106, 66), Finger(73, -1, 106, 64),
    ),
    'hook': Gesture(
        Thumb(4, 4, 0, 6, 8),
        Finger(8, 0, 88, 54), Finger(8, 0, 90, 56),
        Finger(8, 0, 90, 56), Finger(8, 0, 86, 54),
    ),
    'grasp': Gesture(
        Thumb(12, 30, 12, 14, 18),
        Finger(38, 4, 40, 22), Finger(42, 0, 42, 24),
        Finger(44, -2, 44, 24), Finger(44, -4, 42, 22),
    ),
    'flat_bent': Gesture(
        Thumb(12, 16, 8, 10, 8),
        Finger(70, 0, 6, 3), Finger(72, 0, 6, 3),
        Finger(72, 0, 6, 3), Finger(70, 0, 6, 3),
    ),
    'call': Gesture(
        Thumb(-12, 2, 0, -4, -8),
        Finger(67, 2, 106, 68), Finger(72, 1, 105, 68),
        Finger(72, -1, 106, 66), Finger(4, -14, 4, 2),
    ),
    'wave': Gesture(
        Thumb(-6, 2, 0, 0, 0),
        Finger(4, 5, 8, 4), Finger(5, 1, 8, 4), Finger(6, -3, 9, 4), Finger(7, -8, 9, 4),
    ),
    'together': Gesture(
        Thumb(10, -14, 0, 2, 2),
        Finger(2, -6, 4, 2), Finger(2, -1, 4, 2), Finger(2, 5, 4, 2), Finger(4, 12, 5, 3),
    ),
    'four': Gesture(
        Thumb(32, 12, 6, 44, 34),
        Finger(2, 6, 4, 2), Finger(2, 1, 4, 2), Finger(2, -4, 4, 2), Finger(4, -8, 5, 3),
    ),
    'grip': Gesture(
        Thumb(18, 30, 6, 24, 30),
        Finger(54, 2, 62, 36), Finger(58, 0, 66, 40),
        Finger(60, -1, 68, 42), Finger(62, -2, 64, 40),
    ),
    'claw': Gesture(
        Thumb(0, 16, 4, 10, 34),
        Finger(-8, 8, 62, 40), Finger(-8, 1, 64, 42),
        Finger(-8, -5, 64, 42), Finger(-8, -12, 60, 40),
    ),
    'key_pinch': Gesture(
        Thumb(14, -4, -6, 24, 20),
        Finger(56, 1, 62, 36), Finger(62, 1, 72, 44),
        Finger(66, 0, 76, 46), Finger(68, -1, 74, 46),
    ),
}  # fmt: skip


def joint_angles(gesture: Gesture) -> FloatArray:
    """Return the joint angles (15, 3) in radians: flexion, abduction, twist, as in skeleton.py."""
    angles = np.zeros((NUM_FINGER_JOINTS, 3))
    for name in ('index', 'middle', 'ring', 'little'):
        finger: Finger = getattr(gesture, name)
        first = FINGER_JOINT_NAMES.index(f'{name}1')
        angles[first, :2] = finger.mcp, finger.spread
        angles[first + 1, 0], angles[first + 2, 0] = finger.pip, finger.dip
    first = FINGER_JOINT_NAMES.index('thumb1')
    thumb = gesture.thumb
    angles[first] = thumb.cmc, thumb.abduction, thumb.twist
    angles[first + 1, 0], angles[first + 2, 0] = thumb.mcp, thumb.ip
    return np.deg2rad(angles)


# Joint angles (15, 3) in radians of every gesture: flexion, abduction, twist, as in skeleton.py.
GESTURES: dict[str, FloatArray] = {name: joint_angles(gesture) for name, gesture in _TABLE.items()}


def gesture_angles(name: str) -> FloatArray:
    """Return the joint angles (15, 3) in radians of a gesture; ConfigError for an unknown name."""
    if name not in GESTURES:
        message = f'there is no gesture {name!r}; the gestures are {", ".join(GESTURES)}'
        raise ConfigError(message)
    return GESTURES[name]
