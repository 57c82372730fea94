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


class _Finger(NamedTuple):
    """Degrees: flexion and abduction of the MCP, flexion of PIP and DIP."""

    mcp: float = 0.0
    spread: float = 0.0
    pip: float = 0.0
    dip: float = 0.0


class _Thumb(NamedTuple):
    """Degrees: flexion, abduction and twist of the CMC, flexion of MCP and IP."""

    cmc: float = 0.0
    abduction: float = 0.0
    twist: float = 0.0
    mcp: float = 0.0
    ip: float = 0.0


@dataclass(frozen=True)
class _Gesture:
    thumb: _Thumb
    index: _Finger
    middle: _Finger
    ring: _Finger
    little: _Finger


_TABLE = {
    'open': _Gesture(
        _Thumb(), _Finger(), _Finger(), _Finger(), _Finger()
    ),
    'spread': _Gesture(
        _Thumb(-12, 4, 0, -5, -8),
        _Finger(-6, 12), _Finger(-6, 2), _Finger(-6, -8), _Finger(-6, -17),
    ),
    'rest': _Gesture(
        _Thumb(8, 8, 4, 12, 14),
        _Finger(16, -2, 24, 12), _Finger(22, 0, 28, 14),
        _Finger(26, 3, 32, 16), _Finger(28, 6, 32, 16),
    ),
    'fist': _Gesture(
        _Thumb(14, 30, -19, 44, 47),
        _Finger(65, 2, 110, 69), _Finger(76, 1, 104, 68),
        _Finger(72, -1, 106, 66), _Finger(73, -1, 106, 64),
    ),
    'point': _Gesture(
        _Thumb(24, 13, 0, 36, 44),
        _Finger(2, 2, 4, 2), _Finger(72, 1, 105, 68),
        _Finger(72, -1, 106, 66), _Finger(73, -1, 106, 64),
    ),
    'thumb_up': _Gesture(
        _Thumb(-10, -12, 0, -4, -8),
        _Finger(67, 2, 106, 68), _Finger(72, 1, 105, 68),
        _Finger(72, -1, 106, 66), _Finger(73, -1, 106, 64),
    ),
    'pinch': _Gesture(
        _Thumb(23, 18, 6, 17, 14),
        _Finger(50, 4, 49, 22), _Finger(50, 0, 50, 28),
        _Finger(54, 0, 54, 30), _Finger(56, 0, 54, 30),
    ),
    'ok': _Gesture(
        _Thumb(22, 17, 5, 19, 15),
        _Finger(49, 3, 50, 24), _Finger(14, 4, 14, 6),
        _Finger(4, -4, 8, 4), _Finger(0, -10, 4, 2),
    ),
    'tripod': _Gesture(
        _Thumb(29, 20, 5, 12, 11),
        _Finger(53, 1, 45, 20), _Finger(53, 4, 45, 26),
        _Finger(66, 2, 74, 44), _Finger(72, 2, 76, 46),
    ),
    'victory': _Gesture(
        _Thumb(42, 17, 2, 35, 35),
        _Finger(2, 10, 4, 2), _Finger(2, -8, 4, 2),
        _Finger(72, -1, 106, 66), _Finger(73, -1, 106, 64),
    ),
    'hook': _Gesture(
        _Thumb(4, 4, 0, 6, 8),
        _Finger(8, 0, 88, 54), _Finger(8, 0, 90, 56),
        _Finger(8, 0, 90, 56), _Finger(8, 0, 86, 54),
    ),
    'grasp': _Gesture(
        _Thumb(12, 30, 12, 14, 18),
        _Finger(38, 4, 40, 22), _Finger(42, 0, 42, 24),
        _Finger(44, -2, 44, 24), _Finger(44, -4, 42, 22),
    ),
    'flat_bent': _Gesture(
        _Thumb(12, 16, 8, 10, 8),
        _Finger(70, 0, 6, 3), _Finger(72, 0, 6, 3),
        _Finger(72, 0, 6, 3), _Finger(70, 0, 6, 3),
    ),
    'call': _Gesture(
        _Thumb(-12, 2, 0, -4, -8),
        _Finger(67, 2, 106, 68), _Finger(72, 1, 105, 68),
        _Finger(72, -1, 106, 66), _Finger(4, -14, 4, 2),
    ),
    'wave': _Gesture(
        _Thumb(-6, 2, 0, 0, 0),
        _Finger(4, 5, 8, 4), _Finger(5, 1, 8, 4), _Finger(6, -3, 9, 4), _Finger(7, -8, 9, 4),
    ),
    'together': _Gesture(
        _Thumb(10, -14, 0, 2, 2),
        _Finger(2, -6, 4, 2), _Finger(2, -1, 4, 2), _Finger(2, 5, 4, 2), _Finger(4, 12, 5, 3),
    ),
    'four': _Gesture(
        _Thumb(32, 12, 6, 44, 34),
        _Finger(2, 6, 4, 2), _Finger(2, 1, 4, 2), _Finger(2, -4, 4, 2), _Finger(4, -8, 5, 3),
    ),
    'grip': _Gesture(
        _Thumb(18, 30, 6, 24, 30),
        _Finger(54, 2, 62, 36), _Finger(58, 0, 66, 40),
        _Finger(60, -1, 68, 42), _Finger(62, -2, 64, 40),
    ),
    'claw': _Gesture(
        _Thumb(0, 16, 4, 10, 34),
        _Finger(-8, 8, 62, 40), _Finger(-8, 1, 64, 42),
        _Finger(-8, -5, 64, 42), _Finger(-8, -12, 60, 40),
    ),
    'key_pinch': _Gesture(
        _Thumb(14, -4, -6, 24, 20),
        _Finger(56, 1, 62, 36), _Finger(62, 1, 72, 44),
        _Finger(66, 0, 76, 46), _Finger(68, -1, 74, 46),
    ),
}  # fmt: skip


def _angles(gesture: _Gesture) -> FloatArray:
    angles = np.zeros((NUM_FINGER_JOINTS, 3))
    for name in ('index', 'middle', 'ring', 'little'):
        finger: _Finger = getattr(gesture, name)
        first = FINGER_JOINT_NAMES.index(f'{name}1')
        angles[first, :2] = finger.mcp, finger.spread
        angles[first + 1, 0], angles[first + 2, 0] = finger.pip, finger.dip
    first = FINGER_JOINT_NAMES.index('thumb1')
    thumb = gesture.thumb
    angles[first] = thumb.cmc, thumb.abduction, thumb.twist
    angles[first + 1, 0], angles[first + 2, 0] = thumb.mcp, thumb.ip
    return np.deg2rad(angles)


# Joint angles (15, 3) in radians of every gesture: flexion, abduction, twist, as in skeleton.py.
GESTURES: dict[str, FloatArray] = {name: _angles(gesture) for name, gesture in _TABLE.items()}


def gesture_angles(name: str) -> FloatArray:
    """Return the joint angles (15, 3) in radians of a gesture; ConfigError for an unknown name."""
    if name not in GESTURES:
        message = f'there is no gesture {name!r}; the gestures are {", ".join(GESTURES)}'
        raise ConfigError(message)
    return GESTURES[name]
