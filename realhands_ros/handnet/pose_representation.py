"""
How the regressed numbers stand for the hand's 16 rotations.

``axis_angle`` is the paper's: 48 numbers, compared as they are. ``root_6d`` writes the root's
rotation, which turns all the way round, as the first two columns of its matrix (Zhou et al., "On
the continuity of rotation representations in neural networks", 2019); finger joints bend far less
than half a turn and stay axis-angle.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import roma
import torch

from realhands_ros.data.topology import NUM_POSE
from realhands_ros.geometry.tensor_rotations import axis_angle_to_matrix_torch
from realhands_ros.handnet import config

_SHORTEST_COLUMN = 1e-6


class HandRotations(NamedTuple):
    """
    The rotations of a batch of hands.

    ``root`` (B, 3, 3) is the wrist's matrix; ``fingers_aa`` (B, 45) the other joints' axis-angle
    vectors in radians, relative to the flat hand.
    """

    root: torch.Tensor
    fingers_aa: torch.Tensor


class PoseCode(Protocol):
    """A way to write rotations as numbers: ``channels`` of them for a hand."""

    channels: int

    def encode(self, rotations: HandRotations, root_aa: torch.Tensor) -> torch.Tensor:
        """Return the numbers (B, channels); ``root_aa`` (B, 3) is the root as axis-angle."""
        ...

    def decode(self, code: torch.Tensor) -> HandRotations:
        """Return the rotations of (B, channels) regressed numbers."""
        ...


class AxisAngleCode:
    """48 axis-angle numbers."""

    channels = NUM_POSE

    def encode(self, rotations: HandRotations, root_aa: torch.Tensor) -> torch.Tensor:
        """Return (B, 48)."""
        return torch.cat([root_aa, rotations.fingers_aa], dim=1)

    def decode(self, code: torch.Tensor) -> HandRotations:
        """Return the rotations of (B, 48)."""
        return HandRotations(axis_angle_to_matrix_torch(code[:, :3]), code[:, 3:])


class RootSixDCode:
    """Two columns of the root's matrix and 45 axis-angle numbers."""

    channels = NUM_POSE + 3

    def encode(self, rotations: HandRotations, root_aa: torch.Tensor) -> torch.Tensor:
        """Return (B, 51)."""
        columns = rotations.root[:, :, :2].transpose(1, 2).flatten(1)
        return torch.cat([columns, rotations.fingers_aa], dim=1)

    def decode(self, code: torch.Tensor) -> HandRotations:
        """Return the rotations of (B, 51): Gram-Schmidt on the two columns."""
        columns = code[:, :6].reshape(-1, 2, 3).transpose(1, 2)
        root = roma.special_gramschmidt(columns, epsilon=_SHORTEST_COLUMN)
        return HandRotations(root, code[:, 6:])


POSE_CODES: dict[config.PoseRepresentation, PoseCode] = {
    'axis_angle': AxisAngleCode(),
    'root_6d': RootSixDCode(),
}
