"""Hands drawn over the image that they were seen in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from realhands_ros.geometry.camera import PinholeCamera
from realhands_ros.geometry.rasterizer import NEAR_M
from realhands_ros.hand.hand_mesh import HandMesh
from realhands_ros.hand.portrait import shade
from realhands_ros.hand.side_colours import SIDE_COLOURS
from realhands_ros.hand.topology import KEYPOINT_PARENTS, Handedness

Image = NDArray[np.uint8]

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
