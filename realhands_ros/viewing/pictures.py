"""Pictures in and out: image files, videos, webcams; folders, videos, a window."""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from realhands_ros.errors import ConfigError, ImageError

# Pictures one after the other: image files, a video, a webcam.

Image = NDArray[np.uint8]

# Image files have no stamps. A second apart, they are too far apart for tracking.
_APART_NS = 1_000_000_000
_DEFAULT_RATE = 30.0
# Frame rates outside this range are not believed: a container without one may give any number.
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

    ``is_film``: they follow one another in time, ``rate`` a second. ``expected``: their number,
    None where it is unknown.
    """

    @property
    def is_film(self) -> bool:
        """Return whether the pictures follow one another in time."""

    @property
    def rate(self) -> float:
        """Return how many pictures a second there are."""

    @property
    def expected(self) -> int | None:
        """Return the number of pictures, None where it is unknown."""

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
        """Check that the files exist."""
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
        """Read pictures until the camera gives none, or the caller stops."""
        with _opened(self._number) as capture:
            # A buffer of one picture keeps the delay of a live view short.
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


# Where drawn pictures go: a folder of images, or a video.

ENDING = '_hands'

_IMAGE_SUFFIXES = frozenset({'.jpg', '.jpeg', '.png'})
# Codecs that OpenCV's bundled FFmpeg can write, by suffix.
_CODECS = {'.mp4': 'mp4v', '.avi': 'MJPG', '.webm': 'VP80', '.mkv': 'mp4v'}


class PictureOutput(Protocol):
    """Takes pictures; a context manager."""

    def write(self, picture: Picture, drawn: Image) -> Path:
        """Keep what was drawn over a picture; return the file that it went to."""

    def __enter__(self) -> PictureOutput:
        """Begin."""

    def __exit__(self, *_: object) -> None:
        """Finish the files."""


class ImageFolder:
    """A folder that gets one image for each input, named like it with '_hands' behind."""

    def __init__(self, folder: Path, inputs: Sequence[Path], *, overwrite: bool = False) -> None:
        """Make the folder; ConfigError when that is impossible or a file is already there."""
        self._paths = {
            str(source): folder / name
            for source, name in zip(inputs, output_names(inputs), strict=True)
        }
        for path in self._paths.values():
            refuse_existing(path, overwrite)
        make_folder(folder)

    def __enter__(self) -> ImageFolder:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def write(self, picture: Picture, drawn: Image) -> Path:
        """Write one image; ConfigError when it cannot be written."""
        path = self._paths[picture.name]
        done, data = cv2.imencode(path.suffix, drawn, [cv2.IMWRITE_JPEG_QUALITY, 95])
        assert done
        try:
            path.write_bytes(data.tobytes())
        except OSError as error:
            message = f'{path} cannot be written ({error.strerror}): choose another --out'
            raise ConfigError(message) from error
        return path


class VideoOutput:
    """
    A video of the size of the first picture.

    Pictures that come slower than ``rate`` a second are repeated, so that the video runs in real
    time.
    """

    def __init__(self, path: Path, rate: float, *, overwrite: bool = False) -> None:
        """Check the name; ConfigError for an unknown format or a file that is there."""
        if path.suffix.lower() not in _CODECS:
            message = f'{path} is no video that can be written; end it in {", ".join(_CODECS)}'
            raise ConfigError(message)
        refuse_existing(path, overwrite)
        make_folder(path.parent)
        self._path, self._rate = path, rate
        self._writer: Any | None = None
        self._written = 0

    def __enter__(self) -> VideoOutput:
        return self

    def __exit__(self, *_: object) -> None:
        if self._writer is not None:
            self._writer.release()

    def write(self, picture: Picture, drawn: Image) -> Path:
        """Append a picture; ConfigError when the file cannot be written."""
        if self._writer is None:
            self._writer = self._opened(drawn)
        due = round(1e-9 * picture.stamp_ns * self._rate) + 1
        for _ in range(max(1, due - self._written)):
            self._writer.write(drawn)
            self._written += 1
        return self._path

    def _opened(self, drawn: Image) -> Any:
        code = cv2.VideoWriter.fourcc(*_CODECS[self._path.suffix.lower()])
        size = (drawn.shape[1], drawn.shape[0])
        writer = cv2.VideoWriter(str(self._path), code, self._rate, size)
        if not writer.isOpened():
            message = (
                f'{self._path} cannot be written as video: choose another place or one of '
                f'{", ".join(_CODECS)}'
            )
            raise ConfigError(message)
        return writer


def output_names(inputs: Sequence[Path]) -> list[str]:
    """Return a file name for each input; inputs of one name in several folders are numbered."""
    taken: Counter[str] = Counter()
    names = []
    for path in inputs:
        suffix = path.suffix.lower() if path.suffix.lower() in _IMAGE_SUFFIXES else '.png'
        taken[path.stem] += 1
        number = '' if taken[path.stem] == 1 else f'_{taken[path.stem]}'
        names.append(f'{path.stem}{ENDING}{number}{suffix}')
    return names


def refuse_existing(path: Path, overwrite: bool) -> None:
    """Raise ConfigError for a file that is there and may not be overwritten."""
    if path.exists() and not overwrite:
        message = f'{path} exists: choose another name, or allow it with --overwrite'
        raise ConfigError(message)


def make_folder(folder: Path) -> None:
    """Make a folder and those above it; ConfigError when that is impossible."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        message = f'the folder {folder} cannot be made ({error.strerror}): choose another place'
        raise ConfigError(message) from error


# A window on the screen, where there is a screen.

_TITLE = 'realhands'
_STOP_KEYS = frozenset({27, ord('q')})
_DISPLAYS = ('DISPLAY', 'WAYLAND_DISPLAY')


def has_display() -> bool:
    """Return whether there is a screen to open windows on."""
    # Qt aborts the process without a screen, so the check must come first.
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
