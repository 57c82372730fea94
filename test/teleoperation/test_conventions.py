"""dex-retargeting's operator frame, by what its documentation says of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from realhands_ros.hand.joint_angles import HINGES, pose_of_hinges
from realhands_ros.teleoperation.conventions import (
    canonical_keypoints,
    ingress_mano,
    joint_angles,
    operator_keypoints,
    palm_frame,
    wrist_pose,
)

TURNS = [(0.0, 0.0, 0.0), (1.2, -0.4, 0.3), (-0.5, 2.0, 1.0)]
# Rows of the published OPERATOR2MANO matrices: axes of the palm's frame in the operator's.
RIGHT = np.array([[0, 0, -1], [-1, 0, 0], [0, 1, 0]])
LEFT = np.array([[0, 0, -1], [1, 0, 0], [0, -1, 0]])


@pytest.mark.parametrize('handedness', ['right', 'left'])
@pytest.mark.parametrize('turn', TURNS, ids=str)
def test_it_does_not_matter_where_the_hand_is(mesh_of, handedness, turn):
    there = operator_keypoints(mesh_of(handedness, 'grasp', turn, (0.3, 0.2, 0.7)))
    here = operator_keypoints(mesh_of(handedness, 'grasp'))
    np.testing.assert_allclose(there, here, atol=1e-6)
    np.testing.assert_allclose(here[0], 0.0, atol=1e-12)


def test_metres_stay_metres(mesh_of):
    mesh = mesh_of(gesture='point')
    found = np.linalg.norm(np.diff(operator_keypoints(mesh), axis=0), axis=1)
    true = np.linalg.norm(np.diff(np.asarray(mesh.keypoints_cam, float), axis=0), axis=1)
    np.testing.assert_allclose(found, true, atol=1e-9)


def test_fingers_of_a_flat_hand_point_up_in_the_operators_frame(mesh_of):
    """x from middle finger to wrist becomes -z: the fingers point along z, for either hand."""
    for handedness in ('right', 'left'):
        found = operator_keypoints(mesh_of(handedness))
        assert (found[[8, 12, 16], 2] > 0.14).all()
        assert np.abs(found[12, :2]).max() < 0.03


def test_left_and_right_are_mirror_images(mesh_of):
    """Across y, the operator's sideways axis."""
    right = operator_keypoints(mesh_of('right', 'grasp'))
    left = operator_keypoints(mesh_of('left', 'grasp'))
    np.testing.assert_allclose(left, right * [1.0, -1.0, 1.0], atol=1e-6)
    # A right thumb is on the side of +y.
    assert right[4, 1] > 0.03


@pytest.mark.parametrize('handedness', ['right', 'left'])
def test_the_palms_frame_is_the_published_one(mesh_of, handedness):
    """
    x from the middle finger's base to the wrist within the plane of wrist, index and middle base.

    y is the plane's normal, z = x cross y points from the middle finger to the index finger.
    """
    keypoints = np.asarray(mesh_of(handedness, 'rest', (0.5, 0.1, 1.0)).keypoints_cam, float)
    keypoints = keypoints - keypoints[0]
    frame = palm_frame(keypoints)
    np.testing.assert_allclose(frame.T @ frame, np.eye(3), atol=1e-9)
    assert np.linalg.det(frame) == pytest.approx(1.0)
    assert frame[:, 0] @ (keypoints[0] - keypoints[9]) > 0.08
    for point in keypoints[[5, 9]]:
        assert abs(frame[:, 1] @ point) < 1e-9
    assert frame[:, 2] @ (keypoints[5] - keypoints[9]) > 0.01
    expected = keypoints @ frame @ (RIGHT if handedness == 'right' else LEFT)
    found = operator_keypoints(mesh_of(handedness, 'rest', (0.5, 0.1, 1.0)))
    np.testing.assert_allclose(found, expected, atol=1e-9)


# GeoRT's frame of the palm: z along the middle finger's metacarpal, y across the palm.


@pytest.mark.parametrize('turn', [(0.0, 0.0, 0.0), (1.2, -0.4, 0.3)], ids=str)
def test_the_frame(mesh_of, turn):
    mesh = mesh_of('right', 'open', turn)
    found = canonical_keypoints(mesh)
    np.testing.assert_allclose(found[0], 0.0, atol=1e-12)
    # The middle finger's base is on the z axis, at the length of its metacarpal.
    length = np.linalg.norm(np.subtract(mesh.keypoints_cam[9], mesh.keypoints_cam[0]))
    np.testing.assert_allclose(found[9], [0.0, 0.0, length], atol=1e-6)
    # From ring to index finger is +y, with no part along x.
    across = found[5] - found[13]
    assert across[1] > 0.02 and abs(across[0]) < 1e-9
    # A right-handed frame: the back of a right hand is at +x... and its thumb at +y.
    assert found[4, 1] > 0.03


