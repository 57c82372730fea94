"""The texels of a hand's texture atlas as points on its skin, and textures painted on them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from realhands_ros.geometry.camera import PinholeCamera
from realhands_ros.geometry.rasterizer import rasterize, vertex_normals
from realhands_ros.hand.model_file import HandModelData, UvAtlas
from realhands_ros.synthesis.scene import Material
from realhands_ros.synthesis.skin import SkinLook, paint_skin
from realhands_ros.synthesis.skin_features import SkinFeatures, SurfacePoints, hand_features

IntArray = NDArray[np.int64]

# Texels around each chart that get the colour of the nearest texel inside.
_GUTTER_TEXELS = 4.0

SKIN_SPECULAR = 0.028


@dataclass(frozen=True, eq=False)
class SkinAtlas:
    """
    Where each texel of a square atlas lies on a hand.

    ``texels`` (N,) flat indices of those on the skin or in the gutter beside it, ``features`` of
    the skin at each, ``size`` the atlas's side in texels.
    """

    size: int
    texels: IntArray
    features: SkinFeatures

    @classmethod
    def of(cls, data: HandModelData, atlas: UvAtlas, size: int) -> SkinAtlas:
        """Lay out the atlas of a right hand with ``size`` x ``size`` texels."""
        flat = np.concatenate([atlas.uv * (size - 1), np.ones((len(atlas.uv), 1))], axis=1)
        drawn = rasterize(flat, atlas.face_uv, PinholeCamera(np.eye(3), size, size))
        distance, nearest = distance_transform_edt(~drawn.mask, return_indices=True)
        texels = np.flatnonzero(distance <= _GUTTER_TEXELS)
        source = np.ravel_multi_index(nearest.reshape(2, -1)[:, texels], (size, size))
        corners = data.faces[drawn.face_id.ravel()[source]]
        barycentric = drawn.barycentric.reshape(-1, 3)[source][..., None]

        def at_texels(values: NDArray[np.float64]) -> NDArray[np.float32]:
            return np.asarray((values[corners] * barycentric).sum(1), dtype=np.float32)

        normals = vertex_normals(data.v_template, data.faces)
        points = SurfacePoints(
            position=at_texels(data.v_template),
            normal=at_texels(normals),
            weights=at_texels(data.skin_weights),
            spacing=_texel_spacing(data, int(drawn.mask.sum())),
        )
        return cls(size, texels, hand_features(data, points))

    def paint(self, look: SkinLook) -> Material:
        """Return one person's hand as textures of the atlas."""
        skin = paint_skin(look, self.features)
        albedo = np.full((self.size**2, 3), skin.albedo.mean(0), dtype=np.float32)
        roughness = np.full(self.size**2, look.roughness, dtype=np.float32)
        height = np.zeros(self.size**2, dtype=np.float32)
        albedo[self.texels] = skin.albedo
        roughness[self.texels] = skin.roughness
        height[self.texels] = skin.height
        square = (self.size, self.size)
        return Material(
            albedo=albedo.reshape(*square, 3),
            roughness=roughness.reshape(square),
            height=height.reshape(square),
            subsurface=1.0,
            specular=SKIN_SPECULAR,
        )


def _texel_spacing(data: HandModelData, covered: int) -> float:
    corners = data.v_template[data.faces]
    doubled = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    area = np.linalg.norm(doubled, axis=1).sum() / 2
    return float(np.sqrt(area / max(covered, 1)))
