"""Messages of a recording, as rosbags reads them, to arrays and cameras."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from realhands_ros.errors import CalibrationError, ImageError
from realhands_ros.geometry.camera import PinholeCamera

Image = NDArray[np.uint8]

# Channels, and OpenCV's conversion to BGR, BGRA or grey where one is needed.
_ENCODINGS: dict[str, tuple[int, int | None]] = {
    'bgra8': (4, None),
    'bgr8': (3, None),
    'rgba8': (4, cv2.COLOR_RGBA2BGR),
    'rgb8': (3, cv2.COLOR_RGB2BGR),
    'mono8': (1, None),
}


def image_from_message(message: Any) -> Image:
    """
    Return a sensor_msgs/Image or CompressedImage as BGR (H, W, 3), BGRA (H, W, 4) or grey (H, W).

    Rows may be padded. Raises ImageError for an unknown encoding or too little data.
    """
    if hasattr(message, 'format'):
        decoded = cv2.imdecode(np.frombuffer(message.data, np.uint8), cv2.IMREAD_COLOR)
        if decoded is None:
            text = f'a compressed image ({message.format}) cannot be decoded: it is damaged'
            raise ImageError(text)
        return np.asarray(decoded, dtype=np.uint8)
    if message.encoding not in _ENCODINGS:
        text = f'the image encoding is {message.encoding!r}; use {", ".join(_ENCODINGS)}'
        raise ImageError(text)
    channels, conversion = _ENCODINGS[message.encoding]
    height, width, step = message.height, message.width, message.step
    data = np.frombuffer(message.data, np.uint8)
    if step < width * channels or data.size < height * step or height * width == 0:
        text = (
            f'an image of {width}x{height} {message.encoding} with rows of {step} bytes has '
            f'{data.size} bytes of data: the message is damaged'
        )
        raise ImageError(text)
    rows = data[: height * step].reshape(height, step)[:, : width * channels]
    image = rows.reshape(height, width, channels)
    if channels == 1:
        return np.ascontiguousarray(image[..., 0])
    return image if conversion is None else np.asarray(cv2.cvtColor(image, conversion), np.uint8)


def camera_from_info(info: Any) -> PinholeCamera:
    """
    Return the camera of a rectified image from its camera_info, in the left camera's frame.

    P = K [I | t] with t = (-baseline, 0, 0) for the right camera, metres. Raises CalibrationError
    for an uncalibrated one.
    """
    projection = np.asarray(info.p, dtype=np.float64).reshape(3, 4)
    intrinsics = projection[:, :3]
    if not np.isfinite(projection).all() or abs(np.linalg.det(intrinsics)) < 1e-9:
        text = (
            f'camera_info of {info.header.frame_id!r} has the projection matrix '
            f'{projection.tolist()}: the camera is not calibrated'
        )
        raise CalibrationError(text)
    translation = np.linalg.solve(intrinsics, projection[:, 3])
    return PinholeCamera(intrinsics, info.width, info.height, translation=translation)


def stamp_ns(message: Any) -> int:
    """Return a message's stamp in nanoseconds."""
    return int(message.header.stamp.sec) * 1_000_000_000 + int(message.header.stamp.nanosec)
