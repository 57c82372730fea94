"""
Lens distortion: the way between the pixels of a raw image and those of its pinhole camera.

Everything behind the keypoints works with pinhole cameras. Of a raw image only two things have to
be undone, and neither needs the whole image: the keypoints and the crops.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from realhands_ros.errors import CalibrationError
from realhands_ros.geometry.crop import Image, apply_affine

FloatArray = NDArray[np.float64]
DistortionModel = Literal['plumb_bob', 'equidistant']

# How many coefficients OpenCV's models take.
_COUNTS: dict[str, tuple[int, ...]] = {'plumb_bob': (4, 5, 8, 12, 14), 'equidistant': (4,)}
_ITERATIONS = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 50, 1e-7)


@dataclass(frozen=True, eq=False)
class Lens:
    """
    The distortion of one camera, as camera_info describes it.

    ``coefficients``: D, in OpenCV's order; ``model``: ``plumb_bob`` (4, 5, 8, 12 or 14
    coefficients, so also rational_polynomial) or ``equidistant`` (fisheye, 4). ``intrinsics``
    (3, 3) is K of the raw image. The undistorted image has the same K. Raises CalibrationError for
    anything else.
    """

    intrinsics: FloatArray
    coefficients: FloatArray
    model: DistortionModel = 'plumb_bob'

    def __post_init__(self) -> None:
        """Convert to float64 arrays and check them."""
        for name in ('intrinsics', 'coefficients'):
            object.__setattr__(self, name, np.asarray(getattr(self, name), dtype=np.float64))
        if self.model not in _COUNTS:
            message = f'distortion model {self.model!r} is unknown; use {" or ".join(_COUNTS)}'
            raise CalibrationError(message)
        count = self.coefficients.size
        if self.coefficients.ndim != 1 or count not in _COUNTS[self.model]:
            message = (
                f'{self.model} takes {" or ".join(map(str, _COUNTS[self.model]))} coefficients, '
                f'found an array of shape {self.coefficients.shape}: check D in camera_info'
            )
            raise CalibrationError(message)
        finite = np.isfinite(self.coefficients).all() and np.isfinite(self.intrinsics).all()
        if self.intrinsics.shape != (3, 3) or not finite:
            message = (
                'K must be a finite (3, 3) array and D finite, found '
                f'K {self.intrinsics.tolist()} and D {self.coefficients.tolist()}'
            )
            raise CalibrationError(message)

    def undistort(self, pixels: ArrayLike) -> FloatArray:
        """Take raw pixels (N, 2) to pixels of the pinhole camera; NaN stays NaN."""
        return _where_known(pixels, self._undistort)

    def distort(self, pixels: ArrayLike) -> FloatArray:
        """Take pixels (N, 2) of the pinhole camera to raw pixels; NaN stays NaN."""
        return _where_known(pixels, self._distort)

    def undistort_image(self, image: Image) -> Image:
        """Return what the pinhole camera would see in place of a raw image (H, W[, C])."""
        K, D = self.intrinsics, self.coefficients
        if self.model == 'equidistant':
            return np.asarray(cv2.fisheye.undistortImage(image, K, D, Knew=K))
        return np.asarray(cv2.undistort(image, K, D))

    def crop_image(
        self, image: Image, affine: ArrayLike, size: int, *, border: int = cv2.BORDER_CONSTANT
    ) -> Image:
        """
        Cut the undistorted crop (size, size[, C]) out of a raw image (H, W[, C]).

        ``affine`` (2, 3) takes pixels of the pinhole camera to crop pixels. ``border``, one of
        OpenCV's, says what is shown where the crop leaves the image: by default black.
        """
        rows, columns = np.mgrid[:size, :size]
        crop_pixels = np.stack([columns, rows], axis=-1).reshape(-1, 2).astype(np.float64)
        inverse = cv2.invertAffineTransform(np.asarray(affine, dtype=np.float64))
        raw = self._distort(apply_affine(inverse, crop_pixels)).astype(np.float32)
        x, y = (np.ascontiguousarray(raw[:, axis].reshape(size, size)) for axis in range(2))
        return np.asarray(
            cv2.remap(image, x, y, cv2.INTER_LINEAR, borderMode=border), dtype=np.uint8
        )

    def _undistort(self, pixels: FloatArray) -> FloatArray:
        K, D = self.intrinsics, self.coefficients
        if self.model == 'equidistant':
            undistorted = cv2.fisheye.undistortPoints(pixels[None], K, D, P=K)
        else:
            undistorted = cv2.undistortPointsIter(pixels[:, None], K, D, np.eye(3), K, _ITERATIONS)
        return np.asarray(undistorted, dtype=np.float64).reshape(-1, 2)

    def _distort(self, pixels: FloatArray) -> FloatArray:
        K, D = self.intrinsics, self.coefficients
        rays = np.column_stack([pixels, np.ones(len(pixels))]) @ np.linalg.inv(K).T
        project = cv2.fisheye.projectPoints if self.model == 'equidistant' else cv2.projectPoints
        still = np.zeros(3)
        distorted, _ = project(rays[:, None], still, still, K, D)
        return np.asarray(distorted, dtype=np.float64).reshape(-1, 2)


def _where_known(pixels: ArrayLike, mapping: Callable[[FloatArray], FloatArray]) -> FloatArray:
    points = np.array(pixels, dtype=np.float64)
    known = np.isfinite(points).all(axis=1)
    points[~known] = np.nan
    if known.any():
        points[known] = mapping(points[known])
    return points
