"""Things in front of the hand, and the image's border across it, pasted into finished crops."""

from __future__ import annotations

import math

import torch


def paste_occluders(
    images: torch.Tensor, masks: torch.Tensor, share: float, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """
    Cover parts of images (B, 3, S, S) with patches of other images of the batch or plain colours.

    A patch is a turned superellipse somewhere in the crop, in a ``share`` of the images. What it
    covers is no longer hand in ``masks`` (B, S, S).
    """
    count, _, size, _ = images.shape

    def uniform(*shape: int) -> torch.Tensor:
        return torch.rand(*shape, generator=generator, device=images.device)

    x, y = _coordinates(size, images)
    angle = math.pi * uniform(count, 1, 1)
    dx, dy = x - 2 * uniform(count, 1, 1) + 1, y - 2 * uniform(count, 1, 1) + 1
    u = torch.cos(angle) * dx + torch.sin(angle) * dy
    v = torch.cos(angle) * dy - torch.sin(angle) * dx
    half_u, half_v = 0.1 + 0.5 * uniform(count, 1, 1), 0.08 + 0.3 * uniform(count, 1, 1)
    # From a diamond over an ellipse to nearly a rectangle.
    exponent = 1.0 + 5.0 * uniform(count, 1, 1)
    inside = (u / half_u).abs() ** exponent + (v / half_v).abs() ** exponent < 1
    inside &= uniform(count, 1, 1) < share
    texture = images.flip(-1)[torch.randperm(count, generator=generator, device=images.device)]
    plain = uniform(count, 3, 1, 1) * (0.8 + 0.4 * uniform(count, 1, 1, 1) * (x + y).abs())
    patch = torch.where(uniform(count, 1, 1, 1) < 0.6, texture, plain.clamp(0, 1))
    return torch.where(inside[:, None], patch, images), masks.masked_fill(inside, 0.0)


def cut_by_border(
    images: torch.Tensor, masks: torch.Tensor, share: float, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Blacken up to 40 % of a side, where the crop leaves its image, in a ``share`` of them."""
    count, _, size, _ = images.shape

    def uniform(*shape: int) -> torch.Tensor:
        return torch.rand(*shape, generator=generator, device=images.device)

    x, y = _coordinates(size, images)
    coordinate = torch.where(uniform(count, 1, 1) < 0.5, x, y)
    coordinate = torch.where(uniform(count, 1, 1) < 0.5, coordinate, -coordinate)
    outside = coordinate > 1.0 - 0.8 * uniform(count, 1, 1)
    outside &= uniform(count, 1, 1) < share
    return images.masked_fill(outside[:, None], 0.0), masks.masked_fill(outside, 0.0)


def _coordinates(size: int, like: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return x (1, 1, S) and y (1, S, 1), -1..1 over the crop."""
    steps = (2 * torch.arange(size, dtype=like.dtype, device=like.device) + 1) / size - 1
    return steps[None, None, :], steps[None, :, None]
