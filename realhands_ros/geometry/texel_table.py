"""Where each texel of a texture atlas lies on its mesh: face and barycentric coordinates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import distance_transform_edt

from realhands_ros.geometry.camera import PinholeCamera
from realhands_ros.geometry.rasterizer import rasterize


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
