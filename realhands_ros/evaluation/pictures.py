"""The best and the worst frames of an evaluation, as pictures."""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from realhands_ros.data.frames import StereoFrame, to_bgr
from realhands_ros.data.hands import HandMesh
from realhands_ros.data.topology import Handedness
from realhands_ros.data.truth import TrackedTruth
from realhands_ros.evaluation.result import Picture
from realhands_ros.evaluation.scores import ALL_METRICS
from realhands_ros.geometry.camera import PinholeCamera
from realhands_ros.geometry.crop import apply_affine
from realhands_ros.hand.drawing import draw_meshes, draw_skeleton

# Meshes drawn over the image they were reconstructed from.

Image = NDArray[np.uint8]

_TRUE_BGR = (60, 220, 60)
# Side of a picture, and how much wider it is than the hands.
_SIDE_PX = 480
_MARGIN = 1.5
_LEAST_SIDE_PX = 96


@dataclass(frozen=True, eq=False)
class Overlay:
    """
    The part of an image around the hands, and the meshes and keypoints to draw over it.

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


# The best and the worst frames of an evaluation; only these few are kept in memory.

_KEPT = 4

# Rank, negated frame number (unique, so that overlays are never compared), overlay.
_Entry = tuple[float, int, Overlay]


class ExtremeFrames:
    """Keeps overlays of the frames with the smallest and the largest errors."""

    def __init__(self, faces: Mapping[Handedness, NDArray[np.int64]]) -> None:
        self._faces = faces
        self._best: list[_Entry] = []
        self._worst: list[_Entry] = []

    def offer(
        self,
        number: int,
        frame: StereoFrame,
        meshes: Sequence[HandMesh],
        truth: Sequence[TrackedTruth],
        errors: Sequence[float],
    ) -> None:
        """Keep a frame if it is among the best or the worst; ``errors`` has one number a mesh."""
        if not errors:
            return
        error = float(np.mean(errors))
        is_best = len(self._best) < _KEPT or -error > self._best[0][0]
        is_worst = len(self._worst) < _KEPT or error > self._worst[0][0]
        if not (is_best or is_worst):
            return
        camera, image = frame.cameras[0], to_bgr(frame.images[0])
        true_px = [hand.keypoints_px(0, camera) for hand in truth]
        overlay = Overlay.cut(image, camera, [_without_views(mesh) for mesh in meshes], true_px)
        if is_best:
            _keep(self._best, (-error, -number, overlay))
        if is_worst:
            _keep(self._worst, (error, -number, overlay))

    def pictures(self, metric: str | None) -> tuple[Picture, ...]:
        """Return the best frames, then the worst; ``metric`` names the metric of the errors."""
        shown: list[Picture] = []
        if metric is None:
            return ()
        heading = ALL_METRICS[metric].heading
        for name, entries in (('best', self._best), ('worst', self._worst)):
            for rank, (value, number, overlay) in enumerate(
                sorted(entries, reverse=True), start=1
            ):
                figure = ALL_METRICS[metric].text(abs(value))
                caption = f'{name} {rank}: frame {-number}, {heading} {figure}'
                jpeg = as_jpeg(overlay.drawn(self._faces))
                shown.append(Picture(f'{name}_{rank}.jpg', caption, jpeg))
        return tuple(shown)


def _without_views(mesh: HandMesh) -> HandMesh:
    """Return a mesh without its crops, which need not be kept."""
    return replace(mesh, views=())


def _keep(entries: list[_Entry], entry: _Entry) -> None:
    heapq.heappush(entries, entry)
    if len(entries) > _KEPT:
        heapq.heappop(entries)
