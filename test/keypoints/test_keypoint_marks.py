"""Where MediaPipe marks the keypoints: rows that add up to one, near the model's own keypoints."""

import numpy as np
import pytest

from realhands_ros.data.topology import KEYPOINT_NAMES
from realhands_ros.errors import ConfigError
from realhands_ros.keypoints.keypoint_marks import load_marks, marks_matrix, save_marks


def test_marks_move_with_the_hand_and_stay_near_it():
    matrix = marks_matrix('mediapipe')
    np.testing.assert_allclose(matrix.sum(axis=1), 1.0, atol=1e-9)
    points = np.random.default_rng(0).normal(size=(21, 3))
    shift = np.array([1.0, -2.0, 3.0])
    np.testing.assert_allclose(matrix @ (points + shift), matrix @ points + shift, atol=1e-9)
    assert (matrix.diagonal() > 0.6).all()
    # The wrist's mark is the one that lies farthest from its joint.
    assert matrix.diagonal().argmin() in (
        KEYPOINT_NAMES.index('wrist'),
        KEYPOINT_NAMES.index('ring_tip'),
    )


def test_exact_keypoints_are_their_own_marks():
    np.testing.assert_array_equal(marks_matrix('exact'), np.eye(21))


def test_unknown_marks_and_other_files_are_named(tmp_path):
    with pytest.raises(ConfigError, match="keypoint_marks is 'openpose'; use mediapipe or exact"):
        marks_matrix('openpose')
    with pytest.raises(ConfigError, match='holds no keypoint marks'):
        load_marks(tmp_path / 'nowhere.npz')
    save_marks(tmp_path / 'small.npz', np.eye(3))
    with pytest.raises(ConfigError, match=r'shape \(3, 3\), not \(21, 21\)'):
        load_marks(tmp_path / 'small.npz')
    save_marks(tmp_path / 'whole.npz', np.eye(21), views=3)
    np.testing.assert_array_equal(load_marks(tmp_path / 'whole.npz').matrix, np.eye(21))
