"""The fit finds the marks that a detector of known habits makes."""

import numpy as np
import pytest

from realhands_ros.errors import DatasetError
from realhands_ros.training import marks_fit
from realhands_ros.training.marks_fit import MarkedViews, fit_marks, marked_views


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
