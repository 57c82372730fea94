"""The residual network, cut after its second stage into a head for each modality and one tail."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional

from realhands_ros.handnet.blocks import conv_bn, residual_stage
from realhands_ros.handnet.config import HandNetConfig


class HeadFeatures(NamedTuple):
    """A head's features at a half, a quarter and an eighth of the input size."""

    down1: torch.Tensor
    down2: torch.Tensor
    down3: torch.Tensor


class TailFeatures(NamedTuple):
    """The tail's features at 1/16 and 1/32 of the input size."""

    down4: torch.Tensor
    down5: torch.Tensor


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
        return TailFeatures(down4, self.down5(down4))
