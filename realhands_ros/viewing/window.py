"""A window on the screen, where there is a screen."""

from __future__ import annotations

import os
import sys

import cv2
import numpy as np
from numpy.typing import NDArray

from realhands_ros.errors import ConfigError

Image = NDArray[np.uint8]

_TITLE = 'realhands'
_STOP_KEYS = frozenset({27, ord('q')})
_DISPLAYS = ('DISPLAY', 'WAYLAND_DISPLAY')


def has_display() -> bool:
    """Return whether there is a screen to open windows on."""
    # Qt ends the process where it finds no screen, so one has to look beforehand.
    return not sys.platform.startswith('linux') or any(map(os.environ.get, _DISPLAYS))


def require_display(what: str, instead: str) -> None:
    """Raise ConfigError where there is no screen; ``what`` needs it, ``instead`` is advice."""
    if not has_display():
        message = (
            f'{what} needs a screen, and neither {" nor ".join(_DISPLAYS)} is set: '
            f'{instead}, or run on a desktop (over ssh: ssh -X)'
        )
        raise ConfigError(message)


class Window:
    """Shows pictures; ConfigError without a screen or with an OpenCV that has no windows."""

    def __init__(self) -> None:
        require_display('--show', 'leave it out')
        try:
            cv2.namedWindow(_TITLE, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO)
        except cv2.error as error:
            message = 'this OpenCV is built without windows: install opencv-contrib-python'
            raise ConfigError(message) from error

    def show(self, picture: Image, *, wait: bool = False) -> bool:
        """Show a picture, with ``wait`` until a key is pressed; return whether to go on."""
        cv2.imshow(_TITLE, picture)
        return cv2.waitKey(0 if wait else 1) & 0xFF not in _STOP_KEYS

    def close(self) -> None:
        """Close the window."""
        cv2.destroyWindow(_TITLE)
