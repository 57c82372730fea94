"""
Soft shadows of the key light and of the environment.

The key light sees the scene through a shadow map whose penumbrae widen with the distance between
blocker and receiver (Fernando, "Percentage-closer soft shadows", 2005). What the environment loses
in crevices is computed once for every vertex, after Bunnell, "Dynamic ambient occlusion", 2005.
"""

from __future__ import annotations

import math
from functools import cache
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from realhands_ros.geometry.camera import PinholeCamera
from realhands_ros.synthesis.fast.geometry_buffer import DeviceMesh, visible_fragments
from realhands_ros.synthesis.mesh import frame_looking_along
from realhands_ros.synthesis.scene import Label, Lighting

_MAP_SIZE = 320
_LIGHT_DISTANCE_M = 4.0
_MARGIN_M = 0.03
# A receiver is lifted off its surface by this much, so that it does not shade itself.
LIFT_M = 0.003
# ... and what blocks the light must be nearer to it by this much, which helps at grazing angles.
BIAS_M = 0.002
# Receivers of ambient occlusion whose table of form factors fits a core's cache.
_ROWS_AT_ONCE = 128
_SEARCH_TAPS = 6
_TAPS = 12
MAX_RADIUS_TEXELS = 14.0
_GOLDEN_ANGLE = 2.39996323
# Interleaved gradient noise of a pixel's column and row (Jimenez, "Next generation post processing
# in Call of Duty: Advanced Warfare", 2014).
NOISE = (0.06711056, 0.00583715, 52.9829189)
# Beyond this cosine to the light's direction even wrapped light is dark.
SHADED_COSINE = 0.25


class ShadowMap(NamedTuple):
    """The scene's depth (H, W) as the key light sees it, and the light as a camera."""

    depth: torch.Tensor
    camera: PinholeCamera
    radius: float


def shadow_map(mesh: DeviceMesh, lighting: Lighting) -> ShadowMap:
    """
    Render the depth of ``mesh`` from the key light, which stands 4 m away.

    The map is spent on the hands and what they hold; arms beyond it cast no shadow.
    """
    vertices = mesh.vertices
    is_arm = (mesh.labels == int(Label.ARM)) | (mesh.labels == int(Label.OTHER_ARM))
    corners = mesh.faces[~is_arm[mesh.face_mesh]].ravel()
    low, high = vertices[corners].amin(0), vertices[corners].amax(0)
    middle = (0.5 * (low + high)).cpu().numpy()
    radius = float(torch.linalg.norm(high - low)) / 2 + _MARGIN_M
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

    ``normal`` (N, 3) is the surface's; ``pixel`` (N, 2), column and row, turns the sampling
    pattern from one to the next, so that bands become fine noise, which supersampling removes.
    """
    device = position.device
    rotation = torch.as_tensor(shadow.camera.rotation, dtype=torch.float32, device=device)
    translation = torch.as_tensor(shadow.camera.translation, dtype=torch.float32, device=device)
    focal = float(shadow.camera.intrinsics[0, 0])
    in_light = (position + LIFT_M * normal) @ rotation.T + translation
    depth = in_light[:, 2]
    uv = in_light[:, :2] / depth[:, None] * focal + (_MAP_SIZE - 1) / 2
    # Only what lies on the map and faces the light can be in another surface's shadow.
    faces = normal @ rotation[2] < SHADED_COSINE
    here = torch.nonzero(faces & ((uv - _MAP_SIZE / 2).abs() < _MAP_SIZE / 2).all(1))[:, 0]
    lit = torch.ones(len(position), 1, device=device)
    lit[here, 0] = _filtered(
        shadow.depth, uv[here], depth[here], shadow.radius * focal / depth[here], pixel[here]
    )
    return lit


def _filtered(
    depth_map: torch.Tensor,
    uv: torch.Tensor,
    depth: torch.Tensor,
    texels_per_metre: torch.Tensor,
    pixel: torch.Tensor,
) -> torch.Tensor:
    """Return the lit share (N,); a blocker 1 m away blurs by ``texels_per_metre``."""
    jitter = torch.frac(pixel.float() @ pixel.new_tensor(NOISE[:2], dtype=torch.float32))
    turn = 6.2831853 * (torch.frac(NOISE[2] * jitter) - 0.5)
    cosine, sine = torch.cos(turn), torch.sin(turn)
    search_offsets, offsets = spiral()
    search = torch.full_like(depth, MAX_RADIUS_TEXELS)
    blockers = _taps(depth_map, uv, search, cosine, sine, search_offsets)
    blocks = blockers < depth - BIAS_M
    count = blocks.sum(0)
    mean_gap = torch.where(blocks, depth - blockers, 0.0).sum(0) / count.clamp(min=1)
    radius = (mean_gap * texels_per_metre).clamp(1.0, MAX_RADIUS_TEXELS)
    occluded = _taps(depth_map, uv, radius, cosine, sine, offsets) < depth - BIAS_M
    share = 1 - occluded.float().mean(0)
    return torch.where(count > 0, share, 1.0)


@cache
def spiral() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return where the map is looked up, in a unit disc: to find blockers, and to filter."""
    patterns = []
    for count in (_SEARCH_TAPS, _TAPS):
        k = np.arange(count)
        reach = np.sqrt((k + 0.5) / count)[:, None]
        angle = k * _GOLDEN_ANGLE
        patterns.append((reach * np.stack([np.cos(angle), np.sin(angle)], 1)).astype(np.float32))
    return patterns[0], patterns[1]


