"""Handedness as the messages of this package number it."""

from __future__ import annotations

from realhands.msg import HandMesh as HandMeshMsg
from realhands_ros.errors import MessageError
from realhands_ros.hand.topology import Handedness

_TO_MSG: dict[Handedness, int] = {
    'left': HandMeshMsg.HANDEDNESS_LEFT,
    'right': HandMeshMsg.HANDEDNESS_RIGHT,
}
_FROM_MSG: dict[int, Handedness] = {number: side for side, number in _TO_MSG.items()}


def handedness_to_msg(handedness: Handedness) -> int:
    """Return the number of a handedness."""
    return _TO_MSG[handedness]


def handedness_from_msg(number: int, where: str) -> Handedness:
    """Return the handedness of a number; MessageError, naming ``where``, when it is unknown."""
    if number not in _FROM_MSG:
        message = f'{where}.handedness: expected 1 (left) or 2 (right), found {number}'
        raise MessageError(message)
    return _FROM_MSG[number]
