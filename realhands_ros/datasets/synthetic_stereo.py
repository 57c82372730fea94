"""Reader of the synthetic stereo dataset that ``realhands synth dataset`` writes."""

from __future__ import annotations

import zipfile
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from realhands_ros.errors import DatasetError
from realhands_ros.synthesis.dataset_format import (
    TRUTH_COLUMNS,
    TRUTH_NAME,
    VIEWS,
    decode_depth,
    file_name,
    read_manifest,
    shard_folder,
)
from realhands_ros.synthesis.scene import Label


class SyntheticStereo(Dataset[dict[str, torch.Tensor]]):
    """
    A synthetic stereo dataset as tensors.

    An item holds the columns of ``dataset_format.TRUTH_COLUMNS`` (floats as float32) and, with the
    first axis (left, right): ``images`` (2, 3, H, W) uint8 RGB; ``labels`` (2, H, W) uint8,
    values of ``synthesis.scene.Label``; ``masks`` (2, H, W) bool, the hand up to the wrist; with
    ``with_depth`` also ``depth`` (2, H, W) float32 metres, inf for nothing.
    """

    def __init__(self, folder: Path | str, *, with_depth: bool = False) -> None:
        """
        Open a dataset and read its truth.

        Raises DatasetError when it is missing, unfinished or damaged.
        """
        self._folder = Path(folder)
        self._with_depth = with_depth
        self._manifest = read_manifest(self._folder)
        self._check_complete()
        self._truth = lru_cache(maxsize=None)(self._read_truth)

    def __len__(self) -> int:
        """Return the number of stereo pairs."""
        return self._manifest.samples

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        """Return sample ``index``; raise DatasetError when one of its files is damaged."""
        if not 0 <= index < len(self):
            raise IndexError(index)
        shard, row = divmod(index, self._manifest.samples_per_shard)
        truth = self._truth(shard)
        item = {name: _tensor(column[row]) for name, column in truth.items()}
        images = self._pictures(shard, index, 'image', cv2.IMREAD_COLOR)[..., ::-1]
        labels = self._pictures(shard, index, 'labels', cv2.IMREAD_UNCHANGED)
        item['images'] = torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2)))
        item['labels'] = torch.from_numpy(labels)
        item['masks'] = item['labels'] == Label.HAND
        if self._with_depth:
            units = self._pictures(shard, index, 'depth', cv2.IMREAD_UNCHANGED)
            item['depth'] = torch.from_numpy(decode_depth(units.astype(np.uint16)))
        return item

    def _check_complete(self) -> None:
        missing = [
            shard
            for shard in range(self._manifest.num_shards)
            if not shard_folder(self._folder, shard).is_dir()
        ]
        if missing:
            message = (
                f'{self._folder} is unfinished: {len(missing)} of {self._manifest.num_shards} '
                'shards are missing; run its `realhands synth dataset` command again to go on'
            )
            raise DatasetError(message)

    def _read_truth(self, shard: int) -> dict[str, NDArray[np.generic]]:
        path = shard_folder(self._folder, shard) / TRUTH_NAME
        try:
            with np.load(path) as archive:
                return {name: archive[name] for name in TRUTH_COLUMNS}
        except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
            message = f'{path} is damaged ({error}); delete its folder and resume the dataset'
            raise DatasetError(message) from error

    def _pictures(self, shard: int, index: int, content: str, mode: int) -> NDArray[np.generic]:
        """Return one kind of picture of both views, (2, H, W, ...)."""
        pictures = []
        for view in VIEWS:
            path = shard_folder(self._folder, shard) / file_name(index, view, content)
            picture = cv2.imread(str(path), mode)
            if picture is None:
                message = f'{path} is missing or damaged; delete its folder and resume the dataset'
                raise DatasetError(message)
            pictures.append(picture)
        return np.stack(pictures)


def _tensor(value: NDArray[np.generic]) -> torch.Tensor:
    tensor = torch.from_numpy(np.array(value))
    return tensor.float() if tensor.is_floating_point() else tensor
