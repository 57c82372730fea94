"""A network small enough to train in a test, and a few rendered hands to train it on."""

from __future__ import annotations

import pytest
import torch

from realhands_ros.hand.layer import HandModel
from realhands_ros.handnet.config import TINY, HandNetConfig
from realhands_ros.synthesis.config import SynthesisConfig
from realhands_ros.training.hand_source import HandSample, RenderedSource


class FewHands:
    """A source that keeps its samples in memory."""

    def __init__(self, samples: list[HandSample]) -> None:
        self.samples = samples

    def __len__(self) -> int:
        return len(self.samples)

    def sample(self, index: int) -> HandSample:
        return self.samples[index]


@pytest.fixture(scope='session')
def few_hands() -> FewHands:
    rendered = RenderedSource(SynthesisConfig(crop_size=96), 0, samples=6)
    return FewHands([rendered.sample(i) for i in range(len(rendered))])


@pytest.fixture(scope='session')
def hand_model() -> HandModel:
    return HandModel.load()


@pytest.fixture(scope='session')
def tiny_config() -> HandNetConfig:
    return TINY


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
