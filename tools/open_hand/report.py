"""Measurements of the open hand, as docs/hand_shape.md gives them."""

from __future__ import annotations

import argparse
from dataclasses import astuple, dataclass, replace
from pathlib import Path

import numpy as np
import torch
import trimesh
from numpy.typing import ArrayLike
from scipy.spatial import ConvexHull

from realhands_ros.data.topology import JOINT_NAMES, JOINT_PARENTS, NUM_SHAPE, TIP_VERTEX_IDS
from realhands_ros.hand.layer import HandModel
from realhands_ros.hand.model_file import (
    HandModelData,
    default_model_folder,
    load_hand_model_data,
)
from realhands_ros.hand.pose_limits import JOINT_LIMITS_DEG
from realhands_ros.hand.skeleton import NUM_FINGER_JOINTS, HandSkeleton
from tools.open_hand.shape_space import SHAPE_DIRECTIONS
from tools.open_hand.source import FloatArray
from tools.open_hand.surface import polygon_area, section_outline, section_segments

# What an anthropometrist would measure on a hand model, and how well its fingers bend.

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


# Prints what docs/hand_shape.md says in numbers about the open hand, as Markdown tables.
#
#     python -m tools.open_hand.report [--folder models/mano]

_BENDS_DEG = (45, 90)
_SIZE_COEFFICIENTS = (-2, -1, 0, 1, 2)
_OTHER_COEFFICIENTS = (-2, 2)


def main() -> None:
    """Print mesh quality, sizes over the shape directions, and sections at bent joints."""
    parser = argparse.ArgumentParser(description='Measure the open hand.')
    parser.add_argument('--folder', type=Path, help='model folder (default: the open hand)')
    data = load_hand_model_data(parser.parse_args().folder or default_model_folder(), 'right')
    for table in (mesh_table(data), size_table(data), section_table(data)):
        print(table + '\n')


def mesh_table(data: HandModelData) -> str:
    """Return angles and edge lengths of the rest pose."""
    mesh = trimesh.Trimesh(data.v_template, data.faces, process=False)
    angles = np.rad2deg(mesh.face_angles)
    edges = 1000.0 * mesh.edges_unique_length
    rows: list[tuple[str, ...]] = [
        ('smallest angle', f'{angles.min():.1f} deg'),
        ('smallest angle of a face, median', f'{np.median(angles.min(axis=1)):.1f} deg'),
        ('largest angle', f'{angles.max():.1f} deg'),
        ('edges, shortest / mean / longest',
         f'{edges.min():.1f} / {edges.mean():.1f} / {edges.max():.1f} mm'),
        ('longest over shortest edge', f'{edges.max() / edges.min():.1f}'),
    ]  # fmt: skip
    return _table(('mesh', 'value'), rows)


def size_table(data: HandModelData) -> str:
    """Return sizes in millimetres along each shape direction."""
    rows = []
    for direction, name in enumerate(SHAPE_DIRECTIONS):
        for coefficient in _OTHER_COEFFICIENTS if direction else _SIZE_COEFFICIENTS:
            shape = np.zeros(NUM_SHAPE)
            shape[direction] = coefficient
            sizes = astuple(measure_hand(data, shape))
            label = f'{direction} {name}'
            rows.append((label, f'{coefficient:+d}', *(f'{1000 * size:.0f}' for size in sizes)))
    header = ('direction', 'units', 'length', 'breadth', 'circumference', 'wrist', 'span')
    return _table(header, rows)


def section_table(data: HandModelData) -> str:
    """Return section areas at bent joints over straight ones, without and with correctives."""
    plain = without_correctives(data)
    rows = []
    for joint in HINGES:
        ratios = [
            f'{section_ratio(model, joint, bend):.2f}'
            for bend in _BENDS_DEG
            for model in (plain, data)
        ]
        rows.append((joint, *ratios))
    header = ['joint']
    for bend in _BENDS_DEG:
        header += [f'{bend} deg, blending alone', f'{bend} deg, with correctives']
    return _table(header, rows)


def _table(header: tuple[str, ...] | list[str], rows: list[tuple[str, ...]]) -> str:
    lines = [header, ['---'] * len(header), *rows]
    return '\n'.join('| ' + ' | '.join(line) + ' |' for line in lines)


if __name__ == '__main__':
    main()
