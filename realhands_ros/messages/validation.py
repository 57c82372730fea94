"""Check a realhands message against what its definition promises but its type cannot enforce."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from realhands_ros.data.topology import NUM_KEYPOINTS, NUM_VERTICES
from realhands_ros.errors import MessageError


def validate(msg: Any) -> None:
    """
    Check the array lengths and value ranges of any message of this package.

    Raises MessageError that names the field, what was expected and what was found; the first
    problem found is reported. Messages of other packages are rejected as unknown.
    """
    check = _CHECKS.get(type(msg).__name__)
    if check is None:
        message = (
            f'cannot validate a {type(msg).__module__}.{type(msg).__name__}: expected one of '
            f'{", ".join(sorted(_CHECKS))}'
        )
        raise MessageError(message)
    check(msg, type(msg).__name__)


class _DeclaredLengths(NamedTuple):
    """By name: the lengths of a message type's arrays, and the most values of its sequences."""

    fixed: dict[str, int]
    most: dict[str, int]


@lru_cache
def _declared_lengths(message_type: Any) -> _DeclaredLengths:
    lengths = _DeclaredLengths({}, {})
    for name, declared in message_type.get_fields_and_field_types().items():
        if fixed := re.search(r'\[(\d+)\]$', declared):
            lengths.fixed[name] = int(fixed[1])
        if bounded := re.search(r'^sequence<.*, (\d+)>$', declared):
            lengths.most[name] = int(bounded[1])
    return lengths


def _expect_declared_lengths(msg: Any, where: str) -> None:
    # rclpy does not check the lengths of numpy arrays, and serialises whatever lies behind them.
    kind: Any = type(msg)
    lengths = _declared_lengths(kind)
    for name, length in lengths.fixed.items():
        _expect_length(f'{where}.{name}', getattr(msg, name), length)
    for name, most in lengths.most.items():
        if len(getattr(msg, name)) > most:
            found = len(getattr(msg, name))
            message = f'{where}.{name}: expected at most {most} values, found {found}'
            raise MessageError(message)


def _validate_view(view: Any, where: str) -> None:
    _expect_declared_lengths(view, where)
    _expect_within(f'{where}.keypoint_scores', view.keypoint_scores, 0.0, 1.0)
    _expect_image(f'{where}.crop', view.crop, 'bgr8', 3)
    _expect_image(f'{where}.silhouette', view.silhouette, 'mono8', 1)


def _validate_observation(hand: Any, where: str) -> None:
    _expect_declared_lengths(hand, where)
    _expect_identity(hand, where)
    for index, view in enumerate(hand.views):
        _validate_view(view, f'{where}.views[{index}]')
    _expect_world_landmarks(hand, where)


def _expect_world_landmarks(hand: Any, where: str) -> None:
    if len(hand.world_landmarks):
        expected = 3 * NUM_KEYPOINTS * len(hand.views)
        _expect_length(f'{where}.world_landmarks', hand.world_landmarks, expected)


def _validate_mesh(hand: Any, where: str) -> None:
    _expect_declared_lengths(hand, where)
    _expect_identity(hand, where)
    _expect_length(f'{where}.vertices', hand.vertices, 3 * NUM_VERTICES)
    if len(hand.vertex_offsets):
        _expect_length(f'{where}.vertex_offsets', hand.vertex_offsets, len(hand.vertices))
    if hand.stage > 3:
        message = f'{where}.stage: expected 0 to 3 (see HandMesh.msg), found {hand.stage}'
        raise MessageError(message)
    if not hand.topology_key:
        message = f'{where}.topology_key: expected the key of a HandTopology, found an empty text'
        raise MessageError(message)
    for name in ('vertices', 'vertex_offsets', 'keypoints', 'pose', 'shape', 'translation'):
        _expect_finite(f'{where}.{name}', getattr(hand, name))
    _expect_within(f'{where}.keypoint_scores', hand.keypoint_scores, 0.0, 1.0)
    for index, view in enumerate(hand.views):
        _validate_view(view, f'{where}.views[{index}]')
    _expect_world_landmarks(hand, where)


def _validate_array_of(validate_hand: Callable[[Any, str], None]) -> Callable[[Any, str], None]:
    def check(msg: Any, where: str) -> None:
        for index, hand in enumerate(msg.hands):
            validate_hand(hand, f'{where}.hands[{index}]')

    return check


def _validate_topology(msg: Any, where: str) -> None:
    _expect_multiple(f'{where}.faces', msg.faces, 3)
    _expect_multiple(f'{where}.uv', msg.uv, 2)
    _expect_length(f'{where}.face_uv', msg.face_uv, len(msg.faces))
    _expect_length(f'{where}.joint_parents', msg.joint_parents, len(msg.joint_names))
    if len(msg.face_uv):
        _expect_within(f'{where}.face_uv', msg.face_uv, 0, len(msg.uv) // 2 - 1)


def _validate_texture(msg: Any, where: str) -> None:
    if msg.atlas.format not in ('png', 'jpeg'):
        message = f'{where}.atlas.format: expected png or jpeg, found {msg.atlas.format!r}'
        raise MessageError(message)
    _expect_within(f'{where}.coverage', [msg.coverage], 0.0, 1.0)


_CHECKS: dict[str, Callable[[Any, str], None]] = {
    'HandView': _validate_view,
    'HandObservation': _validate_observation,
    'HandObservationArray': _validate_array_of(_validate_observation),
    'HandMesh': _validate_mesh,
    'HandMeshArray': _validate_array_of(_validate_mesh),
    'HandTopology': _validate_topology,
    'HandTexture': _validate_texture,
}


def _expect_identity(hand: Any, where: str) -> None:
    if not hand.id:
        message = f'{where}.id: expected the identity of a track, found an empty text'
        raise MessageError(message)
    if hand.handedness > 2:
        message = (
            f'{where}.handedness: expected 0 (unknown), 1 (left) or 2 (right), '
            f'found {hand.handedness}'
        )
        raise MessageError(message)


def _expect_length(field: str, values: Any, expected: int) -> None:
    if len(values) != expected:
        message = f'{field}: expected {expected} values, found {len(values)}'
        raise MessageError(message)


def _expect_multiple(field: str, values: Any, factor: int) -> None:
    if len(values) % factor:
        message = f'{field}: expected a multiple of {factor} values, found {len(values)}'
        raise MessageError(message)


def _expect_finite(field: str, values: Any) -> None:
    bad = np.flatnonzero(~np.isfinite(np.asarray(values)))
    if bad.size:
        message = (
            f'{field}: expected finite values, found {values[int(bad[0])]} at index {bad[0]} '
            f'({bad.size} of {len(values)})'
        )
        raise MessageError(message)


def _expect_within(field: str, values: Any, low: float, high: float) -> None:
    array = np.asarray(values)
    bad = np.flatnonzero(~((array >= low) & (array <= high)))
    if bad.size:
        message = (
            f'{field}: expected values in [{low:g}, {high:g}], found {array[bad[0]]:g} '
            f'at index {bad[0]}'
        )
        raise MessageError(message)


def _expect_image(field: str, image: Any, encoding: str, channels: int) -> None:
    if image.width == 0:
        return
    if image.encoding != encoding:
        message = f'{field}.encoding: expected {encoding}, found {image.encoding!r}'
        raise MessageError(message)
    if image.step < image.width * channels:
        message = f'{field}.step: expected at least {image.width * channels}, found {image.step}'
        raise MessageError(message)
    _expect_length(f'{field}.data', image.data, image.step * image.height)
