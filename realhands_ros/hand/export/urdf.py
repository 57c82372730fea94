"""
A hand as a URDF with twenty revolute joints, for robotics.

Joint names, axes and limits are those of hand/joint_angles.py. Every link's frame is parallel to
the model's in the flat pose (right hand: fingers -x, palm -y) with its origin in the joint; the
base link's is the wrist. A base joint with two axes is two joints with an empty link between.
Links look like their part of the mesh and collide as a cylinder along the bone.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import numpy as np
import trimesh
from scipy.spatial.transform import Rotation

from realhands_ros.arrays import FloatArray
from realhands_ros.data.topology import JOINT_NAMES, JOINT_PARENTS, NUM_JOINTS
from realhands_ros.errors import ConfigError
from realhands_ros.geometry.mirror import mirror_axis_angle
from realhands_ros.hand.export.rig import HandRig
from realhands_ros.hand.joint_angles import HINGES, Hinge
from realhands_ros.hand.skeleton import BONE_ENDS

# A face belongs to every link that moves one of its corners by at least this weight, so that
# neighbours overlap and no gap opens where a finger bends.
_OWN_WEIGHT = 0.3
# Density of the body, for the mass of a link; torque and speed of human finger joints.
_DENSITY = 1050.0
_EFFORT_NM, _VELOCITY = 2.0, 12.0
_LEAST_MASS_KG = 1e-4


class _HingeAxis(NamedTuple):
    hinge: Hinge
    axis: FloatArray


def write_urdf(rig: HandRig, path: Path | str) -> tuple[Path, ...]:
    """
    Write ``NAME.urdf`` and the links' meshes in ``NAME_meshes``; return all paths.

    Meshes are named relative to the URDF. Raises ConfigError when the place cannot be written.
    """
    path = Path(path)
    folder = path.parent / f'{path.stem}_meshes'
    robot = ElementTree.Element('robot', name=f'{rig.handedness}_hand')
    tone = rig.atlas.reshape(-1, 3).mean(axis=0) / 255.0
    material = ElementTree.SubElement(robot, 'material', name='skin')
    ElementTree.SubElement(material, 'color', rgba=_numbers([*tone, 1.0]))
    written = [path]
    try:
        folder.mkdir(exist_ok=True)
        for joint in range(NUM_JOINTS):
            part = _part(rig, joint)
            mesh_path = folder / f'{_link_name(rig, joint)}.stl'
            mesh_path.write_bytes(trimesh.exchange.stl.export_stl(part))
            written.append(mesh_path)
            _add_link(robot, rig, joint, part, f'{folder.name}/{mesh_path.name}')
            for element in _joints(rig, joint):
                robot.append(element)
        ElementTree.indent(robot)
        ElementTree.ElementTree(robot).write(path, encoding='utf-8', xml_declaration=True)
    except OSError as error:
        message = f'{path} cannot be written ({error.strerror}): choose another place'
        raise ConfigError(message) from error
    return tuple(written)


def _link_name(rig: HandRig, joint: int) -> str:
    return f'{rig.handedness}_{JOINT_NAMES[joint]}'


def _part(rig: HandRig, joint: int) -> trimesh.Trimesh:
    """Return the part of the mesh that moves with a joint, in the link's frame."""
    own = (rig.skin_weights[rig.faces, joint] >= _OWN_WEIGHT).any(axis=1)
    part = trimesh.Trimesh(rig.vertices - rig.joints[joint], rig.faces[own], process=False)
    part.remove_unreferenced_vertices()
    return part


def _add_link(
    robot: ElementTree.Element, rig: HandRig, joint: int, part: trimesh.Trimesh, mesh: str
) -> None:
    link = ElementTree.SubElement(robot, 'link', name=_link_name(rig, joint))
    hull = part.convex_hull
    hull.density = _DENSITY
    _add_inertial(link, float(hull.mass), hull.center_mass, hull.moment_inertia)
    visual = ElementTree.SubElement(link, 'visual')
    geometry = ElementTree.SubElement(visual, 'geometry')
    ElementTree.SubElement(geometry, 'mesh', filename=mesh)
    ElementTree.SubElement(visual, 'material', name='skin')
    if joint == 0:
        _add_box(link, part)
    else:
        _add_cylinder(link, rig, joint)


