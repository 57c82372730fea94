"""
The shading of fragments on the CPU: what ``surface_at``, ``lit_share`` and ``shade`` do, compiled.

Same mathematics as the tensor version, which is the reference (a test holds them together).
Surfaces are looked up one fragment at a time, then shaded in blocks.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from realhands_ros.geometry.camera import PinholeCamera
from realhands_ros.synthesis.fast import block_shading as blocks
from realhands_ros.synthesis.fast.block_shading import BLOCK, at, compiled, inlined
from realhands_ros.synthesis.fast.geometry_buffer import DeviceMesh, Fragments
from realhands_ros.synthesis.fast.shading import AMBIENT_DAMPING, COSINE_LOBE
from realhands_ros.synthesis.fast.shadows import ShadowMap, spiral
from realhands_ros.synthesis.harmonics import BANDS
from realhands_ros.synthesis.scene import Lighting

Floats = NDArray[np.float32]

# Columns of the table of materials.
_TINT, _SUBSURFACE, _SPECULAR, _EMISSIVE, _NUM_COLUMNS = slice(0, 3), 3, 4, 5, 6


def radiance(
    mesh: DeviceMesh,
    seen: Fragments,
    shadow: ShadowMap,
    lighting: Lighting,
    camera: PinholeCamera,
) -> torch.Tensor:
    """Return the radiance (N, 3) that fragments of a mesh on the CPU send to the camera."""
    face = seen.face.numpy()
    attributes = np.empty((len(face), 6), dtype=np.float32)
    _interpolate(mesh.corners.numpy(), face, seen.barycentric.numpy(), attributes)
    mesh_id = mesh.face_mesh.numpy()[face]
    texels = np.zeros((len(face), 6), dtype=np.float32)
    for index in np.flatnonzero(np.bincount(mesh_id)):
        _look_up(mesh.textures[index].numpy(), attributes, mesh_id, index, texels)
    result = np.empty((len(face), 3), dtype=np.float32)
    size = shadow.depth.shape[0]
    _shade(
        (seen.pixel.numpy(), seen.width, seen.depth.numpy(), face, mesh_id, attributes, texels),
        mesh.uv_gradients.numpy(),
        _materials(mesh),
        _rows_of(camera.rotation.T @ np.linalg.inv(camera.intrinsics)),
        _numbers(camera.centre),
        _lights(lighting),
        _numbers(lighting.key_direction),
        np.float32(lighting.key_radius),
        shadow.depth.numpy(),
        _rows_of(shadow.camera.rotation),
        _numbers(shadow.camera.translation),
        _numbers([shadow.camera.intrinsics[0, 0], (size - 1) / 2, size]),
        *spiral(),
        result,
    )
    return torch.from_numpy(result)


def _numbers(values: ArrayLike) -> tuple[np.float32, ...]:
    return tuple(np.asarray(values, dtype=np.float32))


def _rows_of(matrix: ArrayLike) -> tuple[tuple[np.float32, ...], ...]:
    return tuple(_numbers(line) for line in np.asarray(matrix))


def _materials(mesh: DeviceMesh) -> Floats:
    table = np.empty((len(mesh.textures), _NUM_COLUMNS), dtype=np.float32)
    table[:, _TINT] = mesh.tint.numpy()
    table[:, _SUBSURFACE] = mesh.subsurface.numpy()
    table[:, _SPECULAR] = mesh.specular.numpy()
    table[:, _EMISSIVE] = mesh.emissive.numpy()
    return table


def _lights(lighting: Lighting) -> tuple[tuple[tuple[np.float32, ...], ...], ...]:
    """Return, for each colour, the environment's two sets of harmonics; and the key light."""
    bands = np.array(BANDS)
    irradiance = lighting.environment * np.array(COSINE_LOBE)[bands, None]
    glossy = lighting.environment * AMBIENT_DAMPING ** bands[:, None]
    return _rows_of(irradiance.T), _rows_of(glossy.T), _rows_of(lighting.key_irradiance[:, None])


