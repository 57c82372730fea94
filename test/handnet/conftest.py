"""A network small enough to train in a test."""

from __future__ import annotations

import pytest

from realhands_ros.handnet.config import TINY, HandNetConfig


@pytest.fixture(scope='session')
def tiny_config() -> HandNetConfig:
    return TINY
