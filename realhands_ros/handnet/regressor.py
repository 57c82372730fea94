"""From features to the hand's parameters: two fully connected layers and three heads."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional

from realhands_ros.data.topology import NUM_SHAPE
from realhands_ros.handnet.config import HandNetConfig
from realhands_ros.handnet.landmarks import NUM_LANDMARK_NUMBERS
from realhands_ros.handnet.pose_representation import POSE_CODES, HandRotations

# Scale of a hand that fills a crop with the usual margin, in normalised crop units per metre.
TYPICAL_SCALE = 8.0

_NEAREST_M = 0.05


class WeakCamera(NamedTuple):
    """
    The regressed camera of a batch of crops.

    A point X relative to the reference keypoint, metres in the crop's axes, appears at
    ``scale X_xy + centre`` in normalised crop coordinates. ``scale`` (B,) is in 1/m, ``centre``
    (B, 2). In the terms of geometry/weak_perspective: s = scale, (tx, ty) = centre / scale.
    """

    scale: torch.Tensor
    centre: torch.Tensor

    def project(self, points: torch.Tensor) -> torch.Tensor:
        """Project points (B, N, 3) to (B, N, 2) with weak perspective."""
        return self.scale[:, None, None] * points[..., :2] + self.centre[:, None]

    def project_through(
        self, points: torch.Tensor, projection: torch.Tensor, half_angle: torch.Tensor
    ) -> torch.Tensor:
        """
        Project points (B, N, 3) to (B, N, 2) with the crop's true perspective.

        ``projection`` (B, 3, 3) takes points in the crop's axes, relative to the camera's centre,
        to homogeneous normalised crop coordinates. The reference keypoint is seen at ``centre``,
        at the distance ``1 / (half_angle scale)``; ``half_angle`` (B,) as in inputs.network_input.
        """
        pixel = torch.cat([self.centre, torch.ones_like(self.centre[:, :1])], dim=1)
        ray = functional.normalize(torch.linalg.solve(projection, pixel), dim=1)
        reference = ray / (half_angle * self.scale)[:, None]
        homogeneous = (points + reference[:, None]) @ projection.transpose(1, 2)
        # A hand that comes to lie beside or behind the camera must not divide by zero.
        return homogeneous[..., :2] / homogeneous[..., 2:].clamp(min=_NEAREST_M)


class Regression(NamedTuple):
    """
    What the regressor says about each of B crops.

    ``pose_code`` (B, P) numbers as pose_representation has them and the ``rotations`` they stand
    for; ``shape`` (B, 10); ``camera``; ``base`` (B, C): the features that it was all read from.
    """

    pose_code: torch.Tensor
    rotations: HandRotations
    shape: torch.Tensor
    camera: WeakCamera
    base: torch.Tensor


class HandRegressor(nn.Module):
    """Pooled encoder features (and landmark numbers) to pose, shape and camera."""

    def __init__(self, config: HandNetConfig) -> None:
        super().__init__()
        hidden, base = config.base_channels
        self._code = POSE_CODES[config.pose_representation]
        self.landmarks = (
            _landmark_branch(config.landmark_channels) if config.landmark_channels else None
        )
        self.hidden = nn.Linear(config.stage_channels[-1] + config.landmark_channels, hidden)
        self.base = nn.Linear(hidden, base)
        self.pose = nn.Linear(base, self._code.channels)
        self.shape = nn.Linear(base, NUM_SHAPE)
        self.camera = nn.Linear(base, 3)
        self._initialise_heads()

    def forward(self, features: torch.Tensor, landmarks: torch.Tensor) -> Regression:
        """Regress from pooled features (B, C) and landmark vectors (B, 128)."""
        if self.landmarks is not None:
            features = torch.cat([features, self.landmarks(landmarks)], dim=1)
        base = functional.relu(self.base(functional.relu(self.hidden(features))))
        code, shape, camera = self.pose(base), self.shape(base), self.camera(base)
        return Regression(
            pose_code=code,
            rotations=self._code.decode(code),
            shape=shape,
            camera=WeakCamera(TYPICAL_SCALE * torch.exp(camera[:, 0]), camera[:, 1:]),
            base=base,
        )

    def _initialise_heads(self) -> None:
        """Let training start near the flat hand, facing the camera with its back."""
        for head in (self.pose, self.shape, self.camera):
            nn.init.normal_(head.weight, std=1e-2)
            nn.init.zeros_(head.bias)
        flat = HandRotations(torch.eye(3)[None], torch.zeros(1, 45))
        with torch.no_grad():
            self.pose.bias.copy_(self._code.encode(flat, torch.zeros(1, 3))[0])


def _landmark_branch(channels: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(NUM_LANDMARK_NUMBERS, 2 * channels),
        nn.ReLU(),
        nn.Linear(2 * channels, channels),
        nn.ReLU(),
    )
