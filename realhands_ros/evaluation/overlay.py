"""Meshes drawn over the image they were reconstructed from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from realhands_ros.geometry.camera import PinholeCamera
from realhands_ros.hand.hand_mesh import HandMesh
from realhands_ros.hand.portrait import shade
from realhands_ros.hand.topology import KEYPOINT_PARENTS, Handedness

Image = NDArray[np.uint8]

_OPACITY = 0.75
# RGB.
_SIDE_COLOURS = {'right': (245, 190, 140), 'left': (140, 190, 245)}
_TRUE_BGR = (60, 220, 60)
_WIDTH_PX = 640


def draw_meshes(
    image_bgr: Image,
    camera: PinholeCamera,
    meshes: Sequence[HandMesh],
    faces: Mapping[Handedness, NDArray[np.int64]],
    true_px: Sequence[NDArray[np.float64]] = (),
) -> Image:
    """
    Return a BGR picture of the meshes before their image; true skeletons in green.

    ``image_bgr`` (H, W, 3); the meshes are in the rig's frame; ``true_px`` (21, 2), NaN where
    unknown. The picture is at most 640 pixels wide.
    """
    drawn = image_bgr.astype(np.float64)
    for mesh in meshes:
        vertices = camera.to_camera(np.asarray(mesh.vertices_cam, np.float64))
        colour = np.array(_SIDE_COLOURS[mesh.handedness])
        shaded, fragments = shade(vertices, faces[mesh.handedness], camera, colour)
        rows = shaded[fragments.mask][:, ::-1]
        drawn[fragments.mask] = _OPACITY * rows + (1 - _OPACITY) * drawn[fragments.mask]
    picture = drawn.astype(np.uint8)
    for pixels in true_px:
        _draw_skeleton(picture, pixels)
    height, width = picture.shape[:2]
    if width > _WIDTH_PX:
        size = (_WIDTH_PX, round(height * _WIDTH_PX / width))
        picture = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
    return picture


def as_jpeg(picture_bgr: Image) -> bytes:
    """Return a picture as JPEG."""
    done, data = cv2.imencode('.jpg', picture_bgr, [cv2.IMWRITE_JPEG_QUALITY, 85])
    assert done
    return bytes(data.tobytes())


def _draw_skeleton(picture: Image, pixels: NDArray[np.float64]) -> None:
    known = np.isfinite(pixels).all(axis=1)
    points = np.clip(np.round(np.nan_to_num(pixels)), -10_000, 10_000).astype(int)
    for child, parent in enumerate(KEYPOINT_PARENTS):
        if parent >= 0 and known[child] and known[parent]:
            start, end = (tuple(int(v) for v in points[k]) for k in (parent, child))
            cv2.line(picture, start, end, _TRUE_BGR, 1, cv2.LINE_AA)
