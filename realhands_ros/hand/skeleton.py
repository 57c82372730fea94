"""
The hand's skeleton with named anatomical axes: angles in, MANO axis-angle poses out.

MANO's joint rotations are expressed in axes parallel to the model frame, whatever way a bone
points. Limits, gestures and samplers speak of flexion and abduction instead, so every joint here
has a frame of its own whose columns are

    flexion axis     positive turns towards the palm (for the thumb: towards its pad)
    abduction axis   the dorsal (nail) normal; positive turns towards the thumb's side (for the
    thumb:
                     away from the palm's plane)
    bone axis        towards the next joint; twist about it

and the rotation of a joint is flexion, then abduction, then twist, each about the axis carried
along by the one before, like the two crossed hinges of a saddle joint.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from realhands_ros.arrays import FloatArray
from realhands_ros.data.topology import (
    FINGER_NAMES,
    JOINT_NAMES,
    JOINT_PARENTS,
    KEYPOINTS_FROM_JOINTS_AND_TIPS,
    NUM_JOINTS,
    TIP_VERTEX_IDS,
)
from realhands_ros.geometry.rotations import (
    axis_angle_to_matrix,
    euler_to_matrix,
    matrix_to_axis_angle,
    matrix_to_euler,
)
from realhands_ros.hand.model_file import HandModelData

# Joints that the finger pose turns: all but the wrist.
FINGER_JOINT_NAMES = JOINT_NAMES[1:]
NUM_FINGER_JOINTS = NUM_JOINTS - 1

# Direction of the nail in the flat right hand (fingers -x, palm -y, thumb +z). The metacarpal
# heads form an arch, so the outer fingers are rolled about their length and converge when they
# bend; the thumb is rolled by more than half a right angle.
_DORSAL_DIRECTIONS = {
    'index': (0.0, 1.0, 0.08),
    'middle': (0.0, 1.0, 0.02),
    'ring': (0.0, 1.0, -0.03),
    'little': (0.0, 1.0, -0.1),
    'thumb': (0.55, 0.2, 0.8),
}

# Index of the joint that ends each finger joint's bone; 16..20 are the tips in FINGER_NAMES order.
BONE_ENDS = (2, 3, 17, 5, 6, 18, 8, 9, 20, 11, 12, 19, 14, 15, 16)


@dataclass(frozen=True)
class HandSkeleton:
    """
    Joints and fingertips of a right hand in its flat rest pose, in the model frame.

    ``joints`` (16, 3) and ``tips`` (5, 3, in FINGER_NAMES order) are in metres.
    """

    joints: FloatArray
    tips: FloatArray

    @classmethod
    def from_model(cls, data: HandModelData) -> HandSkeleton:
        """Take the mean-shape skeleton of a right hand model."""
        tips = [TIP_VERTEX_IDS[finger] for finger in FINGER_NAMES]
        return cls(data.joint_regressor @ data.v_template, data.v_template[tips])

    @cached_property
    def points(self) -> FloatArray:
        """Return joints and tips, (21, 3) metres, joints first."""
        return np.concatenate([self.joints, self.tips])

    @cached_property
    def frames(self) -> FloatArray:
        """Return the finger joints' frames (15, 3, 3): columns flexion, abduction, bone axis."""
        return np.stack([self._frame(joint) for joint in range(1, NUM_JOINTS)])

    def _frame(self, joint: int) -> FloatArray:
        bone = self.points[BONE_ENDS[joint - 1]] - self.joints[joint]
        bone = bone / np.linalg.norm(bone)
        dorsal = np.array(_DORSAL_DIRECTIONS[JOINT_NAMES[joint].rstrip('123')])
        dorsal = dorsal - (dorsal @ bone) * bone
        dorsal = dorsal / np.linalg.norm(dorsal)
        return np.stack([np.cross(dorsal, bone), dorsal, bone], axis=1)

    def pose_from_angles(self, angles: ArrayLike) -> FloatArray:
        """
        Return the axis-angle finger pose (..., 45), relative to the flat hand.

        ``angles`` (..., 15, 3) are flexion, abduction and twist in radians.
        """
        angles = np.asarray(angles, dtype=np.float64)
        local = matrix_to_axis_angle(euler_to_matrix(angles))
        pose = np.einsum('jab,...jb->...ja', self.frames, local)
        return np.asarray(pose.reshape(*angles.shape[:-2], 3 * NUM_FINGER_JOINTS))

    def angles_from_pose(self, pose_aa: ArrayLike) -> FloatArray:
        """Return flexion, abduction, twist (..., 15, 3) in radians of a finger pose (..., 45)."""
        pose = np.asarray(pose_aa, dtype=np.float64)
        rotvecs = pose.reshape(*pose.shape[:-1], NUM_FINGER_JOINTS, 3)
        local = np.einsum('jba,...jb->...ja', self.frames, rotvecs)
        return matrix_to_euler(axis_angle_to_matrix(local))

    def posed_points(self, pose_aa: ArrayLike) -> FloatArray:
        """Return joints and tips (n, 21, 3) of finger poses (n, 45); the wrist stays as it is."""
        pose = np.asarray(pose_aa, dtype=np.float64).reshape(-1, NUM_FINGER_JOINTS, 3)
        local = axis_angle_to_matrix(pose)
        rotations = np.empty((len(pose), NUM_JOINTS, 3, 3))
        rotations[:, 0] = np.eye(3)
        posed = np.broadcast_to(self.points, (len(pose), *self.points.shape)).copy()
        for joint in range(1, NUM_JOINTS):
            parent, end = JOINT_PARENTS[joint], BONE_ENDS[joint - 1]
            if parent == 0:
                posed[:, joint] = self.joints[joint]
            rotations[:, joint] = rotations[:, parent] @ local[:, joint - 1]
            bone = self.points[end] - self.joints[joint]
            posed[:, end] = posed[:, joint] + rotations[:, joint] @ bone
        return posed

    def posed_keypoints(self, pose_aa: ArrayLike) -> FloatArray:
        """Return the 21 keypoints (n, 21, 3) of finger poses (n, 45), in KEYPOINT_NAMES order."""
        return self.posed_points(pose_aa)[:, list(KEYPOINTS_FROM_JOINTS_AND_TIPS)]
