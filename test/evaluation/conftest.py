"""A small held-out dataset and a network that never learnt anything."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from realhands_ros.hand.model_file import HandModelData
from realhands_ros.handnet.config import TINY
from realhands_ros.handnet.network import HandNet
from realhands_ros.handnet.weights import save_weights
from realhands_ros.handnet.weights_info import WeightsInfo, shape_basis_key
from realhands_ros.synthesis.config import SynthesisConfig
from realhands_ros.synthesis.dataset_writer import write_dataset


@pytest.fixture(scope='session')
def held_out_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp('held_out') / 'dataset'
    config = SynthesisConfig(crop_size=224, mix={'frontal': 1.0}, occluder_share=0.0)
    write_dataset(folder, config, samples=6, seed=5, processes=1)
    return folder


@pytest.fixture(scope='session')
def untrained_weights(
    tmp_path_factory: pytest.TempPathFactory, models: dict[str, HandModelData]
) -> Path:
    path = tmp_path_factory.mktemp('weights') / 'untrained.safetensors'
    torch.manual_seed(0)
    info = WeightsInfo(TINY, shape_basis_key(models['right']), {'hands': 0})
    save_weights(path, HandNet(TINY), info)
    return path
