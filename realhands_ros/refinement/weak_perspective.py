"""
The paper's camera, c = (t, delta) per crop (section 3.1), and its conversion to metric positions.

The hand's points X, metres from its origin in the axes of the camera, appear in NDC (x right, y
down, the crop's shorter side from -1 to 1) at ``delta X_xy + t``. With the crop's intrinsics that
says where the origin is in space: the full-perspective camera has it at t in the image, at the
depth ``focal_ndc / delta``. From one view delta is as good as the assumed size of the hand.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from realhands_ros.errors import CalibrationError
from realhands_ros.geometry.camera import PinholeCamera

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class WeakPerspectiveCamera:
    """
    The weak-perspective camera of a crop.

    ``translation_ndc`` (2,) is where the hand's origin appears; ``scale`` is NDC per metre.
    """

    translation_ndc: FloatArray
    scale: float

    @classmethod
    def from_position(cls, camera: PinholeCamera, position: FloatArray) -> WeakPerspectiveCamera:
        """
        Return the camera that sees a hand whose origin is at ``position`` (3,), metres in the rig.

        Raises CalibrationError when the position is not before the camera.
        """
        depth = float(camera.to_camera(position)[2])
        if not depth > 0.0:
            message = f'the hand is {depth:g} m before the camera; that must be positive'
            raise CalibrationError(message)
        offset_px = camera.project(position) - _centre_px(camera)
        return cls(offset_px * _ndc_per_px(camera), _focal_ndc(camera) / depth)

    def position(self, camera: PinholeCamera) -> FloatArray:
        """Return the place (3,) of the hand's origin, metres in the rig's frame."""
        depth = _focal_ndc(camera) / self.scale
        pixel = self.translation_ndc / _ndc_per_px(camera) + _centre_px(camera)
        point_cam = depth * np.linalg.solve(camera.intrinsics, np.append(pixel, 1.0))
        position: FloatArray = camera.rotation.T @ (point_cam - camera.translation)
        return position

    def seen_from(self, here: PinholeCamera, there: PinholeCamera) -> WeakPerspectiveCamera:
        """Return this camera, that of the crop ``here``, in the crop ``there`` (xi of eq. 7)."""
        return self.from_position(there, self.position(here))

    def averaged_with(self, other: WeakPerspectiveCamera) -> WeakPerspectiveCamera:
        """Return the mean of two cameras of one crop (eq. 7)."""
        return WeakPerspectiveCamera(
            0.5 * (self.translation_ndc + other.translation_ndc), 0.5 * (self.scale + other.scale)
        )


def position_derivatives(camera: PinholeCamera, position: FloatArray) -> FloatArray:
    """
    Return d position / d (t_x, t_y, log delta), (3, 3), metres in the rig's frame.

    Column by column: how a hand's origin at ``position`` (3,) moves when it is moved in the image
    at its depth, and when it is moved along the ray so that it appears larger.
    """
    point_cam = camera.to_camera(position)
    inverse = np.linalg.inv(camera.intrinsics)
    lateral = point_cam[2] / _ndc_per_px(camera) * inverse[:, :2]
    derivatives: FloatArray = camera.rotation.T @ np.column_stack([lateral, -point_cam])
    return derivatives


def _ndc_per_px(camera: PinholeCamera) -> float:
    return 2.0 / min(camera.height, camera.width)


def _centre_px(camera: PinholeCamera) -> FloatArray:
    return np.array([camera.width - 1.0, camera.height - 1.0]) / 2.0


def _focal_ndc(camera: PinholeCamera) -> float:
    # A crop may be turned and stretched; the area it makes of a unit area says how much it
    # enlarges.
    return float(np.sqrt(abs(np.linalg.det(camera.intrinsics[:2, :2])))) * _ndc_per_px(camera)
