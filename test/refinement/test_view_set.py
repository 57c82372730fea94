from dataclasses import replace

import numpy as np
import pytest

from realhands_ros.errors import ConfigError
from realhands_ros.geometry.camera import PinholeCamera
from realhands_ros.refinement.hand_estimate import HandParameters, ViewObservation
from realhands_ros.refinement.view_set import ViewSet

TURNED = np.array([[0.8, 0.0, 0.6], [0.0, 1.0, 0.0], [-0.6, 0.0, 0.8]])
CAMERAS = (
    PinholeCamera(np.array([[300.0, 4.0, 60.0], [0.0, 320.0, 50.0], [0.0, 0.0, 1.0]]), 112, 112),
    PinholeCamera(
        np.array([[250.0, 0.0, 40.0], [10.0, 260.0, 70.0], [0.0, 0.0, 1.0]]),
        112, 112, TURNED, np.array([-0.1, 0.02, 0.05]),
    ),
)  # fmt: skip
POINTS = np.random.default_rng(0).uniform([-0.1, -0.1, 0.4], [0.1, 0.1, 0.6], (9, 3))


@pytest.fixture
def views() -> ViewSet:
    return ViewSet([ViewObservation(camera) for camera in CAMERAS])


def test_projection_is_that_of_the_cameras(views):
    pixels, depth = views.project(POINTS)
    for view, camera in enumerate(CAMERAS):
        np.testing.assert_allclose(pixels[view], camera.project(POINTS), atol=1e-9)
        np.testing.assert_allclose(depth[view], camera.to_camera(POINTS)[:, 2], atol=1e-12)


def test_derivatives_agree_with_finite_differences(views):
    pixels, depth = views.project(POINTS)
    jacobian = views.jacobian(pixels, depth)
    weight = np.random.default_rng(1).normal(size=pixels.shape)
    pulled = views.pull_back(weight, pixels, depth)
    step = 1e-6
    for axis in range(3):
        moved = np.zeros(3)
        moved[axis] = step
        slope = (views.project(POINTS + moved)[0] - views.project(POINTS - moved)[0]) / (2 * step)
        np.testing.assert_allclose(jacobian[..., axis], slope, rtol=1e-6, atol=1e-4)
        np.testing.assert_allclose(pulled[:, axis], (weight * slope).sum(axis=(0, 2)), rtol=1e-5)


def test_unknown_keypoints_weigh_nothing():
    keypoints, scores = np.full((21, 2), 5.0), np.full(21, 0.7)
    keypoints[3] = np.nan
    scores[4], scores[5], scores[6] = np.nan, -1.0, 2.0
    seen = ViewObservation(CAMERAS[0], keypoints_px=keypoints, keypoint_scores=scores)
    views = ViewSet([seen, ViewObservation(CAMERAS[1])])
    assert views.keypoint_weights[0, :7].tolist() == [0.7, 0.7, 0.7, 0.0, 0.0, 0.0, 1.0]
    assert np.isfinite(views.keypoints_px).all()
    assert not views.keypoint_weights[1].any()
    assert not views.has_target.any()


def test_views_of_different_size_are_reported():
    small = replace(CAMERAS[0], width=64)
    with pytest.raises(ConfigError, match='size'):
        ViewSet([ViewObservation(CAMERAS[0]), ViewObservation(small)])
    with pytest.raises(ConfigError, match='size'):
        ViewSet([])


def test_arrays_of_the_wrong_shape_are_reported():
    with pytest.raises(ConfigError, match='pose_aa'):
        HandParameters(np.zeros(45), np.zeros(10), np.zeros(3))
    with pytest.raises(ConfigError, match='target'):
        ViewObservation(CAMERAS[0], target=np.zeros((64, 64), np.float32))