@compiled
def _interpolate(corners, face, barycentric, result):  # type: ignore[no-untyped-def]
    for n in range(face.shape[0]):
        for c in range(6):
            total = np.float32(0)
            for k in range(3):
                total += barycentric[n, k] * corners[face[n], k, c]
            result[n, c] = total


@inlined
def _reflected(value, size):  # type: ignore[no-untyped-def]
    """Return the position in texels of a texture coordinate that repeats by reflection."""
    folded = abs(value) % np.float32(2)
    if folded > 1:
        folded = np.float32(2) - folded
    return folded * np.float32(size - 1)


@compiled
def _look_up(texture, attributes, mesh_id, index, result):  # type: ignore[no-untyped-def]
    height, width, channels = texture.shape
    for n in range(attributes.shape[0]):
        if mesh_id[n] != index:
            continue
        x = _reflected(attributes[n, 4], width)
        y = _reflected(attributes[n, 5], height)
        left, top = min(int(x), width - 2), min(int(y), height - 2)
        u, v = x - left, y - top
        for c in range(channels):
            upper = texture[top, left, c] * (1 - u) + texture[top, left + 1, c] * u
            lower = texture[top + 1, left, c] * (1 - u) + texture[top + 1, left + 1, c] * u
            result[n, c] = upper * (1 - v) + lower * v


@compiled
def _gather(start, count, fragments, uv_gradients, materials, given):  # type: ignore[no-untyped-def]
    """Lay ``count`` fragments from ``start`` on out as a block."""
    pixel, width, depth, face, mesh_id, attributes, texels = fragments
    for n in range(count):
        k = start + n
        material, along = materials[mesh_id[k]], uv_gradients[face[k]]
        for axis in range(3):
            given[at(blocks.NORMAL + axis, n)] = attributes[k, axis]
            given[at(blocks.ALONG_U + axis, n)] = along[0, axis]
            given[at(blocks.ALONG_V + axis, n)] = along[1, axis]
            given[at(blocks.ALBEDO + axis, n)] = texels[k, axis] * material[axis]
        given[at(blocks.VISIBILITY, n)] = attributes[k, 3]
        given[at(blocks.ROUGHNESS, n)] = texels[k, 3]
        given[at(blocks.SLOPES, n)] = texels[k, 4]
        given[at(blocks.SLOPES + 1, n)] = texels[k, 5]
        given[at(blocks.SUBSURFACE, n)] = material[_SUBSURFACE]
        given[at(blocks.SPECULAR, n)] = material[_SPECULAR]
        given[at(blocks.EMISSIVE, n)] = material[_EMISSIVE]
        given[at(blocks.COLUMN, n)] = pixel[k] % width
        given[at(blocks.LINE, n)] = pixel[k] // width
        given[at(blocks.DEPTH, n)] = depth[k]


@compiled
def _shade(  # type: ignore[no-untyped-def]
    fragments, uv_gradients, materials, to_rig, centre, lights, key, key_radius,
    depth_map, light_rotation, light_translation, light_lens, search, taps, result,
):  # fmt: skip
    given = np.zeros(blocks.NUM_GIVEN * BLOCK, dtype=np.float32)
    posed = np.zeros(blocks.NUM_POSED * BLOCK, dtype=np.float32)
    shares = np.zeros(blocks.NUM_SHARES * BLOCK, dtype=np.float32)
    colour = np.zeros(BLOCK, dtype=np.float32)
    irradiance, glossy, key_light = lights
    for start in range(0, result.shape[0], BLOCK):
        count = min(BLOCK, result.shape[0] - start)
        _gather(start, count, fragments, uv_gradients, materials, given)
        blocks.pose(
            given, posed, to_rig, centre, key, light_rotation, light_translation, light_lens
        )
        blocks.shadow(given, posed, shares, count, depth_map, light_lens, key_radius, search, taps)
        for channel in range(3):
            blocks.light(
                given, posed, shares, colour, channel, irradiance[channel], glossy[channel],
                key_light[channel][0], key, key_radius,
            )  # fmt: skip
            result[start : start + count, channel] = colour[:count]
