from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import torch

from realhands_ros.errors import ConfigError
from realhands_ros.hand.fast_model import FastHandModel
from realhands_ros.hand.layer import HandModel
from realhands_ros.hand.model_file import HandModelData, mirrored_hand_model_data

# Of the vertices (metres) and of the gradient of a loss of order one.
_TOLERANCE = {np.float32: (1e-6, 2e-5), np.float64: (1e-13, 1e-12)}


@pytest.fixture(params=['sparse', 'dense', 'left', 'open hand'])
def data(request, random_model_data) -> HandModelData:
    if request.param == 'sparse':
        return random_model_data(0)
    if request.param == 'dense':
        return random_model_data(1, joints_per_vertex=16)
    if request.param == 'left':
        return mirrored_hand_model_data(random_model_data(2))
    return HandModel.load().data


def _parameters(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=48), 2 * rng.normal(size=10), rng.normal(size=3)


def _tensors(*arrays: np.ndarray) -> list[torch.Tensor]:
    return [torch.tensor(array[None]).requires_grad_() for array in arrays]


def _autograd(data: HandModelData, parameters, grad_vertices, grad_keypoints) -> np.ndarray:
    """Return the gradient (61,) that autograd finds in float64."""
    inputs = _tensors(*parameters)
    output = HandModel(data, dtype=torch.float64)(*inputs)
    torch.autograd.backward(
        [output.vertices, output.keypoints],
        [torch.tensor(grad_vertices[None]), torch.tensor(grad_keypoints[None])],
    )
    return np.concatenate([value.grad[0].numpy() for value in inputs])


def test_agrees_with_smplx_over_256_random_hands(data) -> None:
    pytest.importorskip('smplx')
    fast = FastHandModel(data)
    parameters = [_parameters(seed) for seed in range(256)]
    batch = [
        torch.tensor(np.stack(values), dtype=torch.float32)
        for values in zip(*parameters, strict=True)
    ]
    oracle = HandModel(data, backend='smplx')(*batch)
    for i, values in enumerate(parameters):
        output = fast.forward(*values)
        np.testing.assert_allclose(output.vertices, oracle.vertices[i], rtol=0, atol=1e-5)
        np.testing.assert_allclose(output.joints, oracle.joints[i], rtol=0, atol=1e-5)
        np.testing.assert_allclose(output.keypoints, oracle.keypoints[i], rtol=0, atol=1e-5)


@pytest.mark.parametrize('dtype', [np.float32, np.float64])
def test_forward_and_gradient_agree_with_autograd(data, dtype) -> None:
    fast = FastHandModel(data, dtype=dtype)
    value_tolerance, gradient_tolerance = _TOLERANCE[dtype]
    for seed in range(8):
        parameters = _parameters(seed)
        rng = np.random.default_rng(100 + seed)
        grad_vertices = rng.normal(size=(778, 3)) / 778
        grad_keypoints = rng.normal(size=(21, 3)) / 21
        output = fast.forward(*parameters)
        expected = HandModel(data, dtype=torch.float64)(*_tensors(*parameters))
        for name, theirs in expected._asdict().items():
            ours = getattr(output, name)
            assert ours.dtype == dtype
            np.testing.assert_allclose(ours, theirs[0].detach(), rtol=0, atol=value_tolerance)
        gradient = fast.vjp(output, grad_vertices, grad_keypoints)
        result = np.concatenate([gradient.pose_aa, gradient.shape, gradient.translation])
        expected_gradient = _autograd(data, parameters, grad_vertices, grad_keypoints)
        np.testing.assert_allclose(result, expected_gradient, rtol=0, atol=gradient_tolerance)


@pytest.mark.parametrize('dtype', [np.float32, np.float64])
def test_jacobian_agrees_with_forward_mode_autograd(data, dtype) -> None:
    parameters = _parameters(0)
    fast = FastHandModel(data, dtype=dtype)
    result = fast.jacobian(fast.forward(*parameters))
    layer = HandModel(data, dtype=torch.float64)

    def outputs(flat: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        output = layer(*flat[None].split([48, 10, 3], dim=1))
        return output.vertices[0], output.keypoints[0]

    expected = torch.func.jacfwd(outputs)(torch.tensor(np.concatenate(parameters)))
    _, tolerance = _TOLERANCE[dtype]
    for ours, theirs in zip((result.vertices, result.keypoints), expected, strict=True):
        assert ours.dtype == dtype
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=tolerance)


def test_joints_that_blend_nothing_have_a_jacobian(random_model_data) -> None:
    data = random_model_data(0)
    posedirs = data.posedirs.copy()
    posedirs[:, :, :9] = posedirs[:, :, -18:] = 0.0
    posedirs[100:, :, 9:18] = 0.0
    test_vjp_is_the_transposed_jacobian(replace(data, posedirs=posedirs))
    test_vjp_is_the_transposed_jacobian(replace(data, posedirs=np.zeros_like(posedirs)))


