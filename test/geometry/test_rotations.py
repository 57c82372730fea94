from __future__ import annotations

import numpy as np
import pytest
import torch

from realhands_ros.geometry.rotations import axis_angle_to_matrix, matrix_to_axis_angle
from realhands_ros.geometry.tensor_rotations import axis_angle_to_matrix_torch


@pytest.mark.parametrize('angle', [0.0, 1e-9, 1e-4, 0.00999, 0.01001, 0.5, 3.1, 6.0])
def test_torch_agrees_with_scipy(angle: float) -> None:
    axes = np.random.default_rng(0).normal(size=(20, 3))
    vectors = angle * axes / np.linalg.norm(axes, axis=1, keepdims=True)
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
    np.testing.assert_allclose(matrix_to_axis_angle(matrices), vectors, atol=1e-12)
