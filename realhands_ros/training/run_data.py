"""Which hands a run trains on and which it holds out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from realhands_ros.datasets.freihand import FreiHand
from realhands_ros.errors import ConfigError
from realhands_ros.hand.layer import HandModel
from realhands_ros.handnet.config import HandNetConfig
from realhands_ros.synthesis.config import SynthesisConfig
from realhands_ros.training.batch import TrainingBatch
from realhands_ros.training.detections import DetectedSource
from realhands_ros.training.freihand_source import FreiHandSource
from realhands_ros.training.hand_source import (
    HandSample,
    HandSource,
    MixedSource,
    RenderedSource,
    SyntheticSource,
)
from realhands_ros.training.keypoint_noise import KeypointNoise
from realhands_ros.training.photographs import PhotographSource
from realhands_ros.training.preparation import AS_DEPLOYED, Preparation
from realhands_ros.training.stream import BatchStream

DETECTIONS_NAME = 'detections.npz'

# Every so manieth sample of a synthetic dataset is held out.
_HELD_OUT_EVERY = 25
_HELD_OUT_HANDS = 256
_HELD_OUT_SEED = (2**31, 0)
_HELD_OUT_RENDERED = 64
_BATCH = 16


@dataclass(frozen=True)
class RunData:
    """
    What the user named.

    ``synthetic``: folders of synthetic datasets; ``freihand``: FreiHAND's folder; ``render``:
    render new scenes while training, ``crop_size`` pixels wide, before ``backgrounds``.
    ``model_folder``: the hand model that the truth is in (None: the open hand).
    ``photographs``: folders that `realhands train label` wrote; ``photograph_share`` of the hands
    in a batch come from them.
    """

    synthetic: Sequence[Path] = ()
    freihand: Path | None = None
    render: bool = False
    crop_size: int = 224
    backgrounds: Path | None = None
    model_folder: Path | None = None
    seed: int = 0
    photographs: Sequence[Path] = ()
    photograph_share: float = 0.4


def training_source(data: RunData, hand_model: HandModel | None = None) -> HandSource:
    """
    Return all hands to train on, datasets in equal parts; ConfigError for none.

    FreiHAND alone needs the hand model.
    """
    sources: list[HandSource] = []
    for folder in data.synthetic:
        whole = _synthetic(folder)
        kept = [i for i in range(len(whole)) if i % _HELD_OUT_EVERY]
        sources.append(Selection(whole, kept))
    if data.freihand is not None:
        assert hand_model is not None
        sources.append(FreiHandSource(FreiHand(data.freihand, part='train'), hand_model))
    if data.render:
        sources.append(_rendered(data, data.seed, 2**31))
    photographs: list[HandSource] = [
        PhotographSource(folder, held_out=False) for folder in data.photographs
    ]
    if not sources and not photographs:
        message = (
            'there is nothing to train on: give --synthetic DIR, --photographs LABELLED, '
            '--freihand DIR or --render'
        )
        raise ConfigError(message)
    share = data.photograph_share if photographs else 0.0
    shares = [(1 - share) / len(sources)] * len(sources) if sources else []
    shares += [max(share, 1e-9) / len(photographs)] * len(photographs) if photographs else []
    sources += photographs
    return sources[0] if len(sources) == 1 else MixedSource(sources, shares)


def held_out_batches(
    data: RunData, network: HandNetConfig, noise: KeypointNoise
) -> list[TrainingBatch]:
    """Return batches of synthetic hands that are not trained on, seen as the system sees them."""
    preparation = Preparation(network, noise, AS_DEPLOYED)
    batches = []
    for source, hands in _held_out_sources(data):
        stream = BatchStream(
            source, preparation, hands=_BATCH, seed=_HELD_OUT_SEED, steps=max(1, hands // _BATCH)
        )
        batches += [stream[step] for step in range(len(stream))]
    return batches


def cached_sources(
    synthetic: Sequence[Path], photographs: Sequence[Path], variants: float
) -> list[tuple[HandSource, int]]:
    """Return the sources to write features of, pairs first, and how many hands to draw of each."""
    sources = [training_source(RunData(synthetic=[folder])) for folder in synthetic]
    sources += [PhotographSource(folder, held_out=False) for folder in photographs]
    if not sources:
        message = 'there is nothing to look at: give --synthetic DIR or --photographs LABELLED'
        raise ConfigError(message)
    return [(source, round(variants * len(source))) for source in sources]


class Selection:
    """Some samples of a source."""

    def __init__(self, source: HandSource, indices: Sequence[int]) -> None:
        self._source = source
        self._indices = indices

    def __len__(self) -> int:
        """Return the number of selected samples."""
        return len(self._indices)

    def sample(self, index: int) -> HandSample:
        """Return the selected sample ``index``."""
        return self._source.sample(self._indices[index])


def _synthetic(folder: Path) -> HandSource:
    source: HandSource = SyntheticSource(folder)
    detections = folder / DETECTIONS_NAME
    return DetectedSource(source, detections) if detections.exists() else source


def _rendered(data: RunData, seed: int, samples: int) -> HandSource:
    config = SynthesisConfig(
        crop_size=data.crop_size, backgrounds=data.backgrounds, model_folder=data.model_folder
    )
    return RenderedSource(config, seed, samples=samples)


def _held_out_sources(data: RunData) -> list[tuple[HandSource, int]]:
    """Return sources of held-out hands, and how many to take of each."""
    sources: list[tuple[HandSource, int]] = []
    for folder in data.synthetic:
        whole = _synthetic(folder)
        held_out = range(0, len(whole), _HELD_OUT_EVERY)
        sources.append((Selection(whole, held_out), min(len(held_out), _HELD_OUT_HANDS)))
    if not sources and data.render:
        sources.append((_rendered(data, data.seed + 1, 2**31), _HELD_OUT_RENDERED))
    return sources
