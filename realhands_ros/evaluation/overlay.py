"""Meshes drawn over the image they were reconstructed from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from realhands_ros.geometry.camera import PinholeCamera
from realhands_ros.geometry.crop import apply_affine
from realhands_ros.hand.hand_mesh import HandMesh
from realhands_ros.hand.overlay import draw_meshes, draw_skeleton
from realhands_ros.hand.topology import Handedness

Image = NDArray[np.uint8]

_TRUE_BGR = (60, 220, 60)
# Side of a picture, and how much wider it is than the hands.
_SIDE_PX = 480
_MARGIN = 1.5
_LEAST_SIDE_PX = 96


@dataclass(frozen=True, eq=False)
class Overlay:
    """
    The part of an image that hands are in, and what is to be drawn over it.

    ``picture`` (480, 480, 3) BGR; ``camera`` is that of the picture; ``meshes`` are in the rig's
    frame; ``true_px`` (21, 2) are pixels of the picture, NaN where unknown.
    """

    picture: Image
    camera: PinholeCamera
    meshes: tuple[HandMesh, ...]
    true_px: tuple[NDArray[np.float64], ...]

    @classmethod
    def cut(
        cls,
        image_bgr: Image,
        camera: PinholeCamera,
        meshes: Sequence[HandMesh],
        true_px: Sequence[NDArray[np.float64]] = (),
    ) -> Overlay:
        """Cut the picture out of an image (H, W, 3); ``true_px`` are pixels of the image."""
        points = [camera.project(np.asarray(mesh.vertices_cam, np.float64)) for mesh in meshes]
        shown = np.concatenate([*points, *true_px, np.zeros((0, 2))])
        affine = _closer(image_bgr.shape[:2], shown)
        size = (_SIDE_PX, _SIDE_PX)
        picture = cv2.warpAffine(image_bgr, affine, size, flags=cv2.INTER_AREA)
        return cls(
            np.asarray(picture, np.uint8),
            camera.cropped(affine, *size),
            tuple(meshes),
            tuple(apply_affine(affine, pixels) for pixels in true_px),
        )

    def drawn(self, faces: Mapping[Handedness, NDArray[np.int64]]) -> Image:
        """Return the picture with shaded meshes, and the true skeletons in green."""
        picture = self.picture.copy()
        draw_meshes(picture, self.camera, self.meshes, faces)
        for pixels in self.true_px:
            draw_skeleton(picture, pixels, _TRUE_BGR)
        return picture


def as_jpeg(picture_bgr: Image) -> bytes:
    """Return a picture as JPEG."""
    done, data = cv2.imencode('.jpg', picture_bgr, [cv2.IMWRITE_JPEG_QUALITY, 85])
    assert done
    return bytes(data.tobytes())


def _closer(size: tuple[int, ...], points_px: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the affine (2, 3) of the square around points (N, 2), or of all without points."""
    height, width = size
    corner, side = np.zeros(2), float(max(height, width))
    inside = (points_px >= 0) & (points_px < [width, height])
    known = points_px[inside.all(axis=1)]
    if len(known):
        low, high = known.min(axis=0), known.max(axis=0)
        side = max(_MARGIN * float((high - low).max()), _LEAST_SIDE_PX)
        corner = 0.5 * (low + high) - side / 2
    scale = _SIDE_PX / side
    return np.array([[scale, 0.0, -scale * corner[0]], [0.0, scale, -scale * corner[1]]])
