"""
The encoder, cut after its second stage into a head for each modality and one tail.

Two plans: a residual network with any widths, as the paper has it, and the one of MediaPipe's hand
landmark network, EfficientNet-Lite0 (block kind ``inverted``), whose weights an image head and a
tail of this plan can start from (training/pretrained.py).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional

from realhands_ros.data.topology import NUM_KEYPOINTS
from realhands_ros.handnet.blocks import (
    InvertedResidual,
    ResidualBlock,
    SameConv,
    conv_bn,
    residual_stage,
)
from realhands_ros.handnet.config import HandNetConfig

# EfficientNet-Lite0 (Tan and Le, "EfficientNet", 2019), as MediaPipe's landmark network has it:
# widths that the configuration does not name.
_STEM_WIDTH = 24
_DOWN4_WIDTH = 80
_EXPANSION = 6


class HeadFeatures(NamedTuple):
    """A head's features at a half, a quarter and an eighth of the input size."""

    down1: torch.Tensor
    down2: torch.Tensor
    down3: torch.Tensor


class TailFeatures(NamedTuple):
    """
    The tail's features at 1/16 and 1/32 of the input size, and their mean over the crop.

    ``pooled`` (B, config.pooled_channels) is what the regressor reads.
    """

    down4: torch.Tensor
    down5: torch.Tensor
    pooled: torch.Tensor


class EncoderHead(nn.Module):
    """Down1 to Down3 for one modality."""

    def __init__(self, config: HandNetConfig, channels_in: int) -> None:
        super().__init__()
        stem, (first, second, *_), blocks = (
            config.stem_channels,
            config.stage_channels,
            config.stage_blocks,
        )
        self.down1 = conv_bn(channels_in, stem, kernel=7, stride=2)
        self.down2 = residual_stage(config.block, stem, first, blocks[0], stride=1)
        self.down3 = residual_stage(config.block, first, second, blocks[1], stride=2)

    def forward(self, x: torch.Tensor) -> HeadFeatures:
        """Encode (B, channels_in, S, S)."""
        down1 = functional.relu(self.down1(x))
        down2 = self.down2(functional.max_pool2d(down1, 3, stride=2, padding=1))
        return HeadFeatures(down1, down2, self.down3(down2))


class EncoderTail(nn.Module):
    """Down4 and Down5, on fused features or on those of one head."""

    def __init__(self, config: HandNetConfig) -> None:
        super().__init__()
        _, second, third, fourth = config.stage_channels
        self.down4 = residual_stage(config.block, second, third, config.stage_blocks[2], stride=2)
        self.down5 = residual_stage(config.block, third, fourth, config.stage_blocks[3], stride=2)

    def forward(self, x: torch.Tensor) -> TailFeatures:
        """Encode (B, C, S/8, S/8)."""
        down4 = self.down4(x)
        down5 = self.down5(down4)
        return TailFeatures(down4, down5, functional.adaptive_avg_pool2d(down5, 1).flatten(1))


class InvertedImageHead(nn.Module):
    """Down1 to Down3 of EfficientNet-Lite0 for RGB images (B, 3, S, S) in 0..1."""

    def __init__(self, config: HandNetConfig) -> None:
        super().__init__()
        stem, (first, second, *_) = config.stem_channels, config.stage_channels
        self.stem = SameConv(3, _STEM_WIDTH, 3, stride=2)
        self.depthwise = SameConv(_STEM_WIDTH, _STEM_WIDTH, 3, groups=_STEM_WIDTH)
        self.project = SameConv(_STEM_WIDTH, stem, 1)
        self.down2 = nn.Sequential(
            InvertedResidual(stem, 4 * stem, first, 3, stride=2),
            InvertedResidual(first, _EXPANSION * first, first, 3),
        )
        self.down3 = nn.Sequential(
            InvertedResidual(first, _EXPANSION * first, second, 5, stride=2),
            InvertedResidual(second, _EXPANSION * second, second, 5),
        )

    def forward(self, x: torch.Tensor) -> HeadFeatures:
        """Encode (B, 3, S, S)."""
        x = functional.relu6(self.depthwise(functional.relu6(self.stem(x))))
        down1 = self.project(x)
        down2 = self.down2(down1)
        return HeadFeatures(down1, down2, self.down3(down2))


class HeatmapHead(nn.Module):
    """Down3 of heatmaps that are given at a quarter of the input size, where Down2 would be."""

    def __init__(self, config: HandNetConfig) -> None:
        super().__init__()
        _, second, *_ = config.stage_channels
        self.down3 = nn.Sequential(
            ResidualBlock('basic', NUM_KEYPOINTS, second, stride=2),
            ResidualBlock('basic', second, second),
        )

    def forward(self, x: torch.Tensor) -> HeadFeatures:
        """Encode (B, 21, S/4, S/4)."""
        return HeadFeatures(x, x, self.down3(x))


class InvertedTail(nn.Module):
    """Down4 and Down5 of EfficientNet-Lite0, and the wide features that are averaged."""

    def __init__(self, config: HandNetConfig) -> None:
        super().__init__()
        _, second, third, fourth = config.stage_channels
        between = _DOWN4_WIDTH
        self.down4 = nn.Sequential(
            InvertedResidual(second, _EXPANSION * second, between, 3, stride=2),
            InvertedResidual(between, _EXPANSION * between, between, 3),
            InvertedResidual(between, _EXPANSION * between, between, 3),
            InvertedResidual(between, _EXPANSION * between, third, 5),
            InvertedResidual(third, _EXPANSION * third, third, 5),
            InvertedResidual(third, _EXPANSION * third, third, 5),
        )
        self.down5 = nn.Sequential(
            InvertedResidual(third, _EXPANSION * third, fourth, 5, stride=2),
            *(InvertedResidual(fourth, _EXPANSION * fourth, fourth, 5) for _ in range(3)),
        )
        wide = config.pooled_channels
        self.expand = SameConv(fourth, wide, 1)
        self.depthwise = SameConv(wide, wide, 3, groups=wide)

    def forward(self, x: torch.Tensor) -> TailFeatures:
        """Encode (B, C, S/8, S/8)."""
        down4 = self.down4(x)
        down5 = self.down5(down4)
        wide = functional.relu6(self.depthwise(functional.relu6(self.expand(down5))))
        return TailFeatures(down4, down5, wide.mean((2, 3)))


def image_head(config: HandNetConfig) -> EncoderHead | InvertedImageHead:
    """Return the image's head in the configuration's plan."""
    return InvertedImageHead(config) if config.block == 'inverted' else EncoderHead(config, 3)


def keypoint_head(config: HandNetConfig) -> EncoderHead | HeatmapHead:
    """Return the heatmaps' head in the configuration's plan."""
    if config.block == 'inverted':
        return HeatmapHead(config)
    return EncoderHead(config, NUM_KEYPOINTS)


def encoder_tail(config: HandNetConfig) -> EncoderTail | InvertedTail:
    """Return the shared tail in the configuration's plan."""
    return InvertedTail(config) if config.block == 'inverted' else EncoderTail(config)
