"""Random poses."""

import numpy as np
import pytest
import torch

from realhands_ros.errors import ConfigError, ModelFileError
from realhands_ros.hand import pose_sampler
from realhands_ros.hand.collisions import InterpenetrationMeter
from realhands_ros.hand.layer import HandModel
from realhands_ros.hand.model_file import (
    default_model_folder,
    load_hand_model_data,
    mirrored_hand_model_data,
)
from realhands_ros.hand.pose_limits import within_limits
from realhands_ros.hand.pose_sampler import PoseSampler, pose_statistics, sample_pose
from realhands_ros.hand.skeleton import HandSkeleton


@pytest.fixture(scope='module')
def data():
    return load_hand_model_data(default_model_folder())


@pytest.mark.parametrize('components', [None, 6])
def test_draws_keep_the_limits_and_differ(data, components) -> None:
    poses = sample_pose(np.random.default_rng(0), 400, components)
    assert poses.shape == (400, 45)
    assert within_limits(HandSkeleton.from_model(data).angles_from_pose(poses)).all()
    assert poses.std(axis=0)[[2, 11, 20, 29]].min() > 0.3  # flexion of the knuckles


def test_the_same_seed_draws_the_same_poses() -> None:
    first, second = (sample_pose(np.random.default_rng(7), 5) for _ in range(2))
    assert np.array_equal(first, second)


def test_draws_in_six_components_lie_near_their_subspace(data) -> None:
    poses = sample_pose(np.random.default_rng(1), 300, components=6)
    rows = data.hands_components[:6]
    centred = poses - data.hands_mean
    left_over = centred - centred @ rows.T @ rows
    assert (left_over**2).sum() < 0.03 * (centred**2).sum()


def test_neighbouring_fingers_bend_together(data) -> None:
    poses = sample_pose(np.random.default_rng(2), 3000, components=None)
    angles = HandSkeleton.from_model(data).angles_from_pose(poses)
    curl = {name: angles[:, k : k + 3, 0].sum(axis=1) for name, k in
            (('index', 0), ('middle', 3), ('little', 6), ('ring', 9))}  # fmt: skip
    assert np.corrcoef(curl['middle'], curl['ring'])[0, 1] > 0.7
    near = np.corrcoef(curl['index'], curl['middle'])[0, 1]
    assert near > np.corrcoef(curl['index'], curl['little'])[0, 1]


@pytest.mark.parametrize('components', [None, 6])
def test_few_draws_penetrate(data, components) -> None:
    """The benchmark measures 1000; here fewer, with room for their scatter."""
    poses = sample_pose(np.random.default_rng(3), 250, components)
    full = torch.zeros(len(poses), 48)
    full[:, 3:] = torch.tensor(poses)
    vertices = HandModel(data)(full, torch.zeros(len(poses), 10)).vertices.numpy()
    meter = InterpenetrationMeter(data)
    deep = np.array([meter.depth(posed) > 0.003 for posed in vertices])
    assert deep.mean() < 0.02


def test_the_file_holds_the_statistics_of_the_sampler(data) -> None:
    mean, components = pose_statistics(data)
    assert np.allclose(components @ components.T, np.eye(45), atol=1e-9)
    # One draw more or less at the edge of a collision, on another machine, moves them a little.
    assert np.allclose(data.hands_mean, mean, atol=0.002)
    cosines = (data.hands_components[:6] * components[:6]).sum(axis=1)
    assert np.allclose(np.abs(cosines), 1, atol=0.01)
    poses = sample_pose(np.random.default_rng(4), 4000, components=None)
    variances = ((poses - mean) @ components.T).var(axis=0)
    assert variances[0] == variances.max()
    assert variances[:6].sum() > 0.9 * variances.sum()


def test_left_models_and_senseless_component_counts_are_refused(data) -> None:
    with pytest.raises(ConfigError, match='mirror'):
        PoseSampler(mirrored_hand_model_data(data))
    for components in (0, 46):
        with pytest.raises(ConfigError, match='1..45'):
            PoseSampler(data).sample(np.random.default_rng(0), 1, components)


def test_a_model_that_always_collides_is_refused(data, monkeypatch) -> None:
    monkeypatch.setattr(pose_sampler, 'MAX_OVERLAP_M', -1.0)
    with pytest.raises(ModelFileError, match='0 of 3 poses'):
        PoseSampler(data).sample(np.random.default_rng(0), 3)
