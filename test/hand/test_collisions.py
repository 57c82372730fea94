"""The measure of self-penetration, on geometry whose depth is known and on posed hands."""

import numpy as np
import pytest

from realhands_ros.hand.collisions import InterpenetrationMeter, depths_inside
from realhands_ros.hand.gestures import GESTURES
from realhands_ros.hand.model_file import default_model_folder, load_hand_model_data
from realhands_ros.hand.sheets import HandPoser


@pytest.fixture(scope='module')
def poser() -> HandPoser:
    return HandPoser(default_model_folder(), 'right')


@pytest.fixture(scope='module')
def meter() -> InterpenetrationMeter:
    return InterpenetrationMeter(load_hand_model_data(default_model_folder()))


def _cube() -> np.ndarray:
    corners = np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)], dtype=float)
    quads = ((0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3))
    faces = [face for a, b, c, d in quads for face in ((a, b, c), (a, c, d))]
    return corners[np.array(faces)]


def test_depth_in_a_cube_is_the_distance_to_its_nearest_side() -> None:
    points = np.array([[0.5, 0.5, 0.5], [0.1, 0.5, 0.6], [0.5, 0.97, 0.5], [1.2, 0.5, 0.5]])
    assert np.allclose(depths_inside(points, _cube()), [0.5, 0.1, 0.03, 0.0])


def test_a_missing_side_does_not_let_points_out() -> None:
    open_cube = _cube()[:-2]  # without the side z = 1
    assert np.allclose(depths_inside(np.array([[0.5, 0.4, 0.3]]), open_cube), [0.3])


@pytest.mark.parametrize('gesture', ['open', 'spread', 'rest', 'wave'])
def test_fingers_apart_do_not_penetrate(poser, meter, gesture) -> None:
    assert meter.depth(poser.vertices(GESTURES[gesture])) == 0


def test_a_finger_pushed_through_the_palm_is_found(poser, meter) -> None:
    angles = np.zeros((15, 3))
    angles[3:6, 0] = np.deg2rad([100, 110, 30])
    depths = meter.vertex_depths(poser.vertices(angles))
    assert depths.max() > 0.004
    deepest = poser.model.data.skin_weights[depths.argmax()].argmax()
    assert deepest in (0, 4, 5, 6)


def test_two_fingers_in_one_place_are_found(poser, meter) -> None:
    angles = np.zeros((15, 3))
    angles[0, 1], angles[3, 1] = np.deg2rad([-14, 14])
    assert meter.depth(poser.vertices(angles)) > 0.003


def test_the_mirrored_hand_penetrates_as_deep(poser, meter) -> None:
    left = HandPoser(default_model_folder(), 'left')
    left_meter = InterpenetrationMeter(left.model.data)
    angles = np.zeros((15, 3))
    angles[0, 1], angles[3, 1] = np.deg2rad([-14, 14])
    expected = meter.depth(poser.vertices(angles))
    assert left_meter.depth(left.vertices(angles)) == pytest.approx(expected, abs=1e-5)
