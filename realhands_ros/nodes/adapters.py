"""Hands in the form that teleoperation stacks subscribe to; each is switched on by a parameter."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from geometry_msgs.msg import Point, Pose, PoseArray, Quaternion
from numpy.typing import NDArray
from sensor_msgs.msg import JointState
from std_msgs.msg import Float32MultiArray, Header, MultiArrayDimension, MultiArrayLayout

from realhands_ros.hand.hand_mesh import HandMesh
from realhands_ros.hand.skeleton import HandSkeleton
from realhands_ros.nodes.stage_node import StageNode
from realhands_ros.teleoperation.dex_retargeting import operator_keypoints
from realhands_ros.teleoperation.geort import canonical_keypoints
from realhands_ros.teleoperation.openxr import xr_joints
from realhands_ros.teleoperation.rwr import ingress_mano
from realhands_ros.teleoperation.urdf_joints import joint_angles


@dataclass(frozen=True)
class Adapter:
    """``parameter`` switches it on; it publishes ``kind`` on hands/left/``topic`` and right."""

    parameter: str
    topic: str
    kind: type
    convert: Callable[[HandMesh, Header, HandSkeleton], Any]


class AdapterOutputs:
    """The adapters that a node's parameters switch on."""

    def __init__(self, node: StageNode, skeleton: HandSkeleton) -> None:
        """Create the publishers; ``skeleton`` is the right hand's."""
        self._skeleton = skeleton
        self._outputs: list[tuple[Adapter, Mapping[str, Any]]] = [
            (
                adapter,
                {
                    side: node.add_output(adapter.kind, f'hands/{side}/{adapter.topic}')
                    for side in ('left', 'right')
                },
            )
            for adapter in ADAPTERS
            if node.values[adapter.parameter]
        ]

    def publish(self, header: Header, meshes: Sequence[HandMesh]) -> None:
        """Publish meshes of different sides."""
        for adapter, publishers in self._outputs:
            for mesh in meshes:
                message = adapter.convert(mesh, header, self._skeleton)
                publishers[mesh.handedness].publish(message)


def points_message(points: NDArray[Any]) -> Float32MultiArray:
    """Return points (N, 3) as a matrix, row by row."""
    count, width = points.shape
    dimensions = [
        MultiArrayDimension(label='keypoints', size=count, stride=count * width),
        MultiArrayDimension(label='xyz', size=width, stride=width),
    ]
    return Float32MultiArray(
        layout=MultiArrayLayout(dim=dimensions, data_offset=0),
        data=np.asarray(points, np.float32).reshape(-1).tolist(),
    )


def _rwr(mesh: HandMesh, header: Header, skeleton: HandSkeleton) -> Float32MultiArray:
    return points_message(ingress_mano(mesh))


def _dex_retargeting(mesh: HandMesh, header: Header, skeleton: HandSkeleton) -> Float32MultiArray:
    return points_message(operator_keypoints(mesh))


def _geort(mesh: HandMesh, header: Header, skeleton: HandSkeleton) -> Float32MultiArray:
    return points_message(canonical_keypoints(mesh))


def _openxr(mesh: HandMesh, header: Header, skeleton: HandSkeleton) -> PoseArray:
    joints = xr_joints(mesh, skeleton)
    poses = []
    for (x, y, z), (qx, qy, qz, qw) in zip(
        joints.positions.tolist(), joints.quaternions.tolist(), strict=True
    ):
        orientation = Quaternion(x=qx, y=qy, z=qz, w=qw)
        poses.append(Pose(position=Point(x=x, y=y, z=z), orientation=orientation))
    return PoseArray(header=header, poses=poses)


def _joint_states(mesh: HandMesh, header: Header, skeleton: HandSkeleton) -> JointState:
    angles = joint_angles(mesh, skeleton)
    return JointState(header=header, name=list(angles.names), position=angles.positions.tolist())


ADAPTERS = (
    Adapter('publish_rwr', 'rwr_mano', Float32MultiArray, _rwr),
    Adapter('publish_dex_retargeting', 'dex_retargeting', Float32MultiArray, _dex_retargeting),
    Adapter('publish_geort', 'geort', Float32MultiArray, _geort),
    Adapter('publish_openxr', 'openxr_joints', PoseArray, _openxr),
    Adapter('publish_joint_states', 'joint_states', JointState, _joint_states),
)
