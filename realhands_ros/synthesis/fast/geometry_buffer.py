"""Scene meshes on a device, and what each pixel sees of them: the input of deferred shading."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch.nn import functional

from realhands_ros.geometry.camera import PinholeCamera
from realhands_ros.geometry.rasterizer import RasterFragments, rasterize
from realhands_ros.synthesis.fast.torch_rasterizer import rasterize_torch
from realhands_ros.synthesis.scene import Material, SceneMesh

_ALBEDO, _ROUGHNESS, _SLOPE = slice(0, 3), 3, slice(4, 6)


class DeviceMesh(NamedTuple):
    """
    Several scene meshes as one, on a device.

    ``vertices`` (V, 3) float64 metres, rig frame; ``faces`` (F, 3); ``corners`` (F, 3, 6): normal,
    ambient visibility, u and v at each corner of each face; ``face_mesh`` (F,) which of the meshes
    a face belongs to; ``uv_gradients`` (F, 2, 3): the gradients of u and v along the face, per
    metre; ``labels`` and the other tables have one row a mesh.
    """

    vertices: torch.Tensor
    faces: torch.Tensor
    corners: torch.Tensor
    face_mesh: torch.Tensor
    uv_gradients: torch.Tensor
    textures: tuple[torch.Tensor, ...]
    has_relief: tuple[bool, ...]
    labels: torch.Tensor
    tint: torch.Tensor
    subsurface: torch.Tensor
    specular: torch.Tensor
    emissive: torch.Tensor


class Fragments(NamedTuple):
    """
    The pixels that see a surface: N of an image of ``height`` x ``width``.

    ``pixel`` (N,) flat index, ``face`` (N,), ``barycentric`` (N, 3), ``depth`` (N,) metres.
    """

    pixel: torch.Tensor
    face: torch.Tensor
    barycentric: torch.Tensor
    depth: torch.Tensor
    height: int
    width: int

    def select(self, chosen: torch.Tensor) -> Fragments:
        """Return some of the fragments; ``chosen`` (N,) is a mask."""
        # A mask as index would be searched anew for each of the four.
        rows = torch.nonzero(chosen)[:, 0]
        return self._replace(
            pixel=self.pixel.index_select(0, rows),
            face=self.face.index_select(0, rows),
            barycentric=self.barycentric.index_select(0, rows),
            depth=self.depth.index_select(0, rows),
        )


class Surface(NamedTuple):
    """
    The surface at N fragments, everything (N, 3) or (N, 1).

    ``position`` in the rig's frame, ``normal`` with relief and ``smooth_normal`` without, both on
    the viewer's side; ``visibility`` of the environment, 0..1.
    """

    position: torch.Tensor
    normal: torch.Tensor
    smooth_normal: torch.Tensor
    visibility: torch.Tensor
    albedo: torch.Tensor
    roughness: torch.Tensor
    subsurface: torch.Tensor
    specular: torch.Tensor
    emissive: torch.Tensor


class TextureCache:
    """Keeps materials that live longer than a scene in the renderer's layout, on its device."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._tensors: WeakKeyDictionary[Material, torch.Tensor] = WeakKeyDictionary()

    def __getitem__(self, material: Material) -> torch.Tensor:
        """Return (H, W, 6): albedo, roughness, slope of the relief along u and v."""
        tensor = self._tensors.get(material)
        if tensor is None:
            tensor = _texture(material).to(self._device)
            self._tensors[material] = tensor
        return tensor


