"""Building blocks of scenes: normals, tubes, boxes, ellipsoids, quads with faces and uv."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from realhands_ros.geometry.rasterizer import vertex_normals

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


class MeshGeometry(NamedTuple):
    """Vertices (V, 3) metres, faces (F, 3), smooth normals (V, 3), uv (T, 2), face_uv (F, 3)."""

    vertices: FloatArray
    faces: IntArray
    normals: FloatArray
    uv: FloatArray
    face_uv: IntArray

    def transformed(self, rotation: ArrayLike, translation: ArrayLike) -> MeshGeometry:
        """Return the mesh rotated by (3, 3), then moved by (3,)."""
        rotation = np.asarray(rotation)
        return self._replace(
            vertices=self.vertices @ rotation.T + np.asarray(translation),
            normals=self.normals @ rotation.T,
        )


def unit(vectors: ArrayLike) -> FloatArray:
    """Return vectors (..., 3) scaled to length 1; zero vectors stay zero."""
    array = np.asarray(vectors, dtype=np.float64)
    length = np.linalg.norm(array, axis=-1, keepdims=True)
    return np.asarray(array / np.maximum(length, 1e-12))


def rotation_between(start: ArrayLike, end: ArrayLike) -> FloatArray:
    """Return the smallest rotation (3, 3) that takes unit vector ``start`` to ``end``."""
    a, b = unit(start), unit(end)
    axis = np.cross(a, b)
    cosine = float(a @ b)
    if cosine < -0.999999:
        other = unit(np.cross(a, [1.0, 0.0, 0.0] if abs(a[0]) < 0.9 else [0.0, 1.0, 0.0]))
        return 2.0 * np.outer(other, other) - np.eye(3)
    cross = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    return np.asarray(np.eye(3) + cross + cross @ cross / (1.0 + cosine))


def frame_looking_along(forward: ArrayLike, up: ArrayLike) -> FloatArray:
    """Return a rotation whose columns are right, down, forward for a viewer with this ``up``."""
    z = unit(forward)
    x = unit(np.cross(z, unit(up)))
    return np.stack([x, np.cross(z, x), z], axis=1)


def tube(rings: FloatArray, *, uv_scale: tuple[float, float] = (1.0, 1.0)) -> MeshGeometry:
    """
    Join rings (R, K, 3) of points into an open tube; u runs around it, v along it.

    Rings run counter-clockwise when seen from the side that the tube grows to, so that normals
    point outwards.
    """
    num_rings, around, _ = rings.shape
    ring, k = np.meshgrid(np.arange(num_rings - 1), np.arange(around), indexing='ij')
    ring, k = ring.ravel(), k.ravel()

    def split(columns: int, step: IntArray) -> IntArray:
        a, b = ring * columns + k, ring * columns + step
        c, d = a + columns, b + columns
        return np.concatenate([np.stack([a, b, d], -1), np.stack([a, d, c], -1)])

    faces = split(around, (k + 1) % around)
    u, v = np.meshgrid(np.linspace(0, 1, around + 1), np.linspace(0, 1, num_rings))
    uv = np.stack([u.ravel() * uv_scale[0], v.ravel() * uv_scale[1]], axis=-1)
    vertices = rings.reshape(-1, 3)
    return MeshGeometry(
        vertices, faces, vertex_normals(vertices, faces), uv, split(around + 1, k + 1)
    )


def quad(corners: ArrayLike, *, uv_scale: tuple[float, float] = (1.0, 1.0)) -> MeshGeometry:
    """Return a flat quadrilateral from corners (4, 3) in order; uv starts at the first."""
    vertices = np.asarray(corners, dtype=np.float64)
    faces = np.array([[0, 1, 2], [0, 2, 3]])
    uv = np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) * uv_scale
    normal = unit(np.cross(vertices[2] - vertices[0], vertices[3] - vertices[1]))
    return MeshGeometry(vertices, faces, np.tile(normal, (4, 1)), uv, faces)


def box(size: ArrayLike, *, texels_per_metre: float = 0.0) -> MeshGeometry:
    """
    Return an axis-aligned box of ``size`` (3,) about the origin, with flat-shaded sides.

    Each side shows the whole texture, or, with ``texels_per_metre``, a repeat of it that is
    ``1 / texels_per_metre`` metres long.
    """
    half = np.asarray(size, dtype=np.float64) / 2
    cube, axes = _cube()
    uv = cube.uv
    if texels_per_metre:
        uv = uv * np.repeat(2 * half[axes] * texels_per_metre, 4, axis=0)
    return cube._replace(vertices=cube.vertices * half, uv=uv)


@cache
def _cube() -> tuple[MeshGeometry, IntArray]:
    """Return a box from -1 to 1, and the axes (6, 2) that u and v of each side run along."""
    sides, axes = [], []
    for axis in range(3):
        for sign in (-1.0, 1.0):
            a, b = (axis + 1) % 3, (axis + 2) % 3
            corners = np.zeros((4, 3))
            corners[:, axis] = sign
            corners[:, a] = np.array([-1, 1, 1, -1]) * sign
            corners[:, b] = np.array([-1, -1, 1, 1])
            sides.append(quad(corners))
            axes.append((a, b))
    return concatenate(sides), np.array(axes)


def ellipsoid(radii: ArrayLike, *, around: int = 24, along: int = 16) -> MeshGeometry:
    """Return an ellipsoid about the origin with its poles on the z axis."""
    polar = np.linspace(0.02, np.pi - 0.02, along)
    azimuth = np.linspace(0, 2 * np.pi, around, endpoint=False)
    rings = np.stack(
        [
            np.sin(polar)[:, None] * np.cos(azimuth),
            np.sin(polar)[:, None] * np.sin(azimuth),
            np.broadcast_to(-np.cos(polar)[:, None], (along, around)),
        ],
        axis=-1,
    )
    return tube(rings * np.asarray(radii, dtype=np.float64))


def cylinder(radius: float, length: float, *, around: int = 28) -> MeshGeometry:
    """Return a closed cylinder about the z axis, centred on the origin."""
    azimuth = np.linspace(0, 2 * np.pi, around, endpoint=False)
    circle = np.stack([np.cos(azimuth), np.sin(azimuth), np.zeros(around)], axis=-1)
    half = np.array([0.0, 0.0, length / 2])
    wall = tube(np.stack([circle * radius - half, circle * radius + half]))
    ends = [
        tube(np.stack([circle * 1e-4 - half, circle * radius - half])),
        tube(np.stack([circle * radius + half, circle * 1e-4 + half])),
    ]
    return concatenate([wall, *ends])


def concatenate(parts: list[MeshGeometry]) -> MeshGeometry:
    """Return one mesh of several; nothing is welded."""
    vertex_starts = np.cumsum([0] + [len(part.vertices) for part in parts])
    uv_starts = np.cumsum([0] + [len(part.uv) for part in parts])
    return MeshGeometry(
        np.concatenate([part.vertices for part in parts]),
        np.concatenate([p.faces + s for p, s in zip(parts, vertex_starts, strict=False)]),
        np.concatenate([part.normals for part in parts]),
        np.concatenate([part.uv for part in parts]),
        np.concatenate([p.face_uv + s for p, s in zip(parts, uv_starts, strict=False)]),
    )
