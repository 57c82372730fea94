"""From crops and keypoints to the network's input; the same for training and for inference."""

from __future__ import annotations

import torch

from realhands_ros.handnet.config import HandNetConfig
from realhands_ros.handnet.landmarks import landmark_vector
from realhands_ros.handnet.network import HandNetInput
from realhands_ros.keypoints.heatmaps import gaussian_heatmaps


def network_input(
    config: HandNetConfig,
    image: torch.Tensor,
    keypoints_px: torch.Tensor,
    world: torch.Tensor,
    half_angle: torch.Tensor,
) -> HandNetInput:
    """
    Build the input of a batch of crops of right hands (or mirrored crops of left ones).

    ``image`` (B, 3, S, S): RGB in 0..1. ``keypoints_px`` (B, 21, 2): pixels of the crop, NaN where
    unknown. ``world`` (B, 21, 3): MediaPipe's world landmarks in metres in the crop's axes, NaN
    where there are none. ``half_angle`` (B,): tangent of half the angle that the crop spans.
    """
    size, heatmap_size = config.input_size, config.heatmap_size
    # Pixel centres: the first large pixel lies half a large pixel inside the edge.
    reduced_px = (keypoints_px + 0.5) * (heatmap_size / size) - 0.5
    return HandNetInput(
        image=(image - config.image_centre) / config.image_scale,
        heatmaps=gaussian_heatmaps(reduced_px, heatmap_size, config.heatmap_sigma * heatmap_size),
        landmarks=landmark_vector(to_ndc(keypoints_px, size), world, half_angle),
    )


def to_ndc(pixels: torch.Tensor, size: int) -> torch.Tensor:
    """Return crop pixels as normalised crop coordinates, -1..1 between the crop's outer edges."""
    return (2 * pixels + 1) / size - 1
