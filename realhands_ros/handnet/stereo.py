"""
Fusion of what two views say about one hand (section 3.3, eq. 6 and 7), on tensors.

Both views' rotations must be in one frame, that of the rig: the network sees each hand in the axes
of its own crop.
"""

from __future__ import annotations

from collections.abc import Callable

import roma
import torch
from torch import nn
from torch.nn import functional

from realhands_ros.data.topology import NUM_JOINTS, NUM_POSE
from realhands_ros.handnet.config import HandNetConfig
from realhands_ros.handnet.pose_blend import PoseBlend
from realhands_ros.handnet.pose_representation import HandRotations


class StereoWeights(nn.Module):
    """Base features of both views to the weights of eq. 6."""

    def __init__(self, config: HandNetConfig) -> None:
        super().__init__()
        self.weights = nn.Linear(2 * config.base_channels[1], NUM_POSE)

    def forward(self, base_left: torch.Tensor, base_right: torch.Tensor) -> torch.Tensor:
        """Return the right view's weights (B, 48) in 0..1 from features (B, C) of both views."""
        both = torch.cat([base_right, base_left], dim=1)
        return torch.sigmoid(self.weights(both))

    def logits(self, base: torch.Tensor) -> torch.Tensor:
        """Return what features (B, C) add as the left view's and as the right's (B, 2, 48)."""
        of_right, of_left = self.weights.weight.chunk(2, dim=1)
        as_right = functional.linear(base, of_right, self.weights.bias)
        return torch.stack([functional.linear(base, of_left), as_right], dim=1)


def blend_linear(
    left: HandRotations, right: HandRotations, right_weight: torch.Tensor
) -> HandRotations:
    """
    Blend axis-angle vectors as eq. 6 has it: ``w p_right + (1 - w) p_left``.

    ``right_weight`` (B, 48). A vector of nearly half a turn may point either way along its axis,
    and the mean of two that point opposite ways is no rotation near either.
    """
    pose_left, pose_right = _as_axis_angle(left), _as_axis_angle(right)
    pose = right_weight * pose_right + (1 - right_weight) * pose_left
    return HandRotations(roma.rotvec_to_rotmat(pose[:, :3]), pose[:, 3:])


def blend_rotations(
    left: HandRotations, right: HandRotations, right_weight: torch.Tensor
) -> HandRotations:
    """
    Blend on SO(3): from the left view's rotation a share of the way to the right view's.

    That is the weighted mean of two rotations. A joint's three weights of ``right_weight`` (B, 48)
    count as one, their mean.
    """
    share = right_weight.reshape(-1, NUM_JOINTS, 3).mean(dim=2, keepdim=True)
    from_left, to_right = _as_quaternions(left), _as_quaternions(right)
    difference = roma.quat_product(roma.quat_conjugation(from_left), to_right)
    step = roma.rotvec_to_unitquat(share * roma.unitquat_to_rotvec(difference))
    blended = roma.quat_product(from_left, step)
    fingers = roma.unitquat_to_rotvec(blended[:, 1:]).flatten(1)
    return HandRotations(roma.unitquat_to_rotmat(blended[:, 0]), fingers)


def blend_shapes(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """Return the mean of both views' shapes (B, 10), eq. 7."""
    return 0.5 * (left + right)


POSE_BLENDS: dict[
    PoseBlend, Callable[[HandRotations, HandRotations, torch.Tensor], HandRotations]
] = {'linear': blend_linear, 'rotation': blend_rotations}


def _as_axis_angle(rotations: HandRotations) -> torch.Tensor:
    return torch.cat([roma.rotmat_to_rotvec(rotations.root), rotations.fingers_aa], dim=1)


def _as_quaternions(rotations: HandRotations) -> torch.Tensor:
    """Return unit quaternions (B, 16, 4)."""
    root = roma.rotmat_to_unitquat(rotations.root)[:, None]
    fingers = roma.rotvec_to_unitquat(rotations.fingers_aa.reshape(-1, NUM_JOINTS - 1, 3))
    return torch.cat([root, fingers], dim=1)
