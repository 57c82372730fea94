"""Keypoints as one 2D Gaussian a channel (section 3.1), made on the tensors' own device."""

from __future__ import annotations

import torch


def gaussian_heatmaps(keypoints_px: torch.Tensor, size: int, sigma_px: float) -> torch.Tensor:
    """
    Return heatmaps (B, N, size, size) of keypoints (B, N, 2) in pixels of the crop.

    Each channel is ``exp(-d^2 / 2 sigma^2)`` with d the distance from the keypoint, 1 at its top.
    The channel of an unknown (NaN) keypoint is zero.
    """
    known = ~torch.isnan(keypoints_px).any(dim=-1)
    positions = torch.where(known[..., None], keypoints_px, 0.0)
    pixels = torch.arange(size, dtype=positions.dtype, device=positions.device)
    # The Gaussian is separable: N rows and N columns, not N images, of exponentials.
    profiles = torch.exp(-0.5 * ((pixels - positions[..., None]) / sigma_px) ** 2)
    columns, rows = profiles[..., 0, :] * known[..., None], profiles[..., 1, :]
    return rows[..., :, None] * columns[..., None, :]
