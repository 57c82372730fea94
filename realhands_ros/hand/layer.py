"""The hand model as a differentiable layer: pose, shape and translation to mesh and keypoints."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from realhands_ros.data.topology import (
    FINGER_NAMES,
    KEYPOINTS_FROM_JOINTS_AND_TIPS,
    NUM_JOINTS,
    NUM_VERTICES,
    TIP_VERTEX_IDS,
    Handedness,
)
from realhands_ros.errors import ConfigError, ModelFileError
from realhands_ros.geometry.tensor_rotations import axis_angle_to_matrix_torch
from realhands_ros.hand.model_file import (
    HandModelData,
    default_model_folder,
    load_hand_model_data,
)

# Shape and pose blend shapes, joints and linear blend skinning as batched tensor operations.
#
# The forward pass of MANO (Romero et al., "Embodied Hands", 2017, eq. 1 to 4, after SMPL).

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


# The same numbers through ``smplx.MANO``, for comparison with the reference implementation.
#
# smplx is an extra of this package and never the default: its licence allows non-commercial use
# only, while this package is under Apache-2.0.


class SmplxSkinning(nn.Module):
    """Pose (relative to the flat hand) and shape to vertices and joints, computed by smplx."""

    def __init__(self, data: HandModelData, *, dtype: torch.dtype = torch.float32) -> None:
        """Hand the model's arrays to smplx; raise ModelFileError when it is not installed."""
        super().__init__()
        try:
            import smplx
            from smplx.utils import Struct
        except ImportError as error:
            message = (
                "backend='smplx' needs the package smplx (non-commercial licence): "
                'pip install smplx, or leave the backend at its default'
            )
            raise ModelFileError(message) from error
        structure = Struct(
            v_template=data.v_template,
            shapedirs=data.shapedirs,
            posedirs=data.posedirs,
            J_regressor=data.joint_regressor,
            weights=data.skin_weights,
            kintree_table=data.parents[None],
            f=data.faces,
            hands_mean=data.hands_mean,
            hands_components=data.hands_components,
        )
        # Without parameters of its own, so that no optimiser of a network that holds it finds any.
        self.mano = smplx.MANO(
            model_path='',
            data_struct=structure,
            is_rhand=data.handedness == 'right',
            use_pca=False,
            flat_hand_mean=True,
            create_betas=False,
            create_global_orient=False,
            create_hand_pose=False,
            create_transl=False,
            create_body_pose=False,
            dtype=dtype,
        )

    def forward(
        self, pose_aa: torch.Tensor, shape: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return vertices (B, 778, 3) and joints (B, 16, 3) in metres, as LinearBlendSkinning."""
        output = self.mano(betas=shape, global_orient=pose_aa[:, :3], hand_pose=pose_aa[:, 3:])
        return output.vertices, output.joints


# The hand model as a differentiable layer: pose, shape and translation to mesh and keypoints.
#
# It reads any model in MANO's file layout: the open hand that comes with this package, or the real
# MANO after ``realhands hand import``. For one hand at a time without autograd see fast_model.

Backend = Literal['realhands', 'smplx']
PoseReference = Literal['flat', 'mean']

_BACKENDS: dict[str, type[LinearBlendSkinning] | type[SmplxSkinning]] = {
    'realhands': LinearBlendSkinning,
    'smplx': SmplxSkinning,
}


class HandOutput(NamedTuple):
    """
    One batch of posed hands, metres.

    ``vertices`` (B, 778, 3); ``joints`` (B, 16, 3) in MANO's order; ``keypoints`` (B, 21, 3) in
    MediaPipe's order, the fingertips being vertices.
    """

    vertices: torch.Tensor
    joints: torch.Tensor
    keypoints: torch.Tensor


class HandModel(nn.Module):
    """
    Differentiable hand model.

    ``backend='smplx'`` computes the same through ``smplx.MANO``. It exists for comparison: smplx
    is not installed by default, since its licence allows non-commercial use only while this
    package is under Apache-2.0.
    """

    faces: torch.Tensor
    mean_pose: torch.Tensor

    def __init__(
        self,
        data: HandModelData,
        *,
        backend: Backend = 'realhands',
        dtype: torch.dtype = torch.float32,
    ) -> None:
        """
        Build the layer from a model's arrays.

        Raises ConfigError for an unknown backend and ModelFileError when smplx is asked for but
        not installed.
        """
        super().__init__()
        if backend not in _BACKENDS:
            message = f'unknown backend {backend!r}; use one of {", ".join(_BACKENDS)}'
            raise ConfigError(message)
        self.data = data
        self.skinning = _BACKENDS[backend](data, dtype=dtype)
        # Not persistent, for the reason given in LinearBlendSkinning.
        self.register_buffer('faces', torch.tensor(data.faces), persistent=False)
        mean_pose = torch.zeros(3 + len(data.hands_mean), dtype=dtype)
        mean_pose[3:] = torch.tensor(data.hands_mean, dtype=dtype)
        self.register_buffer('mean_pose', mean_pose, persistent=False)
        self._tip_ids = [TIP_VERTEX_IDS[finger] for finger in FINGER_NAMES]
        self._keypoint_order = list(KEYPOINTS_FROM_JOINTS_AND_TIPS)

    @classmethod
    def load(
        cls,
        folder: Path | str | None = None,
        *,
        handedness: Handedness = 'right',
        backend: Backend = 'realhands',
        dtype: torch.dtype = torch.float32,
    ) -> HandModel:
        """
        Read the model of a folder; without one, the open hand.

        Raises ModelFileError when there is no such model or it is damaged.
        """
        data = load_hand_model_data(folder or default_model_folder(), handedness)
        return cls(data, backend=backend, dtype=dtype)

    @property
    def handedness(self) -> Handedness:
        """Return which hand this is."""
        return self.data.handedness

    def forward(
        self,
        pose_aa: torch.Tensor,
        shape: torch.Tensor,
        translation: torch.Tensor | None = None,
        vertex_offsets: torch.Tensor | None = None,
        *,
        relative_to: PoseReference = 'flat',
    ) -> HandOutput:
        """
        Pose a batch of hands.

        ``pose_aa`` (B, 48): axis-angle of the 16 joints, radians, root first. With ``relative_to``
        'flat' zero is the flat hand; with 'mean' the model's mean finger pose is added first, as
        FreiHAND's annotations have it.
        ``shape`` (B, 10): shape coefficients.
        ``translation`` (B, 3): metres, added last. The root turns about joint 0, so the wrist ends
        at its rest position (which depends on the shape) plus the translation.
        ``vertex_offsets`` (B, 778, 3): metres, added to the posed vertices (paper, eq. 1) and so
        moving the fingertip keypoints but no joint.
        """
        if relative_to == 'mean':
            pose_aa = pose_aa + self.mean_pose
        elif relative_to != 'flat':
            message = f"relative_to is {relative_to!r}; it must be 'flat' or 'mean'"
            raise ConfigError(message)
        vertices, joints = self.skinning(pose_aa, shape)
        if vertex_offsets is not None:
            vertices = vertices + vertex_offsets
        if translation is not None:
            vertices = vertices + translation[:, None]
            joints = joints + translation[:, None]
        return HandOutput(vertices, joints, self.keypoints(vertices, joints))

    def keypoints(self, vertices: torch.Tensor, joints: torch.Tensor) -> torch.Tensor:
        """Return the 21 keypoints (B, 21, 3) of vertices (B, 778, 3) and joints (B, 16, 3)."""
        joints_and_tips = torch.cat([joints, vertices[:, self._tip_ids]], dim=1)
        return joints_and_tips[:, self._keypoint_order]
