"""
The hand as twenty hinges: what a URDF hand and a JointState have in common, defined once.

Each finger has flexion and abduction at its base and one flexion at each of the other two joints;
the thumb the same from its carpometacarpal joint on. Angles and axes are those of skeleton.py
(positive flexion towards the palm, positive abduction towards the thumb's side, for the thumb away
from the palm's plane), limits those of pose_limits.py. Where a joint has both hinges, flexion is
the outer one: the abduction axis turns with it.

What twenty hinges leave out are the twists, and the degree or two that a finger's hinges give
sideways. The thumb's base twists by up to thirty degrees; its axes are set so that most motion is
flexion and abduction.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from realhands_ros.arrays import FloatArray
from realhands_ros.data.topology import FINGER_NAMES, Handedness
from realhands_ros.geometry.mirror import mirror_axis_angle
from realhands_ros.hand.pose_limits import JOINT_LIMITS_DEG
from realhands_ros.hand.skeleton import FINGER_JOINT_NAMES, NUM_FINGER_JOINTS, HandSkeleton

Motion = Literal['flexion', 'abduction']

_MOTIONS: tuple[Motion, ...] = ('flexion', 'abduction')
# What a finger's three joints are called, base to tip, and how each of them moves.
_FINGER: tuple[tuple[str, tuple[Motion, ...]], ...] = (
    ('mcp', ('flexion', 'abduction')),
    ('pip', ('flexion',)),
    ('dip', ('flexion',)),
)
_THUMB: tuple[tuple[str, tuple[Motion, ...]], ...] = (
    ('cmc', ('flexion', 'abduction')),
    ('mcp', ('flexion',)),
    ('ip', ('flexion',)),
)


@dataclass(frozen=True)
class Hinge:
    """
    One revolute joint.

    ``name``: such as ``index_mcp_flexion``, without the hand's side; ``joint``: the joint of
    MANO's that it is part of, such as ``index1``; ``lower`` and ``upper``: limits in radians.
    """

    name: str
    joint: str
    motion: Motion
    lower: float
    upper: float

    @property
    def place(self) -> tuple[int, int]:
        """Return where its angle stands in the angles (15, 3) of HandSkeleton."""
        return FINGER_JOINT_NAMES.index(self.joint), _MOTIONS.index(self.motion)


def _hinges() -> tuple[Hinge, ...]:
    hinges = []
    for finger in FINGER_NAMES:
        parts = _THUMB if finger == 'thumb' else _FINGER
        for number, (part, motions) in enumerate(parts, start=1):
            for motion in motions:
                joint = f'{finger}{number}'
                lower, upper = np.deg2rad(getattr(JOINT_LIMITS_DEG[joint], motion))
                name = f'{finger}_{part}_{motion}'
                hinges.append(Hinge(name, joint, motion, float(lower), float(upper)))
    return tuple(hinges)


# Thumb, index, middle, ring, little, each base to tip; flexion before abduction.
HINGES = _hinges()
NUM_HINGES = len(HINGES)

_ROWS, _COLUMNS = (list(part) for part in zip(*(hinge.place for hinge in HINGES), strict=True))
_LOWER = np.array([hinge.lower for hinge in HINGES])
_UPPER = np.array([hinge.upper for hinge in HINGES])


def hinge_names(handedness: Handedness) -> tuple[str, ...]:
    """Return the twenty joints' names with the hand's side, as the URDF has them."""
    return tuple(f'{handedness}_{hinge.name}' for hinge in HINGES)


def hinge_angles(
    skeleton: HandSkeleton, finger_pose_aa: ArrayLike, handedness: Handedness = 'right'
) -> FloatArray:
    """
    Return the twenty angles (..., 20) in radians of finger poses (..., 45) of a hand.

    ``skeleton`` is that of the right hand for either side; equal poses of both hands have equal
    angles. Nothing is clipped to the limits.
    """
    pose = np.asarray(finger_pose_aa, dtype=np.float64)
    if handedness == 'left':
        pose = mirror_axis_angle(pose)
    angles: FloatArray = skeleton.angles_from_pose(pose)[..., _ROWS, _COLUMNS]
    return angles


def pose_of_hinges(
    skeleton: HandSkeleton, angles: ArrayLike, handedness: Handedness = 'right'
) -> FloatArray:
    """Return the finger pose (..., 45) of twenty angles (..., 20): what the URDF hand shows."""
    given = np.asarray(angles, dtype=np.float64)
    full = np.zeros((*given.shape[:-1], NUM_FINGER_JOINTS, 3))
    full[..., _ROWS, _COLUMNS] = given
    pose = skeleton.pose_from_angles(full)
    return mirror_axis_angle(pose) if handedness == 'left' else pose


def within_hinge_limits(angles: ArrayLike) -> FloatArray:
    """Return angles (..., 20) clipped to the hinges' limits."""
    clipped: FloatArray = np.clip(np.asarray(angles, dtype=np.float64), _LOWER, _UPPER)
    return clipped
