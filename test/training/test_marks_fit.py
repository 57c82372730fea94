"""The fit finds the marks that a detector of known habits makes."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from realhands_ros.errors import DatasetError
from realhands_ros.training import marks_fit
from realhands_ros.training.marks_fit import (
    MarkedViews,
    blend_marks,
    fit_marks,
    mark_noise,
    marked_views,
)
from realhands_ros.training.world_marks_fit import fit_world_marks, world_error_m


def test_habits_are_found_in_spite_of_noise_and_mistakes():
    rng = np.random.default_rng(0)
    habits = np.eye(21)
    habits[0, [0, 9]] = 0.85, 0.15
    habits[8, [8, 7]] = 0.7, 0.3
    true = rng.uniform(0, 1, (400, 21, 2))
    detected = habits @ true + rng.normal(0, 0.005, true.shape)
    mistaken = rng.random((400, 21)) < 0.1
    detected[mistaken] += rng.normal(0, 0.2, (mistaken.sum(), 2))
    found = fit_marks(MarkedViews(true, detected))
    np.testing.assert_allclose(found.sum(axis=1), 1.0, atol=1e-9)
    np.testing.assert_allclose(found, habits, atol=0.03)


def test_world_landmarks_have_marks_of_their_own():
    rng = np.random.default_rng(0)
    habits = np.eye(21)
    habits[5, [5, 6]] = 0.8, 0.2
    true = rng.normal(0, 0.04, (300, 21, 3))
    turns = Rotation.random(300, random_state=1).as_matrix()
    detected = np.einsum('nij,nkj->nki', turns, habits @ true) + rng.normal(0, 0.001, true.shape)
    views = MarkedViews(true, detected)
    found = fit_world_marks(views, np.eye(21))
    np.testing.assert_allclose(found.sum(axis=1), 1.0, atol=1e-9)
    np.testing.assert_allclose(found, habits, atol=0.05)
    assert world_error_m(views, found) < 0.7 * world_error_m(views, np.eye(21))


def test_a_detector_that_guesses_hidden_fingers_is_not_imitated():
    """Every third finger is drawn to the middle of the hand; the marks stay where they are."""
    rng = np.random.default_rng(1)
    true = rng.uniform(0, 1, (400, 21, 2))
    detected = true + rng.normal(0, 0.005, true.shape)
    hidden = rng.random((400, 21)) < 1 / 3
    middle = np.broadcast_to(true.mean(axis=1, keepdims=True), true.shape)
    detected[hidden] = 0.5 * (true + middle)[hidden]
    np.testing.assert_allclose(fit_marks(MarkedViews(true, detected)), np.eye(21), atol=0.05)


def test_what_is_believed_of_a_shift_and_its_noise():
    measured = np.eye(21)
    measured[0, [0, 9]] = 0.8, 0.2
    measured[8, [8, 7]] = 0.7, 0.3
    used = blend_marks(measured)
    np.testing.assert_allclose(used.sum(axis=1), 1.0)
    np.testing.assert_allclose(used[0], measured[0])
    np.testing.assert_allclose(used[8, [8, 7]], [0.85, 0.15])
    rng = np.random.default_rng(2)
    true = rng.uniform(0, 1, (4000, 21, 2))
    views = MarkedViews(true, measured @ true + rng.normal(0, 0.02, true.shape))
    noise = mark_noise(views, measured, used)
    # The better half of the views have a little less than the noise of all.
    np.testing.assert_allclose(noise[[0, 5, 20]], 0.02, rtol=0.15)
    assert noise[8] > 2.0 * noise[5]


def test_too_few_views_are_refused(monkeypatch, tmp_path):
    nothing = np.full((5, 2, 21, 2), np.nan), np.full((5, 2, 21, 3), np.nan)
    monkeypatch.setattr(marks_fit, 'read_detections', lambda path: nothing)

    class Source:
        def sample(self, index):
            class Camera:
                def project(self, points):
                    return points[:, :2]

            class View:
                camera = Camera()

            class Sample:
                keypoints = np.random.default_rng(index).normal(size=(21, 3))
                views = (View(), View())

            return Sample()

    with pytest.raises(DatasetError, match='found the hand in 0 views'):
        marked_views(Source(), tmp_path / 'detections.npz')
