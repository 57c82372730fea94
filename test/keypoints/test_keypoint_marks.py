"""Where MediaPipe marks the keypoints: rows that add up to one, near the model's own keypoints."""

import numpy as np
import pytest

from realhands_ros.data.topology import KEYPOINT_NAMES
from realhands_ros.errors import ConfigError
from realhands_ros.keypoints.keypoint_marks import (
    load_marks,
    marks_matrix,
    marks_noise,
    save_marks,
)


def test_marks_move_with_the_hand_and_stay_near_it():
    matrix = marks_matrix('mediapipe')
    np.testing.assert_allclose(matrix.sum(axis=1), 1.0, atol=1e-9)
    points = np.random.default_rng(0).normal(size=(21, 3))
    shift = np.array([1.0, -2.0, 3.0])
    np.testing.assert_allclose(matrix @ (points + shift), matrix @ points + shift, atol=1e-9)
    assert (matrix.diagonal() > 0.6).all()
    # The wrist's mark is the one that lies farthest from its joint.
    assert matrix.diagonal().argmin() == KEYPOINT_NAMES.index('wrist')


def test_a_finger_s_mark_does_not_depend_on_other_fingers():
    matrix = marks_matrix('mediapipe')
    for first in (1, 5, 9, 13, 17):
        others = [k for k in range(1, 21) if not first <= k < first + 4]
        assert not matrix[first + 1 : first + 4, others].any()


def test_joints_are_marked_more_precisely_than_what_has_no_mark_on_the_skin():
    noise = marks_noise('mediapipe')
    assert noise.shape == (21,)
    assert ((noise > 0.005) & (noise < 0.06)).all()
    assert noise[KEYPOINT_NAMES.index('index_pip')] < noise[KEYPOINT_NAMES.index('wrist')]
    assert (marks_noise('exact') == 0.015).all()


def test_exact_keypoints_are_their_own_marks():
    np.testing.assert_array_equal(marks_matrix('exact'), np.eye(21))


def test_unknown_marks_and_other_files_are_named(tmp_path):
    with pytest.raises(ConfigError, match="keypoint_marks is 'openpose'; use mediapipe or exact"):
        marks_matrix('openpose')
    with pytest.raises(ConfigError, match='holds no keypoint marks'):
        load_marks(tmp_path / 'nowhere.npz')
    save_marks(tmp_path / 'small.npz', np.eye(3), np.ones(21))
    with pytest.raises(ConfigError, match=r'shape \(3, 3\), not \(21, 21\)'):
        load_marks(tmp_path / 'small.npz')
    save_marks(tmp_path / 'silent.npz', np.eye(21), np.zeros(21))
    with pytest.raises(ConfigError, match='not all above zero'):
        load_marks(tmp_path / 'silent.npz')
    save_marks(tmp_path / 'whole.npz', np.eye(21), np.full(21, 0.02), views=3)
    marks = load_marks(tmp_path / 'whole.npz')
    np.testing.assert_array_equal(marks.matrix, np.eye(21))
    np.testing.assert_array_equal(marks.noise, np.full(21, 0.02))
