"""What the views of one frame say about each texel of one hand's atlas."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from realhands_ros.errors import ImageError
from realhands_ros.geometry.camera import PinholeCamera
from realhands_ros.geometry.crop import apply_affine
from realhands_ros.geometry.rasterizer import RasterFragments, rasterize
from realhands_ros.geometry.texel_table import TexelTable
from realhands_ros.hand.hand_mesh import HandView
from realhands_ros.texture import view_kernels

FloatArray = NDArray[np.float64]
Image = NDArray[np.uint8]

# Sharpness counts relative to the sharpest crop of late, which fades by this much a frame.
_SHARPNESS_FADES = 0.995
_LEAST_SHARPNESS = 0.15
NUM_VIEWS = 2
# Crop pixels an image pixel below which an affine is no crop of a hand.
_LEAST_SCALE = 1e-3
# Fewer pixels of hand than this say nothing about how sharp a crop is.
_MIN_PIXELS = 200


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


class Samples(NamedTuple):
    """
    What two views show of N texels; a single view is followed by one that shows nothing.

    ``colours`` (2, N, 3) float32, RGB in 0..255; ``weights`` (2, N) float32, how well in 0..1, 0
    where a view does not show the texel; a view that could not be used has zeros.
    """

    colours: NDArray[np.float32]
    weights: NDArray[np.float32]


class ViewSampler:
    """Samples views for one hand; keeps how sharp its crops have been."""

    def __init__(self, table: TexelTable, *, is_plain: bool) -> None:
        """Sample the texels of ``table``; if ``is_plain``, all weigh the same, as in the paper."""
        self._table = table
        self._is_plain = is_plain
        self._sharpest = 0.0
        # Kept, since fresh memory costs more than what is done with it.
        count = len(table.texels)
        self._samples = Samples(
            np.zeros((NUM_VIEWS, count, 3), np.float32), np.zeros((NUM_VIEWS, count), np.float32)
        )

    def __call__(
        self,
        scene: SceneOfHands,
        hand: int,
        normals: FloatArray,
        views: Sequence[HandView],
        cameras: Sequence[PinholeCamera],
    ) -> Samples:
        """
        Return the samples of hand number ``hand`` with vertex ``normals`` (778, 3).

        They are valid until the next call. Raises ImageError when no view shows it.
        """
        usable = [
            (number, view, camera)
            for number, (view, camera) in enumerate(zip(views[:NUM_VIEWS], cameras, strict=False))
            if (crop := view.crop) is not None
            and (affine := view.crop_affine) is not None
            and _fit_together(crop, affine, view.silhouette)
        ]
        samples = self._samples
        samples.weights[:] = 0.0
        self._sharpest *= _SHARPNESS_FADES

        def sample(number: int, view: HandView, camera: PinholeCamera) -> bool:
            return self._sample_view(
                scene,
                hand,
                normals,
                view,
                camera,
                samples.colours[number],
                samples.weights[number],
            )

        with ThreadPoolExecutor(max(len(usable), 1)) as pool:
            seen = list(pool.map(lambda args: sample(*args), usable))
        if not any(seen):
            message = (
                f'no view shows the hand: {len(usable)} of {len(views)} views have a crop and '
                'the mesh lies outside of them or off the mask'
            )
            raise ImageError(message)
        return samples

    def _sample_view(
        self,
        scene: SceneOfHands,
        hand: int,
        normals: FloatArray,
        view: HandView,
        camera: PinholeCamera,
        colours: NDArray[np.float32],
        weights: NDArray[np.float32],
    ) -> bool:
        """Sample one view; return whether it shows the hand at all."""
        assert view.crop is not None
        assert view.crop_affine is not None
        height, width = view.crop.shape[:2]
        crop_camera = camera.cropped(view.crop_affine, width, height)
        vertices = crop_camera.to_camera(scene.vertices)
        drawn = rasterize(vertices, scene.faces, crop_camera, num_threads=1)
        first_face, last_face = scene.face_starts[hand], scene.face_starts[hand + 1]
        silhouette = _silhouette(view)
        inside = self._inside(drawn, first_face, last_face, silhouette)
        _leave_out_what_is_beyond(camera, view.crop_affine, inside)
        if not inside.any():
            return False
        start, stop = scene.vertex_starts[hand], scene.vertex_starts[hand + 1]
        own = vertices[start:stop]
        faces = scene.faces[first_face:last_face] - start
        towards = own / -np.linalg.norm(own, axis=1, keepdims=True)
        cosines = np.einsum('vc,vc->v', normals @ camera.rotation.T, towards)
        view_kernels.sample_texels(
            own @ crop_camera.intrinsics.T,
            cosines,
            faces,
            self._table.starts,
            self._table.barycentric,
            drawn.depth,
            cv2.distanceTransform(inside, cv2.DIST_L2, 3),
            view.crop,
            silhouette,
            self._relative_sharpness(view, inside),
            self._is_plain,
            colours,
            weights,
        )
        return True

    def _inside(
        self, drawn: RasterFragments, first_face: int, last_face: int, silhouette: Image
    ) -> Image:
        """Return the pixels (H, W) that show the hand, 0 or 1; edges are off unless plain."""
        if self._is_plain:
            own = (drawn.face_id >= first_face) & (drawn.face_id < last_face)
            return own.astype(np.uint8)
        inside = np.empty(silhouette.shape, np.uint8)
        view_kernels.mark_inside(
            drawn.face_id, drawn.depth, first_face, last_face, silhouette, inside
        )
        return inside

    def _relative_sharpness(self, view: HandView, inside: Image) -> float:
        """
        Return how sharp a crop is against the sharpest of late, in (0, 1].

        Enlarged crops and those blurred by motion have little left of the finest detail.
        """
        assert view.crop is not None
        if self._is_plain or cv2.countNonZero(inside) < _MIN_PIXELS:
            return 1.0
        detail = cv2.Laplacian(view.crop[..., 1], cv2.CV_16S)
        off_edges = cv2.erode(inside, np.ones((5, 5), np.uint8))
        _, deviation = cv2.meanStdDev(detail, mask=off_edges)
        sharpness = float(deviation[0, 0])
        self._sharpest = max(self._sharpest, sharpness, 1e-6)
        return max(sharpness / self._sharpest, _LEAST_SHARPNESS)


def _fit_together(crop: Image, affine: NDArray[Any], silhouette: Image | None) -> bool:
    if not np.isfinite(affine).all() or abs(np.linalg.det(affine[:, :2])) < _LEAST_SCALE**2:
        return False
    if crop.ndim != 3 or crop.shape[2] != 3:
        return False
    return min(crop.shape[:2]) >= 2 and (silhouette is None or silhouette.shape == crop.shape[:2])


def _leave_out_what_is_beyond(camera: PinholeCamera, affine: NDArray[Any], inside: Image) -> None:
    """Clear pixels of a crop (H, W) beyond the edge of the camera's image, which are black."""
    height, width = inside.shape
    back = np.linalg.inv(np.vstack([affine, (0.0, 0.0, 1.0)]))
    corners = apply_affine(
        back[:2], [(0, 0), (width - 1, 0), (0, height - 1), (width - 1, height - 1)]
    )
    last = np.array([camera.width, camera.height]) - 1
    if (corners >= 0).all() and (corners <= last).all():
        return
    columns, rows = np.arange(width), np.arange(height)[:, None]
    for (by_column, by_row, offset), end in zip(back[:2], last, strict=True):
        place = by_column * columns + (by_row * rows + offset)
        inside[(place < 0) | (place > end)] = 0


def _silhouette(view: HandView) -> Image:
    """Return the mask of a view (H, W); all hand where it has none."""
    assert view.crop is not None
    if view.silhouette is None:
        return np.full(view.crop.shape[:2], 255, np.uint8)
    return view.silhouette
