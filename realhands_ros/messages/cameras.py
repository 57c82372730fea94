"""Cameras from sensor_msgs/CameraInfo messages, rclpy's or rosbags'."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from realhands_ros.arrays import FloatArray
from realhands_ros.errors import CalibrationError
from realhands_ros.geometry.camera import DistortionModel, Lens, PinholeCamera, StereoRig

# The model of Lens by the name that camera_info gives it.
LENS_MODELS: dict[str, DistortionModel] = {
    'plumb_bob': 'plumb_bob',
    'rational_polynomial': 'plumb_bob',
    'equidistant': 'equidistant',
    'fisheye': 'equidistant',
}


def decode_cameras(
    infos: Sequence[Any], *, rectified: bool = True
) -> tuple[tuple[PinholeCamera, ...], tuple[Lens | None, ...]]:
    """
    Return cameras and lenses of one camera_info, or of a left and a right one.

    The first camera is the origin, whatever its own P says. For ``rectified`` images K and the
    baseline come from P (D is ignored, the lenses are None):
    P_right = K [I | (-baseline, 0, 0)]. For raw ones K and D are the camera's own, and the right
    camera stands where the rectification says: with R the rotations into the rectified axes,
    ``x_right = R_r^T (R_l x_left + K_P^-1 P_right[:, 3])``. Raises CalibrationError for a camera
    that is not calibrated and for a pair without a baseline.
    """
    if rectified:
        cameras = _as_seen_from_the_first([_rectified_camera(info) for info in infos])
        lenses: tuple[Lens | None, ...] = (None,) * len(cameras)
    else:
        first = infos[0]
        cameras = tuple(_raw_camera(info, first) for info in infos)
        lenses = tuple(_lens(info) for info in infos)
    if len(cameras) == 2:
        StereoRig(*cameras)
    return cameras, lenses


def _as_seen_from_the_first(cameras: Sequence[PinholeCamera]) -> tuple[PinholeCamera, ...]:
    """
    Return cameras of parallel axes in the frame of the first.

    That of a pair's right camera alone, or first, would else be the left one's, and everything a
    baseline beside the frame that its images are stamped with.
    """
    origin = cameras[0].translation
    return tuple(replace(camera, translation=camera.translation - origin) for camera in cameras)


def _rectified_camera(info: Any) -> PinholeCamera:
    projection = _finite(info, 'p').reshape(3, 4)
    intrinsics = projection[:, :3]
    if not projection.any():
        # A driver of a single camera may leave P empty; K is the same for it.
        intrinsics = _finite(info, 'k').reshape(3, 3)
    _expect_calibrated(info, intrinsics)
    translation = np.linalg.solve(intrinsics, projection[:, 3])
    return PinholeCamera(intrinsics, info.width, info.height, translation=translation)


def _raw_camera(info: Any, left: Any) -> PinholeCamera:
    intrinsics = _finite(info, 'k').reshape(3, 3)
    _expect_calibrated(info, intrinsics)
    if info is left:
        return PinholeCamera(intrinsics, info.width, info.height)
    projection = _finite(info, 'p').reshape(3, 4)
    _expect_calibrated(info, projection[:, :3])
    to_left, to_right = (_finite(each, 'r').reshape(3, 3) for each in (left, info))
    return PinholeCamera(
        intrinsics,
        info.width,
        info.height,
        rotation=to_right.T @ to_left,
        translation=to_right.T @ np.linalg.solve(projection[:, :3], projection[:, 3]),
    )


def _lens(info: Any) -> Lens | None:
    coefficients = _finite(info, 'd')
    if not coefficients.any():
        return None
    model = LENS_MODELS.get(info.distortion_model)
    if model is None:
        message = (
            f'{_name(info)} has the distortion model {info.distortion_model!r}; '
            f'use one of {", ".join(LENS_MODELS)}, or rectify the images'
        )
        raise CalibrationError(message)
    return Lens(_finite(info, 'k').reshape(3, 3), coefficients, model)


def _finite(info: Any, field: str) -> FloatArray:
    values = np.asarray(getattr(info, field), dtype=np.float64)
    if not np.isfinite(values).all():
        message = f'{_name(info)} has {field.upper()} = {values.tolist()}: it must be finite'
        raise CalibrationError(message)
    return values


def _expect_calibrated(info: Any, intrinsics: FloatArray) -> None:
    if intrinsics[0, 0] <= 0 or intrinsics[1, 1] <= 0:
        message = (
            f'{_name(info)} has focal lengths fx={intrinsics[0, 0]:g}, fy={intrinsics[1, 1]:g}: '
            'the camera is not calibrated'
        )
        raise CalibrationError(message)
    if not np.allclose(intrinsics[2], (0.0, 0.0, 1.0)) or intrinsics[1, 0] != 0:
        message = (
            f'{_name(info)} has the camera matrix {intrinsics.tolist()}: '
            'its last row must be 0, 0, 1, and 0 must stand below fx'
        )
        raise CalibrationError(message)


def _name(info: Any) -> str:
    return f'the camera_info of {info.header.frame_id!r}'