def _add_inertial(
    link: ElementTree.Element, mass: float, centre: FloatArray, inertia: FloatArray
) -> None:
    element = ElementTree.SubElement(link, 'inertial')
    ElementTree.SubElement(element, 'origin', xyz=_numbers(centre), rpy='0 0 0')
    ElementTree.SubElement(element, 'mass', value=f'{max(mass, _LEAST_MASS_KG):.6g}')
    names = ('ixx', 'ixy', 'ixz', 'iyy', 'iyz', 'izz')
    values = inertia[np.triu_indices(3)]
    ElementTree.SubElement(
        element, 'inertia', {n: f'{v:.6g}' for n, v in zip(names, values, strict=True)}
    )


def _add_box(link: ElementTree.Element, part: trimesh.Trimesh) -> None:
    """Give the palm the box around it as collision geometry."""
    low, high = part.bounds
    collision = ElementTree.SubElement(link, 'collision')
    ElementTree.SubElement(collision, 'origin', xyz=_numbers((low + high) / 2), rpy='0 0 0')
    geometry = ElementTree.SubElement(collision, 'geometry')
    ElementTree.SubElement(geometry, 'box', size=_numbers(high - low))


def _add_cylinder(link: ElementTree.Element, rig: HandRig, joint: int) -> None:
    """Give a finger link a cylinder along its bone, as thick as the skin around it."""
    end = np.concatenate([rig.joints, rig.tips])[BONE_ENDS[joint - 1]]
    bone = end - rig.joints[joint]
    length = float(np.linalg.norm(bone))
    own = rig.vertices[rig.skin_weights.argmax(axis=1) == joint] - rig.joints[joint]
    across = own - np.outer(own @ bone, bone) / length**2
    radius = float(np.median(np.linalg.norm(across, axis=1)))
    rotation, _ = Rotation.align_vectors((bone / length)[None], [[0.0, 0.0, 1.0]])
    collision = ElementTree.SubElement(link, 'collision')
    rpy = rotation.as_euler('xyz')
    ElementTree.SubElement(collision, 'origin', xyz=_numbers(bone / 2), rpy=_numbers(rpy))
    geometry = ElementTree.SubElement(collision, 'geometry')
    ElementTree.SubElement(geometry, 'cylinder', radius=f'{radius:.6g}', length=f'{length:.6g}')


def _joints(rig: HandRig, joint: int) -> Iterator[ElementTree.Element]:
    """Yield the one or two joints that hold a link, and the empty link between the two."""
    if joint == 0:
        return
    axes = _axes(rig, joint)
    parent = _link_name(rig, JOINT_PARENTS[joint])
    origin = rig.joints[joint] - rig.joints[JOINT_PARENTS[joint]]
    for number, (hinge, axis) in enumerate(axes):
        is_last = number == len(axes) - 1
        child = _link_name(rig, joint) if is_last else f'{rig.handedness}_{hinge.name}_link'
        if not is_last:
            between = ElementTree.Element('link', name=child)
            _add_inertial(between, _LEAST_MASS_KG, np.zeros(3), 1e-9 * np.eye(3))
            yield between
        element = ElementTree.Element(
            'joint', name=f'{rig.handedness}_{hinge.name}', type='revolute'
        )
        ElementTree.SubElement(element, 'parent', link=parent)
        ElementTree.SubElement(element, 'child', link=child)
        ElementTree.SubElement(element, 'origin', xyz=_numbers(origin), rpy='0 0 0')
        ElementTree.SubElement(element, 'axis', xyz=_numbers(axis))
        ElementTree.SubElement(
            element, 'limit', lower=f'{hinge.lower:.6g}', upper=f'{hinge.upper:.6g}',
            effort=f'{_EFFORT_NM:g}', velocity=f'{_VELOCITY:g}',
        )  # fmt: skip
        yield element
        parent, origin = child, np.zeros(3)


def _axes(rig: HandRig, joint: int) -> list[_HingeAxis]:
    """Return a joint's hinges with their axes (3,) in the model's frame, the outer one first."""
    frame = rig.skeleton.frames[joint - 1]
    found = []
    for hinge in HINGES:
        if hinge.joint == JOINT_NAMES[joint]:
            axis = frame[:, hinge.place[1]]
            found.append(
                _HingeAxis(hinge, axis if rig.handedness == 'right' else mirror_axis_angle(axis))
            )
    return found


def _numbers(values: FloatArray | list[float]) -> str:
    return ' '.join(f'{value:.9g}' for value in values)
