"""The wrist's pose is the root joint's."""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from realhands_ros.teleoperation.wrist import wrist_pose


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
