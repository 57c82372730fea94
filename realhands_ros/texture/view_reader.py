"""What each view of one frame says about one hand, and how far it may be trusted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from realhands_ros.errors import ImageError
from realhands_ros.geometry.camera import PinholeCamera
from realhands_ros.geometry.crop import apply_affine
from realhands_ros.geometry.rasterizer import RasterFragments, rasterize
from realhands_ros.hand.hand_mesh import HandView
from realhands_ros.texture import view_kernels
from realhands_ros.texture.scene import SceneOfHands
from realhands_ros.texture.view_kernels import SeenView

FloatArray = NDArray[np.float64]
Image = NDArray[np.uint8]
T = TypeVar('T')
R = TypeVar('R')

# Sharpness counts relative to the sharpest crop of late, which fades by this much a frame.
_SHARPNESS_FADES = 0.995
_LEAST_SHARPNESS = 0.15
NUM_VIEWS = 2
# Crop pixels an image pixel below which an affine is no crop of a hand.
_LEAST_SCALE = 1e-3
# Fewer pixels of hand than this say nothing about how sharp a crop is.
_MIN_PIXELS = 200

# Lasts, since starting a thread takes a twentieth of an update.
_pool = ThreadPoolExecutor(NUM_VIEWS - 1, thread_name_prefix='realhands-views')


class _Reading(NamedTuple):
    """A view with the sharpness of its crop, in grey levels; None when that cannot be told."""

    view: SeenView
    sharpness: float | None


class ViewReader:
    """Reads the views of one hand; keeps how sharp its crops have been."""

    def __init__(self, *, is_plain: bool) -> None:
        """If ``is_plain``, all that the mesh covers is trusted alike, as in the paper."""
        self._is_plain = is_plain
        self._sharpest = 0.0

    def __call__(
        self,
        scene: SceneOfHands,
        hand: int,
        normals: FloatArray,
        views: Sequence[HandView],
        cameras: Sequence[PinholeCamera],
    ) -> tuple[SeenView, SeenView]:
        """
        Return what the left and the right view show of hand number ``hand``.

        ``normals`` (778, 3) are those of its vertices. A view that cannot be used is blind; raises
        ImageError when no view shows the hand.
        """
        usable = [
            (number, view, camera)
            for number, (view, camera) in enumerate(zip(views[:NUM_VIEWS], cameras, strict=False))
            if (crop := view.crop) is not None
            and (affine := view.crop_affine) is not None
            and _fit_together(crop, affine, view.silhouette)
        ]
        read = _side_by_side(lambda of: self._read(scene, hand, normals, of[1], of[2]), usable)
        readings = {
            number: reading
            for (number, _, _), reading in zip(usable, read, strict=True)
            if reading is not None
        }
        self._trust_by_sharpness(list(readings.values()))
        if not readings:
            message = (
                f'no view shows the hand: {len(usable)} of {len(views)} views have a crop and '
                'the mesh lies outside of them or off the mask'
            )
            raise ImageError(message)
        blind = SeenView.blind(len(normals))
        left, right = (
            readings[number].view if number in readings else blind for number in range(NUM_VIEWS)
        )
        return left, right

    def _read(
        self,
        scene: SceneOfHands,
        hand: int,
        normals: FloatArray,
        view: HandView,
        camera: PinholeCamera,
    ) -> _Reading | None:
        """Read one view; None when it does not show the hand at all."""
        assert view.crop is not None
        assert view.crop_affine is not None
        # Of one layout and writable, as the kernels are compiled for.
        crop = np.require(view.crop, np.uint8, ['C', 'W'])
        height, width = crop.shape[:2]
        crop_camera = camera.cropped(view.crop_affine, width, height)
        vertices = crop_camera.to_camera(scene.vertices)
        drawn = rasterize(vertices, scene.faces, crop_camera, num_threads=1)
        silhouette = _silhouette(view)
        inside = self._inside(drawn, scene.face_starts[hand : hand + 2], silhouette)
        _leave_out_what_is_beyond(camera, view.crop_affine, inside)
        if not inside.any():
            return None
        own = vertices[scene.vertex_starts[hand] : scene.vertex_starts[hand + 1]]
        seen = SeenView(
            (own @ crop_camera.intrinsics.T).astype(np.float32),
            self._cosines(own, normals @ camera.rotation.T),
            drawn.depth,
            self._trust(inside, silhouette),
            crop,
        )
        return _Reading(seen, None if self._is_plain else _sharpness(crop, inside))

    def _inside(
        self, drawn: RasterFragments, face_range: tuple[int, ...], silhouette: Image
    ) -> Image:
        """Return the pixels (H, W) that show the hand, 0 or 1; edges are off unless plain."""
        first_face, last_face = face_range
        if self._is_plain:
            own = (drawn.face_id >= first_face) & (drawn.face_id < last_face)
            return own.astype(np.uint8)
        inside = np.empty(silhouette.shape, np.uint8)
        view_kernels.mark_inside(
            drawn.face_id, drawn.depth, first_face, last_face, silhouette, inside
        )
        return inside

    def _cosines(self, vertices: FloatArray, normals: FloatArray) -> NDArray[np.float32]:
        """Return how straight each vertex (V, 3) with its normal (V, 3) is seen, (V,)."""
        if self._is_plain:
            return np.ones(len(vertices), np.float32)
        towards = np.einsum('vc,vc->v', normals, vertices) / -np.linalg.norm(vertices, axis=1)
        return np.asarray(towards, np.float32)

    def _trust(self, inside: Image, silhouette: Image) -> NDArray[np.float32]:
        if self._is_plain:
            return inside.astype(np.float32)
        trust = np.empty(inside.shape, np.float32)
        edge_distance = cv2.distanceTransform(inside, cv2.DIST_L2, 3)
        view_kernels.trust_pixels(edge_distance, silhouette, trust)
        return trust

    def _trust_by_sharpness(self, readings: Sequence[_Reading]) -> None:
        """
        Trust crops by how sharp they are against the sharpest of late.

        Enlarged crops and those blurred by motion have little left of the finest detail.
        """
        known = [reading.sharpness for reading in readings if reading.sharpness is not None]
        self._sharpest = max([self._sharpest * _SHARPNESS_FADES, 1e-6, *known])
        for view, sharpness in readings:
            if sharpness is not None:
                relative = max(sharpness / self._sharpest, _LEAST_SHARPNESS)
                np.multiply(view.trust, np.float32(relative), out=view.trust)


def _side_by_side(job: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """Return job(item) of each; what no helper has begun is done here, as in shared_work.py."""
    helpers = [_pool.submit(job, item) for item in items[1:]]
    own = [job(item) for item in items[:1]]
    return own + [
        job(item) if helper.cancel() else helper.result()
        for item, helper in zip(items[1:], helpers, strict=True)
    ]


def _sharpness(crop: Image, inside: Image) -> float | None:
    """Return the deviation of a crop's finest detail; None with too few pixels ``inside``."""
    if cv2.countNonZero(inside) < _MIN_PIXELS:
        return None
    detail = cv2.Laplacian(crop[..., 1], cv2.CV_16S)
    off_edges = cv2.erode(inside, np.ones((5, 5), np.uint8))
    _, deviation = cv2.meanStdDev(detail, mask=off_edges)
    return float(deviation[0, 0])


