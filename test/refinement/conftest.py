from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from benchmarks.common.refinement_samples import RefinementSample, RefinementSampler
from realhands_ros.hand.model_file import (
    HandModelData,
    default_model_folder,
    load_hand_model_data,
)
from realhands_ros.refinement.refinement_model import RefinementModel


@pytest.fixture(scope='session')
def hand_data() -> HandModelData:
    return load_hand_model_data(default_model_folder())


@pytest.fixture(scope='session')
def model(hand_data: HandModelData) -> RefinementModel:
    return RefinementModel(hand_data)


@pytest.fixture(scope='session')
def sampler(hand_data: HandModelData) -> RefinementSampler:
    return RefinementSampler(hand_data, size=112)


@pytest.fixture(scope='session')
def sample(sampler: RefinementSampler) -> RefinementSample:
    """A stereo hand with true masks and noisy keypoints, all of it in view."""
    return sampler.draw(3)


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """On a busy machine small tensor operations wait for a second thread longer than they take."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
