"""
The soft silhouette in dense plain tensors, every triangle at every pixel, for tests.

The definition is in silhouette_settings.py; this file is meant to be read next to it. Works in any
floating type, on any device, and is differentiable by autograd. Needs memory for
``chunk * height * width`` numbers; the chunks are computed again in the backward pass.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from realhands_ros.refinement.silhouette_settings import CUTOFF, SilhouetteSettings


def soft_silhouette_reference(
    vertices_px: Tensor, faces: Tensor, settings: SilhouetteSettings, *, chunk: int = 64
) -> Tensor:
    """
    Render soft silhouettes (B, height, width) of projected vertices (B, V, 2), in pixels.

    ``faces`` (F, 3) index the vertices; ``chunk`` is how many of them are held in memory at once.
    """
    log_transmittance = vertices_px.new_zeros(
        vertices_px.shape[0], settings.height, settings.width
    )
    for start in range(0, len(faces), chunk):
        corners = vertices_px[:, faces[start : start + chunk].long()]
        log_transmittance = log_transmittance + checkpoint(
            _log_transmittance, corners, settings, use_reentrant=False
        )
    return 1.0 - log_transmittance.exp()


def _log_transmittance(corners: Tensor, settings: SilhouetteSettings) -> Tensor:
    """Return sum_j log(1 - D_j), (B, H, W), over triangles ``corners`` (B, F, 3, 2) in pixels."""
    rows = torch.arange(settings.height, dtype=corners.dtype, device=corners.device)
    columns = torch.arange(settings.width, dtype=corners.dtype, device=corners.device)
    pixels = torch.stack(torch.meshgrid(columns, rows, indexing='xy'), dim=-1)
    exponent = coverage_exponent(pixels, corners[:, :, None, None], settings)
    # log(1 - sigmoid(x)) = -log(1 + e^x).
    return -torch.nn.functional.softplus(exponent, threshold=80.0).sum(dim=1)


def coverage_exponent(pixels: Tensor, corners: Tensor, settings: SilhouetteSettings) -> Tensor:
    """
    Return x of D = sigmoid(x) for pixels (..., 2) and triangles (..., 3, 2), broadcast.

    It is minus infinity beyond the cut-off and for triangles seen edge-on.
    """
    squares, sides = [], []
    double_area = _cross(
        corners[..., 1, :] - corners[..., 0, :], corners[..., 2, :] - corners[..., 0, :]
    )
    for i in range(3):
        start = corners[..., i, :]
        edge = corners[..., (i + 1) % 3, :] - start
        offset = pixels - start
        along = (offset * edge).sum(-1) / (edge * edge).sum(-1).clamp_min(1e-12)
        to_nearest = offset - along.clamp(0.0, 1.0)[..., None] * edge
        squares.append((to_nearest * to_nearest).sum(-1))
        sides.append(_cross(edge, offset) * double_area.sign())
    inside = torch.stack(sides).amin(0) > 0.0
    square = torch.stack(squares).amin(0)
    exponent = torch.where(inside, square, -square) * settings.sharpness_px
    covers = (exponent > -CUTOFF) & (double_area.abs() > settings.min_double_area_px)
    return torch.where(covers, exponent, -torch.inf)


def _cross(a: Tensor, b: Tensor) -> Tensor:
    return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
