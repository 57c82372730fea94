"""
A folder of photographs, each with one camera, and what is known about the hands in them.

``annotations.json`` beside the pictures is optional, and so is every entry in it::

    {
      "images": {
        "a.jpg": {
          "K": [[fx, 0, cx], [0, fy, cy], [0, 0, 1]],
          "hands": [
            {
              "handedness": "right",
              "keypoints_px": [[u, v], null, ...],
              "keypoints": [[x, y, z], ...],
              "vertices": [[x, y, z], ...],
              "mask": "masks/a.png"
            }
          ]
        }
      }
    }

``K`` in pixels, the centre of the first pixel at (0, 0); without it the lens is taken to span 60
degrees, and metric figures mean little. ``keypoints_px`` has 21 places in MediaPipe's order, null
where a point is not marked; ``keypoints`` (21) and ``vertices`` (778, MANO's order) are metres in
the camera's optical frame.

``mask`` is a picture that is not black where the hand is visible. Of a picture whose only hand has
a mask and no keypoints it is that of all hands in it. A picture with ``"hands": []`` shows none;
one without ``hands`` is not annotated.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from realhands_ros.data.frames import StereoFrame
from realhands_ros.data.topology import NUM_KEYPOINTS, NUM_VERTICES
from realhands_ros.data.truth import AnnotatedView, TrackedTruth, TrueHand
from realhands_ros.errors import CalibrationError, DatasetError
from realhands_ros.evaluation.replay import AnnotatedFrame
from realhands_ros.geometry.camera import PinholeCamera

FloatArray = NDArray[np.float64]

ANNOTATIONS_NAME = 'annotations.json'

_SUFFIXES = frozenset({'.jpg', '.jpeg', '.png', '.bmp', '.webp', '.tif', '.tiff'})
_ASSUMED_FIELD_OF_VIEW_DEG = 60.0
# Pictures of a folder have no stamps; these let no two of them be taken for neighbours.
_STEP_NS = 1_000_000_000


@dataclass
class ImageFolder:
    """The pictures of a folder; ``skipped`` counts, by reason, those that cannot be read."""

    folder: Path
    skipped: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        """List the pictures; DatasetError when there is none or the annotations are damaged."""
        if not self.folder.is_dir():
            message = f'{self.folder} is no folder: name one with photographs'
            raise DatasetError(message)
        self._paths = sorted(p for p in self.folder.iterdir() if p.suffix.lower() in _SUFFIXES)
        if not self._paths:
            message = f'{self.folder} has no pictures ({", ".join(sorted(_SUFFIXES))})'
            raise DatasetError(message)
        self._annotations = self._read_annotations()

    def __len__(self) -> int:
        """Return the number of pictures."""
        return len(self._paths)

    def __iter__(self) -> Iterator[AnnotatedFrame]:
        """Read the pictures in the order of their names."""
        for number, path in enumerate(self._paths):
            image = cv2.imread(str(path), cv2.IMREAD_COLOR)
            if image is None:
                self.skipped['pictures that cannot be read'] += 1
                continue
            annotation = self._annotations.get(path.name, {})
            camera = _camera(annotation.get('K'), image.shape[1], image.shape[0], path.name)
            pixels = np.asarray(image, dtype=np.uint8)
            frame = StereoFrame(number * _STEP_NS, 'camera', (pixels,), (camera,))
            yield AnnotatedFrame(frame, self._hands(path.name, annotation, image.shape[:2]))

    def _read_annotations(self) -> Mapping[str, Any]:
        path = self.folder / ANNOTATIONS_NAME
        if not path.exists():
            return {}
        try:
            images = json.loads(path.read_text())['images']
            unknown = sorted(set(images) - {picture.name for picture in self._paths})
        except (OSError, ValueError, KeyError, TypeError) as error:
            message = f'{path} is damaged ({error!r}): see docs/evaluation.md for its format'
            raise DatasetError(message) from error
        if unknown:
            message = f'{path} names pictures that are not there: {", ".join(unknown[:5])}'
            raise DatasetError(message)
        annotations: Mapping[str, Any] = images
        return annotations

    def _hands(
        self, name: str, annotation: Mapping[str, Any], size: tuple[int, ...]
    ) -> tuple[TrackedTruth, ...] | None:
        if 'hands' not in annotation:
            return None
        try:
            return tuple(
                self._hand(f'{name}/{number}', entry, size)
                for number, entry in enumerate(annotation['hands'])
            )
        except (KeyError, ValueError, TypeError) as error:
            message = (
                f'the annotation of {name} in {self.folder / ANNOTATIONS_NAME} is wrong '
                f'({error}): see docs/evaluation.md for its format'
            )
            raise DatasetError(message) from error

    def _hand(self, id_: str, entry: Mapping[str, Any], size: tuple[int, ...]) -> TrackedTruth:
        handedness = entry['handedness']
        if handedness not in ('left', 'right'):
            text = f'handedness is {handedness!r}, not left or right'
            raise ValueError(text)
        hand = None
        if 'keypoints' in entry:
            vertices = entry.get('vertices')
            hand = TrueHand(
                handedness,
                _points('keypoints', entry['keypoints'], NUM_KEYPOINTS),
                None if vertices is None else _points('vertices', vertices, NUM_VERTICES),
            )
        annotations: tuple[AnnotatedView, ...] = ()
        if 'keypoints_px' in entry or 'mask' in entry or hand is None:
            pixels = _pixels(entry.get('keypoints_px', [None] * NUM_KEYPOINTS))
            annotations = (AnnotatedView(pixels, self._mask(entry.get('mask'), size)),)
        return TrackedTruth(id_, handedness, hand, annotations)

    def _mask(self, name: str | None, size: tuple[int, ...]) -> NDArray[np.bool_] | None:
        if name is None:
            return None
        mask = cv2.imread(str(self.folder / name), cv2.IMREAD_GRAYSCALE)
        if mask is None or mask.shape != tuple(size):
            found = 'cannot be read' if mask is None else f'is {mask.shape[1]}x{mask.shape[0]}'
            text = f'the mask {name} {found}; the picture is {size[1]}x{size[0]}'
            raise ValueError(text)
        return np.asarray(mask > 127)


def _camera(intrinsics: ArrayLike | None, width: int, height: int, name: str) -> PinholeCamera:
    if intrinsics is None:
        return PinholeCamera.of_field_of_view(width, height, _ASSUMED_FIELD_OF_VIEW_DEG)
    try:
        return PinholeCamera(np.asarray(intrinsics, np.float64), width, height)
    except (CalibrationError, ValueError, TypeError) as error:
        message = f'K of {name} is no camera matrix ({error})'
        raise DatasetError(message) from error


def _points(what: str, values: ArrayLike, count: int) -> FloatArray:
    points = np.asarray(values, np.float64)
    if points.shape != (count, 3) or not np.isfinite(points).all():
        text = f'{what} has shape {points.shape}, not ({count}, 3) finite numbers'
        raise ValueError(text)
    return points


def _pixels(values: list[Any]) -> FloatArray:
    if len(values) != NUM_KEYPOINTS:
        text = f'keypoints_px has {len(values)} places, not {NUM_KEYPOINTS}'
        raise ValueError(text)
    return np.array([[np.nan, np.nan] if v is None else v for v in values], np.float64)
