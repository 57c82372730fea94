from __future__ import annotations

import numpy as np
import pytest
import torch

from realhands_ros.geometry.camera import PinholeCamera
from realhands_ros.geometry.mirror import (
    mirror_axis_angle,
    mirror_camera,
    mirror_pixels,
    mirror_points,
)
from realhands_ros.geometry.rotations import axis_angle_to_matrix

RNG = np.random.default_rng(0)


def test_mirrored_rotation_turns_mirrored_points() -> None:
    points, axis_angle = RNG.normal(size=(7, 3)), RNG.normal(size=3)
    turned = points @ axis_angle_to_matrix(axis_angle).T
    mirrored = mirror_points(points) @ axis_angle_to_matrix(mirror_axis_angle(axis_angle)).T
    np.testing.assert_allclose(mirrored, mirror_points(turned), atol=1e-12)


def test_whole_pose_is_mirrored_joint_by_joint() -> None:
    pose = RNG.normal(size=(2, 48))
    expected = mirror_axis_angle(pose.reshape(2, 16, 3)).reshape(2, 48)
    np.testing.assert_array_equal(mirror_axis_angle(pose), expected)


def test_torch_gives_the_same_and_keeps_type_and_gradient() -> None:
    pose = torch.randn(2, 48, requires_grad=True)
    mirrored = mirror_axis_angle(pose)
    assert mirrored.dtype == torch.float32
    assert mirrored.requires_grad
    np.testing.assert_array_equal(mirrored.detach(), mirror_axis_angle(pose.detach().numpy()))


@pytest.mark.parametrize('mirror', [mirror_points, mirror_axis_angle])
def test_twice_is_the_identity(mirror) -> None:
    values = RNG.normal(size=(4, 3)).astype(np.float32)
    result = mirror(mirror(values))
    assert result.dtype == np.float32
    np.testing.assert_array_equal(result, values)


# That of an ordinary camera, and of a crop of one that undoes the stretch of an off-axis view.
@pytest.mark.parametrize('lower_skew', [0.0, 40.0])
def test_mirrored_camera_sees_mirrored_points_in_the_mirrored_image(lower_skew) -> None:
    camera = PinholeCamera(
        np.array([[500.0, 3.0, 310.0], [lower_skew, 480.0, 240.0], [0.0, 0.0, 1.0]]),
        640,
        480,
        rotation=axis_angle_to_matrix([0.1, -0.2, 0.3]),
        translation=np.array([-0.12, 0.01, 0.02]),
    )
    points = RNG.normal(size=(9, 3)) * 0.1 + [0, 0, 0.6]
    expected = mirror_pixels(camera.project(points), 640)
    mirrored = mirror_camera(camera)
    np.testing.assert_allclose(mirrored.project(mirror_points(points)), expected, atol=1e-9)
    np.testing.assert_allclose(mirror_camera(mirrored).intrinsics, camera.intrinsics)


def test_mirroring_an_image_is_flipping_its_columns() -> None:
    image = np.arange(12).reshape(3, 4)
    u, v = mirror_pixels(np.array([3.0, 1.0]), 4).astype(int)
    assert image[:, ::-1][v, u] == image[1, 3]
