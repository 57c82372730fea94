"""The unevenness of real skins, laid out once for our hand's atlas and for a forearm's texture."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from realhands_ros.hand.model_file import HandModelData
from realhands_ros.synthesis.forearm import LONG_ARM_M
from realhands_ros.synthesis.skin_atlas import SkinAtlas
from realhands_ros.synthesis.skin_textures import SkinTextures

Floats = NDArray[np.float32]

# Side of the atlas: a texel is 0.7 mm, as in textures of 2048 texels for a whole body.
REAL_SKIN_SIZE = 384
_FOREARM_SIZE = (256, 96)


class RealSkin:
    """Keeps what was laid out, since each takes seconds."""

    def __init__(self, textures: SkinTextures) -> None:
        self.textures = textures
        self._hand_places: Floats | None = None
        self._forearm_places: Floats | None = None
        self._hands: dict[int, Floats] = {}
        self._forearms: dict[int, Floats] = {}

    def hand(self, number: int, atlas: SkinAtlas, data: HandModelData) -> Floats:
        """Return the unevenness of a skin (S, S, 3) in the layout of a right hand's atlas."""
        if number not in self._hands:
            features = atlas.features
            if self._hand_places is None:
                self._hand_places = self.textures.places_on_hand(
                    data, features.position, atlas.weights
                )
            uneven = self.textures.unevenness(number, self._hand_places, features.palm)
            picture = np.zeros((atlas.size**2, 3), dtype=np.float32)
            picture[atlas.texels] = uneven
            is_empty = np.ones(atlas.size**2, dtype=bool)
            is_empty[atlas.texels] = False
            square = (atlas.size, atlas.size)
            nearest = distance_transform_edt(
                is_empty.reshape(square), return_distances=False, return_indices=True
            )
            self._hands[number] = picture.reshape(*square, 3)[tuple(nearest)]
        return self._hands[number]

    def forearm(self, number: int, height: int, width: int) -> Floats:
        """Return the unevenness of a forearm's texture of this size, row by row, (H * W, 3)."""
        if number not in self._forearms:
            rows, columns = _FOREARM_SIZE
            along, around = np.meshgrid(
                np.linspace(0, LONG_ARM_M, rows), np.linspace(0, 1, columns), indexing='ij'
            )
            if self._forearm_places is None:
                self._forearm_places = self.textures.places_on_forearm(
                    along.ravel().astype(np.float32), (2 * np.pi * around.ravel()).astype('f4')
                )
            none = np.zeros(along.size, dtype=np.float32)
            uneven = self.textures.unevenness(number, self._forearm_places, none)
            self._forearms[number] = uneven.reshape(rows, columns, 3)
        fitted = cv2.resize(self._forearms[number], (width, height))
        return np.asarray(fitted, dtype=np.float32).reshape(-1, 3)
