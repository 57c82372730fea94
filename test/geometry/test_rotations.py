from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from realhands_ros.geometry.rotations import (
    axis_angle_to_matrix,
    axis_angle_to_quaternion,
    conjugate_quaternions,
    euler_to_matrix,
    matrix_to_axis_angle,
    matrix_to_euler,
    matrix_to_quaternion,
    multiply_quaternions,
    quaternion_to_axis_angle,
)
from realhands_ros.geometry.tensor_rotations import axis_angle_to_matrix_torch

_ANGLES = [0.0, 1e-300, 1e-9, 1e-4, 0.00999, 0.01001, 0.5, 3.1, np.pi - 1e-9, np.pi, 6.0]


def turns(angle: float) -> np.ndarray:
    axes = np.random.default_rng(0).normal(size=(20, 3))
    # Some about an axis, for which most elements of the matrix are equal.
    axes[:3] = np.eye(3)
    return angle * axes / np.linalg.norm(axes, axis=1, keepdims=True)


@pytest.mark.parametrize('angle', _ANGLES)
def test_they_are_scipys(angle: float) -> None:
    vectors = turns(angle)
    rotation = Rotation.from_rotvec(vectors)
    matrices = rotation.as_matrix()
    np.testing.assert_allclose(axis_angle_to_matrix(vectors), matrices, atol=2e-15)
    np.testing.assert_allclose(axis_angle_to_quaternion(vectors), rotation.as_quat(), atol=1e-15)
    found = Rotation.from_quat(matrix_to_quaternion(matrices))
    assert (rotation.inv() * found).magnitude().max() < 1e-15
    back = matrix_to_axis_angle(matrices)
    assert (rotation.inv() * Rotation.from_rotvec(back)).magnitude().max() < 2e-15
    assert np.linalg.norm(back, axis=1).max() <= np.pi + 1e-15


@pytest.mark.parametrize('angle', _ANGLES)
def test_quaternions_are_scipys(angle: float) -> None:
    one, other = Rotation.from_rotvec(turns(angle)), Rotation.from_rotvec(turns(2.0)[::-1])
    product = multiply_quaternions(one.as_quat(), other.as_quat())
    found = Rotation.from_quat(product)
    assert ((one * other).inv() * found).magnitude().max() < 2e-15
    np.testing.assert_allclose(np.linalg.norm(product, axis=1), 1.0, atol=1e-15)
    back = quaternion_to_axis_angle(-product)
    assert (found.inv() * Rotation.from_rotvec(back)).magnitude().max() < 2e-15
    nothing = multiply_quaternions(conjugate_quaternions(product), product)
    np.testing.assert_allclose(nothing, [[0.0, 0.0, 0.0, 1.0]] * 20, atol=1e-15)


@pytest.mark.parametrize('middle', [0.0, 0.7, -1.5, np.pi / 2, -np.pi / 2])
@pytest.mark.filterwarnings('ignore:Gimbal lock')
def test_euler_angles_are_scipys(middle: float) -> None:
    angles = np.random.default_rng(2).uniform(-3, 3, (20, 3))
    angles[:, 1] = middle
    matrices = Rotation.from_euler('XYZ', angles).as_matrix()
    np.testing.assert_allclose(euler_to_matrix(angles), matrices, atol=2e-15)
    found = matrix_to_euler(matrices)
    expected = Rotation.from_matrix(matrices).as_euler('XYZ')
    np.testing.assert_allclose(found, expected, atol=1e-13)
    np.testing.assert_allclose(euler_to_matrix(found), matrices, atol=1e-13)


@pytest.mark.parametrize('angle', _ANGLES)
def test_torch_agrees(angle: float) -> None:
    vectors = turns(angle)
    result = axis_angle_to_matrix_torch(torch.tensor(vectors))
    np.testing.assert_allclose(result.numpy(), axis_angle_to_matrix(vectors), atol=1e-14)


@pytest.mark.parametrize('angle', [0.0, 1e-6, 0.00999, 0.01001, 1.0])
def test_gradient_is_that_of_finite_differences(angle: float) -> None:
    vector = torch.tensor([[0.6, -0.64, 0.48]], dtype=torch.float64) * angle
    assert torch.autograd.gradcheck(axis_angle_to_matrix_torch, vector.requires_grad_())


def test_gradient_in_float32_is_finite_at_zero() -> None:
    vector = torch.zeros(4, 3, requires_grad=True)
    axis_angle_to_matrix_torch(vector)[:, 0, 1].sum().backward()
    np.testing.assert_array_equal(vector.grad, [[0, 0, -1]] * 4)


def test_leading_dimensions_are_kept() -> None:
    vectors = np.random.default_rng(1).normal(size=(2, 5, 3)) * 0.5
    matrices = axis_angle_to_matrix(vectors)
    assert matrices.shape == (2, 5, 3, 3)
    assert matrix_to_quaternion(matrices).shape == (2, 5, 4)
    assert matrix_to_euler(matrices).shape == (2, 5, 3)
    np.testing.assert_allclose(matrix_to_axis_angle(matrices), vectors, atol=1e-12)


def test_results_do_not_depend_on_where_arrays_lie_in_memory():
    """numpy's arctan2 of strided arrays differs in the last digit, one time in a hundred."""
    rng = np.random.default_rng(0)
    matrices = axis_angle_to_matrix(rng.normal(0, 0.4, (10, 15, 3)))
    results, elsewhere = set(), []
    for _ in range(3000):
        vectors, angles = matrix_to_axis_angle(matrices), matrix_to_euler(matrices)
        results.add(vectors.tobytes() + angles.tobytes())
        elsewhere = [*elsewhere[-300:], np.empty(rng.integers(1, 3000))]
    assert len(results) == 1
