"""Backgrounds from a folder of photographs."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from realhands_ros.errors import DatasetError
from realhands_ros.synthesis.colour import srgb_to_linear
from realhands_ros.synthesis.scene import Material

SUFFIXES = ('.jpg', '.jpeg', '.png', '.webp', '.bmp', '.tif', '.tiff')
_KEPT_IN_MEMORY = 128
_TO_LINEAR = srgb_to_linear(np.arange(256) / 255.0)


class PhotoLibrary:
    """The photographs of a folder and its subfolders, in the order of their paths."""

    def __init__(self, folder: Path, max_side: int) -> None:
        """
        List the photographs; they are used at up to ``max_side`` pixels on the longer side.

        Raises DatasetError when the folder does not exist or holds no picture.
        """
        if not folder.is_dir():
            message = f'the backgrounds folder {folder} does not exist; name a folder of pictures'
            raise DatasetError(message)
        self.paths = sorted(path for path in folder.rglob('*') if path.suffix.lower() in SUFFIXES)
        if not self.paths:
            message = (
                f'the backgrounds folder {folder} holds no picture '
                f'({", ".join(SUFFIXES)}); put photographs there or leave --backgrounds away'
            )
            raise DatasetError(message)
        self._max_side = max_side
        self._picture = lru_cache(maxsize=_KEPT_IN_MEMORY)(self._read)

    def check(self) -> None:
        """Decode every picture once; raise DatasetError naming the first that cannot be read."""
        for path in self.paths:
            _decode(path, cv2.IMREAD_REDUCED_GRAYSCALE_8)

    def sample(self, rng: np.random.Generator) -> Material:
        """Return one photograph as a surface that shines by itself."""
        picture = self._picture(int(rng.integers(len(self.paths))))
        roughness = np.ones(picture.shape[:2], dtype=np.float32)
        return Material(_TO_LINEAR[picture], roughness, emissive=True)

    def _read(self, index: int) -> NDArray[np.uint8]:
        """Return a picture, RGB, reduced."""
        # Reduced pictures are decoded several times faster, and photographs are large.
        for mode in (cv2.IMREAD_REDUCED_COLOR_8, cv2.IMREAD_REDUCED_COLOR_4, cv2.IMREAD_COLOR):
            picture = _decode(self.paths[index], mode)
            if max(picture.shape[:2]) >= self._max_side:
                break
        scale = self._max_side / max(picture.shape[:2])
        if scale < 1:
            picture = np.asarray(
                cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
            )
        return np.ascontiguousarray(picture[..., ::-1])


def _decode(path: Path, mode: int) -> NDArray[np.uint8]:
    try:
        picture = cv2.imdecode(np.fromfile(path, dtype=np.uint8), mode)
    except (OSError, cv2.error) as error:
        message = f'{path} cannot be read ({error}); remove it from the backgrounds folder'
        raise DatasetError(message) from error
    if picture is None:
        message = f'{path} is not a picture or is damaged; remove it from the backgrounds folder'
        raise DatasetError(message)
    return np.asarray(picture, dtype=np.uint8)
