"""The hand as a JointState of its URDF: twenty named angles."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from realhands_ros.hand.hand_mesh import HandMesh
from realhands_ros.hand.joint_angles import hinge_angles, hinge_names, within_hinge_limits
from realhands_ros.hand.skeleton import HandSkeleton

FloatArray = NDArray[np.float64]


class JointAngles(NamedTuple):
    """``names`` and ``positions`` (20,) in radians, as sensor_msgs/JointState has them."""

    names: tuple[str, ...]
    positions: FloatArray


def joint_angles(mesh: HandMesh, skeleton: HandSkeleton, *, clip: bool = True) -> JointAngles:
    """
    Return the angles of the URDF hand that makes the mesh's pose.

    ``skeleton`` is the right hand's, for either side. ``clip`` keeps them within the limits of the
    URDF, which a controller may insist on.
    """
    angles = hinge_angles(skeleton, mesh.pose_aa[3:], mesh.handedness)
    return JointAngles(
        hinge_names(mesh.handedness), within_hinge_limits(angles) if clip else angles
    )
