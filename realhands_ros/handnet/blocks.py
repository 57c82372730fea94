"""
The blocks that encoders are made of.

Residual blocks: He et al., "Deep residual learning for image recognition", 2016. Inverted residual
blocks: Sandler et al., "MobileNetV2: inverted residuals and linear bottlenecks", 2018.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from realhands_ros.handnet.config import BlockKind

# A bottleneck's output is this many times wider than its middle.
_EXPANSION = 4


def conv_bn(
    channels_in: int, channels_out: int, kernel: int = 3, stride: int = 1
) -> nn.Sequential:
    """Return a convolution that keeps the size but for its stride, and batch normalisation."""
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, kernel, stride, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(channels_out),
    )


class ResidualBlock(nn.Module):
    """Convolutions beside a short cut; ``basic``: 3x3, 3x3; ``bottleneck``: 1x1, 3x3, 1x1."""

    def __init__(
        self, kind: BlockKind, channels_in: int, channels_out: int, stride: int = 1
    ) -> None:
        super().__init__()
        if kind == 'basic':
            self.convolutions = nn.ModuleList([
                conv_bn(channels_in, channels_out, 3, stride),
                conv_bn(channels_out, channels_out),
            ])  # fmt: skip
        else:
            # The stride is in the 3x3 convolution, as everyone has it since torchvision.
            middle = channels_out // _EXPANSION
            self.convolutions = nn.ModuleList([
                conv_bn(channels_in, middle, 1),
                conv_bn(middle, middle, 3, stride),
                conv_bn(middle, channels_out, 1),
            ])  # fmt: skip
        keeps_shape = stride == 1 and channels_in == channels_out
        self.shortcut = (
            nn.Identity() if keeps_shape else conv_bn(channels_in, channels_out, 1, stride)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return (B, channels_out, H / stride, W / stride)."""
        shortcut = self.shortcut(x)
        *first, last = self.convolutions
        for convolution in first:
            x = functional.relu(convolution(x))
        return functional.relu(last(x) + shortcut)


def residual_stage(
    kind: BlockKind, channels_in: int, channels_out: int, blocks: int, stride: int
) -> nn.Sequential:
    """Return ``blocks`` residual blocks, the first with the stride."""
    first = ResidualBlock(kind, channels_in, channels_out, stride)
    rest = [ResidualBlock(kind, channels_out, channels_out) for _ in range(blocks - 1)]
    return nn.Sequential(first, *rest)


class SameConv(nn.Conv2d):
    """
    A convolution with a bias, padded as TensorFlow's SAME pads: the odd pixel to the right.

    PyTorch's symmetric padding would shift every strided layer by half a pixel against the
    weights of a network that was trained in TensorFlow.
    """

    def __init__(
        self, channels_in: int, channels_out: int, kernel: int, stride: int = 1, groups: int = 1
    ) -> None:
        super().__init__(channels_in, channels_out, kernel, stride, groups=groups)
        self._before = (kernel - stride) // 2
        self._after = kernel - stride - self._before

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return (B, channels_out, H / stride, W / stride); H and W divisible by the stride."""
        if self._after > 0:
            before, after = self._before, self._after
            x = functional.pad(x, (before, after, before, after))
        return super().forward(x)


class InvertedResidual(nn.Module):
    """
    A wide depthwise convolution between two narrow ends, the last one linear.

    Batch normalisation is part of the convolutions' weights and biases.
    """

    def __init__(
        self, channels_in: int, expanded: int, channels_out: int, kernel: int, stride: int = 1
    ) -> None:
        super().__init__()
        self.expand = SameConv(channels_in, expanded, 1)
        self.depthwise = SameConv(expanded, expanded, kernel, stride, groups=expanded)
        self.project = SameConv(expanded, channels_out, 1)
        self._keeps_shape = stride == 1 and channels_in == channels_out

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return (B, channels_out, H / stride, W / stride)."""
        wide = functional.relu6(self.depthwise(functional.relu6(self.expand(x))))
        narrow: torch.Tensor = self.project(wide)
        return x + narrow if self._keeps_shape else narrow


def initialise(module: nn.Module) -> None:
    """Initialise all convolutions below ``module`` for ReLU (He et al., 2015)."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.kaiming_normal_(layer.weight, mode='fan_out', nonlinearity='relu')
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
