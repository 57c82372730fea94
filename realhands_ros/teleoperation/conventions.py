"""What teleoperation stacks expect of a hand: keypoints, wrist and joints in their frames."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from realhands_ros.arrays import FloatArray
from realhands_ros.data.hands import HandMesh
from realhands_ros.data.topology import Handedness
from realhands_ros.geometry.rotations import axis_angle_to_quaternion
from realhands_ros.hand.joint_angles import hinge_angles, hinge_names, within_hinge_limits
from realhands_ros.hand.skeleton import HandSkeleton

# For dex-retargeting (github.com/dexsuite/dex-retargeting): keypoints in its operator frame.
#
# Its optimisers take 21 keypoints in metres, the wrist at the origin, in MediaPipe's order. They
# are rotated in two steps, as its example detector does: into a frame read off the wrist and the
# bases of index and middle finger, and from there into the operator's axes, which differ for the
# left.


_WRIST, _INDEX, _MIDDLE = 0, 5, 9

_OPERATOR_AXES: dict[Handedness, FloatArray] = {
    'right': np.array([[0.0, 0.0, -1.0], [-1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]),
    'left': np.array([[0.0, 0.0, -1.0], [1.0, 0.0, 0.0], [0.0, -1.0, 0.0]]),
}


def operator_keypoints(mesh: HandMesh) -> FloatArray:
    """Return the keypoints (21, 3) in metres, the wrist at the origin, in the operator frame."""
    keypoints = np.asarray(mesh.keypoints_cam, dtype=np.float64)
    keypoints = keypoints - keypoints[_WRIST]
    operator: FloatArray = keypoints @ palm_frame(keypoints) @ _OPERATOR_AXES[mesh.handedness]
    return operator


def palm_frame(keypoints: FloatArray) -> FloatArray:
    """
    Return the rotation (3, 3) whose columns are the palm's axes in the keypoints' (21, 3) frame.

    x from the base of the middle finger to the wrist; y normal to the plane of wrist, index and
    middle finger; z towards the index finger.
    """
    triangle = keypoints[[_WRIST, _INDEX, _MIDDLE]]
    *_, axes = np.linalg.svd(triangle - triangle.mean(axis=0))
    normal = axes[2]
    backwards = triangle[0] - triangle[2]
    x = backwards - (backwards @ normal) * normal
    x /= np.linalg.norm(x)
    z = np.cross(x, normal)
    if z @ (triangle[1] - triangle[2]) < 0:
        normal, z = -normal, -z
    return np.stack([x, normal, z], axis=1)


# For GeoRT (Meta, "Geometric Retargeting", 2025): what its mocap classes return from ``get()``.
#
# The 21 keypoints in MediaPipe's order, metres, in a frame of the palm: the wrist is the origin, z
# points to the base of the middle finger, y about from the base of the ring finger to that of the
# index finger, and x completes a right-handed frame.

_RING = 13


def canonical_keypoints(mesh: HandMesh) -> FloatArray:
    """Return the keypoints (21, 3) in metres in GeoRT's frame of the palm."""
    keypoints = np.asarray(mesh.keypoints_cam, dtype=np.float64)
    z = _unit(keypoints[_MIDDLE] - keypoints[_WRIST])
    x = _unit(np.cross(keypoints[_INDEX] - keypoints[_RING], z))
    axes = np.stack([x, np.cross(z, x), z], axis=1)
    canonical: FloatArray = (keypoints - keypoints[_WRIST]) @ axes
    return canonical


def _unit(vector: FloatArray) -> FloatArray:
    return np.asarray(vector / np.linalg.norm(vector))


# For rwr_system (github.com/srl-ethz/rwr_system, ROS 2): topics /ingress/mano and /ingress/wrist.
#
# Its retargeter takes 21 keypoints in MediaPipe's order as a Float32MultiArray of 21 x 3, metres,
# in any frame: it moves them into the frame of the palm itself. The wrist's pose, a PoseStamped,
# is that of teleoperation/conventions.py.


def ingress_mano(mesh: HandMesh) -> NDArray[np.float32]:
    """Return the keypoints (21, 3) float32, C order, metres, in the left optical frame."""
    return np.ascontiguousarray(mesh.keypoints_cam, dtype=np.float32)


# The hand as a JointState of its URDF: twenty named angles.


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


# The six degrees of freedom of the wrist.


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
