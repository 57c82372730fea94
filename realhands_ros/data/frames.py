"""The images of one instant and the cameras that took them: what the keypoint stage is fed."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from realhands_ros.errors import CalibrationError, ImageError
from realhands_ros.geometry.camera import Lens, PinholeCamera, StereoRig

Image = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class StereoFrame:
    """
    One or two images of one instant.

    ``images``: left first; (H, W, 3) BGR, (H, W, 4) BGRA or (H, W) grey, uint8, not mirrored.
    ``cameras``: one an image; their common frame is the left optical frame, ``frame_id``.
    ``lenses``: None for a rectified image, the distortion of a raw one. ``stamp_ns``: nanoseconds.
    Raises ImageError or CalibrationError when images and cameras do not belong together.
    """

    stamp_ns: int
    frame_id: str
    images: tuple[Image, ...]
    cameras: tuple[PinholeCamera, ...]
    lenses: tuple[Lens | None, ...] = (None, None)

    def __post_init__(self) -> None:
        """Check that every image is one of its camera."""
        if len(self.images) not in (1, 2) or len(self.images) != len(self.cameras):
            message = (
                f'{len(self.images)} images and {len(self.cameras)} cameras; '
                'give one camera an image, and one image or two'
            )
            raise CalibrationError(message)
        if len(self.lenses) < len(self.images):
            message = (
                f'{len(self.lenses)} lenses for {len(self.images)} images; give None for none'
            )
            raise CalibrationError(message)
        if len(self.cameras) == 2:
            StereoRig(*self.cameras)
        for name, image, camera in zip(('left', 'right'), self.images, self.cameras, strict=False):
            _check_image(name, image, camera)

    @property
    def num_views(self) -> int:
        """Return how many images there are, 1 or 2."""
        return len(self.images)


def to_rgb(image: Image) -> Image:
    """Return a BGR, BGRA or grey image as contiguous RGB (H, W, 3)."""
    codes = {1: cv2.COLOR_GRAY2RGB, 3: cv2.COLOR_BGR2RGB, 4: cv2.COLOR_BGRA2RGB}
    code = codes[1 if image.ndim == 2 else image.shape[2]]
    return np.asarray(cv2.cvtColor(np.ascontiguousarray(image), code), dtype=np.uint8)


def to_bgr(image: Image) -> Image:
    """Return a BGR, BGRA or grey image as contiguous BGR (H, W, 3)."""
    if image.ndim == 3 and image.shape[2] == 3:
        return np.ascontiguousarray(image)
    code = cv2.COLOR_GRAY2BGR if image.ndim == 2 else cv2.COLOR_BGRA2BGR
    return np.asarray(cv2.cvtColor(np.ascontiguousarray(image), code), dtype=np.uint8)


def _check_image(name: str, image: Image, camera: PinholeCamera) -> None:
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8:
        kind = image.dtype if isinstance(image, np.ndarray) else type(image).__name__
        message = f'the {name} image is {kind}; it must be a numpy array of uint8 (0..255)'
        raise ImageError(message)
    if image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] not in (3, 4)):
        message = (
            f'the {name} image has shape {image.shape}; '
            'it must be (H, W, 3) BGR, (H, W, 4) BGRA or (H, W) grey'
        )
        raise ImageError(message)
    if image.shape[:2] != (camera.height, camera.width):
        message = (
            f'the {name} image is {image.shape[1]}x{image.shape[0]} but its camera_info says '
            f'{camera.width}x{camera.height}: they belong to different resolutions'
        )
        raise ImageError(message)
