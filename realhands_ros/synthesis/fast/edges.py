"""
Which pixels an edge crosses, and the samples that those need: the input of anti-aliasing.

Every pixel is looked at by several samples. Where all of them see one surface, one at its centre
is enough; the others are the samples of an edge. The tensor version runs on any device and is the
reference; the compiled one is for the CPU.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np
import torch

from realhands_ros.geometry.camera import PinholeCamera
from realhands_ros.geometry.rasterizer import NO_FACE, rasterize
from realhands_ros.synthesis.fast.geometry_buffer import (
    DeviceMesh,
    Fragments,
    visible_fragments,
)

SUPERSAMPLING = 2
# A pixel whose samples differ by more in depth holds an edge.
FLAT_DEPTH_M = 0.006


class Block(NamedTuple):
    """The rectangle of an image that is looked at finer: its rows and columns."""

    rows: slice
    columns: slice
    image_width: int

    @classmethod
    def around(cls, centres: Fragments) -> Block:
        """Return the block of what is seen at pixel centres, and one pixel more on each side."""
        rows = torch.div(centres.pixel, centres.width, rounding_mode='floor')
        columns = centres.pixel % centres.width
        # A pixel may be touched where its centre is not.
        return cls(
            slice(max(int(rows.min()) - 1, 0), min(int(rows.max()) + 2, centres.height)),
            slice(max(int(columns.min()) - 1, 0), min(int(columns.max()) + 2, centres.width)),
            centres.width,
        )

    def finer(self, camera: PinholeCamera) -> PinholeCamera:
        """Return the camera whose pixels are the block's samples."""
        # The samples of a pixel lie symmetrically about its centre.
        shift = (SUPERSAMPLING - 1) / 2
        affine = [
            [SUPERSAMPLING, 0, shift - SUPERSAMPLING * self.columns.start],
            [0, SUPERSAMPLING, shift - SUPERSAMPLING * self.rows.start],
        ]
        width = self.columns.stop - self.columns.start
        height = self.rows.stop - self.rows.start
        return camera.cropped(affine, width * SUPERSAMPLING, height * SUPERSAMPLING)

    def owner(self, samples: Fragments) -> torch.Tensor:
        """Return the flat index of the image's pixel that each sample belongs to, (N,)."""
        row = torch.div(samples.pixel, samples.width * SUPERSAMPLING, rounding_mode='floor')
        column = torch.div(samples.pixel % samples.width, SUPERSAMPLING, rounding_mode='floor')
        row, column = row + int(self.rows.start), column + int(self.columns.start)
        return row * self.image_width + column


class Edges(NamedTuple):
    """
    What finer samples say about an image of H x W pixels.

    ``coverage`` (H, W) share of each pixel that the mesh covers; ``inside`` (H, W) bool: one
    surface fills the pixel; ``samples`` of all other pixels that the mesh touches, seen by the
    camera ``fine``, and their ``owner`` (N,): flat indices of those pixels.
    """

    coverage: torch.Tensor
    inside: torch.Tensor
    samples: Fragments
    owner: torch.Tensor
    fine: PinholeCamera


def edges(
    mesh: DeviceMesh, centres: Fragments, limit: torch.Tensor, camera: PinholeCamera
) -> Edges:
    """
    Look at a mesh with finer samples where ``centres``, not empty, see it.

    What lies farther than ``limit`` (H * W,) metres is hidden.
    """
    block = Block.around(centres)
    look = _edges_compiled if limit.device.type == 'cpu' else edges_of_tensors
    return look(mesh, block, limit, camera)


