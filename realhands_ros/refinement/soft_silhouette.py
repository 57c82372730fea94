"""
A differentiable silhouette of a triangle mesh (SoftRas), with a choice of implementations.

The definition and its constants are in silhouette_settings.py. The implementations agree to 1e-5;
tests hold them to one another.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from realhands_ros.errors import ConfigError
from realhands_ros.refinement import soft_silhouette_cpu
from realhands_ros.refinement.silhouette_settings import Renderer, SilhouetteSettings
from realhands_ros.refinement.soft_silhouette_pytorch3d import soft_silhouette_pytorch3d
from realhands_ros.refinement.soft_silhouette_reference import soft_silhouette_reference
from realhands_ros.refinement.soft_silhouette_torch import soft_silhouette_torch


class SoftSilhouette(torch.nn.Module):
    """
    Renders soft silhouettes of one triangle list, batched and differentiable in the vertices.

    ``faces`` (F, 3) index the vertices; ``settings`` are image size and softness. ``renderer``
    names the implementation: ``cpu`` (compiled, float32), ``torch`` (tensor operations on any
    device), ``pytorch3d`` (where installed), ``reference`` (dense, slow), or ``auto``: ``cpu`` for
    float32 tensors in main memory and ``torch`` for others. Raises ConfigError for an unknown
    renderer.
    """

    faces: Tensor

    def __init__(
        self, faces: Tensor, settings: SilhouetteSettings, *, renderer: Renderer = 'auto'
    ) -> None:
        super().__init__()
        if renderer != 'auto' and renderer not in _RENDERERS:
            message = f'renderer is {renderer!r}; it must be auto or one of {sorted(_RENDERERS)}'
            raise ConfigError(message)
        if faces.ndim != 2 or faces.shape[1] != 3:
            message = f'faces have shape {tuple(faces.shape)}; they must be (F, 3)'
            raise ConfigError(message)
        self.register_buffer('faces', faces.to(torch.int32))
        self.settings = settings
        self.renderer = renderer

    def forward(self, vertices_px: Tensor) -> Tensor:
        """
        Return silhouettes (B, height, width) in [0, 1] of projected vertices (B, V, 2), in pixels.

        The centre of the top-left pixel is (0, 0). Every triangle counts, front or back; one with
        a corner behind the camera has no projection: leave it out or mark it with NaN.
        """
        if vertices_px.ndim != 3 or vertices_px.shape[2] != 2:
            message = f'vertices have shape {tuple(vertices_px.shape)}; they must be (B, V, 2)'
            raise ConfigError(message)
        renderer = self.renderer
        if renderer == 'auto':
            on_cpu = vertices_px.device.type == 'cpu' and vertices_px.dtype == torch.float32
            renderer = 'cpu' if on_cpu else 'torch'
        return _RENDERERS[renderer](vertices_px, self.faces, self.settings)


class _CpuSilhouette(torch.autograd.Function):
    """The compiled kernels as one differentiable operation."""

    @staticmethod
    def forward(
        ctx: Any, vertices_px: Tensor, faces: Tensor, settings: SilhouetteSettings
    ) -> Tensor:
        vertices = np.ascontiguousarray(vertices_px.detach().numpy(), dtype=np.float32)
        ctx.scene = vertices, faces.numpy(), settings
        silhouette, ctx.transmittance = soft_silhouette_cpu.render(*ctx.scene)
        return torch.from_numpy(silhouette)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        vertices, faces, settings = ctx.scene
        by_image = gradients[0].contiguous().numpy()
        by_vertices = soft_silhouette_cpu.backward(
            vertices, faces, settings, ctx.transmittance, by_image
        )
        return torch.from_numpy(by_vertices), None, None


def _soft_silhouette_cpu(
    vertices_px: Tensor, faces: Tensor, settings: SilhouetteSettings
) -> Tensor:
    silhouette: Tensor = _CpuSilhouette.apply(vertices_px.float(), faces, settings)  # type: ignore[no-untyped-call]
    return silhouette


_RENDERERS = {
    'cpu': _soft_silhouette_cpu,
    'torch': soft_silhouette_torch,
    'pytorch3d': soft_silhouette_pytorch3d,
    'reference': soft_silhouette_reference,
}
