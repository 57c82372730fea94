"""Blends of arrays, with which the system runs, are those of tensors, which trained it."""

import numpy as np
import pytest
import roma
import torch

from realhands_ros.geometry.rotations import axis_angle_to_matrix
from realhands_ros.handnet import stereo
from realhands_ros.handnet.pose_blend import POSE_BLENDS, right_weights
from realhands_ros.handnet.pose_representation import HandRotations


def tensor_rotations(pose: np.ndarray) -> HandRotations:
    tensor = torch.tensor(pose[None])
    return HandRotations(roma.rotvec_to_rotmat(tensor[:, :3]), tensor[:, 3:])


@pytest.mark.parametrize('name', POSE_BLENDS)
def test_arrays_and_tensors_agree(name):
    rng = np.random.default_rng(0)
    for _ in range(10):
        left = rng.normal(0, 0.8, 48)
        right = left + rng.normal(0, 0.3, 48)
        weight = rng.random(48)
        found = axis_angle_to_matrix(POSE_BLENDS[name](left, right, weight).reshape(16, 3))
        tensors = tensor_rotations(left), tensor_rotations(right), torch.tensor(weight[None])
        root, fingers = stereo.POSE_BLENDS[name](*tensors)
        np.testing.assert_allclose(found[0], root[0], atol=1e-6)
        expected = axis_angle_to_matrix(fingers.numpy().reshape(15, 3))
        np.testing.assert_allclose(found[1:], expected, atol=1e-6)


def test_weights_of_both_views_logits_are_the_layers(tiny_config):
    torch.manual_seed(0)
    layer = stereo.StereoWeights(tiny_config)
    base = torch.randn(2, tiny_config.base_channels[1])
    with torch.no_grad():
        expected = layer(base[:1], base[1:])[0]
        logits = layer.logits(base)
    np.testing.assert_allclose(right_weights(logits.numpy()), expected, atol=1e-6)
