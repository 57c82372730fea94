"""Pinhole cameras, calibrated stereo rigs and lens distortion."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal

import cv2
import numpy as np
from numpy.typing import ArrayLike

from realhands_ros.arrays import FloatArray
from realhands_ros.errors import CalibrationError
from realhands_ros.geometry.crop import Image, apply_affine

# Pinhole cameras and calibrated stereo rigs.
#
# Camera frames are optical: x right, y down, z forward. Pixels have the centre of the top-left
# pixel at (0, 0), as OpenCV has it. All lengths are metres.


@dataclass(frozen=True)
class PinholeCamera:
    """
    One undistorted camera of a rig.

    ``intrinsics`` is K, (3, 3), in pixels; of a crop, the crop's affine times K. ``rotation``
    (3, 3) and ``translation`` (3,) take points from the rig's frame (the left optical frame) to
    this camera's: ``x_cam = R x_rig + t``.
    Raises CalibrationError when K, R, t or the image size cannot be a camera's.
    """

    intrinsics: FloatArray
    width: int
    height: int
    rotation: FloatArray = field(default_factory=lambda: np.eye(3))
    translation: FloatArray = field(default_factory=lambda: np.zeros(3))

    def __post_init__(self) -> None:
        """Convert to float64 arrays and check that they describe a camera."""
        for name, shape in (('intrinsics', (3, 3)), ('rotation', (3, 3)), ('translation', (3,))):
            object.__setattr__(self, name, _checked_array(name, getattr(self, name), shape))
        if self.width <= 0 or self.height <= 0:
            message = (
                f'image size is {self.width}x{self.height}; both must be positive: '
                'check width and height in camera_info'
            )
            raise CalibrationError(message)
        (fx, skew_x), (skew_y, fy) = self.intrinsics[:2, :2].tolist()
        # Of a crop that is turned, single entries may be negative; what must not be is a mirror.
        if not fx * fy - skew_x * skew_y > 0.0:
            message = (
                f'focal lengths are fx={fx:g}, fy={fy:g} pixels; both must be positive: '
                'the camera is uncalibrated or publishes an empty camera_info'
            )
            raise CalibrationError(message)
        x, y, z = self.intrinsics[2].tolist()
        if not max(abs(x), abs(y), abs(z - 1.0)) <= 1e-6:
            message = (
                f'the camera matrix {self.intrinsics.tolist()} must end in the row 0, 0, 1: '
                'is it transposed?'
            )
            raise CalibrationError(message)
        # Cameras are made for every crop of every frame: np.allclose and np.linalg.det would take
        # most of the time.
        is_orthonormal = np.abs(self.rotation @ self.rotation.T - np.eye(3)).max() <= 1e-4
        if not (is_orthonormal and _determinant(self.rotation) > 0.0):
            message = (
                f'{self.rotation.tolist()} is no rotation (orthonormal, determinant 1): '
                'check R of the stereo calibration'
            )
            raise CalibrationError(message)

    # Cameras stay the same from frame to frame: what follows from one is computed once.
    @cached_property
    def centre(self) -> FloatArray:
        """Return the camera's centre in the rig's frame, (3,) metres."""
        return -self.rotation.T @ self.translation

    @cached_property
    def projection(self) -> FloatArray:
        """Return ``P = K [R | t]``, (3, 4)."""
        return self.intrinsics @ np.column_stack([self.rotation, self.translation])

    @cached_property
    def inverse_intrinsics(self) -> FloatArray:
        """Return the inverse (3, 3) of K, which takes homogeneous pixels to rays."""
        return np.linalg.inv(self.intrinsics)

    @classmethod
    def of_field_of_view(cls, width: int, height: int, degrees: float) -> PinholeCamera:
        """Return a camera whose longer side spans ``degrees``, with the centre in the middle."""
        focal = 0.5 * max(width, height) / np.tan(np.deg2rad(degrees) / 2)
        centre = ((width - 1) / 2, (height - 1) / 2)
        intrinsics = np.array([[focal, 0, centre[0]], [0, focal, centre[1]], [0, 0, 1]])
        return cls(intrinsics, width, height)

    def to_camera(self, points_rig: ArrayLike) -> FloatArray:
        """Take points (..., 3) from the rig's frame to this camera's optical frame."""
        return np.asarray(points_rig, dtype=np.float64) @ self.rotation.T + self.translation

    def project(self, points_rig: ArrayLike) -> FloatArray:
        """Project points (..., 3) of the rig's frame to pixels (..., 2); z must not be zero."""
        return self.to_pixels(self.to_camera(points_rig))

    def to_pixels(self, points_cam: FloatArray) -> FloatArray:
        """Project points (..., 3) of this camera's frame to pixels (..., 2); z must not be 0."""
        homogeneous: FloatArray = points_cam @ self.intrinsics.T
        return homogeneous[..., :2] / homogeneous[..., 2:3]

    def cropped(self, affine: ArrayLike, width: int, height: int) -> PinholeCamera:
        """
        Return the camera of a crop.

        ``affine`` (2, 3) takes image pixels to crop pixels, as OpenCV's warpAffine has it.
        """
        to_crop = np.eye(3)
        to_crop[:2] = np.asarray(affine, dtype=np.float64)
        return replace(self, intrinsics=to_crop @ self.intrinsics, width=width, height=height)


def _determinant(matrix: FloatArray) -> float:
    (a, b, c), (d, e, f), (g, h, i) = matrix.tolist()
    return float(a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g))


@dataclass(frozen=True)
class StereoRig:
    """Two calibrated cameras; the rig's frame is the left optical frame."""

    left: PinholeCamera
    right: PinholeCamera

    def __post_init__(self) -> None:
        """Check that the two cameras are in different places."""
        if self.baseline < 1e-6:
            message = (
                f'the baseline is {self.baseline:g} m; two views from one place measure no depth: '
                'check P[3] of the right camera_info (it must be -fx * baseline)'
            )
            raise CalibrationError(message)

    @property
    def baseline(self) -> float:
        """Return the distance between the two camera centres in metres."""
        return float(np.linalg.norm(self.right.centre - self.left.centre))

    @property
    def views(self) -> tuple[PinholeCamera, PinholeCamera]:
        """Return (left, right)."""
        return self.left, self.right

    @classmethod
    def rectified(
        cls,
        *,
        fx: float,
        fy: float,
        cx: float,
        cy: float,
        width: int,
        height: int,
        baseline: float,
    ) -> StereoRig:
        """
        Build the rig of a rectified pair (ZED): one K, right camera ``baseline`` metres along +x.

        In camera_info terms ``baseline = -P_right[0, 3] / P_right[0, 0]``.
        """
        intrinsics = np.array([[fx, 0.0, cx], [0.0, fy, cy], [0.0, 0.0, 1.0]])
        left = PinholeCamera(intrinsics, width, height)
        right = PinholeCamera(
            intrinsics, width, height, translation=np.array([-baseline, 0.0, 0.0])
        )
        return cls(left, right)


def _checked_array(name: str, value: ArrayLike, shape: tuple[int, ...]) -> FloatArray:
    array = np.asarray(value, dtype=np.float64)
    if array.shape != shape or not np.isfinite(array).all():
        message = f'{name} must be a finite {shape} array, found shape {array.shape}: {array}'
        raise CalibrationError(message)
    return array


# Lens distortion: the way between the pixels of a raw image and those of its pinhole camera.
#
# Everything behind the keypoints works with pinhole cameras. Of a raw image only two things have
# to be undone, and neither needs the whole image: the keypoints and the crops.

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
