"""
The synthetic dataset on disk.

::

    OUT/dataset.json            what was asked for: configuration, seed, counts, generator version
    OUT/card.md                 what came out, written last
    OUT/shard-00000/truth.npz   one row a sample, columns as in TRUTH_COLUMNS
    OUT/shard-00000/00000123_left.jpg, _right.jpg                pictures
    OUT/shard-00000/00000123_left_labels.png, _right_labels.png  values of scene.Label
    OUT/shard-00000/00000123_left_depth.png, _right_depth.png    16 bits, 0.1 mm; 0: none

A shard appears under its name only when it is whole.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from realhands_ros.errors import DatasetError

# Raise it whenever the same seed gives other bytes.
GENERATOR_VERSION = 5

SAMPLES_PER_SHARD = 128
DEPTH_UNIT_M = 1e-4
VIEWS = ('left', 'right')
MANIFEST_NAME = 'dataset.json'
TRUTH_NAME = 'truth.npz'

# Column: shape of a row, type, meaning. Positions are metres in the left optical frame.
TRUTH_COLUMNS: dict[str, tuple[tuple[int, ...], str, str]] = {
    'index': ((), 'int64', 'number of the sample'),
    'is_left_hand': ((), 'bool', 'handedness'),
    'view_mix': ((), 'uint8', 'index into config.VIEW_MIXES'),
    'pose_aa': ((48,), 'float32', 'axis-angle, wrist first, relative to the flat hand'),
    'shape': ((10,), 'float32', 'shape parameters'),
    'translation': ((3,), 'float32', 'of the hand model'),
    'vertices': ((778, 3), 'float32', 'mesh'),
    'joints': ((16, 3), 'float32', 'in the order of JOINT_NAMES'),
    'keypoints': ((21, 3), 'float32', 'in the order of KEYPOINT_NAMES'),
    'keypoints_px': ((2, 21, 2), 'float64', 'in the left and the right picture'),
    'keypoints_visible': ((2, 21), 'bool', 'inside the picture and not hidden'),
    'intrinsics': ((2, 3, 3), 'float64', 'K of both cameras, pixels'),
    'rotation': ((2, 3, 3), 'float64', 'left optical frame to camera'),
    'camera_translation': ((2, 3), 'float64', 'left optical frame to camera, metres'),
    'image_size': ((2,), 'int64', 'width, height'),
}


@dataclass(frozen=True)
class Manifest:
    """What a dataset was asked to be."""

    samples: int
    seed: int
    config: dict[str, Any]
    backgrounds_digest: str | None
    generator_version: int = GENERATOR_VERSION
    samples_per_shard: int = SAMPLES_PER_SHARD
    skins_digest: str | None = None
    lights_digest: str | None = None

    @property
    def num_shards(self) -> int:
        """Return the number of shards, the last of which may be smaller."""
        return -(-self.samples // self.samples_per_shard)

    def shard_indices(self, shard: int) -> range:
        """Return the numbers of the samples in a shard."""
        start = shard * self.samples_per_shard
        return range(start, min(start + self.samples_per_shard, self.samples))

    def to_json(self) -> str:
        """Return the text of dataset.json."""
        return json.dumps(self.__dict__, indent=2, sort_keys=True) + '\n'


def read_manifest(folder: Path) -> Manifest:
    """Read dataset.json; raise DatasetError when it is missing or damaged."""
    path = folder / MANIFEST_NAME
    try:
        return Manifest(**json.loads(path.read_text()))
    except FileNotFoundError as error:
        message = (
            f'{folder} is no synthetic dataset: it has no {MANIFEST_NAME}; make one with '
            f'`realhands synth dataset {folder}`'
        )
        raise DatasetError(message) from error
    except (OSError, ValueError, TypeError) as error:
        message = f'{path} is damaged ({error}); make the dataset again'
        raise DatasetError(message) from error


def shard_folder(folder: Path, shard: int) -> Path:
    """Return where a shard is kept."""
    return folder / f'shard-{shard:05d}'


def file_name(index: int, view: str, content: str) -> str:
    """Return the name of a file of sample ``index``: content is image, labels or depth."""
    if content == 'image':
        return f'{index:08d}_{view}.jpg'
    return f'{index:08d}_{view}_{content}.png'


def encode_depth(depth: NDArray[np.float32]) -> NDArray[np.uint16]:
    """Return depth in metres as 16-bit units; 0 where there is none or it does not fit."""
    units = np.round(np.where(np.isfinite(depth), depth, 0.0) / DEPTH_UNIT_M)
    return np.where(units > np.iinfo(np.uint16).max, 0, units).astype(np.uint16)


def decode_depth(units: NDArray[np.uint16]) -> NDArray[np.float32]:
    """Return depth in metres; inf where there is none."""
    return np.where(units == 0, np.inf, units * DEPTH_UNIT_M).astype(np.float32)
