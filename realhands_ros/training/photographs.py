"""
Photographs with pseudo-truth, as `realhands train label` leaves them: the format and the source.

A folder holds ``labels.npz``, one row a hand, and ``pictures.bin``: the crops (JPEG) and masks
(PNG) one after another. Nothing else is needed to train. The arrays of ``labels.npz``, for N
hands, in pixels of the crops and in metres in the axes of their cameras:

    photograph    (N,) path relative to the labelled folder
    left          (N,) bool: a left hand
    intrinsics    (N, 3, 3) of the crop's camera; the field of view was assumed
    detected_px   (N, 21, 2) and world (N, 21, 3): one reading of MediaPipe
    marked_px     (N, 21, 2): mean of several readings
    presence      (N,) and right (N,): MediaPipe's probabilities of a hand, and of a right one
    pose_aa       (N, 48), shape (N, 10), translation (N, 3), keypoints (N, 21, 3): the hand model
                  laid on the readings
    pose_known    (N,) bool: the hand model agrees with what was read
    misfit_2d     (N,) share of the hand's box, misfit_world (N,) metres, spread (N,) share of the
                  box: disagreement of model and readings, and of the readings among each other
    mask_known    (N,) bool: there is a mask, as its cues agree
    crop_bytes    (N, 2) and mask_bytes (N, 2): first byte in pictures.bin and the one after the
                  last; masks hold 0, 255 (hand) and 128 (unknown)
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from realhands_ros.errors import DatasetError
from realhands_ros.geometry.camera import PinholeCamera
from realhands_ros.training.hand_source import Detection, HandSample, LabelTrust, ViewSample

FloatArray = NDArray[np.float64]
Image = NDArray[np.uint8]

LABELS_NAME = 'labels.npz'
PICTURES_NAME = 'pictures.bin'
UNKNOWN = 128
FORMAT_VERSION = 1

# Every so manieth hand is held out.
HELD_OUT_EVERY = 25

# Shapes of one hand's row; the arrays above that are not bytes.
ROW_SHAPES: dict[str, tuple[int, ...]] = {
    'intrinsics': (3, 3),
    'detected_px': (21, 2),
    'world': (21, 3),
    'marked_px': (21, 2),
    'presence': (),
    'right': (),
    'pose_aa': (48,),
    'shape': (10,),
    'translation': (3,),
    'keypoints': (21, 3),
    'misfit_2d': (),
    'misfit_world': (),
    'spread': (),
}
_FLAGS = ('left', 'pose_known', 'mask_known')


class PhotographSource:
    """
    The hands of a labelled folder, one view each.

    ``held_out`` chooses every 25th hand, False the others; None all of them.
    """

    def __init__(self, folder: Path | str, *, held_out: bool | None = None) -> None:
        """Raise DatasetError when the folder is missing, damaged or of another version."""
        self._made_of = (folder, held_out)
        self._folder = Path(folder)
        self.labels = read_labels(self._folder)
        count = len(self.labels['left'])
        self._indices = [
            i for i in range(count) if held_out is None or (i % HELD_OUT_EVERY == 0) == held_out
        ]
        path = self._folder / PICTURES_NAME
        expected = int(max(self.labels['crop_bytes'].max(), self.labels['mask_bytes'].max()))
        if not path.is_file() or path.stat().st_size < expected:
            found = path.stat().st_size if path.is_file() else 0
            message = (
                f'{path} holds {found} bytes, its labels speak of {expected}: copy the folder '
                'anew, or label again with `realhands train label`'
            )
            raise DatasetError(message)
        self._pictures = np.memmap(path, dtype=np.uint8, mode='r')

    def __reduce__(self) -> tuple[Any, ...]:
        """Open the folder anew in another process."""
        folder, held_out = self._made_of
        return functools.partial(PhotographSource, folder, held_out=held_out), ()

    def __len__(self) -> int:
        """Return the number of hands."""
        return len(self._indices)

    def sample(self, index: int) -> HandSample:
        """Return hand ``index``."""
        row = self._indices[index]
        labels = {name: self.labels[name][row] for name in ROW_SHAPES}
        is_left, pose_known, has_mask = (bool(self.labels[name][row]) for name in _FLAGS)
        image = self._picture('crop_bytes', row, cv2.IMREAD_COLOR)
        mask = self._picture('mask_bytes', row, cv2.IMREAD_GRAYSCALE) if has_mask else None
        height, width = image.shape[:2]
        view = ViewSample(
            image=np.ascontiguousarray(image[..., ::-1]),
            camera=PinholeCamera(labels['intrinsics'], width, height),
            mask=None if mask is None else mask == np.uint8(255),
            detection=Detection(_float64(labels['detected_px']), _float64(labels['world'])),
            mask_known=None if mask is None else mask != np.uint8(UNKNOWN),
            marked_px=_float64(labels['marked_px']),
        )
        return HandSample(
            handedness='left' if is_left else 'right',
            pose_aa=_float64(labels['pose_aa']),
            shape=_float64(labels['shape']),
            keypoints=_float64(labels['keypoints']),
            views=(view,),
            trust=LabelTrust(pose=pose_known, scale=False),
        )

    def name(self, index: int) -> str:
        """Return the photograph that hand ``index`` was found in."""
        return str(self.labels['photograph'][self._indices[index]])

    def _picture(self, name: str, row: int, mode: int) -> Image:
        first, after = (int(value) for value in self.labels[name][row])
        picture = cv2.imdecode(np.array(self._pictures[first:after]), mode)
        if picture is None:
            message = (
                f'{self._folder / PICTURES_NAME} is damaged at byte {first}: copy the folder '
                'anew, or label again with `realhands train label`'
            )
            raise DatasetError(message)
        return np.asarray(picture, dtype=np.uint8)


def read_labels(folder: Path) -> dict[str, NDArray[Any]]:
    """Return the arrays of ``labels.npz``; DatasetError when they are missing or damaged."""
    path = folder / LABELS_NAME
    names = [*ROW_SHAPES, *_FLAGS, 'photograph', 'crop_bytes', 'mask_bytes']
    try:
        with np.load(path, allow_pickle=False) as archive:
            version = int(archive['version'])
            labels = {name: archive[name] for name in names}
    except (OSError, EOFError, KeyError, ValueError) as error:
        message = (
            f'{path} holds no labels of photographs ({error}): make them with '
            '`realhands train label`'
        )
        raise DatasetError(message) from error
    if version != FORMAT_VERSION:
        message = (
            f'{path} has version {version} of the format, this program reads {FORMAT_VERSION}: '
            'label again with `realhands train label`'
        )
        raise DatasetError(message)
    count = len(labels['left'])
    shapes = {**ROW_SHAPES, **dict.fromkeys(_FLAGS, ()), 'crop_bytes': (2,), 'mask_bytes': (2,)}
    for name, shape in shapes.items():
        if labels[name].shape != (count, *shape):
            message = f'{path}: {name} has shape {labels[name].shape}, not {(count, *shape)}'
            raise DatasetError(message)
    if count == 0:
        message = f'{path} holds no hand: label other photographs with `realhands train label`'
        raise DatasetError(message)
    return labels


def _float64(values: NDArray[Any]) -> FloatArray:
    return np.asarray(values, dtype=np.float64)
