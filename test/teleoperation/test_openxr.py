"""OpenXR's 25 joints by the words of XR_EXT_hand_tracking."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from realhands_ros.teleoperation.openxr import JOINT_NAMES_XR, xr_joints

HANDS = ['right', 'left']
CHAINS = [[0, *range(first, first + count)] for first, count in
          ((1, 4), (5, 5), (10, 5), (15, 5), (20, 5))]  # fmt: skip


def axes_of(joints) -> np.ndarray:
    return Rotation.from_quat(joints.quaternions).as_matrix()


def test_names_are_webxrs():
    assert len(JOINT_NAMES_XR) == 25
    assert JOINT_NAMES_XR[0] == 'wrist'
    assert JOINT_NAMES_XR[1:5] == (
        'thumb-metacarpal',
        'thumb-phalanx-proximal',
        'thumb-phalanx-distal',
        'thumb-tip',
    )
    assert JOINT_NAMES_XR[5] == 'index-finger-metacarpal'
    assert JOINT_NAMES_XR[-1] == 'pinky-finger-tip'


@pytest.mark.parametrize('handedness', HANDS)
def test_the_keypoints_are_among_them(mesh_of, skeleton, handedness):
    mesh = mesh_of(handedness, 'grasp', (0.3, 0.2, -1.0))
    positions = xr_joints(mesh, skeleton).positions
    metacarpals = [JOINT_NAMES_XR.index(f'{f}-finger-metacarpal')
                   for f in ('index', 'middle', 'ring', 'pinky')]  # fmt: skip
    others = np.delete(positions, metacarpals, axis=0)
    np.testing.assert_allclose(others, mesh.keypoints_cam, atol=1e-6)
    # The metacarpals' bases lie in a row within the hand, two to five centimetres off the wrist.
    away = np.linalg.norm(positions[metacarpals] - positions[0], axis=1)
    assert (away > 0.02).all() and (away < 0.05).all()


@pytest.mark.parametrize('handedness', HANDS)
@pytest.mark.parametrize('gesture', ['open', 'fist', 'pinch'])
def test_z_runs_along_the_bone_away_from_the_tip(mesh_of, skeleton, handedness, gesture):
    joints = xr_joints(mesh_of(handedness, gesture, (0.3, 1.2, -1.0)), skeleton)
    axes = axes_of(joints)
    for chain in CHAINS:
        for joint, following in zip(chain[1:-1], chain[2:], strict=True):
            bone = joints.positions[joint] - joints.positions[following]
            np.testing.assert_allclose(axes[joint, :, 2], bone / np.linalg.norm(bone), atol=1e-6)
        # A tip has the axes of the bone that it ends.
        np.testing.assert_allclose(axes[chain[-1]], axes[chain[-2]], atol=1e-9)


@pytest.mark.parametrize('handedness', HANDS)
def test_y_leaves_the_back_of_a_flat_hand_and_x_points_right(mesh_of, skeleton, handedness):
    """With the palm facing down and the fingers forward: in the model's frame, palm to -y."""
    joints = xr_joints(mesh_of(handedness), skeleton)
    axes = axes_of(joints)
    fingers = [i for i, name in enumerate(JOINT_NAMES_XR) if 'thumb' not in name]
    assert (axes[fingers, 1, 1] > 0.9).all()
    # Right of the fingers' direction, seen from above: forward is -x for a right hand.
    forward = np.array([-1.0 if handedness == 'right' else 1.0, 0.0, 0.0])
    to_the_right = np.cross(forward, [0.0, 1.0, 0.0])
    assert (axes[fingers, :, 0] @ to_the_right > 0.8).all()
    # A right thumb is on the left of it, a left one on the right.
    thumb = joints.positions[4] - joints.positions[0]
    assert (thumb @ to_the_right > 0) == (handedness == 'left')


@pytest.mark.parametrize('handedness', HANDS)
def test_y_turns_with_a_bent_finger(mesh_of, skeleton, handedness):
    """In a fist the last phalanges' backs no longer face where the hand's back does."""
    flat = axes_of(xr_joints(mesh_of(handedness, 'open'), skeleton))
    fist = axes_of(xr_joints(mesh_of(handedness, 'fist'), skeleton))
    tip = JOINT_NAMES_XR.index('middle-finger-phalanx-distal')
    wrist = 0
    np.testing.assert_allclose(flat[wrist], fist[wrist], atol=1e-9)
    turned = np.arccos(flat[tip, :, 1] @ fist[tip, :, 1])
    assert turned > np.deg2rad(100)


def test_left_and_right_are_mirror_images(mesh_of, skeleton):
    place = np.array([0.1, -0.05, 0.5])
    right = xr_joints(mesh_of('right', 'grasp', (0.2, 0.5, 0.1), place), skeleton)
    left = xr_joints(mesh_of('left', 'grasp', (0.2, 0.5, 0.1), place * [-1, 1, 1]), skeleton)
    np.testing.assert_allclose(left.positions, right.positions * [-1, 1, 1], atol=1e-6)
    mirror = np.diag([-1.0, 1.0, 1.0])
    np.testing.assert_allclose(axes_of(left), mirror @ axes_of(right) @ mirror, atol=1e-6)
