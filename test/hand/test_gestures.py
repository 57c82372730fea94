"""Gestures on the open hand: what must touch touches, and nothing goes through anything."""

import numpy as np
import pytest

from realhands_ros.data.topology import JOINT_NAMES, TIP_VERTEX_IDS
from realhands_ros.errors import ConfigError
from realhands_ros.hand.collisions import InterpenetrationMeter
from realhands_ros.hand.gestures import GESTURES, gesture_angles
from realhands_ros.hand.model_file import default_model_folder
from realhands_ros.hand.sheets import HandPoser

FINGERS = ('index', 'middle', 'ring', 'little')


@pytest.fixture(scope='module')
def poser() -> HandPoser:
    return HandPoser(default_model_folder(), 'right')


@pytest.fixture(scope='module')
def meter(poser: HandPoser) -> InterpenetrationMeter:
    return InterpenetrationMeter(poser.model.data)


def _gap(poser: HandPoser, vertices: np.ndarray, first: str, second: str) -> float:
    owner = poser.model.data.skin_weights.argmax(axis=1)
    a = vertices[owner == JOINT_NAMES.index(first)]
    b = vertices[owner == JOINT_NAMES.index(second)]
    return float(np.linalg.norm(a[:, None] - b, axis=2).min())


def _reach(vertices: np.ndarray, finger: str) -> float:
    """Return how far a fingertip lies beyond the knuckles, towards the fingers' side."""
    return float(-vertices[TIP_VERTEX_IDS[finger], 0])


@pytest.mark.parametrize('gesture', list(GESTURES))
def test_no_gesture_penetrates(poser, meter, gesture) -> None:
    assert meter.depth(poser.vertices(GESTURES[gesture])) < 0.002


@pytest.mark.parametrize('gesture', ['pinch', 'ok', 'tripod'])
def test_thumb_and_index_fingertip_meet(poser, gesture) -> None:
    vertices = poser.vertices(GESTURES[gesture])
    assert _gap(poser, vertices, 'thumb3', 'index3') < 0.0045
    tips = vertices[[TIP_VERTEX_IDS['thumb'], TIP_VERTEX_IDS['index']]]
    assert np.linalg.norm(tips[0] - tips[1]) < 0.02


def test_the_fist_is_closed_with_the_thumb_over_the_fingers(poser) -> None:
    vertices = poser.vertices(GESTURES['fist'])
    for finger in FINGERS:
        assert _reach(vertices, finger) < 0.0
    assert min(_gap(poser, vertices, 'thumb3', f'{f}2') for f in ('index', 'middle')) < 0.006
    thumb, palm_side = vertices[TIP_VERTEX_IDS['thumb']], vertices[:, 1].min()
    assert thumb[1] < vertices[TIP_VERTEX_IDS['middle'], 1]
    assert thumb[1] < palm_side + 0.02


def test_pointing_stretches_the_index_finger_only(poser) -> None:
    vertices = poser.vertices(GESTURES['point'])
    assert _reach(vertices, 'index') > 0.07
    assert max(_reach(vertices, finger) for finger in FINGERS[1:]) < 0.0


def test_thumb_up_stands_away_from_a_fist(poser) -> None:
    vertices = poser.vertices(GESTURES['thumb_up'])
    assert vertices[TIP_VERTEX_IDS['thumb'], 2] > vertices[:, 2].max() - 0.01
    assert max(_reach(vertices, finger) for finger in FINGERS) < 0.0


def test_an_unknown_gesture_is_named_in_the_error() -> None:
    with pytest.raises(ConfigError, match="'salute'.*open"):
        gesture_angles('salute')
