"""The JointState of the URDF hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from realhands_ros.hand.joint_angles import HINGES, pose_of_hinges
from realhands_ros.teleoperation.urdf_joints import joint_angles


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
