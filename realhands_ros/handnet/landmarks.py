"""
What the network's landmark branch reads: keypoints as plain numbers, and the crop's angle.

Beyond the paper, whose network sees keypoints as heatmaps only. Numbers keep what heatmaps blur,
and MediaPipe's world landmarks (a 3D guess of its own, relative to the hand) have no place in an
image at all. Nor does the angle that the crop spans, which says how strong perspective is: a near
hand looks different from a far one.
"""

from __future__ import annotations

import torch

from realhands_ros.data.topology import NUM_KEYPOINTS

# Keypoints' positions, which of them are known, world landmarks, whether those are known, angle.
NUM_LANDMARK_NUMBERS = NUM_KEYPOINTS * (2 + 1 + 3) + 2

# World landmarks in metres become numbers of order one.
_METRES = 0.1
_TYPICAL_HALF_ANGLE = 0.3


def landmark_vector(
    keypoints_ndc: torch.Tensor, world: torch.Tensor, half_angle: torch.Tensor
) -> torch.Tensor:
    """
    Return what the landmark branch reads, (B, 128).

    ``keypoints_ndc`` (B, 21, 2): keypoints in normalised crop coordinates (-1..1), NaN where
    unknown. ``world`` (B, 21, 3): MediaPipe's world landmarks in metres in the crop's axes, all
    NaN where there are none; they are made relative to their mean. ``half_angle`` (B,): tangent of
    half the angle that the crop spans.
    """
    known = ~torch.isnan(keypoints_ndc).any(dim=2)
    has_world = ~torch.isnan(world).flatten(1).any(dim=1, keepdim=True)
    centred = (world - world.mean(dim=1, keepdim=True)) / _METRES
    return torch.cat(
        [
            torch.where(known[..., None], keypoints_ndc, 0.0).flatten(1),
            known.to(world.dtype),
            torch.where(has_world, centred.flatten(1), 0.0),
            has_world.to(world.dtype),
            half_angle[:, None] / _TYPICAL_HALF_ANGLE,
        ],
        dim=1,
    )
