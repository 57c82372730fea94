"""Images from sensor_msgs/Image and CompressedImage messages, rclpy's or rosbags'."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from realhands_ros.errors import ImageError

# The one place where a sensor_msgs/Image becomes pixels.
#
# The message may be rclpy's or rosbags', which have the same fields. The four plain encodings are
# read where they lie; the others go through cv_bridge where ROS has it, else through
# rosbags-image.

Pixels = NDArray[np.uint8]

# Bytes of a pixel, and whether its channels come in the order R, G, B.
_PLAIN = {'bgra8': (4, False), 'bgr8': (3, False), 'rgb8': (3, True), 'mono8': (1, False)}


def decode_image(message: Any) -> Pixels:
    """
    Return an image as BGR (H, W, 3), BGRA (H, W, 4) or grey (H, W), uint8.

    bgra8, bgr8, rgb8 and mono8 are views of the message's data, without a copy; rows may be
    padded. Raises ImageError for an empty image, too little data, and an encoding that cannot be
    converted.
    """
    _expect_whole(message)
    if message.encoding not in _PLAIN:
        return _convert(message)
    channels, is_rgb = _PLAIN[message.encoding]
    if message.step < message.width * channels:
        text = (
            f'an image in {message.encoding} of width {message.width} has rows of {message.step} '
            f'bytes; they must have {message.width * channels} or more: its step is wrong'
        )
        raise ImageError(text)
    pixels = _rows(message)[:, : message.width * channels]
    if channels == 1:
        return pixels
    image = pixels.reshape(message.height, message.width, channels)
    return image[..., ::-1] if is_rgb else image


def _expect_whole(message: Any) -> None:
    size = len(message.data)
    if message.width == 0 or message.height == 0:
        text = f'an image of {message.width}x{message.height} pixels is empty: check the camera'
        raise ImageError(text)
    if size < message.step * message.height:
        text = (
            f'an image of {message.height} rows of {message.step} bytes has {size} bytes of data '
            f'instead of {message.step * message.height}: it is cut off'
        )
        raise ImageError(text)


def _rows(message: Any) -> Pixels:
    """Return the data (H, step), padding included."""
    data = np.frombuffer(message.data, dtype=np.uint8)
    return data[: message.height * message.step].reshape(message.height, message.step)


def _convert(message: Any) -> Pixels:
    """Convert a rare encoding to BGR (H, W, 3)."""
    convert = _by_cv_bridge if importlib.util.find_spec('cv_bridge') else _by_rosbags
    try:
        pixels = np.asarray(convert(message))
    # Either library raises whatever its parts raise for an encoding or a size that it dislikes.
    except Exception as error:  # noqa: BLE001
        text = (
            f'the image encoding {message.encoding!r} cannot be converted ({error}); '
            f'let the camera publish one of {", ".join(_PLAIN)}'
        )
        raise ImageError(text) from error
    if pixels.dtype != np.uint8 or pixels.shape != (message.height, message.width, 3):
        text = (
            f'the image encoding {message.encoding!r} gives {pixels.dtype} of shape '
            f'{pixels.shape}; let the camera publish one of {", ".join(_PLAIN)}'
        )
        raise ImageError(text)
    return pixels


def _by_cv_bridge(message: Any) -> Any:
    from cv_bridge import CvBridge

    return CvBridge().imgmsg_to_cv2(message, desired_encoding='bgr8')


@dataclass(frozen=True)
class _TightImage:
    """An image without padding at the end of its rows, as rosbags-image expects it."""

    height: int
    width: int
    encoding: str
    is_bigendian: int
    data: Pixels


def _by_rosbags(message: Any) -> Any:
    from rosbags.image import image_to_cvimage
    from rosbags.image.image import to_cvtype

    bits, _, _, channels = to_cvtype(message.encoding)
    row_bytes = message.width * channels * bits // 8
    if message.step < row_bytes:
        text = f'rows of {message.step} bytes are too short for {message.width} pixels'
        raise ValueError(text)
    tight = np.ascontiguousarray(_rows(message)[:, :row_bytes])
    image: Any = _TightImage(
        message.height, message.width, message.encoding, int(message.is_bigendian), tight
    )
    return image_to_cvimage(image, 'bgr8')


# What the nodes' decoding of messages leaves out: compressed images.

Image = NDArray[np.uint8]


def image_from_message(message: Any) -> Image:
    """
    Return a sensor_msgs/Image or CompressedImage as BGR (H, W, 3), BGRA (H, W, 4) or grey (H, W).

    Raises ImageError for one that is damaged or of an unknown encoding.
    """
    if not hasattr(message, 'format'):
        return decode_image(message)
    decoded = cv2.imdecode(np.frombuffer(message.data, np.uint8), cv2.IMREAD_COLOR)
    if decoded is None:
        text = f'a compressed image ({message.format}) cannot be decoded: it is damaged'
        raise ImageError(text)
    return np.asarray(decoded, dtype=np.uint8)
