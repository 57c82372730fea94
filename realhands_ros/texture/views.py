"""What each view of one frame says about one hand, and how far it may be trusted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

import cv2
import numba
import numpy as np
from numpy.typing import NDArray

from realhands_ros.arrays import FloatArray
from realhands_ros.data.hands import HandView
from realhands_ros.errors import ImageError
from realhands_ros.geometry.camera import PinholeCamera
from realhands_ros.geometry.crop import apply_affine
from realhands_ros.geometry.rasterizer import RasterFragments, rasterize

# Compiled kernels that look at one view of a hand: which texels it shows, in what colour, how
# well.
#
# Shapes: V vertices, F faces, N texels, a crop of H x W pixels.

# Sums may be reordered; NaN and infinity keep their meaning.
_FASTMATH = {'reassoc', 'contract', 'nsz'}

_ZERO, _HALF = np.float32(0.0), np.float32(0.5)
# Pixels are unsigned, since a signed index may count from the end: that test costs a quarter.
_ONE_PIXEL = np.uint64(1)
# Surface seen at a flatter angle than this cosine is not sampled.
_MIN_COSINE = np.float32(0.12)
# A texel further behind the z-buffer than this is hidden; half a pixel on a slanted surface is
# less, a finger in front of another is more.
_DEPTH_TOLERANCE_M = np.float32(0.004)
# Neighbouring pixels that differ more in depth belong to different parts of the hand.
_DEPTH_STEP_M = 0.008
# Lens and demosaicing mix the colours on both sides of an edge: nothing is taken nearer to one
# than the first distance (pixels), and everything counts in full from the second.
_EDGE_START_PX, _EDGE_FULL_PX = np.float32(1.5), np.float32(5.0)


class SeenView(NamedTuple):
    """
    What one camera sees of a hand, ready to be looked up.

    ``rays`` (V, 3) float32 are K times the vertices in the frame of the crop's camera, ``cosines``
    (V,) float32 those of the viewing angle; ``depth`` (H, W) float32 is the z-buffer, ``trust``
    (H, W) float32 how surely a pixel has the colour of the hand alone, 0..1; ``crop`` (H, W, 3)
    uint8 BGR.
    """

    rays: NDArray[np.float32]
    cosines: NDArray[np.float32]
    depth: NDArray[np.float32]
    trust: NDArray[np.float32]
    crop: NDArray[np.uint8]

    @classmethod
    def blind(cls, num_vertices: int) -> SeenView:
        """Return a view that shows nothing: no ray of it points forwards."""
        pixel = np.zeros((1, 1), np.float32)
        return cls(
            np.zeros((num_vertices, 3), np.float32),
            np.zeros(num_vertices, np.float32),
            pixel,
            pixel,
            np.zeros((1, 1, 3), np.uint8),
        )


class Layout(NamedTuple):
    """
    Where texels lie on a mesh: its ``faces`` (F, 3) and, as a TexelTable has them, the others.

    ``starts`` (F + 1,); ``barycentric`` (N, 3) float32; ``texels`` (N,).
    """

    faces: NDArray[np.int64]
    starts: NDArray[np.int64]
    barycentric: NDArray[np.float32]
    texels: NDArray[np.int64]


@numba.njit(nogil=True, cache=True)
def mark_inside(face_id, depth, first_face, last_face, silhouette, inside):  # type: ignore[no-untyped-def]
    """
    Mark the pixels that show faces [first_face, last_face), off every edge.

    ``face_id`` and ``depth`` (H, W) are a raster's; ``silhouette`` (H, W) uint8 probability of
    hand; ``inside`` (H, W) uint8 is filled with 0 and 1.
    """
    height, width = depth.shape
    for y in range(height):
        for x in range(width):
            inside[y, x] = 0
            face = face_id[y, x]
            if face < first_face or face >= last_face or silhouette[y, x] < 128:
                continue
            here = depth[y, x]
            steps = 0.0
            if x > 0:
                steps = max(steps, abs(depth[y, x - 1] - here))
            if x < width - 1:
                steps = max(steps, abs(depth[y, x + 1] - here))
            if y > 0:
                steps = max(steps, abs(depth[y - 1, x] - here))
            if y < height - 1:
                steps = max(steps, abs(depth[y + 1, x] - here))
            if steps <= _DEPTH_STEP_M:
                inside[y, x] = 1


@numba.njit(nogil=True, cache=True)
def trust_pixels(edge_distance, silhouette, trust):  # type: ignore[no-untyped-def]
    """
    Fill ``trust`` (H, W) float32: the more, the farther from an edge and the surer the mask.

    ``edge_distance`` (H, W) float32 is how far a pixel of this hand is from any edge and 0
    elsewhere; ``silhouette`` (H, W) uint8 is at least 128 where the distance is above 0.
    """
    height, width = trust.shape
    for y in range(height):
        for x in range(width):
            from_edge = (edge_distance[y, x] - _EDGE_START_PX) / (_EDGE_FULL_PX - _EDGE_START_PX)
            sure = (np.float32(silhouette[y, x]) - np.float32(127.5)) / np.float32(127.5)
            trust[y, x] = min(max(from_edge, _ZERO), np.float32(1.0)) * sure


@numba.njit(nogil=True, cache=True, fastmath=_FASTMATH)
def look_at_faces(view, layout, first_face, last_face, colours, weights):  # type: ignore[no-untyped-def]
    """
    Look up the M texels of the faces [first_face, last_face).

    Fills colours (M, 3) float32, RGB 0..255, and weights (M,) float32 in 0..1. Texels that are not
    seen are black and weigh 0.
    """
    rays, cosines, depth, trust, crop = view
    faces, starts, barycentric, _ = layout
    height, width = depth.shape
    last_x, last_y = np.float32(width - 1), np.float32(height - 1)
    first = starts[first_face]
    colours[: starts[last_face] - first] = _ZERO
    weights[: starts[last_face] - first] = _ZERO
    for f in range(first_face, last_face):
        p, q, r = faces[f, 0], faces[f, 1], faces[f, 2]
        if not _is_towards(rays, p, q, r):
            continue
        for n in range(starts[f], starts[f + 1]):
            b0, b1, b2 = barycentric[n, 0], barycentric[n, 1], barycentric[n, 2]
            z = b0 * rays[p, 2] + b1 * rays[q, 2] + b2 * rays[r, 2]
            x = (b0 * rays[p, 0] + b1 * rays[q, 0] + b2 * rays[r, 0]) / z
            y = (b0 * rays[p, 1] + b1 * rays[q, 1] + b2 * rays[r, 1]) / z
            if not (x >= _ZERO and y >= _ZERO and x < last_x and y < last_y):
                continue
            near_x, near_y = np.uint64(x + _HALF), np.uint64(y + _HALF)
            sure = trust[near_y, near_x]
            if sure <= _ZERO or z > depth[near_y, near_x] + _DEPTH_TOLERANCE_M:
                continue
            cosine = b0 * cosines[p] + b1 * cosines[q] + b2 * cosines[r]
            if cosine <= _MIN_COSINE:
                continue
            weights[n - first] = cosine * cosine * sure
            _interpolate(crop, x, y, colours, n - first)


@numba.njit(nogil=True, cache=True, fastmath=_FASTMATH)
def _is_towards(rays, p, q, r):  # type: ignore[no-untyped-def]
    """Tell whether a face with corners p, q and r is in front of the camera and faces it."""
    volume = (
        rays[p, 0] * (rays[q, 1] * rays[r, 2] - rays[q, 2] * rays[r, 1])
        + rays[p, 1] * (rays[q, 2] * rays[r, 0] - rays[q, 0] * rays[r, 2])
        + rays[p, 2] * (rays[q, 0] * rays[r, 1] - rays[q, 1] * rays[r, 0])
    )
    # Outward faces turn clockwise seen from the origin behind them: towards the camera < 0.
    return volume < _ZERO and min(rays[p, 2], rays[q, 2], rays[r, 2]) > _ZERO


@numba.njit(nogil=True, cache=True, fastmath=_FASTMATH)
def _interpolate(crop, x, y, colours, number):  # type: ignore[no-untyped-def]
    """Fill ``colours[number]`` (RGB) with what the crop (BGR) has between four pixels."""
    column, row = np.uint64(x), np.uint64(y)
    next_column, next_row = column + _ONE_PIXEL, row + _ONE_PIXEL
    right, down = x - np.float32(column), y - np.float32(row)
    for channel in range(3):
        top_left = np.float32(crop[row, column, channel])
        top_right = np.float32(crop[row, next_column, channel])
        low_left = np.float32(crop[next_row, column, channel])
        low_right = np.float32(crop[next_row, next_column, channel])
        top = top_left + right * (top_right - top_left)
        low = low_left + right * (low_right - low_left)
        colours[number, 2 - channel] = top + down * (low - top)


# All hands of one frame.


@dataclass(frozen=True, eq=False)
class SceneOfHands:
    """
    All hands of a frame, which hide one another.

    ``vertices`` (V, 3) metres in the rig's frame and ``faces`` (F, 3), the hands one after the
    other; those of hand i are ``vertex_starts[i]`` to ``[i + 1]``, its faces likewise.
    """

    vertices: FloatArray
    faces: NDArray[np.int64]
    vertex_starts: tuple[int, ...]
    face_starts: tuple[int, ...]

    @classmethod
    def of(cls, hands: Sequence[tuple[FloatArray, NDArray[np.int64]]]) -> SceneOfHands:
        """Join hands, each with vertices (778, 3) and faces (1538, 3)."""
        vertex_starts = [0, *np.cumsum([len(vertices) for vertices, _ in hands])]
        face_starts = [0, *np.cumsum([len(faces) for _, faces in hands])]
        return cls(
            np.concatenate([np.empty((0, 3)), *(vertices for vertices, _ in hands)]),
            np.concatenate(
                [np.empty((0, 3), np.int64)]
                + [faces + start for (_, faces), start in zip(hands, vertex_starts, strict=False)]
            ),
            tuple(int(start) for start in vertex_starts),
            tuple(int(start) for start in face_starts),
        )


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
        mark_inside(drawn.face_id, drawn.depth, first_face, last_face, silhouette, inside)
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
        trust_pixels(edge_distance, silhouette, trust)
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
    """Return job(item) of each; what no helper has begun is done here, as in cores.py."""
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
