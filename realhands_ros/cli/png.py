"""Pictures that a command writes."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from realhands_ros.errors import ConfigError


def write_png(picture: NDArray[np.uint8], path: Path) -> None:
    """
    Write an RGB picture (H, W, 3) as PNG and print its name and size.

    Raises ConfigError for a name that does not end in .png, or cannot be written.
    """
    if path.suffix.lower() != '.png':
        message = f'the picture is a PNG; {path} does not end in .png'
        raise ConfigError(message)
    _, data = cv2.imencode('.png', np.ascontiguousarray(picture[..., ::-1]))
    try:
        path.write_bytes(data.tobytes())
    except OSError as error:
        message = f'{path} cannot be written ({error.strerror}): choose another place'
        raise ConfigError(message) from error
    print(f'{path}: {picture.shape[1]} x {picture.shape[0]} pixels')
