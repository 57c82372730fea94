"""What follows from a pinhole camera's numbers."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from realhands_ros.errors import CalibrationError
from realhands_ros.geometry.camera import PinholeCamera
from realhands_ros.geometry.rotations import axis_angle_to_matrix

CAMERA = PinholeCamera(
    np.array([[420.0, 3.0, 400.0], [0.0, 415.0, 300.0], [0.0, 0.0, 1.0]]),
    800,
    600,
    axis_angle_to_matrix([0.05, -0.35, 0.2]),
    np.array([-0.16, 0.03, 0.02]),
)


def test_the_projection_does_what_its_steps_do():
    points = np.random.default_rng(0).uniform((-0.2, -0.2, 0.3), (0.2, 0.2, 0.8), (21, 3))
    homogeneous = np.column_stack([points, np.ones(21)]) @ CAMERA.projection.T
    pixels = homogeneous[:, :2] / homogeneous[:, 2:]
    np.testing.assert_allclose(CAMERA.project(points), pixels, atol=1e-9)
    np.testing.assert_allclose(CAMERA.to_pixels(CAMERA.to_camera(points)), pixels, atol=1e-9)


def test_the_inverse_intrinsics_take_a_pixel_to_its_ray():
    ray = CAMERA.inverse_intrinsics @ [*CAMERA.project([0.1, -0.05, 0.5]), 1.0]
    point_cam = CAMERA.to_camera([0.1, -0.05, 0.5])
    np.testing.assert_allclose(ray, point_cam / point_cam[2], atol=1e-12)


def test_the_centre_is_the_camera_s_origin():
    np.testing.assert_allclose(CAMERA.to_camera(CAMERA.centre), 0.0, atol=1e-12)


@pytest.mark.parametrize(
    ('change', 'words'),
    [
        ({'rotation': np.diag([1.0, 1.0, -1.0])}, 'is no rotation'),
        ({'rotation': 2.0 * np.eye(3)}, 'is no rotation'),
        ({'intrinsics': CAMERA.intrinsics.T}, 'is it transposed?'),
        ({'intrinsics': np.zeros((3, 3))}, 'focal lengths are fx=0, fy=0'),
        ({'translation': np.array([np.nan, 0.0, 0.0])}, 'translation'),
    ],
)
def test_what_is_no_camera_is_refused(change, words):
    with pytest.raises(CalibrationError, match=re.escape(words)):
        replace(CAMERA, **change)