def ambient_visibility(
    vertices: torch.Tensor, normals: torch.Tensor, areas: torch.Tensor
) -> torch.Tensor:
    """
    Return the share of the environment that each vertex sees, (V,).

    Every vertex is a disc of ``areas`` (V,) square metres about ``vertices`` (V, 3) with
    ``normals`` (V, 3) that hides a part of the others' sky; the parts are taken as independent,
    since discs may stand behind one another. Discs of zero area only receive.
    """
    emits = torch.nonzero(areas > 0)[:, 0]
    points = (vertices - vertices.mean(0)).float()
    sources, source_areas = points[emits], areas[emits]
    hidden = torch.cat(
        [
            _form_factors(points[rows], normals[rows], sources, normals[emits], source_areas).sum(
                1
            )
            for rows in torch.split(torch.arange(len(points), device=points.device), _ROWS_AT_ONCE)
        ]
    )
    return torch.exp(-hidden)


def _form_factors(
    points: torch.Tensor,
    normals: torch.Tensor,
    sources: torch.Tensor,
    source_normals: torch.Tensor,
    source_areas: torch.Tensor,
) -> torch.Tensor:
    """Return the share of each point's sky (N,) that each disc (M,) fills, (N, M)."""
    rises = normals @ sources.T - (normals * points).sum(1, keepdim=True)
    facing = points @ source_normals.T - (sources * source_normals).sum(1)
    squared = (points * points).sum(1, keepdim=True) + (sources * sources).sum(1)
    squared = squared.addmm_(points, sources.T, alpha=-2.0).clamp_(min=1e-9)
    factors = rises.clamp_(min=0).mul_(facing.clamp_(min=0))
    factors /= (squared * math.pi).add_(source_areas).mul_(squared)
    return factors.mul_(source_areas)


def _taps(
    depth_map: torch.Tensor,
    uv: torch.Tensor,
    radius: torch.Tensor,
    cosine: torch.Tensor,
    sine: torch.Tensor,
    offsets: NDArray[np.float32],
) -> torch.Tensor:
    """Return the map's depth at turned and scaled ``offsets`` (K, 2) from ``uv``, (K, N)."""
    spiral_x, spiral_y = torch.from_numpy(offsets).to(uv.device).T[:, :, None]
    along, across = cosine * radius, sine * radius
    x = (uv[:, 0] + spiral_x * along - spiral_y * across).round_().clamp_(0, _MAP_SIZE - 1)
    y = (uv[:, 1] + spiral_x * across + spiral_y * along).round_().clamp_(0, _MAP_SIZE - 1)
    index = y.mul_(_MAP_SIZE).add_(x).int()
    return torch.index_select(depth_map.ravel(), 0, index.ravel()).view(len(offsets), -1)


def _any_across(direction: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> list[float]:
    return [1.0, 0.0, 0.0] if abs(direction[0]) < 0.7 else [0.0, 1.0, 0.0]
