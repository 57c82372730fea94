"""World landmarks: free of place and size, robust, with derivatives that belong to the value."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from realhands_ros.refinement.view_set import ViewSet
from realhands_ros.refinement.world_term import WorldLandmarks, world_rows

SCALE = 3.0


@pytest.fixture
def views(sample) -> ViewSet:
    return ViewSet(sample.estimate.views)


@pytest.fixture
def keypoints(model, sample) -> np.ndarray:
    return np.asarray(model.pose(sample.truth)[2], np.float64)


def _seen_by(views: ViewSet, keypoints: np.ndarray) -> list[np.ndarray | None]:
    return [keypoints @ camera.rotation.T for camera in views.cameras]


def test_the_same_hand_elsewhere_and_of_another_size_costs_nothing(views, keypoints):
    world = WorldLandmarks(views, _seen_by(views, keypoints), np.eye(21))
    for hand in (keypoints, 1.3 * keypoints + [0.1, 0.2, 0.3]):
        term = world.term(hand, SCALE)
        assert term.value == pytest.approx(0.0, abs=1e-12)
        assert np.abs(term.gradient).max() < 1e-6


def test_the_marks_are_compared_and_the_axes_are_the_camera_s(sample, keypoints):
    """A camera that is turned sees the same hand in other axes; its depth is the least sure."""
    marks = np.eye(21)
    marks[8, [8, 7]] = 0.7, 0.3
    turned = np.array([[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [-1.0, 0.0, 0.0]])
    view = sample.estimate.views[0]
    camera = replace(view.camera, rotation=turned, translation=np.array([0.0, 0.0, 1.0]))
    views = ViewSet([replace(view, camera=camera)])
    world = WorldLandmarks(views, [(marks @ keypoints) @ turned.T], marks)
    assert world.term(keypoints, SCALE).value == pytest.approx(0.0, abs=1e-12)
    costs = []
    for axis in (0, 2):
        moved = keypoints.copy()
        moved[12, axis] += 0.01
        costs.append(world.term(moved, SCALE).value)
    # The rig's x is this camera's depth.
    assert 0.0 < costs[0] < 0.5 * costs[1]


def test_gradient_and_curvature_belong_to_the_value(views, keypoints):
    rng = np.random.default_rng(0)
    guess = [
        points + rng.normal(scale=0.01, size=(21, 3)) for points in _seen_by(views, keypoints)
    ]
    world = WorldLandmarks(views, guess, np.eye(21))
    term = world.term(keypoints, SCALE)
    assert len(term.residual) == 63 * len(views)
    direction = rng.normal(size=(21, 3))
    ahead, behind = (world.term(keypoints + s * direction, SCALE).value for s in (1e-6, -1e-6))
    expected = (ahead - behind) / 2e-6
    assert np.vdot(term.gradient, direction) == pytest.approx(expected, rel=1e-5)
    # Gauss-Newton's gradient is the same one.
    jacobian = rng.normal(size=(21, 3, 5))
    rows = world_rows(world.rows, jacobian)
    by_parameters = 2.0 * rows.T @ (term.curvature * term.residual)
    np.testing.assert_allclose(by_parameters, np.einsum('kc,kcp->p', term.gradient, jacobian))


def test_a_wrong_finger_pulls_less_than_a_doubtful_one(views, keypoints):
    pulls = []
    for error_m in (0.015, 0.06):
        guess = _seen_by(views, keypoints)
        for points in guess:
            points[8, 0] += error_m
        term = WorldLandmarks(views, guess, np.eye(21)).term(keypoints, SCALE)
        pulls.append(np.linalg.norm(term.gradient[8]))
    assert 0.0 < pulls[1] < 0.7 * pulls[0]


@pytest.mark.parametrize('nothing', [None, np.full((21, 3), np.nan), np.zeros((21, 3))])
def test_a_view_without_landmarks_is_left_out(views, keypoints, nothing):
    both = _seen_by(views, keypoints)
    assert not WorldLandmarks(views, [nothing, nothing], np.eye(21))
    assert len(WorldLandmarks(views, [nothing, both[1]], np.eye(21)).rows) == 63