def edges_of_tensors(
    mesh: DeviceMesh, block: Block, limit: torch.Tensor, camera: PinholeCamera
) -> Edges:
    """Find the edges with tensor operations, on any device."""
    fine = block.finer(camera)
    samples = visible_fragments(mesh, fine)
    owner = block.owner(samples)
    seen = samples.depth < limit[owner]
    samples, owner = samples.select(seen), owner[seen]
    depth = torch.full((fine.height * fine.width,), torch.inf, device=limit.device)
    part = torch.full_like(depth, -1.0)
    depth[samples.pixel] = samples.depth
    part[samples.pixel] = mesh.face_mesh[samples.face].float()
    in_pixels = (fine.height // SUPERSAMPLING, SUPERSAMPLING, -1, SUPERSAMPLING)
    depth, part = depth.view(in_pixels), part.view(in_pixels)
    one_part = part.amin((1, 3)) == part.amax((1, 3))
    is_flat = depth.amax((1, 3)) < depth.amin((1, 3)) + FLAT_DEPTH_M
    coverage = limit.new_zeros(camera.height, camera.width)
    inside = torch.zeros_like(coverage, dtype=torch.bool)
    coverage[block.rows, block.columns] = (part >= 0).float().mean((1, 3))
    inside[block.rows, block.columns] = one_part & is_flat
    on_edge = ~inside.ravel()[owner]
    return Edges(coverage, inside, samples.select(on_edge), owner[on_edge], fine)


def _edges_compiled(
    mesh: DeviceMesh, block: Block, limit: torch.Tensor, camera: PinholeCamera
) -> Edges:
    fine = block.finer(camera)
    drawn = rasterize(
        fine.to_camera(mesh.vertices.numpy()), mesh.faces.numpy(), fine, num_threads=1
    )
    coverage = np.zeros((camera.height, camera.width), dtype=np.float32)
    inside = np.zeros((camera.height, camera.width), dtype=np.bool_)
    pixel = np.empty(drawn.face_id.size, dtype=np.int64)
    owner = np.empty(drawn.face_id.size, dtype=np.int64)
    count = _find_edges(
        drawn.face_id, drawn.depth, mesh.face_mesh.numpy(),
        limit.numpy().reshape(camera.height, camera.width),
        block.rows.start, block.columns.start, coverage, inside, pixel, owner,
    )  # fmt: skip
    pixel = pixel[:count].copy()
    samples = Fragments(
        torch.from_numpy(pixel),
        torch.from_numpy(drawn.face_id.ravel()[pixel].astype(np.int64)),
        torch.from_numpy(drawn.barycentric.reshape(-1, 3)[pixel]),
        torch.from_numpy(drawn.depth.ravel()[pixel]),
        fine.height,
        fine.width,
    )
    return Edges(
        torch.from_numpy(coverage),
        torch.from_numpy(inside),
        samples,
        torch.from_numpy(owner[:count].copy()),
        fine,
    )


@numba.njit(nogil=True, cache=True)
def _find_edges(  # type: ignore[no-untyped-def]
    face_id, depth, face_mesh, limit, top, left, coverage, inside, pixel, owner
):
    """Fill coverage and inside, list samples and owners of edges; return their number."""
    rows, columns = face_id.shape[0] // SUPERSAMPLING, face_id.shape[1] // SUPERSAMPLING
    count = 0
    for row in range(rows):
        for column in range(columns):
            y, x = top + row, left + column
            nearest, farthest = np.inf, -np.inf
            first_part, is_one_part, seen = -1, True, 0
            begin = count
            for i in range(SUPERSAMPLING):
                for j in range(SUPERSAMPLING):
                    v, u = row * SUPERSAMPLING + i, column * SUPERSAMPLING + j
                    face = face_id[v, u]
                    if face == NO_FACE or depth[v, u] >= limit[y, x]:
                        continue
                    part = face_mesh[face]
                    if seen == 0:
                        first_part = part
                    is_one_part = is_one_part and part == first_part
                    nearest, farthest = min(nearest, depth[v, u]), max(farthest, depth[v, u])
                    seen += 1
                    pixel[count] = v * face_id.shape[1] + u
                    owner[count] = y * limit.shape[1] + x
                    count += 1
            coverage[y, x] = seen / SUPERSAMPLING**2
            if seen == SUPERSAMPLING**2 and is_one_part and farthest < nearest + FLAT_DEPTH_M:
                inside[y, x] = True
                # One sample at the centre stands for these.
                count = begin
    return count
