"""What an anthropometrist would measure on a hand model, and how well its fingers bend."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import ArrayLike
from scipy.spatial import ConvexHull

from realhands_ros.hand.layer import HandModel
from realhands_ros.hand.model_file import HandModelData
from realhands_ros.hand.open_hand.sections import polygon_area, section_outline, section_segments
from realhands_ros.hand.open_hand.source import FloatArray
from realhands_ros.hand.pose_limits import JOINT_LIMITS_DEG
from realhands_ros.hand.skeleton import NUM_FINGER_JOINTS, HandSkeleton
from realhands_ros.hand.topology import JOINT_NAMES, JOINT_PARENTS, NUM_SHAPE, TIP_VERTEX_IDS

# Faces that move with the thumb by more than this are no part of the hand's breadth.
_THUMB_SHARE = 0.3

# Joints around which a finger is free on all sides, so that its section is its own.
HINGES = tuple(
    f'{finger}{number}' for finger in ('index', 'middle', 'ring', 'little') for number in (2, 3)
) + ('thumb3',)  # fmt: skip


@dataclass(frozen=True)
class HandSizes:
    """
    Measures of a hand in metres.

    length: wrist joint to middle fingertip. breadth and circumference: around the knuckles of
    index and little finger, without the thumb. wrist: circumference at the wrist joint. span: tip
    of the thumb to tip of the little finger, spread to the limits of the joints.
    """

    length: float
    breadth: float
    circumference: float
    wrist: float
    span: float


def measure_hand(data: HandModelData, shape: ArrayLike) -> HandSizes:
    """Return the sizes of a right hand with shape coefficients ``shape`` (10,)."""
    vertices, joints = _posed(data, np.zeros((NUM_FINGER_JOINTS, 3)), shape)
    index, little = (joints[JOINT_NAMES.index(name)] for name in ('index1', 'little1'))
    side = _unit(index - little)
    normal = _unit(np.cross(side, [0.0, 1.0, 0.0]))
    knuckles = np.stack([side, np.cross(normal, side), normal])
    palm = _section_points(data, vertices, 0.5 * (index + little), knuckles)
    forearm = np.array([[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]])
    wrist = _section_points(data, vertices, joints[0], forearm)
    spread, _ = _posed(data, _spread_angles(), shape)
    tips = TIP_VERTEX_IDS
    return HandSizes(
        length=float(np.linalg.norm(vertices[tips['middle']] - joints[0])),
        breadth=float(np.ptp(palm[:, 0])),
        circumference=float(ConvexHull(palm).area),
        wrist=float(ConvexHull(wrist).area),
        span=float(np.linalg.norm(spread[tips['thumb']] - spread[tips['little']])),
    )


def section_ratio(data: HandModelData, joint_name: str, flexion_deg: float) -> float:
    """
    Return the area of a finger's section at a bent joint over its area at the straight one.

    The section lies in the plane through the joint that halves the bend, and only its dorsal half
    counts: the other half is the fold, where skin meets skin and has no outline of its own. Linear
    blend skinning alone loses girth here.
    """
    areas = []
    for angle in (0.0, flexion_deg):
        angles = np.zeros((NUM_FINGER_JOINTS, 3))
        joint = JOINT_NAMES.index(joint_name)
        angles[joint - 1, 0] = np.deg2rad(angle)
        vertices, joints = _posed(data, angles, np.zeros(NUM_SHAPE))
        parent_bone = _unit(joints[joint] - joints[JOINT_PARENTS[joint]])
        child_bone = _unit(_bone_end(vertices, joints, joint) - joints[joint])
        flexion_axis = HandSkeleton.from_model(data).frames[joint - 1][:, 0]
        normal = _unit(parent_bone + child_bone)
        dorsal = _unit(np.cross(normal, flexion_axis))
        frame = np.stack([np.cross(dorsal, normal), dorsal, normal])
        outline = section_outline(vertices, data.faces, joints[joint], frame)
        areas.append(polygon_area(np.maximum(outline, [-np.inf, 0.0])))
    return areas[1] / areas[0]


def without_correctives(data: HandModelData) -> HandModelData:
    """Return the model with plain linear blend skinning."""
    return replace(data, posedirs=np.zeros_like(data.posedirs))


def _posed(
    data: HandModelData, angles: FloatArray, shape: ArrayLike
) -> tuple[FloatArray, FloatArray]:
    """Return vertices (778, 3) and joints (16, 3) at joint angles (15, 3) in radians."""
    pose = np.concatenate([np.zeros(3), HandSkeleton.from_model(data).pose_from_angles(angles)])
    model = HandModel(data, dtype=torch.float64)
    output = model(torch.tensor(pose[None]), torch.tensor(np.asarray(shape, dtype=float)[None]))
    return output.vertices[0].numpy(), output.joints[0].numpy()


def _spread_angles() -> FloatArray:
    """Return the widest spread within the joints' limits, fingers and thumb straight."""
    angles = np.zeros((NUM_FINGER_JOINTS, 3))
    for name, end in (('index1', 1), ('ring1', 0), ('little1', 0)):
        angles[JOINT_NAMES.index(name) - 1, 1] = JOINT_LIMITS_DEG[name].abduction[end]
    for name in ('thumb1', 'thumb2', 'thumb3'):
        angles[JOINT_NAMES.index(name) - 1, 0] = JOINT_LIMITS_DEG[name].flexion[0]
    return np.deg2rad(angles)


def _section_points(
    data: HandModelData, vertices: FloatArray, centre: FloatArray, frame: FloatArray
) -> FloatArray:
    """Return the points (P, 2) in which a plane cuts the hand, thumb left out."""
    thumb = [JOINT_NAMES.index(f'thumb{number}') for number in (1, 2, 3)]
    share = data.skin_weights[:, thumb].sum(axis=1)
    faces = data.faces[(share[data.faces] < _THUMB_SHARE).all(axis=1)]
    return section_segments(vertices, faces, centre, frame).reshape(-1, 2)


def _bone_end(vertices: FloatArray, joints: FloatArray, joint: int) -> FloatArray:
    name = JOINT_NAMES[joint]
    if name.endswith('3'):
        return np.asarray(vertices[TIP_VERTEX_IDS[name[:-1]]])
    return np.asarray(joints[joint + 1])


def _unit(vector: FloatArray) -> FloatArray:
    return np.asarray(vector / np.linalg.norm(vector))
