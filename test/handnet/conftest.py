"""A network small enough to train in a test."""

from __future__ import annotations

import pytest

from realhands_ros.handnet.config import HandNetConfig


@pytest.fixture(scope='session')
def tiny_config() -> HandNetConfig:
    return HandNetConfig(
        name='tiny',
        input_size=64,
        block='basic',
        pose_representation='root_6d',
        stem_channels=8,
        stage_channels=(12, 16, 24, 32),
        stage_blocks=(1, 1, 1, 1),
        fusion_channels=8,
        decoder_channels=(24, 16, 12, 8, 8),
        decoder_convolutions=1,
        base_channels=(64, 48),
        landmark_channels=32,
    )
