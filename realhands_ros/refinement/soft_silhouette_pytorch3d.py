"""
The soft silhouette by PyTorch3D's rasteriser, where PyTorch3D is installed.

An adapter for comparison: the same definition (silhouette_settings.py) in another house's code. It
keeps only the ``faces_per_pixel`` nearest triangles of a pixel, and takes seconds on a CPU.
"""

from __future__ import annotations

import torch
from torch import Tensor

from realhands_ros.errors import ConfigError
from realhands_ros.refinement.silhouette_settings import CUTOFF, SilhouetteSettings

try:
    from pytorch3d.renderer.mesh.rasterize_meshes import rasterize_meshes
    from pytorch3d.structures import Meshes
except ImportError:
    rasterize_meshes = None


def available() -> bool:
    """Return whether PyTorch3D can be imported."""
    return rasterize_meshes is not None


def soft_silhouette_pytorch3d(
    vertices_px: Tensor, faces: Tensor, settings: SilhouetteSettings, *, faces_per_pixel: int = 100
) -> Tensor:
    """
    Render soft silhouettes (B, height, width) of projected vertices (B, V, 2), in pixels.

    ``faces`` (F, 3) index the vertices; the more ``faces_per_pixel``, the closer to the
    definition. Raises ConfigError when PyTorch3D is not installed.
    """
    if rasterize_meshes is None:
        message = "renderer 'pytorch3d' is asked for, but PyTorch3D cannot be imported: use 'auto'"
        raise ConfigError(message)
    # PyTorch3D's NDC has x to the left, y up, and +-1 at the outer edges of the border pixels.
    size = vertices_px.new_tensor([settings.width, settings.height])
    ndc = (size - 1.0 - 2.0 * vertices_px) / min(settings.height, settings.width)
    meshes = Meshes(
        torch.cat([ndc, torch.ones_like(ndc[..., :1])], dim=-1),
        faces.long().expand(len(vertices_px), -1, -1),
    )
    face, _, _, signed_square = rasterize_meshes(
        meshes,
        image_size=(settings.height, settings.width),
        blur_radius=CUTOFF * settings.sigma,
        faces_per_pixel=faces_per_pixel,
        bin_size=0,
    )
    outside = torch.sigmoid(signed_square / settings.sigma)
    return 1.0 - torch.where(face >= 0, outside, 1.0).prod(dim=-1)
