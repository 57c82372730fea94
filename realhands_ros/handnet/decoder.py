"""The segmentation decoder: a U-Net's expanding half (Ronneberger et al., 2015)."""

from __future__ import annotations

import torch
from torch import nn

from realhands_ros.handnet.blocks import conv_bn
from realhands_ros.handnet.config import HandNetConfig


class UpBlock(nn.Module):
    """Twice the size: transposed convolution, the skipped features beside it, convolutions."""

    def __init__(
        self, channels_in: int, channels_skip: int, channels_out: int, convolutions: int
    ) -> None:
        super().__init__()
        self.up = nn.ConvTranspose2d(channels_in, channels_out, 2, stride=2)
        widths = [channels_out + channels_skip] + [channels_out] * convolutions
        layers: list[nn.Module] = []
        for before, after in zip(widths, widths[1:], strict=False):
            layers += [conv_bn(before, after), nn.ReLU(inplace=True)]
        self.convolutions = nn.Sequential(*layers)

    def forward(self, x: torch.Tensor, skip: torch.Tensor | None) -> torch.Tensor:
        """Return (B, channels_out, 2H, 2W) from (B, channels_in, H, W)."""
        x = self.up(x)
        if skip is not None:
            x = torch.cat([x, skip], dim=1)
        refined: torch.Tensor = self.convolutions(x)
        return refined


class SegmentationDecoder(nn.Module):
    """
    Features to one logit a pixel, that it is hand.

    The coarse skips come from fused features, the fine ones from the image alone, which knows
    more about outlines (section 3.1).
    """

    def __init__(self, config: HandNetConfig) -> None:
        super().__init__()
        down1, (down2, down3, down4, down5) = config.stem_channels, config.stage_channels
        inputs = (down5, *config.decoder_channels)
        skips = (down4, down3, down2, down1, 0)
        self.ups = nn.ModuleList(
            UpBlock(channels_in, skip, channels_out, config.decoder_convolutions)
            for channels_in, skip, channels_out in zip(
                inputs, skips, config.decoder_channels, strict=False
            )
        )
        self.classify = nn.Conv2d(config.decoder_channels[-1], 1, 1)

    def forward(
        self,
        down5: torch.Tensor,
        down4: torch.Tensor,
        fused: torch.Tensor,
        image_down2: torch.Tensor,
        image_down1: torch.Tensor,
    ) -> torch.Tensor:
        """Return logits (B, 1, S, S)."""
        x = down5
        for up, skip in zip(self.ups, (down4, fused, image_down2, image_down1, None), strict=True):
            x = up(x, skip)
        logits: torch.Tensor = self.classify(x)
        return logits
