"""
The 25 joints of WebXR (OpenXR's without the palm) on a hand's 16 joints and fingertips.

Names are those of the WebXR Hand Input module. A joint's axes are OpenXR's: -z towards the next
joint, y out of the back of the hand (the nail), x to the right.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from realhands_ros.geometry.mirror import mirror_points
from realhands_ros.hand.export.hand_rig import HandRig
from realhands_ros.hand.skeleton import HandSkeleton
from realhands_ros.hand.topology import FINGER_NAMES, JOINT_NAMES

FloatArray = NDArray[np.float64]

_PARTS = ('metacarpal', 'phalanx-proximal', 'phalanx-intermediate', 'phalanx-distal', 'tip')
_THUMB_PARTS = ('metacarpal', 'phalanx-proximal', 'phalanx-distal', 'tip')
_NAMES = {'thumb': 'thumb', 'index': 'index-finger', 'middle': 'middle-finger',
          'ring': 'ring-finger', 'little': 'pinky-finger'}  # fmt: skip

# A finger's metacarpal begins this share of the way from the wrist joint to the knuckle. MANO has
# no joint there; it is the place of the carpometacarpal joints in anatomical drawings.
_METACARPAL_BASE = 0.25


class WebXrJoint(NamedTuple):
    """
    One joint: its name, the joint of the hand (0..15) that it moves with, and its rest pose.

    ``position`` (3,) metres and ``rotation`` (3, 3), columns its axes, in the model's frame.
    """

    name: str
    parent: int
    position: FloatArray
    rotation: FloatArray


def webxr_joints(rig: HandRig) -> tuple[WebXrJoint, ...]:
    """Return the 25 joints of a rig, wrist first, then thumb to little finger, base to tip."""
    frames = _frames(rig)
    middle = frames[JOINT_NAMES.index('middle1')]
    joints = [WebXrJoint('wrist', 0, rig.joints[0], middle)]
    for number, finger in enumerate(FINGER_NAMES):
        chain = [JOINT_NAMES.index(f'{finger}{part}') for part in (1, 2, 3)]
        bases = [(joint, rig.joints[joint], frames[joint]) for joint in chain]
        if finger != 'thumb':
            knuckle = rig.joints[chain[0]]
            base = rig.joints[0] + _METACARPAL_BASE * (knuckle - rig.joints[0])
            bases.insert(0, (0, base, _pointing(frames[chain[0]], knuckle - base)))
        bases.append((chain[-1], rig.tips[number], frames[chain[-1]]))
        parts = _THUMB_PARTS if finger == 'thumb' else _PARTS
        for part, (parent, position, rotation) in zip(parts, bases, strict=True):
            joints.append(WebXrJoint(f'{_NAMES[finger]}-{part}', parent, position, rotation))
    return tuple(joints)


def _frames(rig: HandRig) -> dict[int, FloatArray]:
    """Return OpenXR's axes (3, 3) at the 15 finger joints."""
    is_left = rig.handedness == 'left'
    joints, tips = rig.joints, rig.tips
    if is_left:
        joints, tips = mirror_points(joints), mirror_points(tips)
    frames = {}
    for number, (_, dorsal, bone) in enumerate(
        np.moveaxis(HandSkeleton(joints, tips).frames, 2, 1), start=1
    ):
        if is_left:
            dorsal, bone = mirror_points(dorsal), mirror_points(bone)
        frames[number] = np.stack([np.cross(bone, dorsal), dorsal, -bone], axis=1)
    return frames


def _pointing(frame: FloatArray, direction: FloatArray) -> FloatArray:
    """Return the axes nearest to ``frame`` whose -z has a direction (3,)."""
    bone = direction / np.linalg.norm(direction)
    dorsal = frame[:, 1] - (frame[:, 1] @ bone) * bone
    dorsal = dorsal / np.linalg.norm(dorsal)
    return np.stack([np.cross(bone, dorsal), dorsal, -bone], axis=1)
