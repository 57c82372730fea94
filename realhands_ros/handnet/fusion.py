"""
Fusion of the image's and the keypoints' features (section 3.1).

After the self-supervised model adaptation block of Valada et al. (2019): a bottleneck looks at
both feature maps and weights each place and channel of them before a convolution joins them.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from realhands_ros.handnet.blocks import conv_bn
from realhands_ros.handnet.config import HandNetConfig


class ModalityFusion(nn.Module):
    """
    Two feature maps of C channels to one: 2C -> bottleneck -> 2C weights, product, -> C.

    In the ``inverted`` plan the result is added to the image's features, which are linear there:
    a tail that knows them goes on working while the fusion learns.
    """

    def __init__(self, config: HandNetConfig) -> None:
        super().__init__()
        channels = config.stage_channels[1]
        self.squeeze = nn.Conv2d(2 * channels, config.fusion_channels, 3, padding=1)
        self.weigh = nn.Conv2d(config.fusion_channels, 2 * channels, 3, padding=1)
        self.join = conv_bn(2 * channels, channels)
        self._adds = config.block == 'inverted'

    def start_neutral(self) -> None:
        """Let a fusion that adds begin by adding nothing."""
        if self._adds:
            normalisation = self.join[1]
            assert isinstance(normalisation, nn.BatchNorm2d)
            nn.init.zeros_(normalisation.weight)

    def forward(self, image: torch.Tensor, keypoints: torch.Tensor) -> torch.Tensor:
        """Fuse features (B, C, H, W) of image and keypoints into (B, C, H, W)."""
        both = torch.cat([image, keypoints], dim=1)
        weights = torch.sigmoid(self.weigh(functional.relu(self.squeeze(both))))
        joined: torch.Tensor = self.join(weights * both)
        return image + joined if self._adds else functional.relu(joined)
