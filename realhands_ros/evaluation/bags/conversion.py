"""What the nodes' decoding of messages leaves out: compressed images."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from realhands_ros.errors import ImageError
from realhands_ros.nodes.image_decoding import decode_image

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
