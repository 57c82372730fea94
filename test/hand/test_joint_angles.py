"""Twenty hinges: names, limits, the way to poses and back, and mirror symmetry."""

from __future__ import annotations

import numpy as np
import pytest

from realhands_ros.geometry.mirror import mirror_axis_angle
from realhands_ros.hand.gestures import gesture_angles
from realhands_ros.hand.joint_angles import (
    HINGES,
    NUM_HINGES,
    hinge_angles,
    hinge_names,
    pose_of_hinges,
    within_hinge_limits,
)
from realhands_ros.hand.model_file import default_model_folder, load_hand_model_data
from realhands_ros.hand.pose_sampler import sample_pose
from realhands_ros.hand.skeleton import HandSkeleton


@pytest.fixture(scope='module')
def skeleton() -> HandSkeleton:
    return HandSkeleton.from_model(load_hand_model_data(default_model_folder(), 'right'))


def test_there_are_twenty_with_names_of_their_own_and_sound_limits():
    assert NUM_HINGES == 20
    names = hinge_names('left') + hinge_names('right')
    assert len(set(names)) == 40
    assert names[0] == 'left_thumb_cmc_flexion'
    assert all(hinge.lower < 0 < hinge.upper for hinge in HINGES)


def test_a_name_moves_what_it_says(skeleton):
    """One radian of index PIP flexion turns only the two outer bones of the index finger."""
    angles = np.zeros(NUM_HINGES)
    angles[[hinge.name for hinge in HINGES].index('index_pip_flexion')] = 1.0
    moved = skeleton.posed_keypoints(pose_of_hinges(skeleton, angles))[0]
    flat = skeleton.posed_keypoints(np.zeros(45))[0]
    changed = np.linalg.norm(moved - flat, axis=1) > 1e-6
    assert changed.nonzero()[0].tolist() == [7, 8]
    # Positive flexion is towards the palm, which faces -y in the flat right hand.
    assert moved[8, 1] < flat[8, 1] - 0.02


@pytest.mark.parametrize('handedness', ['right', 'left'])
def test_angles_and_pose_are_inverse(skeleton, handedness):
    rng = np.random.default_rng(0)
    lower, upper = ([getattr(h, end) for h in HINGES] for end in ('lower', 'upper'))
    angles = rng.uniform(lower, upper, (50, NUM_HINGES))
    pose = pose_of_hinges(skeleton, angles, handedness)
    np.testing.assert_allclose(hinge_angles(skeleton, pose, handedness), angles, atol=1e-9)
    np.testing.assert_array_equal(within_hinge_limits(angles), angles)


def test_equal_poses_of_both_hands_have_equal_angles(skeleton):
    pose = sample_pose(np.random.default_rng(1), 1)[0]
    left = hinge_angles(skeleton, mirror_axis_angle(pose), 'left')
    np.testing.assert_allclose(left, hinge_angles(skeleton, pose, 'right'), atol=1e-12)


def test_a_fist_bends_every_finger(skeleton):
    pose = skeleton.pose_from_angles(gesture_angles('fist'))
    angles = dict(zip(hinge_names('right'), hinge_angles(skeleton, pose), strict=True))
    for finger in ('index', 'middle', 'ring', 'little'):
        assert angles[f'right_{finger}_mcp_flexion'] > 0.8
        assert angles[f'right_{finger}_pip_flexion'] > 0.8


def test_what_the_hinges_leave_out_is_small(skeleton):
    """Sampled poses without the twists: keypoints move by 0.1 mm, seldom by more than 2.5."""
    poses = sample_pose(np.random.default_rng(2), 200)
    hinged = pose_of_hinges(skeleton, hinge_angles(skeleton, poses))
    difference = skeleton.posed_keypoints(poses) - skeleton.posed_keypoints(hinged)
    distances = np.linalg.norm(difference, axis=2)
    assert distances.mean() < 0.0003
    assert np.percentile(distances.max(axis=1), 95) < 0.005
