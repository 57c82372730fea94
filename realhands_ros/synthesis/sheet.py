"""Contact sheets: many samples in one picture, for looking."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from realhands_ros.data.topology import KEYPOINT_PARENTS
from realhands_ros.errors import DatasetError
from realhands_ros.synthesis.sample import StereoSample

Image = NDArray[np.uint8]

_MASK_COLOUR = np.array([60, 220, 60])
_VISIBLE, _HIDDEN = (255, 220, 40), (200, 60, 60)


def tile(sample: StereoSample, *, with_truth: bool) -> Image:
    """Return both views of a sample side by side, with mask and skeleton drawn in if asked."""
    views = []
    for eye in range(2):
        view = sample.images[eye].copy()
        if with_truth:
            _draw_truth(view, sample, eye)
        views.append(view)
    return np.concatenate(views, axis=1)


def sheet(tiles: list[Image], columns: int) -> Image:
    """Arrange tiles of one size in rows; the last row is filled with black."""
    height = max(picture.shape[0] for picture in tiles)
    width = max(picture.shape[1] for picture in tiles)
    rows = -(-len(tiles) // columns)
    canvas = np.zeros((rows * height, columns * width, 3), dtype=np.uint8)
    for number, picture in enumerate(tiles):
        top, left = number // columns * height, number % columns * width
        canvas[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
    return canvas


def save_picture(picture: Image, path: Path) -> None:
    """Write an RGB picture; raise DatasetError when the path cannot be written."""
    encoded = cv2.imencode('.png', picture[..., ::-1])[1]
    try:
        path.write_bytes(encoded.tobytes())
    except OSError as error:
        message = f'cannot write {path}: {error.strerror or error}; choose another place'
        raise DatasetError(message) from error


def _draw_truth(view: Image, sample: StereoSample, eye: int) -> None:
    mask = sample.masks[eye]
    view[mask] = (0.65 * view[mask] + 0.35 * _MASK_COLOUR).astype(np.uint8)
    pixels = np.round(sample.keypoints_px[eye]).astype(int)
    for keypoint, parent in enumerate(KEYPOINT_PARENTS):
        colour = _VISIBLE if sample.keypoints_visible[eye, keypoint] else _HIDDEN
        if parent >= 0:
            start, stop = pixels[parent].tolist(), pixels[keypoint].tolist()
            cv2.line(view, start, stop, colour, 1, cv2.LINE_AA)
        cv2.circle(view, pixels[keypoint].tolist(), 2, colour, -1, cv2.LINE_AA)
