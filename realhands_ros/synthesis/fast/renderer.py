"""
The fast renderer.

Hands and objects are drawn at twice the resolution in the part of the image that they cover, the
backdrop once a pixel, since the camera's blur hides its edges. The truth (labels and depth) is
sampled at pixel centres.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from realhands_ros.geometry.camera import PinholeCamera
from realhands_ros.synthesis.fast.geometry_buffer import (
    DeviceMesh,
    Fragments,
    TextureCache,
    surface_at,
    upload,
    visible_fragments,
)
from realhands_ros.synthesis.fast.shading import shade
from realhands_ros.synthesis.fast.shadows import (
    ShadowMap,
    ambient_visibility,
    lit_share,
    shadow_map,
)
from realhands_ros.synthesis.rendering import RenderedView
from realhands_ros.synthesis.scene import Label, Lighting, Scene, SceneMesh

_SUPERSAMPLING = 2
# Other meshes than the hand's are finer than ambient occlusion needs.
_OCCLUDER_STRIDE = {Label.HAND: 1, Label.OTHER_HAND: 1}
_DEFAULT_OCCLUDER_STRIDE = 3


class FastRenderer:
    """Draws scenes with torch on a device: numba rasterises on the CPU, tensors elsewhere."""

    def __init__(self, device: str | torch.device = 'cpu') -> None:
        self._device = torch.device(device)
        self._textures = TextureCache(self._device)

    @torch.no_grad()
    def render(self, scene: Scene) -> tuple[RenderedView, RenderedView]:
        """Return the left and the right view of a scene."""
        front = [mesh for mesh in scene.meshes if not mesh.is_backdrop]
        back = [mesh for mesh in scene.meshes if mesh.is_backdrop]
        foreground = upload(front, self._visibility(front), self._textures)
        back_vertices = sum(len(mesh.vertices) for mesh in back)
        backdrop = upload(back, torch.ones(back_vertices, device=self._device), self._textures)
        shadow = shadow_map(foreground, scene.lighting)
        left, right = (
            _render_view(foreground, backdrop, shadow, scene.lighting, camera)
            for camera in scene.rig.views
        )
        return left, right

    def _visibility(self, meshes: Sequence[SceneMesh]) -> torch.Tensor:
        vertices = np.concatenate([mesh.vertices for mesh in meshes])
        normals = np.concatenate([mesh.normals for mesh in meshes]).astype(np.float32)
        areas = np.concatenate([_disc_areas(mesh) for mesh in meshes]).astype(np.float32)
        return ambient_visibility(
            torch.from_numpy(vertices).to(self._device),
            torch.from_numpy(normals).to(self._device),
            torch.from_numpy(areas).to(self._device),
        )


def _disc_areas(mesh: SceneMesh) -> NDArray[np.float64]:
    """Return the area that each vertex stands for as an occluder, (V,); zero for most of them."""
    corners = mesh.vertices[mesh.faces]
    doubled = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    third = np.repeat(np.linalg.norm(doubled, axis=1) / 6, 3)
    areas = np.bincount(mesh.faces.ravel(), third, minlength=len(mesh.vertices))
    stride = _OCCLUDER_STRIDE.get(mesh.label, _DEFAULT_OCCLUDER_STRIDE)
    kept = np.zeros_like(areas)
    kept[::stride] = areas[::stride] * stride
    return kept


def _render_view(
    foreground: DeviceMesh,
    backdrop: DeviceMesh,
    shadow: ShadowMap,
    lighting: Lighting,
    camera: PinholeCamera,
) -> RenderedView:
    behind = visible_fragments(backdrop, camera)
    background = _radiance(backdrop, behind, shadow, lighting, camera)
    before = visible_fragments(foreground, camera)
    depth = torch.full((camera.height * camera.width,), torch.inf, device=background.device)
    labels = torch.zeros_like(depth, dtype=torch.uint8)
    for mesh, seen in ((backdrop, behind), (foreground, before)):
        nearer = seen.depth < depth[seen.pixel]
        pixel = seen.pixel[nearer]
        depth[pixel] = seen.depth[nearer]
        labels[pixel] = mesh.labels[mesh.face_mesh[seen.face[nearer]]]
    shape = (camera.height, camera.width)
    return RenderedView(
        background=background.view(*shape, 4)[..., :3].cpu().numpy(),
        foreground=_supersampled(foreground, before, shadow, lighting, camera).cpu().numpy(),
        labels=labels.view(shape).cpu().numpy(),
        depth=depth.view(shape).cpu().numpy(),
    )


def _supersampled(
    mesh: DeviceMesh,
    seen: Fragments,
    shadow: ShadowMap,
    lighting: Lighting,
    camera: PinholeCamera,
) -> torch.Tensor:
    """Return radiance times coverage, and coverage, (H, W, 4)."""
    image = torch.zeros(camera.height, camera.width, 4, device=seen.depth.device)
    if len(seen.pixel) == 0:
        return image
    rows = torch.div(seen.pixel, seen.width, rounding_mode='floor')
    columns = seen.pixel % seen.width
    # One pixel more on each side: a pixel may be touched where its centre is not.
    top, bottom = max(int(rows.min()) - 1, 0), min(int(rows.max()) + 2, camera.height)
    left, right = max(int(columns.min()) - 1, 0), min(int(columns.max()) + 2, camera.width)
    # The samples of a pixel lie symmetrically about its centre.
    shift = (_SUPERSAMPLING - 1) / 2
    affine = [
        [_SUPERSAMPLING, 0, shift - _SUPERSAMPLING * left],
        [0, _SUPERSAMPLING, shift - _SUPERSAMPLING * top],
    ]
    fine = camera.cropped(
        affine, (right - left) * _SUPERSAMPLING, (bottom - top) * _SUPERSAMPLING
    )
    samples = _radiance(mesh, visible_fragments(mesh, fine), shadow, lighting, fine)
    samples = samples.view(1, fine.height, fine.width, 4).permute(0, 3, 1, 2)
    pixels = functional.avg_pool2d(samples, _SUPERSAMPLING)
    image[top:bottom, left:right] = pixels[0].permute(1, 2, 0)
    return image


def _radiance(
    mesh: DeviceMesh,
    seen: Fragments,
    shadow: ShadowMap,
    lighting: Lighting,
    camera: PinholeCamera,
) -> torch.Tensor:
    """Return radiance and coverage of each pixel, (H * W, 4)."""
    surface = surface_at(mesh, seen, camera)
    lit = lit_share(shadow, surface.position, surface.smooth_normal, seen.pixel)
    image = torch.zeros(seen.height * seen.width, 4, device=lit.device)
    image[seen.pixel, :3] = shade(surface, lighting, lit, camera.centre)
    image[seen.pixel, 3] = 1.0
    return image
