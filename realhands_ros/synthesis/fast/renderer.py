"""
The fast renderer.

Hands and objects are rasterised at twice the resolution in the part of the image that they cover.
Pixels inside a surface are shaded once, at their centre; only those that straddle an edge are
shaded at every sample. The backdrop is drawn once a pixel, since the camera's blur hides its
edges, and not at all where hands hide it. The truth (labels and depth) is sampled at pixel
centres.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from realhands_ros.geometry.camera import PinholeCamera
from realhands_ros.synthesis.fast import numba_shading
from realhands_ros.synthesis.fast.edges import SUPERSAMPLING, edges
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

# Every how many vertices one stands for its neighbours as an occluder.
_OCCLUDER_STRIDE = {Label.HAND: 2, Label.OTHER_HAND: 2}
_DEFAULT_OCCLUDER_STRIDE = 4


class FastRenderer:
    """Draws scenes with torch on a device: numba rasterises on the CPU, tensors elsewhere."""

    def __init__(self, device: str | torch.device = 'cpu') -> None:
        self._device = torch.device(device)
        self._textures = TextureCache(self._device)

    def render(self, scene: Scene) -> tuple[RenderedView, RenderedView]:
        """Return the left and the right view of a scene."""
        with torch.no_grad(), _one_thread():
            return self._render(scene)

    def _render(self, scene: Scene) -> tuple[RenderedView, RenderedView]:
        front = [mesh for mesh in scene.meshes if not mesh.is_backdrop]
        back = [mesh for mesh in scene.meshes if mesh.is_backdrop]
        foreground = upload(front, self._visibility(front), self._textures)
        back_vertices = sum(len(mesh.vertices) for mesh in back)
        backdrop = upload(back, torch.ones(back_vertices, device=self._device), self._textures)
        shadow = shadow_map(foreground, scene.lighting)
        motion_px = float(np.hypot(*scene.effects.motion_px))
        left, right = (
            _render_view(foreground, backdrop, _View(shadow, scene.lighting, camera, motion_px))
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


@contextmanager
def _one_thread() -> Iterator[None]:
    """
    Let torch compute on one core of the CPU.

    Its tensors are too small here for more to pay, and sums keep their order; who has more cores
    renders in several processes.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _disc_areas(mesh: SceneMesh) -> NDArray[np.float64]:
    """Return the area that each vertex stands for as an occluder, (V,); zero for most of them."""
    corners = mesh.vertices[mesh.faces]
    doubled = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    third = np.repeat(np.linalg.norm(doubled, axis=1) / 6, 3)
    shares = np.bincount(mesh.faces.ravel(), third, minlength=len(mesh.vertices))
    areas = np.asarray(shares, dtype=np.float64)
    stride = _OCCLUDER_STRIDE.get(mesh.label, _DEFAULT_OCCLUDER_STRIDE)
    kept = np.zeros_like(areas)
    kept[::stride] = areas[::stride] * stride
    return kept


class _View(NamedTuple):
    """What all passes over one view share."""

    shadow: ShadowMap
    lighting: Lighting
    camera: PinholeCamera
    motion_px: float


def _render_view(foreground: DeviceMesh, backdrop: DeviceMesh, view: _View) -> RenderedView:
    camera = view.camera
    behind = visible_fragments(backdrop, camera)
    before = visible_fragments(foreground, camera)
    depth = torch.full((camera.height * camera.width,), torch.inf, device=behind.depth.device)
    depth[behind.pixel] = behind.depth
    limit = depth.clone()
    labels = torch.zeros_like(depth, dtype=torch.uint8)
    labels[behind.pixel] = backdrop.labels[backdrop.face_mesh[behind.face]]
    nearer = before.select(before.depth < limit[before.pixel])
    depth[nearer.pixel] = nearer.depth
    labels[nearer.pixel] = foreground.labels[foreground.face_mesh[nearer.face]]
    hands = _antialiased(foreground, before, limit, view)
    shape = (camera.height, camera.width)
    shown = behind.select(~_hidden(hands[:, 3].view(shape), view.motion_px).ravel()[behind.pixel])
    background = hands.new_zeros(len(depth), 3)
    background[shown.pixel] = _radiance(backdrop, shown, view)
    return RenderedView(
        background=background.view(*shape, 3).cpu().numpy(),
        foreground=hands.view(*shape, 4).cpu().numpy(),
        labels=labels.view(shape).cpu().numpy(),
        depth=depth.view(shape).cpu().numpy(),
    )


def _hidden(coverage: torch.Tensor, motion_px: float) -> torch.Tensor:
    """Return the pixels (H, W) that stay covered when the hands move by ``motion_px``."""
    if motion_px == 0:
        return coverage == 1
    reach = math.ceil(motion_px / 2) + 1
    window = 2 * reach + 1
    # A square's maximum is that of its rows' maxima.
    uncovered = 1 - coverage[None]
    for _ in range(2):
        uncovered = functional.max_pool1d(uncovered, window, stride=1, padding=reach).mT
    return uncovered[0] == 0


def _antialiased(
    mesh: DeviceMesh, centres: Fragments, limit: torch.Tensor, view: _View
) -> torch.Tensor:
    """
    Return radiance times coverage, and coverage, (H * W, 4).

    What lies farther than ``limit`` (H * W,) metres is hidden by the backdrop.
    """
    camera = view.camera
    image = torch.zeros(camera.height * camera.width, 4, device=centres.depth.device)
    if len(centres.pixel) == 0:
        return image
    found = edges(mesh, centres, limit, camera)
    image[:, 3] = found.coverage.ravel()
    whole = centres.select(found.inside.ravel()[centres.pixel])
    image[whole.pixel, :3] = _radiance(mesh, whole, view)
    edge_colours = _radiance(mesh, found.samples, view._replace(camera=found.fine))
    image[:, :3].index_add_(0, found.owner, edge_colours / SUPERSAMPLING**2)
    return image


def _radiance(mesh: DeviceMesh, seen: Fragments, view: _View) -> torch.Tensor:
    """Return the radiance that fragments send to the camera, (N, 3)."""
    is_cpu = seen.depth.device.type == 'cpu'
    shade_all = numba_shading.radiance if is_cpu else radiance
    return shade_all(mesh, seen, view.shadow, view.lighting, view.camera)


def radiance(
    mesh: DeviceMesh,
    seen: Fragments,
    shadow: ShadowMap,
    lighting: Lighting,
    camera: PinholeCamera,
) -> torch.Tensor:
    """Return the radiance (N, 3) that fragments send to the camera, on any device."""
    surface = surface_at(mesh, seen, camera)
    rows = torch.div(seen.pixel, seen.width, rounding_mode='floor')
    pixel = torch.stack([seen.pixel % seen.width, rows], dim=1)
    lit = lit_share(shadow, surface.position, surface.smooth_normal, pixel)
    return shade(surface, lighting, lit, camera.centre)