def upload(
    meshes: Sequence[SceneMesh], visibility: torch.Tensor, textures: TextureCache
) -> DeviceMesh:
    """Join meshes on the device of ``visibility`` (V,), the ambient visibility of all vertices."""
    device = visibility.device
    vertices = np.concatenate([mesh.vertices for mesh in meshes])
    starts = np.cumsum([0] + [len(mesh.vertices) for mesh in meshes])
    uv_starts = np.cumsum([0] + [len(mesh.uv) for mesh in meshes])
    faces = np.concatenate([m.faces + s for m, s in zip(meshes, starts, strict=False)])
    face_uv = np.concatenate([m.face_uv + s for m, s in zip(meshes, uv_starts, strict=False)])
    uv = np.concatenate([mesh.uv for mesh in meshes])
    face_mesh = np.repeat(np.arange(len(meshes)), [len(mesh.faces) for mesh in meshes])
    normals = np.concatenate([mesh.normals for mesh in meshes])
    corners = np.concatenate(
        [normals[faces], visibility.cpu().numpy()[faces][..., None], uv[face_uv]], axis=2
    )

    def table(rows: list[float] | list[tuple[float, float, float]]) -> torch.Tensor:
        return torch.tensor(rows, dtype=torch.float32, device=device)

    gradients = _uv_gradients(vertices[faces], uv[face_uv])
    return DeviceMesh(
        vertices=torch.from_numpy(vertices).to(device),
        faces=torch.from_numpy(faces).to(device),
        corners=torch.from_numpy(corners.astype(np.float32)).to(device),
        face_mesh=torch.from_numpy(face_mesh).to(device),
        uv_gradients=torch.from_numpy(gradients).to(device),
        textures=tuple(textures[mesh.material] for mesh in meshes),
        has_relief=tuple(mesh.material.height is not None for mesh in meshes),
        labels=torch.tensor([int(m.label) for m in meshes], dtype=torch.uint8, device=device),
        tint=table([mesh.tint for mesh in meshes]),
        subsurface=table([mesh.material.subsurface for mesh in meshes]),
        specular=table([mesh.material.specular for mesh in meshes]),
        emissive=table([float(mesh.material.emissive) for mesh in meshes]),
    )


def visible_fragments(mesh: DeviceMesh, camera: PinholeCamera) -> Fragments:
    """Return what ``camera`` sees of a mesh: with numba on the CPU, with torch elsewhere."""
    if mesh.vertices.device.type == 'cpu':
        drawn = rasterize(
            camera.to_camera(mesh.vertices.numpy()), mesh.faces.numpy(), camera, num_threads=1
        )
        return _from_numpy(drawn)
    return _from_torch(mesh, camera)


def surface_at(mesh: DeviceMesh, fragments: Fragments, camera: PinholeCamera) -> Surface:
    """Interpolate the mesh at fragments and look up its textures."""
    corners = mesh.corners[fragments.face]
    at_pixel = torch.bmm(fragments.barycentric[:, None], corners)[:, 0]
    mesh_id = mesh.face_mesh[fragments.face]
    position = _positions(fragments, camera)
    centre = torch.as_tensor(camera.centre, dtype=torch.float32, device=position.device)
    smooth = functional.normalize(at_pixel[:, :3], dim=1)
    away = ((position - centre) * smooth).sum(1, keepdim=True) > 0
    smooth = torch.where(away, -smooth, smooth)
    texels = _look_up(mesh, mesh_id, at_pixel[:, 4:])
    normal = smooth
    if any(mesh.has_relief):
        gradients = mesh.uv_gradients[fragments.face]
        slope = torch.bmm(texels[:, None, _SLOPE], gradients)[:, 0]
        normal = functional.normalize(smooth - torch.where(away, -slope, slope), dim=1)
    return Surface(
        position=position,
        normal=normal,
        smooth_normal=smooth,
        visibility=at_pixel[:, 3:4],
        albedo=texels[:, _ALBEDO] * mesh.tint[mesh_id],
        roughness=texels[:, _ROUGHNESS, None],
        subsurface=mesh.subsurface[mesh_id, None],
        specular=mesh.specular[mesh_id, None],
        emissive=mesh.emissive[mesh_id, None],
    )


def _from_numpy(drawn: RasterFragments) -> Fragments:
    height, width = drawn.face_id.shape
    pixel = np.flatnonzero(drawn.face_id >= 0)
    return Fragments(
        torch.from_numpy(pixel),
        torch.from_numpy(drawn.face_id.ravel()[pixel].astype(np.int64)),
        torch.from_numpy(drawn.barycentric.reshape(-1, 3)[pixel]),
        torch.from_numpy(drawn.depth.ravel()[pixel]),
        height,
        width,
    )


