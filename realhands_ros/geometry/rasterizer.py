"""Triangle meshes as pixels: z-buffer rasteriser, normals, texels of an atlas."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import distance_transform_edt

from realhands_ros.arrays import FloatArray
from realhands_ros.errors import ConfigError
from realhands_ros.geometry.camera import PinholeCamera

# Z-buffer rasteriser for triangle meshes on the CPU.
#
# Works in homogeneous coordinates (Olano and Greer, "Triangle Scan Conversion using 2D Homogeneous
# Coordinates", 1997): the edge functions of a triangle are the rows of the inverse of the matrix
# of its three camera-frame vertices, so barycentrics come out perspective-correct and triangles
# that cross the near plane need no clipping into smaller ones. Both sides of a triangle are drawn.

NO_FACE = -1
NEAR_M = 0.01

# Starting a thread costs about as much as filling a 256 x 256 image with a hand.
_PIXELS_WORTH_A_THREAD = 256 * 256
_MAX_THREADS = 4


@dataclass(frozen=True)
class RasterFragments:
    """
    What each pixel sees: the nearest face and where on it.

    ``face_id`` (H, W) int32, -1 where nothing is seen; ``barycentric`` (H, W, 3) float32,
    perspective-correct weights of the face's vertices, zeros where nothing is seen; ``depth``
    (H, W) float32, z in metres, inf where nothing is seen.
    """

    face_id: NDArray[np.int32]
    barycentric: NDArray[np.float32]
    depth: NDArray[np.float32]

    @property
    def mask(self) -> NDArray[np.bool_]:
        """Return the pixels that see any face, (H, W)."""
        return np.asarray(self.face_id != NO_FACE)

    def interpolate(
        self, values: NDArray[np.floating[Any]], faces: NDArray[np.integer[Any]]
    ) -> NDArray[np.floating[Any]]:
        """
        Interpolate per-vertex ``values`` (V, C) over the image, (H, W, C); zeros where no face is.

        ``faces`` (F, 3) indexes ``values`` and may differ from the drawn faces (texture seams), as
        long as the faces come in the same order.
        """
        corners = values[faces[np.maximum(self.face_id, 0)]]
        return np.asarray(np.einsum('hwk,hwkc->hwc', self.barycentric, corners))


def rasterize(
    vertices_cam: ArrayLike,
    faces: ArrayLike,
    camera: PinholeCamera,
    *,
    near: float = NEAR_M,
    num_threads: int | None = None,
) -> RasterFragments:
    """
    Draw a triangle mesh into a z-buffer.

    ``vertices_cam`` (V, 3) are metres in the camera's own optical frame (only the camera's
    intrinsics and image size are used); ``faces`` (F, 3) index them. Several meshes are drawn at
    once by concatenating them. A pixel is sampled at its centre, which lies at integer
    coordinates; a pixel centre on an edge that two faces share belongs to exactly one of them, and
    of two faces at the same depth the one with the lower index is seen. The parts of a face nearer
    than ``near`` metres, or behind the camera, are not drawn; faces with a non-finite vertex and
    faces seen exactly edge-on are skipped.

    The result does not depend on ``num_threads`` (None: one a quarter of a megapixel, at most 4).
    Raises ConfigError when the arrays have the wrong shape or a face names a missing vertex.
    """
    vertices = np.ascontiguousarray(vertices_cam, dtype=np.float64)
    triangles = np.ascontiguousarray(faces, dtype=np.int64)
    _check_mesh(vertices, triangles)
    height, width = camera.height, camera.width
    face_id = np.full((height, width), NO_FACE, dtype=np.int32)
    barycentric = np.zeros((height, width, 3), dtype=np.float32)
    depth = np.full((height, width), np.inf, dtype=np.float32)
    rays = vertices @ camera.intrinsics.T
    threads = num_threads or _default_threads(height * width)
    bounds = np.linspace(0, height, threads + 1).astype(np.int64)

    def draw(band: int) -> None:
        _draw_rows(
            rays, triangles, near, bounds[band], bounds[band + 1], face_id, barycentric, depth
        )

    # Each thread owns a band of rows, so that no two write to one pixel. A pool a call is slower
    # than a lasting one by 0.1 ms and, unlike it, survives a fork.
    if threads == 1:
        draw(0)
    else:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(draw, range(threads)))
    return RasterFragments(face_id, barycentric, depth)


def _default_threads(pixels: int) -> int:
    wanted = pixels // (4 * _PIXELS_WORTH_A_THREAD) + 1
    return min(wanted, _MAX_THREADS, os.cpu_count() or 1)


def _check_mesh(vertices: NDArray[np.float64], faces: NDArray[np.int64]) -> None:
    if vertices.ndim != 2 or vertices.shape[1] != 3 or faces.ndim != 2 or faces.shape[1] != 3:
        message = (
            'a mesh is vertices (V, 3) and faces (F, 3), found '
            f'{vertices.shape} and {faces.shape}: pass one mesh, not a batch'
        )
        raise ConfigError(message)
    if faces.size and (faces.min() < 0 or faces.max() >= len(vertices)):
        message = (
            f'faces name vertices {faces.min()} to {faces.max()} of a mesh of {len(vertices)}: '
            'pass the faces that belong to these vertices'
        )
        raise ConfigError(message)


@numba.njit(nogil=True, cache=True)
def _pixel_bounds(corners, near, width, row_start, row_stop):  # type: ignore[no-untyped-def]
    """Return columns and rows [start, stop) that the part in front of ``near`` can touch."""
    x_min, x_max, y_min, y_max = np.inf, -np.inf, np.inf, -np.inf
    for i in range(3):
        j = (i + 1) % 3
        z_i, z_j = corners[i, 2], corners[j, 2]
        if z_i >= near:
            x, y = corners[i, 0] / z_i, corners[i, 1] / z_i
            x_min, x_max = min(x_min, x), max(x_max, x)
            y_min, y_max = min(y_min, y), max(y_max, y)
        if (z_i >= near) != (z_j >= near):
            t = (near - z_i) / (z_j - z_i)
            x = (corners[i, 0] + t * (corners[j, 0] - corners[i, 0])) / near
            y = (corners[i, 1] + t * (corners[j, 1] - corners[i, 1])) / near
            x_min, x_max = min(x_min, x), max(x_max, x)
            y_min, y_max = min(y_min, y), max(y_max, y)
    # One pixel of margin, since these quotients are rounded and the edge tests are not; clamped
    # before the conversion, since a face close to the plane may reach far beyond int64.
    x_start = int(max(np.floor(x_min) - 1.0, 0.0)) if x_min < width else width
    y_start = int(max(np.floor(y_min) - 1.0, row_start)) if y_min < row_stop else row_stop
    x_stop = int(min(np.ceil(x_max) + 2.0, width)) if x_max >= 0.0 else 0
    y_stop = int(min(np.ceil(y_max) + 2.0, row_stop)) if y_max >= row_start - 1.0 else row_start
    return x_start, x_stop, y_start, y_stop


@numba.njit(nogil=True, cache=True, error_model='numpy', inline='always')
def _narrowed(first, last, inverse_slope, value):  # type: ignore[no-untyped-def]
    """
    Return the part of the columns [first, last] where an edge function can be positive.

    It is ``value`` at column 0. One column too many may stay on either side, as these quotients
    are rounded; comparisons with what is not a number leave everything.
    """
    crossing = -value * inverse_slope
    if inverse_slope > 0.0:
        if crossing > first:
            first = np.floor(crossing)
    elif crossing < last:
        last = np.ceil(crossing)
    return first, last


@numba.njit(nogil=True, cache=True, error_model='numpy')
def _draw_rows(  # type: ignore[no-untyped-def]
    rays, faces, near, row_start, row_stop, face_id, barycentric, depth
):
    """Draw rows [row_start, row_stop); ``rays`` (V, 3) are K times the vertices."""
    width = depth.shape[1]
    corners = np.empty((3, 3))
    edges = np.empty((3, 3))
    inverse_slopes = np.empty(3)
    for f in range(faces.shape[0]):
        is_finite = True
        for i in range(3):
            for axis in range(3):
                corners[i, axis] = rays[faces[f, i], axis]
                is_finite = is_finite and np.isfinite(corners[i, axis])
        if not is_finite:
            continue
        x_start, x_stop, y_start, y_stop = _pixel_bounds(corners, near, width, row_start, row_stop)
        if x_start >= x_stop or y_start >= y_stop:
            continue
        # Edge i is the plane through the camera and the side opposite to corner i. Two faces get
        # for a shared side numbers that are each other's exact negative: no gap between them.
        for i in range(3):
            a, b = (i + 1) % 3, (i + 2) % 3
            edges[i, 0] = corners[a, 1] * corners[b, 2] - corners[a, 2] * corners[b, 1]
            edges[i, 1] = corners[a, 2] * corners[b, 0] - corners[a, 0] * corners[b, 2]
            edges[i, 2] = corners[a, 0] * corners[b, 1] - corners[a, 1] * corners[b, 0]
        volume = (
            edges[0, 0] * corners[0, 0] + edges[0, 1] * corners[0, 1] + edges[0, 2] * corners[0, 2]
        )
        if volume == 0.0:
            continue
        sign = 1.0 if volume > 0.0 else -1.0
        volume *= sign
        for i in range(3):
            for axis in range(3):
                edges[i, axis] *= sign
            inverse_slopes[i] = 1.0 / edges[i, 0]
        for y in range(y_start, y_stop):
            row0 = edges[0, 1] * y + edges[0, 2]
            row1 = edges[1, 1] * y + edges[1, 2]
            row2 = edges[2, 1] * y + edges[2, 2]
            x_first, x_last = float(x_start), float(x_stop - 1)
            x_first, x_last = _narrowed(x_first, x_last, inverse_slopes[0], row0)
            x_first, x_last = _narrowed(x_first, x_last, inverse_slopes[1], row1)
            x_first, x_last = _narrowed(x_first, x_last, inverse_slopes[2], row2)
            if x_first > x_last:
                continue
            was_inside = False
            for x in range(int(x_first), int(x_last) + 1):
                w0 = edges[0, 0] * x + row0
                w1 = edges[1, 0] * x + row1
                w2 = edges[2, 0] * x + row2
                total = w0 + w1 + w2
                if w0 < 0.0 or w1 < 0.0 or w2 < 0.0 or total <= 0.0:
                    if was_inside:
                        break  # A triangle is convex: the row does not enter it again.
                    continue
                was_inside = True
                z = np.float32(volume / total)
                if z >= near and z < depth[y, x]:
                    depth[y, x] = z
                    face_id[y, x] = f
                    barycentric[y, x, 0] = w0 / total
                    barycentric[y, x, 1] = w1 / total
                    barycentric[y, x, 2] = w2 / total


def projected_mask(
    vertices: NDArray[np.float64], faces: NDArray[np.int64], camera: PinholeCamera
) -> NDArray[np.bool_]:
    """Return the pixels of a camera's image that a mesh (V, 3) in the rig's frame covers."""
    return rasterize(camera.to_camera(vertices), faces, camera).mask


# Where each texel of a texture atlas lies on its mesh: face and barycentric coordinates.


@dataclass(frozen=True, eq=False)
class TexelTable:
    """
    The used texels of a square atlas with ``size`` texels a side, sorted by face.

    ``texels`` (N,) flat row-major indices of the texels whose centres lie in a face; ``face`` (N,)
    that face and ``barycentric`` (N, 3) float32 where in it; those of face f are the texels
    ``starts[f]`` to ``starts[f + 1]``. ``gutter`` (G,) flat indices of texels beside the faces,
    which bilinear look-ups touch, and ``gutter_source`` (G,) which of the N texels is nearest.
    """

    size: int
    texels: NDArray[np.int64]
    face: NDArray[np.int32]
    barycentric: NDArray[np.float32]
    starts: NDArray[np.int64]
    gutter: NDArray[np.int64]
    gutter_source: NDArray[np.int64]

    @classmethod
    def of(
        cls, points_px: ArrayLike, faces: ArrayLike, size: int, *, gutter_texels: float = 4.0
    ) -> TexelTable:
        """
        Lay out an atlas.

        ``points_px`` (M, 2) are the corners' column and row in texels, the centre of the top-left
        texel being (0, 0); ``faces`` (F, 3) index them. Raises ConfigError as rasterize does.
        """
        points = np.asarray(points_px, dtype=np.float64)
        faces = np.asarray(faces)
        flat = np.column_stack([points, np.ones(len(points))])
        drawn = rasterize(flat, faces, PinholeCamera(np.eye(3), size, size))
        used = np.flatnonzero(drawn.mask)
        order = np.argsort(drawn.face_id.ravel()[used], kind='stable')
        texels = used[order]
        face = drawn.face_id.ravel()[texels]
        distance, nearest = distance_transform_edt(~drawn.mask, return_indices=True)
        gutter = np.flatnonzero((distance > 0) & (distance <= gutter_texels))
        number = np.empty(size * size, dtype=np.int64)
        number[texels] = np.arange(len(texels))
        source = np.ravel_multi_index(nearest.reshape(2, -1)[:, gutter], (size, size))
        return cls(
            size=size,
            texels=texels,
            face=face,
            barycentric=drawn.barycentric.reshape(-1, 3)[texels],
            starts=np.searchsorted(face, np.arange(len(faces) + 1)),
            gutter=gutter,
            gutter_source=number[source],
        )


# Normals of a triangle mesh.


_SHORTEST = 1e-12


def vertex_normals(vertices: ArrayLike, faces: NDArray[np.integer[Any]]) -> FloatArray:
    """
    Return area-weighted unit normals (V, 3) of a mesh with vertices (V, 3) and faces (F, 3).

    They point to the side from which the faces turn anticlockwise. A vertex without faces has the
    normal 0.
    """
    sums = _sums_of_face_normals(
        np.ascontiguousarray(vertices, dtype=np.float64),
        np.ascontiguousarray(faces, dtype=np.int64),
    )
    lengths = np.linalg.norm(sums, axis=1, keepdims=True)
    return np.asarray(sums / np.maximum(lengths, _SHORTEST))


@numba.njit(nogil=True, cache=True)
def _sums_of_face_normals(vertices, faces):  # type: ignore[no-untyped-def]
    """Sum, at each vertex, the cross products of its faces' sides: twice their areas long."""
    sums = np.zeros((len(vertices), 3))
    for f in range(len(faces)):
        a, b, c = vertices[faces[f, 0]], vertices[faces[f, 1]], vertices[faces[f, 2]]
        ux, uy, uz = b[0] - a[0], b[1] - a[1], b[2] - a[2]
        vx, vy, vz = c[0] - a[0], c[1] - a[1], c[2] - a[2]
        nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
        for corner in range(3):
            vertex = faces[f, corner]
            sums[vertex, 0] += nx
            sums[vertex, 1] += ny
            sums[vertex, 2] += nz
    return sums
