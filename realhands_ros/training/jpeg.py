"""JPEG's loss as tensor operations: quantised cosine coefficients of 8x8 blocks (4:4:4)."""

from __future__ import annotations

import math

import torch

# ITU-T T.81, Annex K: luminance and chrominance at quality 50.
_LUMINANCE = (
    (16, 11, 10, 16, 24, 40, 51, 61), (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56), (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77), (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101), (72, 92, 95, 98, 112, 100, 103, 99),
)  # fmt: skip
_CHROMINANCE = (
    (17, 18, 24, 47, 99, 99, 99, 99), (18, 21, 26, 66, 99, 99, 99, 99),
    (24, 26, 56, 99, 99, 99, 99, 99), (47, 66, 99, 99, 99, 99, 99, 99),
    *[(99,) * 8] * 4,
)  # fmt: skip
# JFIF: RGB to luminance and colour differences.
_TO_YCC = (
    (0.299, 0.587, 0.114),
    (-0.168736, -0.331264, 0.5),
    (0.5, -0.418688, -0.081312),
)


def jpeg_loss(images: torch.Tensor, quality: torch.Tensor) -> torch.Tensor:
    """
    Return images (B, 3, H, W), RGB in 0..1, as JPEG of ``quality`` (B,), 1..100, would show them.

    H and W must be multiples of 8.
    """
    batch, channels, height, width = images.shape
    to_ycc = images.new_tensor(_TO_YCC)
    middle = images.new_tensor([128.0, 0.0, 0.0])[:, None, None]
    ycc = torch.einsum('dc,bchw->bdhw', to_ycc, 255.0 * images) - middle
    blocks = ycc.reshape(batch, channels, height // 8, 8, width // 8, 8)
    dct = _cosine_matrix(images)
    coefficients = torch.einsum('ui,bcyixj,vj->bcyxuv', dct, blocks, dct)
    steps = _quantisation(quality)[:, :, None, None]
    coefficients = torch.round(coefficients / steps) * steps
    blocks = torch.einsum('ui,bcyxuv,vj->bcyixj', dct, coefficients, dct)
    decoded = blocks.reshape(batch, channels, height, width)
    rgb = torch.einsum('cd,bdhw->bchw', torch.linalg.inv(to_ycc), decoded + middle)
    return (rgb / 255.0).clamp(0.0, 1.0)


def _cosine_matrix(like: torch.Tensor) -> torch.Tensor:
    """Return the orthonormal DCT-II matrix (8, 8)."""
    index = torch.arange(8, dtype=like.dtype, device=like.device)
    matrix = torch.cos(math.pi / 8 * index[:, None] * (index + 0.5)) / 2
    matrix[0] /= math.sqrt(2)
    return matrix


def _quantisation(quality: torch.Tensor) -> torch.Tensor:
    """Return the steps (B, 3, 8, 8) as libjpeg scales them by quality."""
    tables = quality.new_tensor([_LUMINANCE, _CHROMINANCE, _CHROMINANCE])
    scale = torch.where(quality < 50, 50 / quality, 2 - quality / 50)
    return (tables * scale[:, None, None, None]).round().clamp(min=1.0)
