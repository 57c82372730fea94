"""
The shading of ``geometry_buffer``, ``shadows`` and ``shading`` in one compiled pass, for the CPU.

Same mathematics as the tensor version, which is the reference (a test holds them together); here a
fragment stays in registers from its barycentrics to its colour.
"""

from __future__ import annotations

import math

import numba
import numpy as np
import torch
from numpy.typing import NDArray

from realhands_ros.geometry.camera import PinholeCamera
from realhands_ros.synthesis.fast.geometry_buffer import DeviceMesh, Fragments
from realhands_ros.synthesis.fast.shading import (
    AMBIENT_DAMPING,
    COSINE_LOBE,
    GRAZING,
    SHADOW_EXPONENT,
    SMOOTHING,
    WRAP,
)
from realhands_ros.synthesis.fast.shadows import (
    BIAS_M,
    LIFT_M,
    MAX_RADIUS_TEXELS,
    SHADED_COSINE,
    ShadowMap,
    spiral,
)
from realhands_ros.synthesis.harmonics import BANDS
from realhands_ros.synthesis.scene import Lighting

Floats = NDArray[np.float32]

_compiled = numba.njit(
    nogil=True, cache=True, error_model='numpy', fastmath={'contract', 'nsz', 'arcp', 'reassoc'}
)
_inlined = numba.njit(
    nogil=True,
    cache=True,
    error_model='numpy',
    fastmath={'contract', 'nsz', 'arcp', 'reassoc'},
    inline='always',
)

# Python's floats would make all that they touch float64.
_BIAS, _LIFT = np.float32(BIAS_M), np.float32(LIFT_M)
_MAX_RADIUS, _SHADED = np.float32(MAX_RADIUS_TEXELS), np.float32(SHADED_COSINE)

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
    to_rig = camera.rotation.T @ np.linalg.inv(camera.intrinsics)
    _shade(
        seen.pixel.numpy(),
        seen.width,
        seen.depth.numpy(),
        face,
        mesh_id,
        attributes,
        texels,
        mesh.uv_gradients.numpy(),
        _materials(mesh),
        to_rig.astype(np.float32),
        camera.centre.astype(np.float32),
        _lights(lighting),
        lighting.key_direction.astype(np.float32),
        np.float32(lighting.key_radius),
        shadow.depth.numpy(),
        shadow.camera.rotation.astype(np.float32),
        shadow.camera.translation.astype(np.float32),
        np.float32(shadow.camera.intrinsics[0, 0]),
        *spiral(),
        result,
    )
    return torch.from_numpy(result)


def _materials(mesh: DeviceMesh) -> Floats:
    table = np.empty((len(mesh.textures), _NUM_COLUMNS), dtype=np.float32)
    table[:, _TINT] = mesh.tint.numpy()
    table[:, _SUBSURFACE] = mesh.subsurface.numpy()
    table[:, _SPECULAR] = mesh.specular.numpy()
    table[:, _EMISSIVE] = mesh.emissive.numpy()
    return table


def _lights(lighting: Lighting) -> Floats:
    """Return harmonics of irradiance over pi (9) and damped radiance (9), key light; (19, 3)."""
    bands = np.array(BANDS)
    rows = np.concatenate(
        [
            lighting.environment * np.array(COSINE_LOBE)[bands, None],
            lighting.environment * AMBIENT_DAMPING ** bands[:, None],
            lighting.key_irradiance[None],
        ]
    )
    return np.asarray(rows, dtype=np.float32)


@_compiled
def _interpolate(corners, face, barycentric, result):  # type: ignore[no-untyped-def]
    for n in range(face.shape[0]):
        for c in range(6):
            total = np.float32(0)
            for k in range(3):
                total += barycentric[n, k] * corners[face[n], k, c]
            result[n, c] = total


@_inlined
def _reflected(value, size):  # type: ignore[no-untyped-def]
    """Return the position in texels of a texture coordinate that repeats by reflection."""
    folded = abs(value) % np.float32(2)
    if folded > 1:
        folded = np.float32(2) - folded
    return folded * np.float32(size - 1)


@_compiled
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


@_inlined
def _harmonics(lights, first, x, y, z, channel):  # type: ignore[no-untyped-def]
    """Return the light of nine rows of ``lights`` in a direction; see harmonics.sh_basis."""
    return (
        np.float32(0.282095) * lights[first, channel]
        + np.float32(0.488603)
        * (
            y * lights[first + 1, channel]
            + z * lights[first + 2, channel]
            + x * lights[first + 3, channel]
        )
        + np.float32(1.092548)
        * (
            x * y * lights[first + 4, channel]
            + y * z * lights[first + 5, channel]
            + x * z * lights[first + 7, channel]
        )
        + np.float32(0.315392)
        * (np.float32(3) * z * z - np.float32(1))
        * lights[first + 6, channel]
        + np.float32(0.546274) * (x * x - y * y) * lights[first + 8, channel]
    )


