"""One person's hand as a rig: mesh with texture, skeleton, skin weights, WebXR joints."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from realhands_ros.arrays import FloatArray
from realhands_ros.data.topology import (
    FINGER_NAMES,
    JOINT_NAMES,
    NUM_SHAPE,
    NUM_VERTICES,
    TIP_VERTEX_IDS,
    Handedness,
)
from realhands_ros.errors import ConfigError
from realhands_ros.geometry.mirror import mirror_points
from realhands_ros.geometry.rasterizer import vertex_normals
from realhands_ros.hand.model_file import load_hand_model_data, load_mesh_topology
from realhands_ros.hand.skeleton import HandSkeleton

# One person's hand as a rig: mesh with texture, skeleton, skin weights, shape directions.

IntArray = NDArray[np.int64]
Image = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class HandRig:
    """
    A hand in its flat rest pose, in the model's frame (right hand: fingers -x, palm -y).

    ``vertices`` and ``normals`` (778, 3) metres; ``joints`` (16, 3) and ``tips`` (5, 3, in
    FINGER_NAMES order); ``faces`` (1538, 3); ``skin_weights`` (778, 16); ``shape_directions``
    (10, 778, 3), the displacement per unit of each further change of shape; ``uv`` (M, 2), (0, 0)
    the bottom-left corner, and ``face_uv`` (1538, 3); ``atlas`` (T, T, 3) uint8 RGB. ``skeleton``
    is that of the model's right hand of mean shape, by which all angles are measured.
    """

    handedness: Handedness
    vertices: FloatArray
    normals: FloatArray
    joints: FloatArray
    tips: FloatArray
    faces: IntArray
    skin_weights: FloatArray
    shape_directions: FloatArray
    uv: FloatArray
    face_uv: IntArray
    atlas: Image
    skeleton: HandSkeleton

    @classmethod
    def of(
        cls,
        folder: Path | str,
        handedness: Handedness,
        *,
        shape: ArrayLike,
        offsets: ArrayLike,
        atlas: Image,
    ) -> HandRig:
        """
        Make the rig of a person's hand.

        ``folder`` holds the hand model; ``shape`` (10,); ``offsets`` (778, 3) metres are added to
        the rest pose. Raises ModelFileError when there is no model and ConfigError for arrays of
        another shape.
        """
        shape, offsets = np.asarray(shape, np.float64), np.asarray(offsets, np.float64)
        if shape.shape != (NUM_SHAPE,) or offsets.shape != (NUM_VERTICES, 3):
            message = (
                f'shape (10,) and offsets (778, 3) are needed, not {shape.shape}, {offsets.shape}'
            )
            raise ConfigError(message)
        data = load_hand_model_data(folder, handedness)
        topology = load_mesh_topology(folder, handedness)
        shaped = data.v_template + data.shapedirs @ shape
        vertices = shaped + offsets
        return cls(
            handedness=handedness,
            vertices=vertices,
            normals=vertex_normals(vertices, data.faces),
            joints=data.joint_regressor @ shaped,
            tips=vertices[[TIP_VERTEX_IDS[finger] for finger in FINGER_NAMES]],
            faces=data.faces,
            skin_weights=data.skin_weights,
            shape_directions=np.moveaxis(data.shapedirs, 2, 0),
            uv=topology.uv.astype(np.float64),
            face_uv=topology.face_uv.astype(np.int64),
            atlas=atlas,
            skeleton=HandSkeleton.from_model(load_hand_model_data(folder, 'right')),
        )

    def split_at_seams(self) -> tuple[IntArray, IntArray, IntArray]:
        """
        Return vertices that have one uv each: their vertex (S,), their uv (S,), and faces (F, 3).

        A vertex on a seam of the atlas comes twice.
        """
        pairs = np.stack([self.faces.ravel(), self.face_uv.ravel()], axis=1)
        unique, inverse = np.unique(pairs, axis=0, return_inverse=True)
        return unique[:, 0], unique[:, 1], inverse.reshape(self.faces.shape)


@dataclass(frozen=True, eq=False)
class HandAnimation:
    """
    Poses of one hand over time.

    ``times`` (K,) seconds, ascending from 0; ``pose_aa`` (K, 48) relative to the flat hand;
    ``translation`` (K, 3) metres of the posed model in the left optical frame.
    """

    times: FloatArray
    pose_aa: FloatArray
    translation: FloatArray


# The 25 joints of WebXR (OpenXR's without the palm) on a hand's 16 joints and fingertips.
#
# Names are those of the WebXR Hand Input module. A joint's axes are OpenXR's: -z towards the next
# joint, y out of the back of the hand (the nail), x to the right.

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
