"""
The z-buffer rasteriser of ``geometry/rasterizer.py`` as tensor operations, for GPUs.

It visits the pixels in each face's bounding box, all at once, and keeps the nearest by a minimum
over (depth, face) packed into one integer, which does not depend on the order of execution.
"""

from __future__ import annotations

import numpy as np
import torch

from realhands_ros.geometry.camera import PinholeCamera
from realhands_ros.geometry.rasterizer import NEAR_M, NO_FACE

# Pairs of face and pixel that are looked at in one go: bounds the memory, not the result.
_PAIRS_AT_ONCE = 8_000_000
_NOTHING = torch.iinfo(torch.int64).max


def rasterize_torch(
    vertices: torch.Tensor, faces: torch.Tensor, camera: PinholeCamera, *, near: float = NEAR_M
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """
    Draw a mesh on the tensors' device; return (face_id, barycentric, depth).

    ``vertices`` (V, 3) float64 are in the rig's frame, ``faces`` (F, 3) index them. The results
    are (H, W) int64, (H, W, 3) float32 and (H, W) float32, as ``geometry.rasterizer.rasterize``
    has them.
    """
    device = vertices.device
    rotation = torch.as_tensor(camera.rotation, device=device)
    translation = torch.as_tensor(camera.translation, device=device)
    intrinsics = torch.as_tensor(camera.intrinsics, device=device)
    corners = ((vertices @ rotation.T + translation) @ intrinsics.T)[faces]
    edges, volume = _edge_functions(corners)
    boxes = _pixel_boxes(corners, camera, near)
    boxes[(volume == 0) | ~corners.isfinite().flatten(1).all(1)] = 0
    nearest = torch.full(
        (camera.height * camera.width,), _NOTHING, dtype=torch.int64, device=device
    )
    for first, last in _batches(boxes):
        _draw(nearest, edges, volume, boxes, first, last, camera.width, near)
    return _resolve(nearest, edges, camera)


def _edge_functions(corners: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the planes through the camera and each side (F, 3, 3), and six times the volume."""
    rolled = corners.roll(-1, dims=1)
    edges = torch.linalg.cross(rolled, corners.roll(-2, dims=1))
    volume = (edges[:, 0] * corners[:, 0]).sum(1)
    sign = torch.where(volume < 0, -1.0, 1.0).to(edges.dtype)
    return edges * sign[:, None, None], volume * sign


def _pixel_boxes(corners: torch.Tensor, camera: PinholeCamera, near: float) -> torch.Tensor:
    """Return x, y, columns and rows of the pixels that each face may touch, (F, 4) int64."""
    z = corners[..., 2]
    after = corners.roll(-1, dims=1)
    t = (near - z) / (after[..., 2] - z)
    crossing = corners + t[..., None] * (after - corners)
    points = torch.cat([corners / z[..., None], crossing / near], dim=1)[..., :2]
    used = torch.cat([z >= near, (z >= near) != (after[..., 2] >= near)], dim=1)[..., None]
    limit = torch.tensor([camera.width, camera.height], device=corners.device)
    low = torch.where(used, points, torch.inf).amin(1).floor() - 1
    high = torch.where(used, points, -torch.inf).amax(1).ceil() + 2
    start = torch.minimum(low.clamp(min=0), limit).nan_to_num().long()
    stop = torch.minimum(high.clamp(min=0), limit).nan_to_num().long()
    return torch.cat([start, (stop - start).clamp(min=0)], dim=1)


def _batches(boxes: torch.Tensor) -> list[tuple[int, int]]:
    """Return ranges of faces whose boxes together hold a bounded number of pixels."""
    total = (boxes[:, 2] * boxes[:, 3]).cumsum(0).cpu().numpy()
    if len(total) == 0 or total[-1] == 0:
        return []
    marks = np.arange(0, total[-1], _PAIRS_AT_ONCE)
    starts = np.unique(np.searchsorted(total, marks, side='right'))
    return list(zip(starts.tolist(), [*starts[1:].tolist(), len(total)], strict=True))


def _draw(
    nearest: torch.Tensor,
    edges: torch.Tensor,
    volume: torch.Tensor,
    boxes: torch.Tensor,
    first: int,
    last: int,
    width: int,
    near: float,
) -> None:
    """Draw faces [first, last) into ``nearest``."""
    box = boxes[first:last]
    counts = box[:, 2] * box[:, 3]
    local = torch.repeat_interleave(torch.arange(len(box), device=box.device), counts)
    within = torch.arange(len(local), device=box.device) - (counts.cumsum(0) - counts)[local]
    columns = box[local, 2]
    x = box[local, 0] + within % columns
    y = box[local, 1] + torch.div(within, columns, rounding_mode='floor')
    weights = _weights(edges[first + local], x, y)
    total = weights.sum(1)
    depth = (volume[first + local] / total).float()
    seen = (weights >= 0).all(1) & (total > 0) & (depth >= near)
    # The bits of positive floats order as integers do.
    bits = depth[seen].view(torch.int32).long()
    key = (bits << 32) | (first + local[seen])
    nearest.scatter_reduce_(0, y[seen] * width + x[seen], key, 'amin')


def _weights(edges: torch.Tensor, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return edges[:, :, 0] * x[:, None] + (edges[:, :, 1] * y[:, None] + edges[:, :, 2])


def _resolve(
    nearest: torch.Tensor, edges: torch.Tensor, camera: PinholeCamera
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    pixel = torch.nonzero(nearest != _NOTHING)[:, 0]
    key = nearest[pixel]
    face = key & 0xFFFFFFFF
    y = torch.div(pixel, camera.width, rounding_mode='floor')
    weights = _weights(edges[face], pixel % camera.width, y)
    shape = (camera.height, camera.width)
    face_id = torch.full_like(nearest, NO_FACE)
    face_id[pixel] = face
    barycentric = torch.zeros(len(nearest), 3, device=nearest.device)
    barycentric[pixel] = (weights / weights.sum(1, keepdim=True)).float()
    depth = torch.full((len(nearest),), torch.inf, device=nearest.device)
    depth[pixel] = (key >> 32).int().view(torch.float32)
    return face_id.view(shape), barycentric.view(*shape, 3), depth.view(shape)
