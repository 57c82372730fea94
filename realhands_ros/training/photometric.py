"""Changes to the look of a batch of crops, on the device that trains."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.nn import functional

from realhands_ros.training.jpeg import jpeg_loss
from realhands_ros.training.occlusion import cut_by_border, paste_occluders

_LUMINANCE = (0.299, 0.587, 0.114)
_BLUR_TAPS = 9


@dataclass(frozen=True)
class PhotometricConfig:
    """
    How much images vary; shares are of the images in a batch.

    ``gain``, ``channel_gain`` and ``gamma``: spread of the logarithm of exposure, white balance
    and tone curve. ``saturation``: half the range of the factor on colour. ``grey``: share without
    colour. ``blur_px``: largest standard deviation at a crop of 128 pixels. ``noise``: largest
    standard deviation. ``quality``: range of JPEG's.
    """

    occluder_share: float = 0.3
    border_share: float = 0.1
    gain: float = 0.25
    channel_gain: float = 0.07
    gamma: float = 0.2
    saturation: float = 0.5
    grey: float = 0.03
    blur_share: float = 0.35
    blur_px: float = 1.6
    noise_share: float = 0.5
    noise: float = 0.06
    jpeg_share: float = 0.3
    quality: tuple[float, float] = (20.0, 90.0)


def vary_looks(
    images: torch.Tensor,
    masks: torch.Tensor,
    config: PhotometricConfig,
    generator: torch.Generator,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return varied images (B, 3, S, S), RGB in 0..1, and their masks (B, S, S)."""
    images, masks = paste_occluders(images, masks, config.occluder_share, generator)
    images = _colours(images, config, generator)
    for share, change in (
        (config.blur_share, _blurred),
        (config.noise_share, _noisy),
        (config.jpeg_share, _compressed),
    ):
        chosen = _chosen(images, share, generator)
        if len(chosen):
            images = images.index_copy(0, chosen, change(images[chosen], config, generator))
    return cut_by_border(images, masks, config.border_share, generator)


def _chosen(images: torch.Tensor, share: float, generator: torch.Generator) -> torch.Tensor:
    drawn = torch.rand(len(images), generator=generator, device=images.device)
    return torch.nonzero(drawn < share)[:, 0]


def _colours(
    images: torch.Tensor, config: PhotometricConfig, generator: torch.Generator
) -> torch.Tensor:
    count = len(images)

    def normal(channels: int) -> torch.Tensor:
        return torch.randn(count, channels, 1, 1, generator=generator, device=images.device)

    def uniform() -> torch.Tensor:
        return torch.rand(count, 1, 1, 1, generator=generator, device=images.device)

    gain = torch.exp(config.gain * normal(1) + config.channel_gain * normal(3))
    images = (images * gain).clamp(1e-4, 1.0) ** torch.exp(config.gamma * normal(1))
    weights = images.new_tensor(_LUMINANCE)[:, None, None]
    grey = (images * weights).sum(1, keepdim=True)
    saturation = 1 + config.saturation * (2 * uniform() - 1)
    saturation = torch.where(uniform() < config.grey, 0.0, saturation)
    return (grey + saturation * (images - grey)).clamp(0.0, 1.0)


def _blurred(
    images: torch.Tensor, config: PhotometricConfig, generator: torch.Generator
) -> torch.Tensor:
    count, channels, size, _ = images.shape
    sigma = 0.3 + config.blur_px * size / 128 * torch.rand(
        count, 1, generator=generator, device=images.device
    )
    taps = torch.arange(_BLUR_TAPS, device=images.device) - _BLUR_TAPS // 2
    kernel = torch.softmax(-0.5 * (taps / sigma) ** 2, dim=1)
    kernel = kernel.repeat_interleave(channels, dim=0)[:, None]
    flat = images.reshape(1, count * channels, size, size)
    groups, half = count * channels, _BLUR_TAPS // 2
    flat = functional.pad(flat, (half, half, half, half), mode='replicate')
    flat = functional.conv2d(flat, kernel[:, :, None, :], groups=groups)
    flat = functional.conv2d(flat, kernel[:, :, :, None], groups=groups)
    return flat.reshape(count, channels, size, size)


def _noisy(
    images: torch.Tensor, config: PhotometricConfig, generator: torch.Generator
) -> torch.Tensor:
    device = images.device
    sigma = config.noise * torch.rand(len(images), 1, 1, 1, generator=generator, device=device)
    noise = torch.randn(images.shape, generator=generator, device=device)
    return (images + sigma * noise).clamp(0.0, 1.0)


def _compressed(
    images: torch.Tensor, config: PhotometricConfig, generator: torch.Generator
) -> torch.Tensor:
    low, high = config.quality
    drawn = torch.rand(len(images), generator=generator, device=images.device)
    return jpeg_loss(images, low + (high - low) * drawn)
