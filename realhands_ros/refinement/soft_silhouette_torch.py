"""
The soft silhouette in tensor operations, for any device torch has.

Lists the (triangle, pixel) pairs of each triangle's box, grown by the blur radius, evaluates the
definition for them, and adds up ``log(1 - D_j)`` a pixel. Gradients come from autograd. On the CPU
soft_silhouette_cpu.py is some fifty times faster; this is the path for a GPU.
"""

from __future__ import annotations

import torch
from torch import Tensor

from realhands_ros.refinement.silhouette_settings import SilhouetteSettings
from realhands_ros.refinement.soft_silhouette_reference import coverage_exponent


def soft_silhouette_torch(
    vertices_px: Tensor, faces: Tensor, settings: SilhouetteSettings
) -> Tensor:
    """
    Render soft silhouettes (B, height, width) of projected vertices (B, V, 2), in pixels.

    ``faces`` (F, 3) index the vertices. Triangles with a non-finite corner are skipped.
    """
    height, width = settings.height, settings.width
    batch = vertices_px.shape[0]
    corners = vertices_px[:, faces.long()].flatten(0, 1)
    triangle, pixels = _pairs(corners.detach(), settings)
    exponent = coverage_exponent(pixels.to(corners.dtype), corners[triangle], settings)
    view = triangle // len(faces)
    index = (view * height + pixels[:, 1]) * width + pixels[:, 0]
    log_transmittance = vertices_px.new_zeros(batch * height * width).index_add(
        0, index, -torch.nn.functional.softplus(exponent, threshold=80.0)
    )
    return 1.0 - log_transmittance.exp().view(batch, height, width)


def _pairs(corners: Tensor, settings: SilhouetteSettings) -> tuple[Tensor, Tensor]:
    """Return triangle numbers (P,) and pixels (P, 2) of all pixels that may see a triangle."""
    radius = settings.blur_radius_px
    size = corners.new_tensor([settings.width, settings.height])
    finite = corners.isfinite().all(dim=-1).all(dim=-1)
    bounded = torch.where(finite[:, None, None], corners, -2.0 * radius - 2.0)
    low = (bounded.amin(dim=1) - radius).clamp_min(0.0).minimum(size).ceil().long()
    high = (bounded.amax(dim=1) + radius + 1.0).clamp_min(0.0).minimum(size).floor().long()
    extent = (high - low).clamp_min(0)
    count = extent.prod(dim=1)
    triangle = torch.repeat_interleave(count)
    first = count.cumsum(0) - count
    place = torch.arange(len(triangle), device=corners.device) - first[triangle]
    columns = extent[triangle, 0]
    offset = torch.stack([place % columns, place // columns], dim=1)
    return triangle, low[triangle] + offset