def _fit_together(crop: Image, affine: NDArray[Any], silhouette: Image | None) -> bool:
    if not np.isfinite(affine).all() or abs(np.linalg.det(affine[:, :2])) < _LEAST_SCALE**2:
        return False
    if crop.ndim != 3 or crop.shape[2] != 3:
        return False
    return min(crop.shape[:2]) >= 2 and (silhouette is None or silhouette.shape == crop.shape[:2])


def _leave_out_what_is_beyond(camera: PinholeCamera, affine: NDArray[Any], inside: Image) -> None:
    """Clear pixels of a crop (H, W) beyond the edge of the camera's image, which are black."""
    height, width = inside.shape
    back = cv2.invertAffineTransform(np.asarray(affine, np.float64))
    corners = apply_affine(
        back, [(0, 0), (width - 1, 0), (0, height - 1), (width - 1, height - 1)]
    )
    last = np.array([camera.width, camera.height]) - 1
    if (corners >= 0).all() and (corners <= last).all():
        return
    columns, rows = np.arange(width), np.arange(height)[:, None]
    for (by_column, by_row, offset), end in zip(back, last, strict=True):
        place = by_column * columns + (by_row * rows + offset)
        inside[(place < 0) | (place > end)] = 0


def _silhouette(view: HandView) -> Image:
    """Return the mask of a view (H, W); all hand where it has none."""
    assert view.crop is not None
    if view.silhouette is None:
        return np.full(view.crop.shape[:2], 255, np.uint8)
    return view.silhouette
