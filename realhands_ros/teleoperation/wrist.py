"""The six degrees of freedom of the wrist."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from realhands_ros.geometry.rotations import axis_angle_to_quaternion
from realhands_ros.hand.hand_mesh import HandMesh

FloatArray = NDArray[np.float64]


class Pose(NamedTuple):
    """``position`` (3,) metres and ``quaternion`` (4,), x y z w, in the frame of the mesh."""

    position: FloatArray
    quaternion: FloatArray


def wrist_pose(mesh: HandMesh) -> Pose:
    """
    Return the wrist joint with the rotation of the hand's root, in the left optical frame.

    The axes are MANO's: at rest a right hand's fingers point along -x, a left hand's along x; the
    palm faces -y and the thumb z.
    """
    position = np.asarray(mesh.keypoints_cam[0], dtype=np.float64)
    return Pose(position, axis_angle_to_quaternion(mesh.pose_aa[:3]))
