"""Pictures of hand meshes, alone and over the image that they were seen in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from realhands_ros.arrays import FloatArray
from realhands_ros.data.hands import SIDE_COLOURS, HandMesh
from realhands_ros.data.topology import KEYPOINT_PARENTS, Handedness
from realhands_ros.errors import ConfigError
from realhands_ros.geometry.camera import PinholeCamera
from realhands_ros.geometry.rasterizer import NEAR_M, RasterFragments, rasterize, vertex_normals

# Plain pictures of hand meshes for people to judge: smooth shading, fixed views, one light.
#
# Photographic rendering with materials, environments and shadows is the synthesis package's work.

IntArray = NDArray[np.int64]
Image = NDArray[np.uint8]

SKIN_TINT = (236, 190, 164)
BACKGROUND = (246, 246, 244)

# Camera axes in the right hand's model frame: rows image right, image down, forward.
_VIEW_AXES_RIGHT = {
    'palm': ((0, 0, 1), (1, 0, 0), (0, 1, 0)),
    'back': ((0, 0, -1), (1, 0, 0), (0, -1, 0)),
    'side': ((0, 1, 0), (1, 0, 0), (0, 0, -1)),
}
VIEWS = tuple(_VIEW_AXES_RIGHT)

_DISTANCE_M = 0.8
_SUPERSAMPLING = 2
# Directions towards the lights in camera axes (x right, y down, z forward) and their strengths.
_LIGHTS = (((-0.45, -0.65, -0.62), 0.62), ((0.75, -0.1, -0.65), 0.26))
_AMBIENT = 0.3


def view_rotation(view: str, handedness: Handedness) -> FloatArray:
    """Return the rotation (3, 3) from model frame to camera of 'palm', 'back' or 'side'."""
    if view not in _VIEW_AXES_RIGHT:
        message = f'there is no view {view!r}; the views are {", ".join(VIEWS)}'
        raise ConfigError(message)
    rotation = np.array(_VIEW_AXES_RIGHT[view], dtype=np.float64)
    if handedness == 'left':
        # The left model is the right one with x negated; its image is mirrored left to right.
        mirror = np.diag([-1.0, 1.0, 1.0])
        rotation = mirror @ rotation @ mirror
    return rotation


def shade(
    vertices_cam: ArrayLike, faces: IntArray, camera: PinholeCamera, colours: ArrayLike
) -> tuple[FloatArray, RasterFragments]:
    """
    Render a mesh with smooth Lambert shading under two fixed lights.

    ``vertices_cam`` (V, 3) metres in the optical frame; ``colours`` broadcast to (H, W, 3),
    0..255: one tint or an image of what each pixel shows. Returns the image (H, W, 3), 0..255,
    black where no face is, and the raster's fragments.
    """
    vertices_cam = np.asarray(vertices_cam, dtype=np.float64)
    fragments = rasterize(vertices_cam, faces, camera)
    normals = fragments.interpolate(vertex_normals(vertices_cam, faces), faces)
    normals /= np.maximum(np.linalg.norm(normals, axis=2, keepdims=True), 1e-12)
    light = np.full(fragments.mask.shape, _AMBIENT)
    for direction, strength in _LIGHTS:
        towards = np.array(direction) / np.linalg.norm(direction)
        light += strength * np.maximum(normals @ towards, 0.0)
    shaded = np.asarray(colours, dtype=np.float64) * light[..., None]
    return np.clip(shaded, 0, 255) * fragments.mask[..., None], fragments


def portrait(
    vertices: ArrayLike,
    faces: IntArray,
    handedness: Handedness,
    view: str,
    *,
    size: int = 320,
    extent_m: float = 0.24,
    vertex_colours: ArrayLike | None = None,
    texture: tuple[Image, FloatArray, IntArray] | None = None,
) -> Image:
    """
    Draw a mesh, fingers up, from 'palm', 'back' or 'side', as an RGB image (size, size, 3).

    ``extent_m`` is the width of the picture in metres. ``vertex_colours`` (V, 3) in 0..255 or
    ``texture`` (image (T, T, 3), uv (M, 2), face_uv (F, 3)) replace the skin tint.
    """
    pixels = size * _SUPERSAMPLING
    focal = pixels * _DISTANCE_M / extent_m
    centre = (pixels - 1) / 2
    intrinsics = np.array([[focal, 0, centre], [0, focal, centre], [0, 0, 1.0]])
    camera = PinholeCamera(intrinsics, pixels, pixels)
    vertices_cam = np.asarray(vertices, dtype=np.float64) @ view_rotation(view, handedness).T
    middle = (vertices_cam.min(axis=0) + vertices_cam.max(axis=0)) / 2
    vertices_cam = vertices_cam - middle + [0.0, 0.0, _DISTANCE_M]

    colours: ArrayLike = SKIN_TINT
    if vertex_colours is not None or texture is not None:
        fragments = rasterize(vertices_cam, faces, camera)
        if vertex_colours is not None:
            colours = fragments.interpolate(np.asarray(vertex_colours, dtype=np.float64), faces)
        elif texture is not None:
            image, uv, face_uv = texture
            colours = sample_texture(image, fragments.interpolate(uv, face_uv))
    shaded, fragments = shade(vertices_cam, faces, camera, colours)
    picture = np.where(fragments.mask[..., None], shaded, np.array(BACKGROUND, dtype=np.float64))
    reduced = cv2.resize(picture, (size, size), interpolation=cv2.INTER_AREA)
    return reduced.round().astype(np.uint8)


def sample_texture(image: Image, uv: FloatArray) -> FloatArray:
    """Look up an atlas image (T, T, 3) bilinearly at uv (H, W, 2), v up, (H, W, 3) in 0..255."""
    height, width = image.shape[:2]
    columns = uv[..., 0] * width - 0.5
    rows = (1.0 - uv[..., 1]) * height - 0.5
    looked_up = cv2.remap(
        image, columns.astype(np.float32), rows.astype(np.float32), cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )  # fmt: skip
    return np.asarray(looked_up, dtype=np.float64)


def checkerboard(size: int, cells: int) -> Image:
    """Return an RGB checker (size, size, 3) whose colour drifts, so that cells can be found."""
    index = np.arange(size) * cells // size
    ramp = np.linspace(60, 220, size)
    image = np.empty((size, size, 3))
    image[..., 0], image[..., 1], image[..., 2] = ramp[None, :], ramp[:, None], 150
    image[(index[:, None] + index[None, :]) % 2 == 0] *= 0.45
    return image.astype(np.uint8)


def label(image: Image, text: str) -> Image:
    """Return the picture with a line of text in its top-left corner."""
    labelled = image.copy()
    cv2.putText(
        labelled, text, (8, 20), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (40, 40, 40), 1, cv2.LINE_AA
    )
    return labelled


def grid(rows: Sequence[Sequence[Image]]) -> Image:
    """Lay out equally sized pictures as a table."""
    return np.concatenate([np.concatenate(list(row), axis=1) for row in rows], axis=0)


# Hands drawn over the image that they were seen in.

_OPACITY = 0.75


class Box(NamedTuple):
    """A part of an image, in pixels; right and bottom are the first beyond it."""

    left: int
    top: int
    right: int
    bottom: int

    def camera(self, camera: PinholeCamera) -> PinholeCamera:
        """Return the camera of this part of the image that ``camera`` takes."""
        affine = [[1, 0, -self.left], [0, 1, -self.top]]
        return camera.cropped(affine, self.right - self.left, self.bottom - self.top)

    def part_of(self, picture: Image) -> Image:
        """Return the pixels of this part; to write them is to write the picture (H, W, 3)."""
        return picture[self.top : self.bottom, self.left : self.right]


def draw_meshes(
    picture: Image,
    camera: PinholeCamera,
    meshes: Sequence[HandMesh],
    faces: Mapping[Handedness, NDArray[np.int64]],
) -> None:
    """
    Draw shaded meshes over a picture (H, W, 3), BGR, in place.

    ``camera`` is that of the picture; the meshes are in the rig's frame. What reaches behind the
    camera is left out.
    """
    for mesh in meshes:
        box = mesh_box(mesh, camera)
        if box is None:
            continue
        # Only the part of the picture that the hand is in is looked at.
        part = box.camera(camera)
        vertices = np.asarray(mesh.vertices_cam, np.float64)
        colour = np.array(SIDE_COLOURS[mesh.handedness])
        shaded, fragments = shade(part.to_camera(vertices), faces[mesh.handedness], part, colour)
        pixels = box.part_of(picture)
        behind = pixels[fragments.mask].astype(np.float64)
        mixed = _OPACITY * shaded[fragments.mask][:, ::-1] + (1 - _OPACITY) * behind
        pixels[fragments.mask] = mixed.astype(np.uint8)


def draw_skeleton(
    picture: Image, keypoints_px: ArrayLike, colour_bgr: tuple[int, int, int]
) -> None:
    """Draw the skeleton of keypoints (21, 2), pixels of the picture, NaN where unknown."""
    pixels = np.asarray(keypoints_px, dtype=np.float64)
    known = np.isfinite(pixels).all(axis=1)
    points = np.clip(np.round(np.nan_to_num(pixels)), -10_000, 10_000).astype(int)
    for child, parent in enumerate(KEYPOINT_PARENTS):
        if parent >= 0 and known[child] and known[parent]:
            start, end = (tuple(int(v) for v in points[k]) for k in (parent, child))
            cv2.line(picture, start, end, colour_bgr, 1, cv2.LINE_AA)


def mesh_box(mesh: HandMesh, camera: PinholeCamera) -> Box | None:
    """Return the part of the image that shows a mesh, None where it cannot be drawn."""
    vertices = np.asarray(mesh.vertices_cam, np.float64)
    if not np.isfinite(vertices).all() or camera.to_camera(vertices)[:, 2].min() < NEAR_M:
        return None
    pixels = camera.project(vertices)
    low = np.maximum(np.floor(pixels.min(axis=0)) - 1, 0)
    high = np.minimum(np.ceil(pixels.max(axis=0)) + 2, [camera.width, camera.height])
    if (high <= low).any():
        return None
    return Box(int(low[0]), int(low[1]), int(high[0]), int(high[1]))
