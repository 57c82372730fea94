"""
The same numbers through ``smplx.MANO``, for comparison with the reference implementation.

smplx is an extra of this package and never the default: its licence allows non-commercial use
only, while this package is under Apache-2.0.
"""

from __future__ import annotations

import torch
from torch import nn

from realhands_ros.errors import ModelFileError
from realhands_ros.hand.model_file import HandModelData


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
