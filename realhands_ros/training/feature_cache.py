"""
What a frozen image head and tail see in a dataset, computed once and kept.

On a CPU nearly all of a training step goes into the convolutions. While they are frozen their
result is the same each time: the averaged features of every crop are written down, in several
variants of its cut and looks, and the regressor is then trained on thousands of crops a second.

A folder holds ``NAME.npy`` for each field of TrainingBatch but the pictures, N crops in a row, and
``cache.json``: how many crops there are, and how many of the first are pairs of views.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import roma
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from realhands_ros.data.topology import NUM_KEYPOINTS, NUM_POSE
from realhands_ros.errors import DatasetError
from realhands_ros.hand.layer import HandModel
from realhands_ros.handnet.inputs import to_ndc
from realhands_ros.handnet.landmarks import landmark_vector
from realhands_ros.handnet.network import HandNet, regress_features
from realhands_ros.handnet.posing import pose_hand
from realhands_ros.handnet.stereo import blend_rotations
from realhands_ros.training.batch import TrainingBatch
from realhands_ros.training.frozen_encoder import FrozenEncoder
from realhands_ros.training.hand_source import HandSource
from realhands_ros.training.keypoint_noise import KeypointNoise
from realhands_ros.training.photometric import PhotometricConfig, vary_looks
from realhands_ros.training.preparation import HIDDEN_SHARE, Preparation, PreparationConfig
from realhands_ros.training.stream import BatchStream, batches

_PICTURES = ('image', 'mask', 'has_mask')
_COLUMNS = [name for name in TrainingBatch._fields if name not in _PICTURES]
_FACTS = 'cache.json'
_BATCH = 32

# Keypoints are hidden while training, differently each time; what is kept has all of them.
ALL_KEYPOINTS = PreparationConfig(hide_all=0.0, hide_some=0.0, hide_world=0.0)


@dataclass(frozen=True)
class HidingConfig:
    """Shares of crops without keypoints, without some of them, and without world landmarks."""

    hide_all: float = 0.15
    hide_some: float = 0.15
    hide_world: float = 0.2


def write_features(
    network: HandNet,
    sources: Sequence[tuple[HandSource, int]],
    noise: KeypointNoise,
    folder: Path,
    *,
    seed: int = 0,
    workers: int = 1,
    teacher: HandNet | None = None,
) -> int:
    """
    Write the features of hands drawn from ``sources``; return the number of crops.

    ``sources``: each with the number of hands to draw from it; those with pairs of views first.
    ``teacher``: a network with the same encoder; labels of photographs become the mean of what
    they were and of what it says.
    """
    hand_model = HandModel.load()
    preparation = Preparation(network.config, noise, ALL_KEYPOINTS)
    encode = FrozenEncoder(network)
    columns: dict[str, list[NDArray[np.generic]]] = {}
    pairs, total = 0, 0
    for number, (source, hands) in enumerate(sources):
        stream = BatchStream(
            source,
            preparation,
            hands=_BATCH,
            seed=(seed, number),
            steps=max(1, -(-hands // _BATCH)),
        )
        views = len(source.sample(0).views)
        progress = tqdm(total=len(stream), unit='batch', desc=f'source {number}')
        for step, batch in enumerate(batches(stream, 0, workers=workers)):
            row = _features(encode, batch, seed=(seed + number) * 2**32 + step)
            if teacher is not None:
                row |= _taught(teacher, hand_model, batch, row['pooled'])
            for name, values in row.items():
                columns.setdefault(name, []).append(values)
            total += len(batch.has_mask)
            pairs += len(batch.has_mask) // 2 if views == 2 else 0
            progress.update()
        progress.close()
    folder.mkdir(parents=True, exist_ok=True)
    for name, parts in columns.items():
        np.save(folder / f'{name}.npy', np.concatenate(parts))
    (folder / _FACTS).write_text(json.dumps({'crops': total, 'pairs': pairs}))
    return total


@torch.inference_mode()
def _features(
    encode: FrozenEncoder, batch: TrainingBatch, seed: int
) -> dict[str, NDArray[np.generic]]:
    images = batch.image.permute(0, 3, 1, 2).float() / 255.0
    generator = torch.Generator().manual_seed(seed)
    images, _ = vary_looks(images, batch.mask.float() / 255.0, PhotometricConfig(), generator)
    row: dict[str, NDArray[np.generic]] = {
        name: tensor.numpy()
        for name, tensor in batch._asdict().items()
        if tensor is not None and name not in _PICTURES
    }
    tail = encode(images).tail
    assert tail is not None
    row['pooled'] = tail.pooled.numpy().astype(np.float16)
    return row


@torch.inference_mode()
def _taught(
    teacher: HandNet,
    hand_model: HandModel,
    batch: TrainingBatch,
    pooled: NDArray[np.generic],
) -> dict[str, NDArray[np.generic]]:
    """
    Return the pose targets of a batch, those of photographs blended with the teacher's.

    The errors of MediaPipe, on which the labels rest, and of a network that has learnt from
    renderings are largely independent, so that their mean is nearer to the truth than either.
    """
    landmarks = landmark_vector(
        to_ndc(batch.keypoints_px, teacher.config.input_size), batch.world, batch.half_angle
    )
    said = regress_features(teacher, torch.from_numpy(pooled.astype(np.float32)), landmarks)
    share = torch.where(batch.is_metric, 0.0, 0.5)[:, None].expand(-1, NUM_POSE)
    blended = blend_rotations(batch.rotations, said.rotations, share)
    posed = pose_hand(hand_model, blended, said.shape)
    keypoints = torch.where(batch.is_metric[:, None, None], batch.keypoints, posed.keypoints)
    targets = {
        'root': blended.root,
        'root_aa': roma.rotmat_to_rotvec(blended.root),
        'fingers_aa': blended.fingers_aa,
        'keypoints': keypoints,
    }
    return {name: tensor.float().numpy() for name, tensor in targets.items()}


class FeatureCache:
    """Reads what ``write_features`` wrote into one folder or several."""

    def __init__(self, *folders: Path) -> None:
        """Open them; DatasetError when one is missing or damaged."""
        parts = [_read(folder) for folder in folders]
        # Pairs first, single views behind them.
        slices = [slice(2 * pairs) for _, pairs in parts], [slice(2 * n, None) for _, n in parts]
        self._columns = {
            name: np.concatenate([
                columns[name][rows]
                for group in slices
                for (columns, _), rows in zip(parts, group, strict=True)
            ])
            for name in _COLUMNS
        }  # fmt: skip
        self._crops = len(self._columns['pooled'])
        self._pairs = sum(pairs for _, pairs in parts)

    def __len__(self) -> int:
        """Return the number of crops."""
        return self._crops

    def batches(
        self,
        first_step: int,
        steps: int,
        *,
        crops: int,
        seed: tuple[int, ...],
        pairs_only: bool = False,
        single_share: float | None = None,
        hiding: HidingConfig | None = None,
    ) -> Iterator[TrainingBatch]:
        """
        Yield the batches ``first_step`` to ``steps`` of ``crops`` crops.

        ``pairs_only``: pairs of views that follow each other. ``single_share``: the share of crops
        that are single views (photographs); None: as many as there are.
        """
        for step in range(first_step, steps):
            rng = np.random.default_rng([*seed, step])
            yield self._batch(self._rows(rng, crops, pairs_only, single_share), rng, hiding)

    def _rows(
        self, rng: np.random.Generator, crops: int, pairs_only: bool, single_share: float | None
    ) -> NDArray[np.int64]:
        if pairs_only:
            left = 2 * rng.integers(self._pairs, size=crops // 2)
            both: NDArray[np.int64] = np.stack([left, left + 1], axis=1).ravel()
            return both
        in_pairs = 2 * self._pairs
        if single_share is None or in_pairs in (0, self._crops):
            return rng.integers(self._crops, size=crops)
        singles = round(single_share * crops)
        return np.concatenate([
            rng.integers(in_pairs, size=crops - singles),
            rng.integers(in_pairs, self._crops, size=singles),
        ])  # fmt: skip

    def _batch(
        self, rows: NDArray[np.int64], rng: np.random.Generator, hiding: HidingConfig | None
    ) -> TrainingBatch:
        values = {name: column[rows] for name, column in self._columns.items()}
        if hiding is not None:
            _hide(values, rng, hiding)
        tensors = {name: torch.from_numpy(np.ascontiguousarray(v)) for name, v in values.items()}
        tensors['pooled'] = tensors['pooled'].float()
        empty = torch.empty(len(rows), 0, 0)
        return TrainingBatch(
            image=empty, mask=empty, has_mask=torch.zeros(len(rows), dtype=torch.bool), **tensors
        )


def _read(folder: Path) -> tuple[dict[str, NDArray[np.generic]], int]:
    """Return the columns of one folder, and how many pairs of views they begin with."""
    try:
        facts = json.loads((folder / _FACTS).read_text())
        columns = {name: np.load(folder / f'{name}.npy') for name in _COLUMNS}
        crops, pairs = int(facts['crops']), int(facts['pairs'])
    except (OSError, ValueError, KeyError) as error:
        message = f'{folder} holds no features ({error}): make them with `realhands train cache`'
        raise DatasetError(message) from error
    if any(len(column) != crops for column in columns.values()):
        message = f'{folder} has columns of other lengths than its {crops} crops: make it anew'
        raise DatasetError(message)
    return columns, pairs


def _hide(
    values: dict[str, NDArray[np.generic]], rng: np.random.Generator, hiding: HidingConfig
) -> None:
    count = len(values['keypoints_px'])
    keypoints, world = values['keypoints_px'], values['world']
    hide_all, hide_some, hide_world = rng.random((3, count))
    single = (hide_some < hiding.hide_some)[:, None] & (
        rng.random((count, NUM_KEYPOINTS)) < HIDDEN_SHARE
    )
    keypoints[single] = np.nan
    keypoints[hide_all < hiding.hide_all] = np.nan
    world[(hide_all < hiding.hide_all) | (hide_world < hiding.hide_world)] = np.nan
