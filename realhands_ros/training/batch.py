"""A training batch: crops and targets of B hands in V views, as tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from realhands_ros.handnet.pose_representation import HandRotations


class TrainingBatch(NamedTuple):
    """
    N = B * V crops; views of one hand follow each other, the left one first.

    Everything is that of a right hand: left ones are mirrored, and with them their rig.

    ``image`` (N, S, S, 3) uint8 RGB; ``mask`` (N, S, S) uint8, 255 where the hand is, 128 where
    that is unknown; ``has_mask`` (N,) bool.
    ``keypoints_px`` (N, 21, 2) detected, pixels of the crop, NaN where unknown; ``world``
    (N, 21, 3) metres in the crop's axes, NaN where unknown.
    Targets: ``root`` (N, 3, 3) and ``root_aa`` (N, 3) in the crop's axes; ``fingers_aa`` (N, 45);
    ``shape`` (N, 10) and ``has_shape`` (N,) bool; ``keypoints_ndc`` (N, 21, 2) in normalised crop
    coordinates; ``pose_weight`` (N,) what pose and keypoints count; ``is_metric`` (N,) bool: size
    and distance are known; ``keypoints`` (N, 21, 3) in the crop's axes relative to the reference
    keypoint, metres; ``scale`` (N,) of the weak-perspective camera, 1/m.
    Of the crop's camera: ``half_angle`` (N,), tangent of half the crop's angle; ``projection``
    (N, 3, 3), from the crop's axes to homogeneous normalised crop coordinates; ``to_rig``
    (N, 3, 3), from the crop's axes to the rig's.
    ``pooled`` (N, C): what a frozen image head and tail make of the image, in place of an image
    (feature_cache.py); None where the image is there.
    """

    image: torch.Tensor
    mask: torch.Tensor
    has_mask: torch.Tensor
    keypoints_px: torch.Tensor
    world: torch.Tensor
    root: torch.Tensor
    root_aa: torch.Tensor
    fingers_aa: torch.Tensor
    shape: torch.Tensor
    has_shape: torch.Tensor
    keypoints_ndc: torch.Tensor
    keypoints: torch.Tensor
    pose_weight: torch.Tensor
    is_metric: torch.Tensor
    scale: torch.Tensor
    half_angle: torch.Tensor
    projection: torch.Tensor
    to_rig: torch.Tensor
    pooled: torch.Tensor | None = None

    @property
    def rotations(self) -> HandRotations:
        """Return the true rotations."""
        return HandRotations(self.root, self.fingers_aa)

    def to(self, device: torch.device) -> TrainingBatch:
        """Return the batch on a device."""
        moved = {
            name: tensor.to(device, non_blocking=True)
            for name, tensor in self._asdict().items()
            if tensor is not None
        }
        return TrainingBatch(**moved)

    @classmethod
    def stack(cls, rows: Sequence[dict[str, NDArray[np.generic]]]) -> TrainingBatch:
        """Stack the fields of N views."""
        return cls(*(_stacked([row[name] for row in rows]) for name in cls._fields[:-1]))


def _stacked(values: Sequence[NDArray[np.generic]]) -> torch.Tensor:
    stacked = np.stack(values)
    if stacked.dtype.kind == 'f':
        stacked = stacked.astype(np.float32)
    return torch.from_numpy(stacked)
