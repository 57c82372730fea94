"""
Reader of FreiHAND in its official layout (Zimmermann et al., "FreiHAND", 2019).

::

    ROOT/training_K.json, _xyz.json, _mano.json, _scale.json, _verts.json     32560 rows each
    ROOT/training/rgb/00000000.jpg ...   4 x 32560: the same hands before four backgrounds
    ROOT/training/mask/00000000.jpg ...  32560
    ROOT/evaluation_K.json, _scale.json; _xyz, _mano, _verts since the challenge's end
    ROOT/evaluation/rgb/00000000.jpg ... 3960

All hands are right ones. The image of hand i before background v has the number i + rows * v.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from realhands_ros.arrays import FloatArray
from realhands_ros.data.topology import NUM_KEYPOINTS, NUM_POSE, NUM_SHAPE, NUM_VERTICES
from realhands_ros.errors import DatasetError

FreiHandSet = Literal['training', 'evaluation']
FreiHandPart = Literal['all', 'train', 'validation']

# Green screen, and the backgrounds put in its place: homogenised, colour-sampled, automatic.
BACKGROUND_VERSIONS = (0, 1, 2, 3)
# The paper keeps 30 % of the unique hands for validation (section 4.1) but does not name them.
_TRAIN_SHARE = 0.7
_SPLIT_SEED = 0
_MANO_NUMBERS = NUM_POSE + NUM_SHAPE + 3
_MASK_THRESHOLD = 127


@dataclass(frozen=True, eq=False)
class FreiHandSample:
    """
    One image of FreiHAND; truth in the camera's frame, metres.

    ``image`` (H, W, 3) uint8 RGB; ``mask`` (H, W) bool; ``intrinsics`` (3, 3). ``pose_from_mean``
    (48,): MANO's axis-angle pose, its fingers relative to MANO's mean pose; ``shape`` (10,).
    ``hand_scale``: length of the middle finger's first bone, metres. ``unique`` is the hand's
    number, ``version`` its background's. What the set does not tell is None.
    """

    unique: int
    version: int
    image: NDArray[np.uint8]
    intrinsics: FloatArray
    hand_scale: float
    mask: NDArray[np.bool_] | None
    keypoints: FloatArray | None
    vertices: FloatArray | None
    pose_from_mean: FloatArray | None
    shape: FloatArray | None


class FreiHand:
    """
    A sequence of FreiHandSample.

    ``part``: ``train`` and ``validation`` divide the unique hands 70 to 30, so that all versions
    of a hand are on one side. ``versions``: backgrounds, of the training set only.
    ``with_vertices`` reads the mesh vertices too: over a gigabyte of JSON for the training set.
    """

    def __init__(
        self,
        root: Path | str,
        *,
        name: FreiHandSet = 'training',
        part: FreiHandPart = 'all',
        versions: Sequence[int] = BACKGROUND_VERSIONS,
        with_vertices: bool = False,
    ) -> None:
        """Read the annotations; DatasetError when they are missing, damaged or unequal."""
        self._root = Path(root)
        self._name = name
        self._intrinsics = self._column('K', (3, 3))
        self._scale = self._column('scale', ())
        self._keypoints = self._optional('xyz', (NUM_KEYPOINTS, 3))
        self._mano = self._optional('mano', (_MANO_NUMBERS,))
        self._vertices = self._optional('verts', (NUM_VERTICES, 3)) if with_vertices else None
        self._rows = len(self._intrinsics)
        self._check_counts()
        self._versions = tuple(versions) if name == 'training' else (0,)
        self._uniques = _part_of(self._rows, part)

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self._uniques) * len(self._versions)

    @property
    def uniques(self) -> tuple[int, ...]:
        """Return the numbers of the hands in this part."""
        return tuple(int(unique) for unique in self._uniques)

    def __getitem__(self, index: int) -> FreiHandSample:
        """Return image ``index``: all hands before one background, then before the next."""
        if not 0 <= index < len(self):
            raise IndexError(index)
        place, row = divmod(index, len(self._uniques))
        unique, version = int(self._uniques[row]), self._versions[place]
        folder = self._root / self._name
        image = _picture(folder / 'rgb' / f'{unique + version * self._rows:08d}.jpg')
        mask_path = folder / 'mask' / f'{unique:08d}.jpg'
        has_mask = self._name == 'training'
        return FreiHandSample(
            unique=unique,
            version=version,
            image=np.ascontiguousarray(image[..., ::-1]),
            intrinsics=self._intrinsics[unique],
            hand_scale=float(self._scale[unique]),
            mask=_picture(mask_path).max(axis=2) > _MASK_THRESHOLD if has_mask else None,
            keypoints=None if self._keypoints is None else self._keypoints[unique],
            vertices=None if self._vertices is None else self._vertices[unique],
            pose_from_mean=None if self._mano is None else self._mano[unique, :NUM_POSE],
            shape=(
                None if self._mano is None else self._mano[unique, NUM_POSE : NUM_POSE + NUM_SHAPE]
            ),
        )

    def _optional(self, what: str, shape: tuple[int, ...]) -> FloatArray | None:
        if self._name == 'evaluation' and not self._path(what).exists():
            return None
        return self._column(what, shape)

    def _column(self, what: str, shape: tuple[int, ...]) -> FloatArray:
        path = self._path(what)
        try:
            rows: list[Any] = json.loads(path.read_text())
            # MANO rows come wrapped in a list of one.
            column = np.asarray(rows, dtype=np.float64).reshape(len(rows), *shape)
        except FileNotFoundError as error:
            message = (
                f'{path} is missing: {self._root} is not the folder that FreiHAND_pub_v2.zip '
                'unpacks to'
            )
            raise DatasetError(message) from error
        except (OSError, ValueError, TypeError) as error:
            message = f'{path} is damaged ({error}): unpack FreiHAND_pub_v2.zip again'
            raise DatasetError(message) from error
        return column

    def _path(self, what: str) -> Path:
        return self._root / f'{self._name}_{what}.json'

    def _check_counts(self) -> None:
        columns = {
            'K': self._intrinsics,
            'scale': self._scale,
            'xyz': self._keypoints,
            'mano': self._mano,
            'verts': self._vertices,
        }
        counts = {name: len(column) for name, column in columns.items() if column is not None}
        if len(set(counts.values())) != 1:
            message = (
                f'the annotation files of {self._root} have unequal numbers of rows, {counts}: '
                'unpack FreiHAND_pub_v2.zip again'
            )
            raise DatasetError(message)


def _part_of(rows: int, part: FreiHandPart) -> NDArray[np.int64]:
    if part == 'all':
        return np.arange(rows)
    shuffled = np.random.default_rng(_SPLIT_SEED).permutation(rows)
    border = round(_TRAIN_SHARE * rows)
    return np.sort(shuffled[:border] if part == 'train' else shuffled[border:])


def _picture(path: Path) -> NDArray[np.uint8]:
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if picture is None:
        message = f'{path} is missing or damaged: unpack FreiHAND_pub_v2.zip again'
        raise DatasetError(message)
    return np.asarray(picture, dtype=np.uint8)
