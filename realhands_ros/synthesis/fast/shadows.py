"""
Soft shadows of the key light and of the environment.

The key light sees the scene through a shadow map whose penumbrae widen with the distance between
blocker and receiver (Fernando, "Percentage-closer soft shadows", 2005). What the environment loses
in crevices is computed once for every vertex (Bunnell, "Dynamic ambient occlusion", 2005).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch

from realhands_ros.geometry.camera import PinholeCamera
from realhands_ros.synthesis.fast.geometry_buffer import DeviceMesh, visible_fragments
from realhands_ros.synthesis.mesh import frame_looking_along
from realhands_ros.synthesis.scene import Lighting

_MAP_SIZE = 320
_LIGHT_DISTANCE_M = 4.0
# A receiver is lifted off its surface by this much, so that it does not shade itself.
_LIFT_M = 0.003
_SEARCH_TAPS = 5
_TAPS = 10
_MAX_RADIUS_TEXELS = 14.0
_GOLDEN_ANGLE = 2.39996323


class ShadowMap(NamedTuple):
    """The scene's depth (H, W) as the key light sees it, and the light as a camera."""

    depth: torch.Tensor
    camera: PinholeCamera
    radius: float


def shadow_map(mesh: DeviceMesh, lighting: Lighting) -> ShadowMap:
    """Render the depth of ``mesh`` from the key light, which stands 4 m away from its middle."""
    vertices = mesh.vertices
    low, high = vertices.amin(0), vertices.amax(0)
    middle = (0.5 * (low + high)).cpu().numpy()
    radius = float(torch.linalg.norm(high - low)) / 2 + 0.01
    axes = frame_looking_along(-lighting.key_direction, _any_across(lighting.key_direction))
    focal = 0.5 * (_MAP_SIZE - 4) * math.sqrt(_LIGHT_DISTANCE_M**2 - radius**2) / radius
    centre = (_MAP_SIZE - 1) / 2
    position = middle + _LIGHT_DISTANCE_M * lighting.key_direction
    camera = PinholeCamera(
        np.array([[focal, 0, centre], [0, focal, centre], [0, 0, 1]]),
        _MAP_SIZE,
        _MAP_SIZE,
        rotation=axes.T,
        translation=-axes.T @ position,
    )
    seen = visible_fragments(mesh, camera)
    depth = torch.full((_MAP_SIZE * _MAP_SIZE,), torch.inf, device=vertices.device)
    depth[seen.pixel] = seen.depth
    return ShadowMap(depth.view(_MAP_SIZE, _MAP_SIZE), camera, lighting.key_radius)


def lit_share(
    shadow: ShadowMap, position: torch.Tensor, normal: torch.Tensor, pixel: torch.Tensor
) -> torch.Tensor:
    """
    Return the share of the key light that reaches points (N, 3), (N, 1).

    ``normal`` (N, 3) is the surface's; ``pixel`` (N,) turns the sampling pattern from one pixel to
    the next, so that bands become fine noise, which supersampling removes.
    """
    device = position.device
    rotation = torch.as_tensor(shadow.camera.rotation, dtype=torch.float32, device=device)
    translation = torch.as_tensor(shadow.camera.translation, dtype=torch.float32, device=device)
    focal = float(shadow.camera.intrinsics[0, 0])
    in_light = (position + _LIFT_M * normal) @ rotation.T + translation
    depth = in_light[:, 2]
    uv = in_light[:, :2] / depth[:, None] * focal + (_MAP_SIZE - 1) / 2
    turn = 6.2831853 * torch.frac(
        52.9829189 * torch.frac(0.06711056 * (pixel % 1021) + 0.00583715 * (pixel // 7 % 1019))
    )
    texel = depth / focal
    search = torch.full_like(depth, _MAX_RADIUS_TEXELS)
    blockers = _taps(shadow.depth, uv, search, turn, _SEARCH_TAPS)
    blocks = blockers < depth - _LIFT_M / 2
    count = blocks.sum(0)
    mean_gap = torch.where(blocks, depth - blockers, 0.0).sum(0) / count.clamp(min=1)
    radius = (mean_gap * shadow.radius / texel).clamp(1.0, _MAX_RADIUS_TEXELS)
    occluded = _taps(shadow.depth, uv, radius, turn, _TAPS) < depth
    share = 1 - occluded.float().mean(0)
    return torch.where(count > 0, share, 1.0)[:, None]


def ambient_visibility(
    vertices: torch.Tensor, normals: torch.Tensor, areas: torch.Tensor
) -> torch.Tensor:
    """
    Return the share of the environment that each vertex sees, (V,).

    Every vertex is a disc of ``areas`` (V,) square metres about ``vertices`` (V, 3) with
    ``normals`` (V, 3) that takes light from the others; a second round weakens discs that are
    themselves in the dark, which the first counts twice. Discs of zero area only receive.
    """
    emits = torch.nonzero(areas > 0)[:, 0]
    middle = vertices.mean(0)
    points = (vertices - middle).float()
    sources, source_normals, source_areas = points[emits], normals[emits], areas[emits]
    rises = normals @ sources.T - (normals * points).sum(1, keepdim=True)
    facing = points @ source_normals.T - (sources * source_normals).sum(1)
    squared = torch.cdist(points, sources, compute_mode='use_mm_for_euclid_dist').square_()
    factors = rises.clamp_(min=0) * facing.clamp_(min=0)
    factors /= squared * (math.pi * squared + source_areas) + 1e-12
    factors *= source_areas
    first = (1 - factors.sum(1)).clamp(min=0)
    return (1 - factors @ first[emits]).clamp(0.08, 1.0)


def _taps(
    depth_map: torch.Tensor, uv: torch.Tensor, radius: torch.Tensor, turn: torch.Tensor, count: int
) -> torch.Tensor:
    """Return the map's depth at ``count`` places of a turned spiral around ``uv``, (count, N)."""
    k = torch.arange(count, device=uv.device, dtype=torch.float32)[:, None]
    reach = torch.sqrt((k + 0.5) / count) * radius
    angle = k * _GOLDEN_ANGLE + turn
    x = (uv[:, 0] + reach * torch.cos(angle)).round_().clamp_(0, _MAP_SIZE - 1)
    y = (uv[:, 1] + reach * torch.sin(angle)).round_().clamp_(0, _MAP_SIZE - 1)
    return depth_map.ravel()[(y * _MAP_SIZE + x).long()]


def _any_across(direction: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> list[float]:
    return [1.0, 0.0, 0.0] if abs(direction[0]) < 0.7 else [0.0, 1.0, 0.0]
