import math

import numpy as np
import pytest
import roma
import torch
from scipy.spatial.transform import Rotation

from realhands_ros.handnet.pose_representation import HandRotations
from realhands_ros.handnet.stereo import (
    POSE_BLENDS,
    StereoWeights,
    blend_linear,
    blend_rotations,
    blend_shapes,
)


def rotations(pose: torch.Tensor) -> HandRotations:
    return HandRotations(roma.rotvec_to_rotmat(pose[:, :3]), pose[:, 3:])


def as_matrices(blended: HandRotations) -> torch.Tensor:
    fingers = roma.rotvec_to_rotmat(blended.fingers_aa.unflatten(1, (15, 3)))
    return torch.cat([blended.root[:, None], fingers], dim=1)


@pytest.fixture
def poses() -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    left = torch.randn(5, 48)
    return left, left + 0.3 * torch.randn(5, 48)


@pytest.mark.parametrize('blend', POSE_BLENDS.values(), ids=POSE_BLENDS.keys())
def test_weights_zero_and_one_give_the_left_and_the_right_view(blend, poses):
    left, right = (rotations(pose) for pose in poses)
    for weight, expected in ((0.0, left), (1.0, right)):
        blended = blend(left, right, torch.full((5, 48), weight))
        torch.testing.assert_close(as_matrices(blended), as_matrices(expected), atol=1e-5, rtol=0)


def test_linear_blend_is_equation_6(poses):
    left, right = poses
    weight = torch.rand(5, 48)
    blended = blend_linear(rotations(left), rotations(right), weight)
    expected = (weight * right + (1 - weight) * left)[:, 3:]
    torch.testing.assert_close(blended.fingers_aa, expected)


def test_rotation_blend_is_the_weighted_mean_of_rotations(poses):
    left, right = poses
    weight = torch.rand(5, 16, 1).expand(5, 16, 3).flatten(1)
    blended = as_matrices(blend_rotations(rotations(left), rotations(right), weight))
    for hand in range(5):
        for joint in range(16):
            share = weight[hand, 3 * joint].item()
            part = slice(3 * joint, 3 * joint + 3)
            pair = Rotation.from_rotvec(np.stack([left[hand, part], right[hand, part]]))
            expected = pair.mean(weights=[1 - share, share]).as_matrix()
            # scipy's mean is the chordal one, which for two rotations differs a little.
            np.testing.assert_allclose(blended[hand, joint], expected, atol=2e-2)
            whole = (pair[0].inv() * pair[1]).magnitude()
            step = (pair[0].inv() * Rotation.from_matrix(blended[hand, joint].numpy())).magnitude()
            assert step == pytest.approx(share * whole, abs=1e-4)


def test_opposite_vectors_of_one_half_turn_break_the_linear_blend_only():
    # The same rotation but for 0.02 rad, written as vectors that point opposite ways.
    left, right = torch.zeros(2, 1, 48)
    left[0, 0], right[0, 0] = math.pi - 0.01, -(math.pi - 0.01)
    half = torch.full((1, 48), 0.5)
    truth = roma.rotvec_to_rotmat(torch.tensor([[math.pi, 0.0, 0.0]]))

    def error(blend) -> float:
        root = blend(rotations(left), rotations(right), half).root
        return roma.rotmat_geodesic_distance(root, truth).item()

    assert error(blend_rotations) < 0.02
    assert error(blend_linear) > 3.0


def test_gradient_reaches_the_weights_through_equal_views(tiny_config):
    layer = StereoWeights(tiny_config)
    base = torch.randn(2, 48)
    weight = layer(base, base)
    assert weight.shape == (2, 48)
    assert weight.min() > 0
    assert weight.max() < 1
    pose = torch.zeros(2, 48)
    blended = blend_rotations(rotations(pose), rotations(pose), weight)
    blended.fingers_aa.sum().backward()
    assert torch.isfinite(layer.weights.weight.grad).all()


def test_left_and_right_features_are_told_apart(tiny_config):
    layer = StereoWeights(tiny_config)
    first, second = torch.randn(2, 1, 48)
    assert not torch.allclose(layer(first, second), layer(second, first))


def test_shape_is_the_mean():
    torch.testing.assert_close(
        blend_shapes(torch.ones(1, 10), 3 * torch.ones(1, 10)), 2 * torch.ones(1, 10)
    )
