from __future__ import annotations

import numpy as np
import pytest
import torch

from realhands_ros.errors import CalibrationError
from realhands_ros.geometry.camera import PinholeCamera
from realhands_ros.geometry.weak_perspective import (
    project_weak,
    translation_from_weak,
    weak_from_translation,
)

IMAGE_CAMERA = PinholeCamera(
    np.array([[520.0, 0.0, 330.0], [0.0, 515.0, 250.0], [0.0, 0.0, 1.0]]), 672, 376
)
ANGLE = 0.4
ROTATED = 0.7 * np.array([[np.cos(ANGLE), -np.sin(ANGLE)], [np.sin(ANGLE), np.cos(ANGLE)]])
CROPS = {
    'scaled': IMAGE_CAMERA.cropped([[1.5, 0, -400.0], [0, 1.5, -200.0]], 224, 224),
    'rotated': IMAGE_CAMERA.cropped(np.c_[ROTATED, [-60.0, -90.0]], 224, 224),
}


@pytest.fixture(params=CROPS)
def crop(request) -> PinholeCamera:
    return CROPS[request.param]


def test_both_ways_are_inverse(crop: PinholeCamera) -> None:
    translation = np.random.default_rng(0).uniform([-0.3, -0.3, 0.2], [0.3, 0.3, 1.5], (5, 6, 3))
    weak = weak_from_translation(translation, crop)
    assert weak.shape == (5, 6, 3)
    np.testing.assert_allclose(translation_from_weak(weak, crop), translation, atol=1e-12)


def test_reference_point_is_seen_where_the_pinhole_camera_sees_it(crop: PinholeCamera) -> None:
    translation = np.array([0.05, -0.04, 0.7])
    weak = weak_from_translation(translation, crop)
    normalised = project_weak(np.zeros((1, 3)), weak)[0]
    pixel = ((normalised + 1) * crop.width - 1) / 2
    np.testing.assert_allclose(pixel, crop.project(translation), atol=1e-9)


def test_a_plane_facing_an_upright_camera_is_projected_exactly() -> None:
    square_pixels = PinholeCamera(
        np.array([[600.0, 0.0, 100.0], [0.0, 600.0, 120.0], [0.0, 0.0, 1.0]]), 224, 224
    )
    translation = np.array([0.02, 0.03, 0.5])
    plane = np.random.default_rng(1).normal(size=(8, 3)) * [0.1, 0.1, 0.0]
    weak = weak_from_translation(translation, square_pixels)
    pixels = ((project_weak(plane, weak) + 1) * 224 - 1) / 2
    np.testing.assert_allclose(pixels, square_pixels.project(plane + translation), atol=1e-9)


def test_crop_edges_are_at_plus_and_minus_one() -> None:
    crop = PinholeCamera(np.array([[300.0, 0, -0.5], [0, 300.0, 99.5], [0, 0, 1]]), 100, 100)
    weak = weak_from_translation([0.0, 0.0, 1.0], crop)
    np.testing.assert_allclose(weak, [6.0, -1 / 6.0, 1 / 6.0])


def test_batches_of_tensors_are_projected_with_gradients() -> None:
    points = torch.randn(4, 21, 3, dtype=torch.float64)
    weak = torch.rand(4, 3, dtype=torch.float64).requires_grad_()
    result = project_weak(points, weak)
    expected = np.stack(
        [project_weak(points[i].numpy(), weak[i].detach().numpy()) for i in range(4)]
    )
    np.testing.assert_allclose(result.detach(), expected)
    assert torch.autograd.gradcheck(lambda value: project_weak(points, value), weak)


def test_a_crop_that_is_not_square_is_refused() -> None:
    with pytest.raises(CalibrationError, match='672x376'):
        translation_from_weak([1.0, 0.0, 0.0], IMAGE_CAMERA)
