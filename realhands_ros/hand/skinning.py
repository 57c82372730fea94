"""
Shape and pose blend shapes, joints and linear blend skinning as batched tensor operations.

The forward pass of MANO (Romero et al., "Embodied Hands", 2017, eq. 1 to 4, after SMPL).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from realhands_ros.geometry.tensor_rotations import axis_angle_to_matrix_torch
from realhands_ros.hand.model_file import HandModelData
from realhands_ros.hand.topology import FINGER_NAMES, NUM_JOINTS, NUM_VERTICES

_NUM_FINGERS = len(FINGER_NAMES)
_JOINTS_PER_FINGER = (NUM_JOINTS - 1) // _NUM_FINGERS


class LinearBlendSkinning(nn.Module):
    """
    Pose (relative to the flat hand) and shape to vertices and joints, without translation.

    The buffers are not persistent: a checkpoint of a network that holds this layer must not carry
    a licensed hand model along.
    """

    v_template: torch.Tensor
    shapedirs: torch.Tensor
    posedirs: torch.Tensor
    joint_template: torch.Tensor
    joint_shapedirs: torch.Tensor
    skin_weights: torch.Tensor

    def __init__(self, data: HandModelData, *, dtype: torch.dtype = torch.float32) -> None:
        """Copy the model's arrays to buffers of ``dtype``."""
        super().__init__()

        def add_buffer(name: str, array: NDArray[Any]) -> None:
            self.register_buffer(name, torch.tensor(array, dtype=dtype), persistent=False)

        add_buffer('v_template', data.v_template)
        add_buffer('shapedirs', data.shapedirs)
        add_buffer('posedirs', data.posedirs.reshape(3 * NUM_VERTICES, -1).T.copy())
        # The regressor is linear, so rest joints follow from the shape without the vertices.
        add_buffer('joint_template', data.joint_regressor @ data.v_template)
        add_buffer(
            'joint_shapedirs', np.einsum('jv,vcs->jcs', data.joint_regressor, data.shapedirs)
        )
        add_buffer('skin_weights', data.skin_weights)

    def forward(
        self, pose_aa: torch.Tensor, shape: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """
        Return vertices (B, 778, 3) and joints (B, 16, 3) in metres.

        ``pose_aa`` (B, 48) is axis-angle relative to the flat hand, root first; ``shape`` (B, 10).
        """
        rotations = axis_angle_to_matrix_torch(pose_aa.reshape(-1, NUM_JOINTS, 3))
        rest_joints = self.joint_template + torch.einsum(
            'jcs,bs->bjc', self.joint_shapedirs, shape
        )
        global_rotations, joints = _forward_kinematics(rotations, rest_joints)
        # Skinning transforms take rest points, not points relative to their joint.
        offsets = joints - (global_rotations @ rest_joints[..., None])[..., 0]
        transforms = torch.cat([global_rotations, offsets[..., None]], dim=-1)
        blended = (self.skin_weights @ transforms.flatten(-2)).reshape(-1, NUM_VERTICES, 3, 4)
        v_posed = self._blend_shapes(rotations, shape)
        vertices = (blended[..., :3] @ v_posed[..., None])[..., 0] + blended[..., 3]
        return vertices, joints

    def _blend_shapes(self, rotations: torch.Tensor, shape: torch.Tensor) -> torch.Tensor:
        identity = torch.eye(3, dtype=rotations.dtype, device=rotations.device)
        pose_feature = (rotations[:, 1:] - identity).flatten(1)
        pose_offsets = (pose_feature @ self.posedirs).reshape(-1, NUM_VERTICES, 3)
        shape_offsets = torch.einsum('vcs,bs->bvc', self.shapedirs, shape)
        return self.v_template + shape_offsets + pose_offsets


def _forward_kinematics(
    rotations: torch.Tensor, rest_joints: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """
    Chain local rotations (B, 16, 3, 3) from the wrist outwards.

    Returns global rotations (B, 16, 3, 3) and posed joints (B, 16, 3). The five fingers are
    independent chains of three, so each of the three steps takes all of them at once.
    """
    finger_rotations = rotations[:, 1:].reshape(-1, _NUM_FINGERS, _JOINTS_PER_FINGER, 3, 3)
    finger_joints = rest_joints[:, 1:].reshape(-1, _NUM_FINGERS, _JOINTS_PER_FINGER, 3)
    rotation, rest, posed = rotations[:, :1], rest_joints[:, :1], rest_joints[:, :1]
    global_rotations, posed_joints = [], []
    for step in range(_JOINTS_PER_FINGER):
        bones = finger_joints[:, :, step] - rest
        posed = posed + (rotation @ bones[..., None])[..., 0]
        rotation = rotation @ finger_rotations[:, :, step]
        rest = finger_joints[:, :, step]
        global_rotations.append(rotation)
        posed_joints.append(posed)
    return (
        torch.cat([rotations[:, :1], torch.stack(global_rotations, 2).flatten(1, 2)], dim=1),
        torch.cat([rest_joints[:, :1], torch.stack(posed_joints, 2).flatten(1, 2)], dim=1),
    )