def test_vjp_is_the_transposed_jacobian(data) -> None:
    fast = FastHandModel(data, dtype=np.float64)
    output = fast.forward(*_parameters(1))
    jacobian = fast.jacobian(output)
    rng = np.random.default_rng(0)
    grad_vertices, grad_keypoints = rng.normal(size=(778, 3)), rng.normal(size=(21, 3))
    gradient = fast.vjp(output, grad_vertices, grad_keypoints)
    expected = np.tensordot(grad_vertices, jacobian.vertices, 2)
    expected += np.tensordot(grad_keypoints, jacobian.keypoints, 2)
    np.testing.assert_allclose(gradient.pose_aa, expected[:48], atol=1e-11)
    np.testing.assert_allclose(gradient.shape, expected[48:58], atol=1e-11)
    np.testing.assert_allclose(gradient.translation, expected[58:], atol=1e-11)


@pytest.mark.parametrize(
    'angle', [0.0, 1e-12, 1e-5, 0.0999, 0.1001, 1.0, np.pi, 2 * np.pi, 2 * np.pi + 1e-6]
)
def test_every_angle_is_safe(random_model_data, angle: float) -> None:
    data = random_model_data()
    axes = np.random.default_rng(4).normal(size=(16, 3))
    pose = (angle * axes / np.linalg.norm(axes, axis=1, keepdims=True)).ravel()
    parameters = (pose, np.zeros(10), np.zeros(3))
    fast = FastHandModel(data, dtype=np.float64)
    output = fast.forward(*parameters)
    expected = HandModel(data, dtype=torch.float64)(*_tensors(*parameters))
    np.testing.assert_allclose(output.vertices, expected.vertices[0].detach(), atol=1e-13)
    weights = np.random.default_rng(5).normal(size=(778, 3)) / 778
    no_keypoints = np.zeros((21, 3))
    expected_gradient = _autograd(data, parameters, weights, no_keypoints)
    gradient = fast.vjp(output, weights).pose_aa
    np.testing.assert_allclose(gradient, expected_gradient[:48], rtol=0, atol=1e-12)


def test_gradients_left_out_count_as_zero(random_model_data) -> None:
    fast = FastHandModel(random_model_data(), dtype=np.float64)
    output = fast.forward(*_parameters(2))
    grad_vertices, grad_keypoints = np.ones((778, 3)), np.ones((21, 3))
    both = fast.vjp(output, grad_vertices, grad_keypoints).pose_aa
    parts = fast.vjp(output, grad_vertices).pose_aa
    parts = parts + fast.vjp(output, grad_keypoints=grad_keypoints).pose_aa
    np.testing.assert_allclose(parts, both, atol=1e-12)
    assert not fast.vjp(output).pose_aa.any()


def test_arguments_are_left_as_they_were(random_model_data) -> None:
    fast = FastHandModel(random_model_data())
    pose, shape, translation = _parameters(3)
    output = fast.forward(pose, shape, translation)
    vertices = output.vertices.copy()
    grad_vertices = np.ones((778, 3), np.float32)
    first = fast.vjp(output, grad_vertices, np.ones((21, 3), np.float32))
    assert (grad_vertices == 1).all()
    fast.forward(pose + 1, shape, translation)
    second = fast.vjp(output, grad_vertices, np.ones((21, 3), np.float32))
    np.testing.assert_array_equal(first.pose_aa, second.pose_aa)
    np.testing.assert_array_equal(output.vertices, vertices)
    np.testing.assert_array_equal(pose, _parameters(3)[0])


def test_threads_may_share_a_model(random_model_data) -> None:
    fast = FastHandModel(random_model_data())
    parameters = [_parameters(seed) for seed in range(40)]

    def gradient(values) -> np.ndarray:
        output = fast.forward(*values)
        return fast.vjp(output, output.vertices).pose_aa

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(gradient, parameters))
    for result, values in zip(results, parameters, strict=True):
        np.testing.assert_array_equal(result, gradient(values))


def test_wrong_sizes_are_named(random_model_data) -> None:
    fast = FastHandModel(random_model_data())
    with pytest.raises(ConfigError, match=r'pose_aa has shape \(45,\)'):
        fast.forward(np.zeros(45), np.zeros(10))
    output = fast.forward(np.zeros(48), np.zeros(10))
    with pytest.raises(ConfigError, match=r'grad_vertices has shape \(1, 778, 3\)'):
        fast.vjp(output, np.zeros((1, 778, 3)))