@_inlined
def _tap(depth_map, u, v, offset_x, offset_y, along, across):  # type: ignore[no-untyped-def]
    """Return the shadow map's depth at a turned and scaled offset from (u, v)."""
    last = np.float32(depth_map.shape[0] - 1)
    x = np.rint(u + offset_x * along - offset_y * across)
    y = np.rint(v + offset_x * across + offset_y * along)
    return depth_map[int(min(max(y, 0), last)), int(min(max(x, 0), last))]


@_compiled
def _lit_share(depth_map, u, v, depth, texels_per_metre, turn, search, taps):  # type: ignore[no-untyped-def]
    cosine, sine = math.cos(turn), math.sin(turn)
    count, gap = 0, np.float32(0)
    along, across = cosine * _MAX_RADIUS, sine * _MAX_RADIUS
    for k in range(search.shape[0]):
        blocker = _tap(depth_map, u, v, search[k, 0], search[k, 1], along, across)
        if blocker < depth - _BIAS:
            count += 1
            gap += depth - blocker
    if count == 0:
        return np.float32(1)
    radius = min(max(gap / np.float32(count) * texels_per_metre, np.float32(1)), _MAX_RADIUS)
    along, across = cosine * radius, sine * radius
    dark = 0
    for k in range(taps.shape[0]):
        blocker = _tap(depth_map, u, v, taps[k, 0], taps[k, 1], along, across)
        if blocker < depth - _BIAS:
            dark += 1
    return np.float32(1) - np.float32(dark) / np.float32(taps.shape[0])


@_inlined
def _unit(x, y, z):  # type: ignore[no-untyped-def]
    length = np.float32(math.sqrt(x * x + y * y + z * z))
    scale = np.float32(1) / np.maximum(length, np.float32(1e-12))
    return x * scale, y * scale, z * scale


@_inlined
def _fraction(value):  # type: ignore[no-untyped-def]
    return value - math.floor(value)


