"""Cameras are where camera_info says; what is no calibration is refused."""

from types import SimpleNamespace

import numpy as np
import pytest

from realhands_ros.errors import CalibrationError
from realhands_ros.geometry.camera import PinholeCamera
from realhands_ros.geometry.rotations import axis_angle_to_matrix
from realhands_ros.messages.cameras import decode_cameras

K = np.array([[350.0, 0, 330], [0, 360, 190], [0, 0, 1]])


def info(frame='left', baseline=0.0, **change):
    projection = K @ np.column_stack([np.eye(3), [-baseline, 0.0, 0.0]])
    fields = {
        'header': SimpleNamespace(frame_id=frame),
        'width': 672,
        'height': 376,
        'distortion_model': 'plumb_bob',
        'd': np.zeros(5),
        'k': K.ravel(),
        'r': np.eye(3).ravel(),
        'p': projection.ravel(),
    }
    return SimpleNamespace(**(fields | change))


def test_baseline_of_a_rectified_pair_comes_from_p():
    # The distortion of a rectified image belongs to the raw one.
    (left, right), lenses = decode_cameras([info(d=np.ones(5)), info('right', 0.12)])
    np.testing.assert_allclose(right.centre, [0.12, 0, 0], atol=1e-12)
    np.testing.assert_allclose(left.centre, 0)
    np.testing.assert_allclose(right.intrinsics, K)
    assert lenses == (None, None)


def test_the_first_camera_is_the_origin():
    """A ZED's right camera alone, and a pair whose topics are remapped crosswise."""
    (alone,), _ = decode_cameras([info('right', 0.12)])
    np.testing.assert_allclose(alone.centre, 0, atol=1e-12)
    (first, second), _ = decode_cameras([info('right', 0.12), info('left', 0.0)])
    np.testing.assert_allclose(first.centre, 0, atol=1e-12)
    np.testing.assert_allclose(second.centre, [-0.12, 0, 0], atol=1e-12)


def test_one_camera_without_p_has_its_k():
    (camera,), _ = decode_cameras([info(p=np.zeros(12))])
    np.testing.assert_allclose(camera.intrinsics, K)


def test_a_raw_pair_stands_where_the_rectification_puts_it():
    rotation, translation = axis_angle_to_matrix([0.02, -0.1, 0.05]), np.array([-0.1, 0.01, 0.02])
    # Rectified axes: x along the baseline, any rotation about it.
    x = rotation.T @ -translation / np.linalg.norm(translation)
    y = np.cross([0, 0, 1.0], x) / np.linalg.norm(np.cross([0, 0, 1.0], x))
    to_left = np.stack([x, y, np.cross(x, y)])
    to_right = to_left @ rotation.T
    left = info(r=to_left.ravel(), k=(K + 1 * np.diag([1, 1, 0])).ravel())
    right = info('right', np.linalg.norm(translation), r=to_right.ravel(), d=[0.1, 0, 0, 0, 0])
    cameras, lenses = decode_cameras([left, right], rectified=False)
    true = PinholeCamera(K, 672, 376, rotation, translation)
    points = np.random.default_rng(0).uniform([-0.2, -0.2, 0.4], [0.2, 0.2, 0.8], (20, 3))
    np.testing.assert_allclose(cameras[1].project(points), true.project(points), atol=1e-8)
    assert cameras[0].intrinsics[0, 0] == 351.0
    assert lenses[0] is None
    np.testing.assert_allclose(lenses[1].coefficients, [0.1, 0, 0, 0, 0])


@pytest.mark.parametrize(
    ('left', 'right', 'expected'),
    [
        ({}, {'baseline': 0.0}, 'the baseline is 0 m'),
        ({'k': np.zeros(9), 'p': np.zeros(12)}, {}, "of 'left' has focal lengths fx=0, fy=0"),
        ({}, {'p': np.full(12, np.nan)}, "of 'right' has P = "),
        ({'width': 0}, {}, 'image size is 0x376'),
    ],
)
def test_what_is_no_calibration_is_refused(left, right, expected):
    with pytest.raises(CalibrationError, match=expected):
        decode_cameras([info(**left), info(**{'frame': 'right', 'baseline': 0.12} | right)])


def test_an_unknown_lens_is_named():
    with pytest.raises(CalibrationError, match="distortion model 'thin_prism'"):
        decode_cameras([info(d=np.ones(5), distortion_model='thin_prism')], rectified=False)
