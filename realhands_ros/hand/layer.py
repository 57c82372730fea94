"""
The hand model as a differentiable layer: pose, shape and translation to mesh and keypoints.

It reads any model in MANO's file layout: the open hand that comes with this package, or the real
MANO after ``realhands hand import``. For one hand at a time without autograd see fast_model.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, NamedTuple

import torch
from torch import nn

from realhands_ros.errors import ConfigError
from realhands_ros.hand.model_file import (
    HandModelData,
    default_model_folder,
    load_hand_model_data,
)
from realhands_ros.hand.skinning import LinearBlendSkinning
from realhands_ros.hand.smplx_skinning import SmplxSkinning
from realhands_ros.hand.topology import (
    FINGER_NAMES,
    KEYPOINTS_FROM_JOINTS_AND_TIPS,
    TIP_VERTEX_IDS,
    Handedness,
)

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