def test_bent_fingers_go_towards_the_palm(mesh_of):
    flat = canonical_keypoints(mesh_of('right', 'open'))
    fist = canonical_keypoints(mesh_of('right', 'fist'))
    assert (fist[[8, 12, 16], 0] - flat[[8, 12, 16], 0] > 0.02).all()


# rwr_system: 21 x 3 float32, and the palm frame that its retargeter derives is a sound one.


def test_layout(mesh_of):
    mesh = mesh_of(gesture='rest')
    points = ingress_mano(mesh)
    assert points.dtype == np.float32 and points.shape == (21, 3)
    assert points.flags.c_contiguous
    np.testing.assert_allclose(points, mesh.keypoints_cam, atol=1e-7)


def test_the_retargeters_palm_frame(mesh_of):
    """
    It takes y from the wrist to the middle finger's base and x from ring to index finger's base.

    In that frame a flat hand's fingers point along y, and its z leaves a right hand's back.
    """
    points = ingress_mano(mesh_of(root_aa=(0.3, 1.0, -0.4))).astype(float)
    y = points[9] - points[0]
    y /= np.linalg.norm(y)
    x = points[5] - points[13]
    x -= (x @ y) * y
    x /= np.linalg.norm(x)
    local = (points - points[0]) @ np.stack([x, y, np.cross(x, y)], axis=1)
    tips = local[[8, 12, 16, 20]]
    assert (tips[:, 1] > 0.1).all()
    assert (np.diff(tips[:, 0]) < 0).all()
    assert np.abs(tips[:, 2]).max() < 0.04


# The JointState of the URDF hand.


@pytest.mark.parametrize('handedness', ['right', 'left'])
def test_names_and_angles(mesh_of, skeleton, handedness):
    angles = np.array([0.5 * hinge.upper for hinge in HINGES])
    mesh = mesh_of(handedness)
    pose = np.concatenate([[0.2, -0.4, 1.0], pose_of_hinges(skeleton, angles, handedness)])
    found = joint_angles(replace(mesh, pose_aa=pose), skeleton)
    assert len(found.names) == 20
    assert all(name.startswith(f'{handedness}_') for name in found.names)
    np.testing.assert_allclose(found.positions, angles, atol=1e-6)


def test_beyond_the_limits(mesh_of, skeleton):
    angles = np.array([hinge.upper + 0.2 for hinge in HINGES])
    pose = np.concatenate([np.zeros(3), pose_of_hinges(skeleton, angles)])
    mesh = replace(mesh_of(), pose_aa=pose)
    upper = [hinge.upper for hinge in HINGES]
    np.testing.assert_allclose(joint_angles(mesh, skeleton).positions, upper, atol=1e-9)
    np.testing.assert_allclose(
        joint_angles(mesh, skeleton, clip=False).positions, angles, atol=1e-6
    )


# The wrist's pose is the root joint's.


def test_a_hand_is_where_its_wrist_says(mesh_of):
    """The rest pose, rotated about its wrist and moved there, is the posed hand."""
    turned = mesh_of(root_aa=(0.4, -1.0, 0.7), translation=(0.3, 0.1, 0.6))
    rest = mesh_of(translation=(0.0, 0.0, 0.0))
    pose = wrist_pose(turned)
    rotation = Rotation.from_quat(pose.quaternion)
    moved = rotation.apply(rest.keypoints_cam - rest.keypoints_cam[0]) + pose.position
    np.testing.assert_allclose(moved, turned.keypoints_cam, atol=1e-5)


def test_axes_are_those_of_the_documentation(mesh_of):
    for handedness, fingers in (('right', -1.0), ('left', 1.0)):
        mesh = mesh_of(handedness)
        axes = Rotation.from_quat(wrist_pose(mesh).quaternion).as_matrix()
        keypoints = np.asarray(mesh.keypoints_cam, float)
        assert (keypoints[12] - keypoints[0]) @ axes[:, 0] * fingers > 0.1
        assert (keypoints[2] - keypoints[17]) @ axes[:, 2] > 0.02
