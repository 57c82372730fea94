"""Where drawn pictures go: a folder of images, or a video."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from realhands_ros.errors import ConfigError
from realhands_ros.viewing.picture_source import Picture

Image = NDArray[np.uint8]

ENDING = '_hands'

_IMAGE_SUFFIXES = frozenset({'.jpg', '.jpeg', '.png'})
# What OpenCV's own build of FFmpeg can write.
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

    Pictures that come slower than ``rate`` a second are repeated, so that the video runs at the
    speed of life.
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
