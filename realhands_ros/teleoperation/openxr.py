"""
The hand as OpenXR and WebXR describe it: 25 joints with orientations.

Conventions of XR_EXT_hand_tracking: each joint's z axis is parallel to its bone and points away
from the fingertip, y points out of the back of the hand (for the thumb out of its nail), x
completes a right-handed frame, so it points right when either palm faces down. A tip has the axes
of the bone that it ends. The frame of reference is the mesh's, not one of the headset's.

21 of the joints are the keypoints. The bases of the four fingers' metacarpals are no joints of
MANO's: they are set on the lines from the wrist to the knuckles, at the fraction of the way that
they have in the rigged hand from which the open hand is built (they lie within 7 mm of the lines
there).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from realhands_ros.arrays import FloatArray
from realhands_ros.data.hands import HandMesh
from realhands_ros.data.topology import (
    FINGER_NAMES,
    JOINT_NAMES,
    JOINT_PARENTS,
    KEYPOINT_NAMES,
    NUM_JOINTS,
)
from realhands_ros.geometry.mirror import mirror_axis_angle, mirror_points
from realhands_ros.geometry.rotations import axis_angle_to_matrix, matrix_to_quaternion
from realhands_ros.hand.skeleton import HandSkeleton

_METACARPAL_BASES = {'index': 0.34, 'middle': 0.32, 'ring': 0.33, 'little': 0.50}
_FINGER_PARTS = {
    'thumb': ('metacarpal', 'phalanx-proximal', 'phalanx-distal', 'tip'),
    'finger': (
        'metacarpal', 'phalanx-proximal', 'phalanx-intermediate', 'phalanx-distal', 'tip',
    ),
}  # fmt: skip
_XR_FINGERS = {
    'thumb': 'thumb',
    'index': 'index-finger',
    'middle': 'middle-finger',
    'ring': 'ring-finger',
    'little': 'pinky-finger',
}

# WebXR's names and order, which is OpenXR's without its palm.
JOINT_NAMES_XR = (
    'wrist',
    *(
        f'{_XR_FINGERS[finger]}-{part}'
        for finger in FINGER_NAMES
        for part in _FINGER_PARTS['thumb' if finger == 'thumb' else 'finger']
    ),
)
# Back of a flat right hand in MANO's frame, and what is a right-handed frame's x for z backwards.
_DORSAL, _BACKWARDS = np.array([0.0, 1.0, 0.0]), np.array([1.0, 0.0, 0.0])


class XrJoints(NamedTuple):
    """``positions`` (25, 3) metres and ``quaternions`` (25, 4), x y z w; see JOINT_NAMES_XR."""

    positions: FloatArray
    quaternions: FloatArray


def xr_joints(mesh: HandMesh, skeleton: HandSkeleton) -> XrJoints:
    """Return the 25 joints in the mesh's frame; ``skeleton`` is the right hand's, for either."""
    keypoints = np.asarray(mesh.keypoints_cam, dtype=np.float64)
    pose = np.asarray(mesh.pose_aa, dtype=np.float64)
    if mesh.handedness == 'left':
        positions, axes = _right_hand(mirror_points(keypoints), mirror_axis_angle(pose), skeleton)
        # Mirrored, y and z stay what they are; x, their product, turns round.
        positions, axes = mirror_points(positions), mirror_points(axes.swapaxes(1, 2))
        axes = axes.swapaxes(1, 2) * [-1.0, 1.0, 1.0]
    else:
        positions, axes = _right_hand(keypoints, pose, skeleton)
    return XrJoints(positions, matrix_to_quaternion(axes))


def _right_hand(
    keypoints: FloatArray, pose_aa: FloatArray, skeleton: HandSkeleton
) -> tuple[FloatArray, FloatArray]:
    """Return positions (25, 3) and axes (25, 3, 3), in columns, of a right hand."""
    rotations = _joint_rotations(pose_aa)
    root = rotations[0]
    positions, axes = [keypoints[0]], [_frame(root @ _BACKWARDS, root @ _DORSAL)]
    for finger in FINGER_NAMES:
        first = next(i for i, name in enumerate(KEYPOINT_NAMES) if name.startswith(finger))
        points = list(keypoints[first : first + 4])
        joints = [JOINT_NAMES.index(f'{finger}{number}') for number in (1, 2, 3)]
        dorsals = [rotations[j] @ skeleton.frames[j - 1][:, 1] for j in joints]
        if finger in _METACARPAL_BASES:
            share = _METACARPAL_BASES[finger]
            points.insert(0, (1.0 - share) * keypoints[0] + share * points[0])
            dorsals.insert(0, root @ skeleton.frames[joints[0] - 1][:, 1])
        frames = [
            _frame(start - end, dorsal)
            for start, end, dorsal in zip(points[:-1], points[1:], dorsals, strict=True)
        ]
        positions += points
        axes += [*frames, frames[-1]]
    return np.stack(positions), np.stack(axes)


def _frame(backwards: FloatArray, dorsal: FloatArray) -> FloatArray:
    """Return axes (3, 3), in columns: z along ``backwards``, y as near ``dorsal`` as can be."""
    z = backwards / np.linalg.norm(backwards)
    y = dorsal - (dorsal @ z) * z
    y /= np.linalg.norm(y)
    return np.stack([np.cross(y, z), y, z], axis=1)


def _joint_rotations(pose_aa: FloatArray) -> FloatArray:
    """Return the rotations (16, 3, 3) of MANO's joints from the rest pose to the frame."""
    local = axis_angle_to_matrix(pose_aa.reshape(NUM_JOINTS, 3))
    rotations = local.copy()
    for joint in range(1, NUM_JOINTS):
        rotations[joint] = rotations[JOINT_PARENTS[joint]] @ local[joint]
    return rotations