@_compiled
def _shade(  # type: ignore[no-untyped-def]
    pixel, width, depth, face, mesh_id, attributes, texels, uv_gradients, materials,
    to_rig, centre, lights, key, key_radius,
    depth_map, light_rotation, light_translation, light_focal, search, taps, result,
):  # fmt: skip
    one, zero = np.float32(1), np.float32(0)
    middle = np.float32((depth_map.shape[0] - 1) / 2)
    half_map = np.float32(depth_map.shape[0] / 2)
    for n in range(pixel.shape[0]):
        material = materials[mesh_id[n]]
        red, green, blue = (
            texels[n, 0] * material[0],
            texels[n, 1] * material[1],
            texels[n, 2] * material[2],
        )
        if material[_EMISSIVE] > 0:
            result[n, 0], result[n, 1], result[n, 2] = red, green, blue
            continue
        # Where, seen from where, with which normals.
        column, row = np.float32(pixel[n] % width), np.float32(pixel[n] // width)
        ray_x = (to_rig[0, 0] * column + to_rig[0, 1] * row + to_rig[0, 2]) * depth[n]
        ray_y = (to_rig[1, 0] * column + to_rig[1, 1] * row + to_rig[1, 2]) * depth[n]
        ray_z = (to_rig[2, 0] * column + to_rig[2, 1] * row + to_rig[2, 2]) * depth[n]
        view_x, view_y, view_z = _unit(-ray_x, -ray_y, -ray_z)
        smooth_x, smooth_y, smooth_z = _unit(attributes[n, 0], attributes[n, 1], attributes[n, 2])
        side = one
        if smooth_x * view_x + smooth_y * view_y + smooth_z * view_z < 0:
            side = -one
        smooth_x, smooth_y, smooth_z = smooth_x * side, smooth_y * side, smooth_z * side
        slope_u, slope_v = side * texels[n, 4], side * texels[n, 5]
        along = uv_gradients[face[n]]
        normal_x, normal_y, normal_z = _unit(
            smooth_x - slope_u * along[0, 0] - slope_v * along[1, 0],
            smooth_y - slope_u * along[0, 1] - slope_v * along[1, 1],
            smooth_z - slope_u * along[0, 2] - slope_v * along[1, 2],
        )
        # The key light's shadow.
        lit = one
        if smooth_x * key[0] + smooth_y * key[1] + smooth_z * key[2] > -_SHADED:
            x = ray_x + centre[0] + _LIFT * smooth_x
            y = ray_y + centre[1] + _LIFT * smooth_y
            z = ray_z + centre[2] + _LIFT * smooth_z
            far = light_translation[2] + (
                light_rotation[2, 0] * x + light_rotation[2, 1] * y + light_rotation[2, 2] * z
            )
            u = middle + light_focal / far * (
                light_translation[0]
                + light_rotation[0, 0] * x + light_rotation[0, 1] * y + light_rotation[0, 2] * z
            )  # fmt: skip
            v = middle + light_focal / far * (
                light_translation[1]
                + light_rotation[1, 0] * x + light_rotation[1, 1] * y + light_rotation[1, 2] * z
            )  # fmt: skip
            if abs(u - half_map) < half_map and abs(v - half_map) < half_map:
                jitter = _fraction(
                    np.float32(0.06711056) * np.float32(pixel[n] % 1021)
                    + np.float32(0.00583715) * np.float32(pixel[n] // 7 % 1019)
                )
                turn = np.float32(6.2831853) * _fraction(np.float32(52.9829189) * jitter)
                lit = _lit_share(
                    depth_map, u, v, far, key_radius * light_focal / far, turn, search, taps
                )
        # Mirror direction, half vector and their cosines.
        n_v = normal_x * view_x + normal_y * view_y + normal_z * view_z
        fine = normal_x * key[0] + normal_y * key[1] + normal_z * key[2]
        coarse = smooth_x * key[0] + smooth_y * key[1] + smooth_z * key[2]
        half_x, half_y, half_z = _unit(key[0] + view_x, key[1] + view_y, key[2] + view_z)
        n_h = max(normal_x * half_x + normal_y * half_y + normal_z * half_z, zero)
        v_h = max(view_x * half_x + view_y * half_y + view_z * half_z, zero)
        roughness, specular = texels[n, 3], material[_SPECULAR]
        visible = attributes[n, 3]
        # Specular: GGX for the key light, damped harmonics for the rest.
        alpha = min(roughness * roughness + np.float32(0.5) * key_radius, one)
        alpha2 = alpha * alpha
        spread = n_h * n_h * (alpha2 - one) + one
        lobe = alpha2 / (np.float32(math.pi) * spread * spread)
        n_l = max(fine, zero)
        masking = (
            one
            / (n_l + max(n_v, np.float32(0.05)) + np.float32(1e-4))
            / max(np.float32(2) - alpha, one)
        )
        away = one - v_h
        fresnel = specular + (one - specular) * away * away * away * away * away
        key_gloss = lobe * masking * fresnel * n_l * lit
        facing = max(n_v, zero)
        mirror_x, mirror_y, mirror_z = _unit(
            np.float32(2) * facing * normal_x - view_x,
            np.float32(2) * facing * normal_y - view_y,
            np.float32(2) * facing * normal_z - view_z,
        )
        grazing = max(np.float32(GRAZING) * max(one - roughness, specular) - specular, zero)
        away = one - facing
        gloss = (specular + grazing * away * away * away * away * away) * visible * visible
        subsurface = material[_SUBSURFACE]
        for channel in range(3):
            albedo = red if channel == 0 else (green if channel == 1 else blue)
            ambient = max(_harmonics(lights, 0, normal_x, normal_y, normal_z, channel), zero)
            a = np.float32(2.0404) * albedo - np.float32(0.3324)
            b = np.float32(-4.7951) * albedo + np.float32(0.6417)
            c = np.float32(2.7552) * albedo + np.float32(0.6903)
            ambient *= max(visible, ((visible * a + b) * visible + c) * visible)
            cosine = fine + np.float32(SMOOTHING[channel]) * subsurface * (coarse - fine)
            wrap = np.float32(WRAP[channel]) * subsurface
            wrapped = max((cosine + wrap) / ((one + wrap) * (one + wrap)), zero)
            reaches = lit
            if zero < lit < one and subsurface > 0:
                exponent = one + np.float32(SHADOW_EXPONENT[channel] - 1) * subsurface
                reaches = np.float32(lit**exponent)
            key_light = lights[18, channel]
            diffuse = ambient + wrapped * reaches * key_light * np.float32(1 / math.pi)
            mirrored = max(_harmonics(lights, 9, mirror_x, mirror_y, mirror_z, channel), zero)
            result[n, channel] = albedo * diffuse + key_gloss * key_light + mirrored * gloss
