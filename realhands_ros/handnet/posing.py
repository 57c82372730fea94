"""From rotations and shape to a mesh, as tensors, for training."""

from __future__ import annotations

from typing import NamedTuple

import torch

from realhands_ros.hand.layer import HandModel
from realhands_ros.handnet.config import REFERENCE_KEYPOINT
from realhands_ros.handnet.pose_representation import HandRotations


class PosedHand(NamedTuple):
    """Vertices (B, 778, 3) and keypoints (B, 21, 3) relative to the reference keypoint, metres."""

    vertices: torch.Tensor
    keypoints: torch.Tensor


def pose_hand(model: HandModel, rotations: HandRotations, shape: torch.Tensor) -> PosedHand:
    """
    Pose a batch of hands; ``shape`` (B, 10).

    The root turns the finished hand, so that its matrix need not become an axis-angle vector.
    """
    fingers = rotations.fingers_aa
    posed = model(torch.cat([torch.zeros_like(fingers[:, :3]), fingers], dim=1), shape)
    reference = posed.keypoints[:, REFERENCE_KEYPOINT : REFERENCE_KEYPOINT + 1]
    turn = rotations.root.transpose(1, 2)
    return PosedHand((posed.vertices - reference) @ turn, (posed.keypoints - reference) @ turn)
