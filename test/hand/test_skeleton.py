"""Anatomical angles and MANO poses."""

import numpy as np
import pytest
import torch

from realhands_ros.data.topology import KEYPOINT_NAMES
from realhands_ros.hand.layer import HandModel
from realhands_ros.hand.skeleton import FINGER_JOINT_NAMES, HandSkeleton


@pytest.fixture(scope='module')
def model() -> HandModel:
    return HandModel.load()


@pytest.fixture(scope='module')
def skeleton(model: HandModel) -> HandSkeleton:
    return HandSkeleton.from_model(model.data)


def _keypoint(skeleton: HandSkeleton, angles: np.ndarray, name: str) -> np.ndarray:
    keypoints = skeleton.posed_keypoints(skeleton.pose_from_angles(angles)[None])
    return keypoints[0, KEYPOINT_NAMES.index(name)]


def _turned(joint: str, axis: int, degrees: float) -> np.ndarray:
    angles = np.zeros((15, 3))
    angles[FINGER_JOINT_NAMES.index(joint), axis] = np.deg2rad(degrees)
    return angles


def test_frames_are_right_handed_rotations(skeleton: HandSkeleton) -> None:
    assert np.allclose(skeleton.frames @ np.swapaxes(skeleton.frames, 1, 2), np.eye(3))
    assert np.allclose(np.linalg.det(skeleton.frames), 1)


def test_angles_survive_the_way_to_a_pose_and_back(skeleton: HandSkeleton) -> None:
    angles = np.random.default_rng(0).uniform(-1.2, 1.2, (50, 15, 3))
    pose = skeleton.pose_from_angles(angles)
    assert pose.shape == (50, 45)
    assert np.allclose(skeleton.angles_from_pose(pose), angles, atol=1e-9)


@pytest.mark.parametrize('finger', ['index', 'middle', 'ring', 'little'])
def test_flexion_brings_a_fingertip_to_the_palm_side(skeleton, finger) -> None:
    rest = _keypoint(skeleton, np.zeros((15, 3)), f'{finger}_tip')
    bent = _keypoint(skeleton, _turned(f'{finger}1', 0, 60), f'{finger}_tip')
    assert bent[1] < rest[1] - 0.04
    assert bent[0] > rest[0]


@pytest.mark.parametrize('finger', ['index', 'middle', 'ring', 'little'])
def test_abduction_brings_a_fingertip_to_the_thumb_side(skeleton, finger) -> None:
    rest = _keypoint(skeleton, np.zeros((15, 3)), f'{finger}_tip')
    turned = _keypoint(skeleton, _turned(f'{finger}1', 1, 15), f'{finger}_tip')
    assert turned[2] > rest[2] + 0.01


def test_thumb_bends_across_the_palm_and_abducts_away_from_it(skeleton: HandSkeleton) -> None:
    rest = _keypoint(skeleton, np.zeros((15, 3)), 'thumb_tip')
    bent = _keypoint(skeleton, _turned('thumb1', 0, 30), 'thumb_tip')
    abducted = _keypoint(skeleton, _turned('thumb1', 1, 30), 'thumb_tip')
    assert bent[2] < rest[2] - 0.02
    assert abducted[1] < rest[1] - 0.02


def test_posed_keypoints_are_those_of_the_layer(model, skeleton) -> None:
    angles = np.random.default_rng(1).uniform(-0.8, 0.8, (8, 15, 3))
    pose = skeleton.pose_from_angles(angles)
    full = torch.tensor(np.concatenate([np.zeros((8, 3)), pose], axis=1), dtype=torch.float32)
    truth = model(full, torch.zeros(8, 10)).keypoints.numpy()
    difference = np.linalg.norm(skeleton.posed_keypoints(pose) - truth, axis=2)
    tips = [k for k, name in enumerate(KEYPOINT_NAMES) if name.endswith('tip')]
    joints = np.setdiff1d(np.arange(21), tips)
    assert difference[:, joints].max() < 1e-5
    # Tips are skin, which pose blend shapes and other bones move a little.
    assert difference[:, tips].max() < 0.006