def _from_torch(mesh: DeviceMesh, camera: PinholeCamera) -> Fragments:
    face_id, barycentric, depth = rasterize_torch(mesh.vertices, mesh.faces, camera)
    pixel = torch.nonzero(face_id.ravel() >= 0)[:, 0]
    return Fragments(
        pixel,
        face_id.ravel()[pixel],
        barycentric.reshape(-1, 3)[pixel],
        depth.ravel()[pixel],
        camera.height,
        camera.width,
    )


def _positions(fragments: Fragments, camera: PinholeCamera) -> torch.Tensor:
    """Return the fragments' points in the rig's frame, (N, 3)."""
    depth = fragments.depth
    x = (fragments.pixel % fragments.width).to(depth.dtype)
    y = torch.div(fragments.pixel, fragments.width, rounding_mode='floor').to(depth.dtype)
    rays = torch.stack([x, y, torch.ones_like(x)], dim=1) * depth[:, None]
    to_rig = camera.rotation.T @ np.linalg.inv(camera.intrinsics)
    matrix = torch.as_tensor(to_rig.T, dtype=torch.float32, device=depth.device)
    centre = torch.as_tensor(camera.centre, dtype=torch.float32, device=depth.device)
    return rays @ matrix + centre


def _look_up(mesh: DeviceMesh, mesh_id: torch.Tensor, uv: torch.Tensor) -> torch.Tensor:
    """Return the textures' six channels at ``uv`` (N, 2)."""
    result = torch.zeros(len(uv), 6, device=uv.device)
    grid = 2.0 * uv - 1.0
    for index, texture in enumerate(mesh.textures):
        here = torch.nonzero(mesh_id == index)[:, 0]
        if len(here) == 0:
            continue
        channels = 6 if mesh.has_relief[index] else 4
        sampled = functional.grid_sample(
            texture[None, ..., :channels].permute(0, 3, 1, 2),
            grid[here][None, None],
            mode='bilinear',
            padding_mode='reflection',
            align_corners=True,
        )
        result[here, :channels] = sampled[0, :, 0].T
    return result


def _texture(material: Material) -> torch.Tensor:
    height, width = material.roughness.shape
    channels = np.zeros((height, width, 6), dtype=np.float32)
    channels[..., _ALBEDO] = material.albedo
    channels[..., _ROUGHNESS] = material.roughness
    if material.height is not None:
        # Slopes per unit of u and v, where 1 is the whole texture.
        by_row, by_column = np.gradient(material.height)
        channels[..., 4] = by_column * (width - 1)
        channels[..., 5] = by_row * (height - 1)
    return torch.from_numpy(channels)


def _uv_gradients(
    corners: np.ndarray[tuple[int, ...], np.dtype[np.float64]],
    corners_uv: np.ndarray[tuple[int, ...], np.dtype[np.float64]],
) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """Return the gradients of u and v along each face (F, 2, 3), zeros for degenerate faces."""
    edge, other = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    edges_uv = corners_uv[:, 1:] - corners_uv[:, :1]
    # Gradients are sums of the vectors dual to the two edges, which their metric gives.
    pairs = ((edge, edge), (edge, other), (other, other))
    e_e, e_o, o_o = (np.einsum('fi,fi->f', a, b)[:, None] for a, b in pairs)
    determinant = e_e * o_o - e_o**2
    scale = (determinant > 1e-18) / np.maximum(determinant, 1e-18)
    dual, other_dual = scale * (o_o * edge - e_o * other), scale * (e_e * other - e_o * edge)
    along_edge, along_other = edges_uv[..., None].transpose(1, 0, 2, 3)
    return np.asarray(along_edge * dual[:, None] + along_other * other_dual[:, None], np.float32)
