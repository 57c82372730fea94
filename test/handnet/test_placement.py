"""Placement by keypoints is a weighted least squares with Huber's weights, step for step."""

from __future__ import annotations

import numpy as np
import pytest

from realhands_ros.geometry.camera import PinholeCamera, StereoRig
from realhands_ros.geometry.crop import crop_affine, crop_view
from realhands_ros.geometry.rotations import axis_angle_to_matrix
from realhands_ros.handnet.placement import place_by_keypoints
from realhands_ros.handnet.view_input import ViewInput

K = np.array([[350.0, 0.0, 640.0], [0.0, 355.0, 360.0], [0.0, 0.0, 1.0]])
TURNED = axis_angle_to_matrix([0.05, -0.2, 0.1])
RIG = StereoRig(
    PinholeCamera(K, 1280, 720),
    PinholeCamera(K, 1280, 720, TURNED, np.array([-0.12, 0.01, 0.02])),
)
PLACE = np.array([0.05, -0.04, 0.45])


def seen(camera: PinholeCamera, points: np.ndarray, rng: np.random.Generator) -> ViewInput:
    """Return a view with noise, an outlier, and a keypoint that is unknown."""
    pixels = camera.project(points + PLACE) + rng.normal(0.0, 1.0, (21, 2))
    pixels[5] += 40.0
    weights = rng.uniform(0.2, 1.0, 21)
    pixels[8], weights[8] = np.nan, 0.0
    crop_camera = camera.cropped(crop_affine(pixels, 64, 1.5, camera.intrinsics), 64, 64)
    return ViewInput(
        image=np.zeros((64, 64, 3), np.uint8),
        keypoints=pixels,
        world=points,
        crop_camera=crop_camera,
        view=crop_view(crop_camera.intrinsics, 64),
        camera=camera,
        keypoints_px=pixels,
        weights=weights,
        handedness='right',
    )


def expected_place(views: list[ViewInput], points: np.ndarray, start: np.ndarray) -> np.ndarray:
    place = start
    for _ in range(3):
        matrices, targets, weights = [], [], []
        for view in views:
            R, t = view.camera.rotation, view.camera.translation
            for n in np.flatnonzero(view.weights):
                x, y, _ = np.linalg.solve(K, [*view.keypoints_px[n], 1.0])
                depth = view.camera.to_camera(points[n] + place)[2]
                matrix = R[:2] - np.outer((x, y), R[2])
                fixed = R @ points[n] + t
                matrices.append(matrix / depth)
                targets.append((np.array((x, y)) * fixed[2] - fixed[:2]) / depth)
                weights.append(view.weights[n])
        residual = np.linalg.norm(np.array(matrices) @ place - targets, axis=1)
        robust = np.array(weights) / np.maximum(1.0, residual / (1.5 * np.median(residual)))
        root = np.sqrt(robust)[:, None]
        rows = (root[..., None] * matrices).reshape(-1, 3)
        place = np.linalg.lstsq(rows, (root * targets).ravel(), rcond=None)[0]
    return place


@pytest.mark.parametrize('cameras', [RIG.views, RIG.views[1:]], ids=['two views', 'one view'])
def test_it_is_the_plain_formula(cameras):
    rng = np.random.default_rng(0)
    points = rng.uniform(-0.07, 0.07, (21, 3))
    views = [seen(camera, points, rng) for camera in cameras]
    found = place_by_keypoints(views, points, PLACE + 0.03)
    np.testing.assert_allclose(found, expected_place(views, points, PLACE + 0.03), atol=1e-9)
    np.testing.assert_allclose(found, PLACE, atol=0.02)


def test_too_few_keypoints_leave_it_where_it_was():
    rng = np.random.default_rng(0)
    points = rng.uniform(-0.07, 0.07, (21, 3))
    view = seen(RIG.left, points, rng)
    view.weights[:] = 0.05
    assert place_by_keypoints([view], points, PLACE) is PLACE
