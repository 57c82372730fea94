"""Pictures one after the other: image files, a video, a webcam."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from realhands_ros.errors import ConfigError, ImageError

Image = NDArray[np.uint8]

# Image files have no stamps; these let no two of them be taken for neighbours.
_APART_NS = 1_000_000_000
_DEFAULT_RATE = 30.0
# Containers say all sorts of things about their rate when they do not know it.
_RATES = (1.0, 1000.0)


@dataclass(frozen=True, eq=False)
class Picture:
    """``image`` (H, W, 3) BGR, ``stamp_ns`` from the first picture on, and what to call it."""

    name: str
    image: Image
    stamp_ns: int


class PictureSource(Protocol):
    """
    Where pictures come from.

    ``is_film``: they follow one another in time, ``rate`` a second. ``expected``: how many there
    are, None where nobody knows.
    """

    @property
    def is_film(self) -> bool:
        """Return whether the pictures follow one another in time."""

    @property
    def rate(self) -> float:
        """Return how many pictures a second there are."""

    @property
    def expected(self) -> int | None:
        """Return how many pictures there will be, None where nobody knows."""

    def __iter__(self) -> Iterator[Picture]:
        """Read the pictures."""


@dataclass
class ImageFiles:
    """
    Image files, each by itself; ``unreadable`` lists those that hold no image.

    Raises ImageError when one of them does not exist.
    """

    paths: Sequence[Path]
    unreadable: list[Path] = field(default_factory=list)
    is_film: bool = field(default=False, init=False)
    rate: float = field(default=1.0, init=False)

    def __post_init__(self) -> None:
        """Look for the files."""
        missing = [str(path) for path in self.paths if not path.is_file()]
        if missing:
            message = f'no such image: {", ".join(missing)}'
            raise ImageError(message)

    @property
    def expected(self) -> int:
        """Return the number of files."""
        return len(self.paths)

    def __iter__(self) -> Iterator[Picture]:
        """Read the files in their order, turned as their EXIF says."""
        for number, path in enumerate(self.paths):
            image = cv2.imread(str(path), cv2.IMREAD_COLOR)
            if image is None:
                self.unreadable.append(path)
            else:
                yield Picture(str(path), np.asarray(image, np.uint8), number * _APART_NS)


class VideoFile:
    """The frames of a video; ImageError when it cannot be opened or holds no frame."""

    is_film = True

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            message = f'no such video: {path}'
            raise ImageError(message)
        self._path = path
        with _opened(str(path)) as capture:
            readable, _ = capture.read()
            if not readable:
                message = (
                    f'{path} has no frame that can be read: it is no video, it is damaged, or '
                    'OpenCV lacks its codec (convert it with ffmpeg)'
                )
                raise ImageError(message)
            self.rate = _rate(capture)
            count = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
        self.expected = count if count > 0 else None

    def __iter__(self) -> Iterator[Picture]:
        """Read all frames from the beginning."""
        with _opened(str(self._path)) as capture:
            number = 0
            while True:
                readable, image = capture.read()
                if not readable:
                    return
                stamp_ns = round(1e9 * number / self.rate)
                yield Picture(f'frame {number}', np.asarray(image, np.uint8), stamp_ns)
                number += 1


class Webcam:
    """A camera of this computer by its number; ConfigError when there is none."""

    is_film = True
    expected = None

    def __init__(self, number: int) -> None:
        self._number = number
        with _opened(number) as capture:
            if not capture.isOpened() or not capture.read()[0]:
                message = (
                    f'camera {number} gives no picture: is it plugged in, free, and may you use '
                    'it? Cameras are numbered from 0 (on Linux /dev/video0 and so on)'
                )
                raise ConfigError(message)
            self.rate = _rate(capture)

    def __iter__(self) -> Iterator[Picture]:
        """Look until the camera ends, or somebody stops looking."""
        with _opened(self._number) as capture:
            # Old pictures are of no use to somebody who watches their own hands.
            capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
            start = time.monotonic_ns()
            number = 0
            while True:
                readable, image = capture.read()
                if not readable:
                    return
                stamp_ns = time.monotonic_ns() - start
                yield Picture(f'frame {number}', np.asarray(image, np.uint8), stamp_ns)
                number += 1


@contextmanager
def _opened(source: str | int) -> Iterator[Any]:
    capture = cv2.VideoCapture(source)
    try:
        yield capture
    finally:
        capture.release()


def _rate(capture: Any) -> float:
    rate = float(capture.get(cv2.CAP_PROP_FPS))
    return rate if _RATES[0] <= rate <= _RATES[1] else _DEFAULT_RATE
