"""Grasps: within the limits, free of collisions, closed as often as open."""

import numpy as np
import pytest

from realhands_ros.errors import ConfigError, ModelFileError
from realhands_ros.hand import grasps
from realhands_ros.hand.collisions import InterpenetrationMeter
from realhands_ros.hand.grasps import GRASPS, GraspSampler, Held, grasp_angles
from realhands_ros.hand.model_file import (
    default_model_folder,
    load_hand_model_data,
    mirrored_hand_model_data,
)
from realhands_ros.hand.pose_limits import within_limits
from realhands_ros.hand.sheets import HandPoser
from realhands_ros.hand.skeleton import FINGER_JOINT_NAMES, HandSkeleton


@pytest.fixture(scope='module')
def poser() -> HandPoser:
    return HandPoser(default_model_folder(), 'right')


@pytest.fixture(scope='module')
def data():
    return load_hand_model_data(default_model_folder())


def _flexion(angles: np.ndarray, joint: str) -> np.ndarray:
    return np.rad2deg(angles[..., FINGER_JOINT_NAMES.index(joint), 0])


@pytest.mark.parametrize('name', list(GRASPS))
def test_both_ends_of_a_grasp_are_hands(poser: HandPoser, name: str) -> None:
    meter = InterpenetrationMeter(poser.model.data)
    for size in (0.0, 1.0):
        angles = grasp_angles(name, size)
        assert within_limits(angles)
        assert meter.depth(poser.vertices(angles)) < 0.003


@pytest.mark.parametrize('name', [name for name, held in GRASPS.items() if held is Held.ROD])
def test_a_hand_opens_for_a_larger_object(name: str) -> None:
    curl = [grasp_angles(name, size)[:12, 0].sum() for size in (0.0, 0.5, 1.0)]
    assert curl[0] > curl[1] > curl[2]


def test_draws_keep_the_limits_and_do_not_collide(data) -> None:
    sampler, rng = GraspSampler(data), np.random.default_rng(0)
    poses = np.array([sampler.sample(rng)[1] for _ in range(120)])
    assert within_limits(HandSkeleton.from_model(data).angles_from_pose(poses)).all()
    poser = HandPoser(default_model_folder(), 'right')
    meter = InterpenetrationMeter(poser.model.data)
    angles = HandSkeleton.from_model(data).angles_from_pose(poses)
    deep = [meter.depth(poser.vertices(pose)) > 0.003 for pose in angles]
    assert np.mean(deep) < 0.05


def test_thumbs_bend_and_fingers_vary_one_by_one(data) -> None:
    """Thumbs of closed hands bend at MCP and IP; 45 degrees of freedom, not a few synergies."""
    sampler, rng = GraspSampler(data), np.random.default_rng(1)
    skeleton = HandSkeleton.from_model(data)
    drawn = np.array([sampler.sample(rng, 'fist_thumb_over')[1] for _ in range(60)])
    angles = skeleton.angles_from_pose(drawn)
    assert 25 < np.median(_flexion(angles, 'thumb2')) < 60
    assert 25 < np.median(_flexion(angles, 'thumb3')) < 75
    curl = [_flexion(angles, f'{f}2') for f in ('index', 'middle', 'ring', 'little')]
    assert np.corrcoef(curl)[np.triu_indices(4, 1)].max() < 0.9
    assert np.min(np.std(curl, axis=1)) > 3


def test_the_same_seed_draws_the_same_grasps(data) -> None:
    first, second = (GraspSampler(data).sample(np.random.default_rng(7)) for _ in range(2))
    assert first[0] == second[0]
    assert np.array_equal(first[1], second[1])


def test_all_kinds_occur(data) -> None:
    sampler, rng = GraspSampler(data), np.random.default_rng(2)
    assert {sampler.sample(rng)[0] for _ in range(300)} == set(GRASPS)


def test_mistakes_are_named(data, monkeypatch) -> None:
    with pytest.raises(ConfigError, match="'squeeze'.*cylinder"):
        grasp_angles('squeeze', 0.5)
    with pytest.raises(ConfigError, match='1.5'):
        grasp_angles('hook', 1.5)
    with pytest.raises(ConfigError, match='mirror'):
        GraspSampler(mirrored_hand_model_data(data))
    monkeypatch.setattr(grasps, 'MAX_OVERLAP_M', -1.0)
    with pytest.raises(ModelFileError, match='free of collisions'):
        GraspSampler(data).sample(np.random.default_rng(0))
