"""Random models in MANO's layout, so that tests of the layers hold for any such data."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from realhands_ros.data.topology import (
    JOINT_PARENTS,
    NUM_FACES,
    NUM_JOINTS,
    NUM_SHAPE,
    NUM_VERTICES,
    TIP_VERTEX_IDS,
)
from realhands_ros.hand.model_file import HandModelData, hand_model_data_from_arrays


def _random_model_arrays(seed: int = 0, joints_per_vertex: int = 3) -> dict[str, np.ndarray]:
    """Return random arrays under MANO's file keys; a right hand: fingertips at negative x."""
    rng = np.random.default_rng(seed)
    v_template = rng.uniform([-0.1, -0.02, -0.05], [0.1, 0.02, 0.05], (NUM_VERTICES, 3))
    v_template[list(TIP_VERTEX_IDS.values()), 0] = -0.1
    v_template[0, 0] = 0.095
    regressor = np.zeros((NUM_JOINTS, NUM_VERTICES))
    regressor[0, 0] = 1.0
    for joint in range(1, NUM_JOINTS):
        regressor[joint, rng.choice(NUM_VERTICES, 8, replace=False)] = 1 / 8
    weights = np.zeros((NUM_VERTICES, NUM_JOINTS))
    for row in weights:
        chosen = rng.choice(NUM_JOINTS, joints_per_vertex, replace=False)
        row[chosen] = rng.dirichlet(np.ones(joints_per_vertex))
    components, _ = np.linalg.qr(rng.normal(size=(45, 45)))
    return {
        'v_template': v_template,
        'shapedirs': rng.normal(scale=2e-3, size=(NUM_VERTICES, 3, NUM_SHAPE)),
        'posedirs': rng.normal(scale=1e-3, size=(NUM_VERTICES, 3, 135)),
        'J_regressor': regressor,
        'weights': weights,
        'kintree_table': np.stack([np.array(JOINT_PARENTS), np.arange(NUM_JOINTS)]),
        'f': rng.integers(0, NUM_VERTICES, (NUM_FACES, 3)).astype(np.uint32),
        'hands_mean': rng.normal(scale=0.3, size=45),
        'hands_components': components,
    }


def _random_model_data(seed: int = 0, joints_per_vertex: int = 3) -> HandModelData:
    arrays = _random_model_arrays(seed, joints_per_vertex)
    return hand_model_data_from_arrays(arrays, 'right', source='random model')


@pytest.fixture
def random_model_arrays() -> Callable[..., dict[str, np.ndarray]]:
    """Give the maker of raw file arrays: (seed, joints_per_vertex) -> arrays by MANO's keys."""
    return _random_model_arrays


@pytest.fixture
def random_model_data() -> Callable[..., HandModelData]:
    """Give the maker of checked right-hand models: (seed, joints_per_vertex) -> HandModelData."""
    return _random_model_data
