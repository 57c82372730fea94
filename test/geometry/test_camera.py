"""What follows from a pinhole camera's numbers."""

from __future__ import annotations

import re
from dataclasses import replace

import cv2
import numpy as np
import pytest

from realhands_ros.errors import CalibrationError
from realhands_ros.geometry.camera import Lens, PinholeCamera
from realhands_ros.geometry.crop import crop_affine, crop_image
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


# Lens distortion there and back, crops of distorted images, and bad coefficients.

K = np.array([[300.0, 0.0, 319.5], [0.0, 305.0, 239.5], [0.0, 0.0, 1.0]])
LENSES = {
    'plumb_bob': Lens(K, np.array([-0.3, 0.09, 0.001, -0.0005, 0.01])),
    'rational': Lens(K, np.array([0.4, -0.1, 0.001, 0.0002, 0.01, 0.7, -0.05, 0.02])),
    'equidistant': Lens(K, np.array([-0.02, 0.01, -0.004, 0.001]), 'equidistant'),
}


@pytest.mark.parametrize('lens', LENSES.values(), ids=LENSES)
def test_there_and_back(lens):
    rng = np.random.default_rng(0)
    pixels = rng.uniform([60, 40], [580, 440], (200, 2))
    pixels[3] = np.nan
    raw = lens.distort(pixels)
    assert np.nanmax(np.abs(raw - pixels)) > 3
    np.testing.assert_allclose(lens.undistort(raw), pixels, atol=1e-3)


@pytest.mark.parametrize('lens', LENSES.values(), ids=LENSES)
def test_a_crop_of_the_raw_image_is_one_of_the_undistorted_image(lens):
    rng = np.random.default_rng(1)
    raw = cv2.resize(rng.integers(0, 255, (30, 40, 3), dtype=np.uint8), (640, 480))
    columns, rows = np.meshgrid(np.arange(640.0), np.arange(480.0))
    map_px = lens.distort(np.stack([columns, rows], -1).reshape(-1, 2)).astype(np.float32)
    x, y = (map_px[:, axis].reshape(480, 640) for axis in range(2))
    undistorted = cv2.remap(raw, x, y, cv2.INTER_LINEAR)
    of_lens = lens.undistort_image(raw).astype(int)
    assert np.abs(of_lens - undistorted)[60:-60, 60:-60].mean() < 1.0
    affine = crop_affine(rng.uniform([250, 180], [390, 300], (21, 2)), 128, 1.3, K)
    expected = crop_image(undistorted, affine, 128).astype(int)
    found = lens.crop_image(raw, affine, 128).astype(int)
    assert np.abs(found - expected).mean() < 1.0


@pytest.mark.parametrize(
    ('coefficients', 'model'),
    [
        (np.zeros(3), 'plumb_bob'),
        (np.zeros(5), 'equidistant'),
        (np.array([0, 0, np.nan, 0]), 'plumb_bob'),
        (np.zeros(5), 'thin_prism'),
    ],
)
def test_bad_coefficients(coefficients, model):
    with pytest.raises(CalibrationError):
        Lens(K, coefficients, model)
