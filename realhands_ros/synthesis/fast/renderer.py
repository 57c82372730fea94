"""
The fast renderer.

Hands and objects are rasterised at twice the resolution in the part of the image that they cover.
Pixels inside a surface are shaded once, at their centre; only those that straddle an edge are
shaded at every sample. The backdrop is drawn once a pixel, since the camera's blur hides its
edges. The truth (labels and depth) is sampled at pixel centres.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from realhands_ros.geometry.camera import PinholeCamera
from realhands_ros.synthesis.fast import numba_shading
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
# A pixel whose samples differ by more in depth holds an edge.
_FLAT_DEPTH_M = 0.006
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
        left, right = (
            _render_view(foreground, backdrop, _View(shadow, scene.lighting, camera))
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


def _render_view(foreground: DeviceMesh, backdrop: DeviceMesh, view: _View) -> RenderedView:
    camera = view.camera
    behind = visible_fragments(backdrop, camera)
    before = visible_fragments(foreground, camera)
    device = foreground.vertices.device
    depth = torch.full((camera.height * camera.width,), torch.inf, device=device)
    labels = torch.zeros_like(depth, dtype=torch.uint8)
    for mesh, seen in ((backdrop, behind), (foreground, before)):
        nearer = seen.depth < depth[seen.pixel]
        pixel = seen.pixel[nearer]
        depth[pixel] = seen.depth[nearer]
        labels[pixel] = mesh.labels[mesh.face_mesh[seen.face[nearer]]]
    background = torch.zeros(len(depth), 3, device=device)
    background[behind.pixel] = _radiance(backdrop, behind, view)
    limit = torch.full_like(depth, torch.inf)
    limit[behind.pixel] = behind.depth
    shape = (camera.height, camera.width)
    return RenderedView(
        background=background.view(*shape, 3).cpu().numpy(),
        foreground=_antialiased(foreground, before, limit, view).view(*shape, 4).cpu().numpy(),
        labels=labels.view(shape).cpu().numpy(),
        depth=depth.view(shape).cpu().numpy(),
    )


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
    samples, fine, block = _samples(mesh, centres, camera)
    owner = block.owner(samples)
    seen = samples.depth < limit[owner]
    samples, owner = samples.select(seen), owner[seen]
    inside, coverage = _inside(mesh, samples, fine)
    image.view(camera.height, camera.width, 4)[block.rows, block.columns, 3] = coverage
    is_inside = torch.zeros(len(image), dtype=torch.bool, device=image.device)
    is_inside.view(camera.height, camera.width)[block.rows, block.columns] = inside
    whole = centres.select(is_inside[centres.pixel])
    image[whole.pixel, :3] = _radiance(mesh, whole, view)
    on_edge = ~is_inside[owner]
    edge_colours = _radiance(mesh, samples.select(on_edge), view._replace(camera=fine))
    image[:, :3].index_add_(0, owner[on_edge], edge_colours / _SUPERSAMPLING**2)
    return image


class _Block(NamedTuple):
    """The rectangle of an image that is drawn finer: its rows and columns."""

    rows: slice
    columns: slice
    image_width: int

    def owner(self, samples: Fragments) -> torch.Tensor:
        """Return the flat index of the image's pixel that each fine sample belongs to, (N,)."""
        row = torch.div(samples.pixel, samples.width * _SUPERSAMPLING, rounding_mode='floor')
        column = torch.div(samples.pixel % samples.width, _SUPERSAMPLING, rounding_mode='floor')
        row, column = row + int(self.rows.start), column + int(self.columns.start)
        return row * self.image_width + column


def _samples(
    mesh: DeviceMesh, centres: Fragments, camera: PinholeCamera
) -> tuple[Fragments, PinholeCamera, _Block]:
    """Return what finer samples see, their camera, and the part of the image they fill."""
    rows = torch.div(centres.pixel, centres.width, rounding_mode='floor')
    columns = centres.pixel % centres.width
    # One pixel more on each side: a pixel may be touched where its centre is not.
    top, bottom = max(int(rows.min()) - 1, 0), min(int(rows.max()) + 2, camera.height)
    left, right = max(int(columns.min()) - 1, 0), min(int(columns.max()) + 2, camera.width)
    # The samples of a pixel lie symmetrically about its centre.
    shift = (_SUPERSAMPLING - 1) / 2
    affine = [
        [_SUPERSAMPLING, 0, shift - _SUPERSAMPLING * left],
        [0, _SUPERSAMPLING, shift - _SUPERSAMPLING * top],
    ]
    fine = camera.cropped(affine, (right - left) * _SUPERSAMPLING, (bottom - top) * _SUPERSAMPLING)
    block = _Block(slice(top, bottom), slice(left, right), camera.width)
    return visible_fragments(mesh, fine), fine, block


def _inside(
    mesh: DeviceMesh, samples: Fragments, fine: PinholeCamera
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return which pixels of the block lie inside one surface, and the coverage of all, (h, w)."""
    depth = torch.full((fine.height * fine.width,), torch.inf, device=samples.depth.device)
    part = torch.full_like(depth, -1.0)
    depth[samples.pixel] = samples.depth
    part[samples.pixel] = mesh.face_mesh[samples.face].float()
    in_pixels = (fine.height // _SUPERSAMPLING, _SUPERSAMPLING, -1, _SUPERSAMPLING)
    depth, part = depth.view(in_pixels), part.view(in_pixels)
    low, high = depth.amin((1, 3)), depth.amax((1, 3))
    one_part = part.amin((1, 3)) == part.amax((1, 3))
    coverage = (part >= 0).float().mean((1, 3))
    return one_part & (high < low + _FLAT_DEPTH_M), coverage


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
    lit = lit_share(shadow, surface.position, surface.smooth_normal, seen.pixel)
    return shade(surface, lighting, lit, camera.centre)
