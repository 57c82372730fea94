"""A person's hands as rigs."""

import numpy as np
import pytest

from realhands_ros.hand.export.rig import HandRig
from realhands_ros.hand.model_file import default_model_folder

SHAPE = np.linspace(-1.2, 1.0, 10)


def make_rig(side, *, size=64):
    rng = np.random.default_rng(5)
    offsets = 1e-3 * rng.normal(size=(778, 3))
    atlas = rng.integers(0, 255, (size, size, 3), dtype=np.uint8)
    return HandRig.of(default_model_folder(), side, shape=SHAPE, offsets=offsets, atlas=atlas)


@pytest.fixture(scope='session')
def rigs():
    return {side: make_rig(side) for side in ('right', 'left')}
