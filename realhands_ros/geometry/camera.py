"""
Pinhole cameras and calibrated stereo rigs.

Camera frames are optical: x right, y down, z forward. Pixels have the centre of the top-left pixel
at (0, 0), as OpenCV has it. All lengths are metres.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from realhands_ros.errors import CalibrationError

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class PinholeCamera:
    """
    One undistorted camera of a rig.

    ``intrinsics`` is K, (3, 3), in pixels; of a crop, the crop's affine times K. ``rotation`` (3, 3) and ``translation`` (3,) take
    points from the rig's frame (the left optical frame) to this camera's: ``x_cam = R x_rig + t``.
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
