"""What robots and RViz subscribe to: adapters, wrists as poses and TF, point clouds."""

from __future__ import annotations

import array
import importlib.util
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from geometry_msgs.msg import (
    Point,
    Pose,
    PoseArray,
    PoseStamped,
    Quaternion,
    Transform,
    TransformStamped,
    Vector3,
)
from numpy.typing import NDArray
from rclpy.qos import QoSProfile
from sensor_msgs.msg import JointState, PointCloud2, PointField
from std_msgs.msg import Float32MultiArray, Header, MultiArrayDimension, MultiArrayLayout

from realhands_ros.data.hands import SIDE_COLOURS, HandMesh
from realhands_ros.hand.skeleton import HandSkeleton
from realhands_ros.nodes.stage_node import StageNode
from realhands_ros.teleoperation.conventions import (
    canonical_keypoints,
    ingress_mano,
    joint_angles,
    operator_keypoints,
    wrist_pose,
)
from realhands_ros.teleoperation.openxr import xr_joints

# Hands in the form that teleoperation stacks subscribe to; each is switched on by a parameter.


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


# Where the wrists are: poses, and transforms from the left optical frame.

try:
    from tf2_msgs.msg import TFMessage
except ImportError:  # the wheels of ROS 2 have none
    TFMessage = None

# What tf2's own broadcaster uses.
_TF_QOS = QoSProfile(depth=100)


class WristOutputs:
    """
    Publishes ``hands/right/wrist`` and ``hands/left/wrist``, and the frames of both.

    The frames ``right_wrist`` and ``left_wrist`` go to /tf; where tf2_msgs is not installed, the
    same transforms go to ``hands/right/wrist_transform`` and ``hands/left/wrist_transform``.
    """

    def __init__(self, node: StageNode, *, publish_tf: bool, frame_prefix: str = '') -> None:
        """Create the publishers; ``frame_prefix`` goes before the names of the wrists' frames."""
        self._frame_prefix = frame_prefix
        self._poses = {
            side: node.add_output(PoseStamped, f'hands/{side}/wrist') for side in ('left', 'right')
        }
        self._tf: Any | None = None
        self._transforms: dict[str, Any] = {}
        if publish_tf and TFMessage is not None:
            self._tf = node.add_output(TFMessage, '/tf', _TF_QOS)
        elif publish_tf:
            self._transforms = {
                side: node.add_output(TransformStamped, f'hands/{side}/wrist_transform')
                for side in self._poses
            }

    def publish(self, header: Header, meshes: Sequence[HandMesh]) -> None:
        """Publish the wrists of meshes of different sides."""
        transforms = []
        for mesh in meshes:
            pose = pose_message(mesh)
            self._poses[mesh.handedness].publish(PoseStamped(header=header, pose=pose))
            transform = wrist_transform(header, mesh, self._frame_prefix)
            transforms.append(transform)
            if mesh.handedness in self._transforms:
                self._transforms[mesh.handedness].publish(transform)
        if self._tf is not None and transforms:
            self._tf.publish(TFMessage(transforms=transforms))


def pose_message(mesh: HandMesh) -> Pose:
    """Return the wrist of a mesh in the frame of its header."""
    wrist = wrist_pose(mesh)
    x, y, z = (float(value) for value in wrist.position)
    qx, qy, qz, qw = (float(value) for value in wrist.quaternion)
    return Pose(position=Point(x=x, y=y, z=z), orientation=Quaternion(x=qx, y=qy, z=qz, w=qw))


def wrist_transform(header: Header, mesh: HandMesh, frame_prefix: str = '') -> TransformStamped:
    """Return the transform from the header's frame to the wrist's."""
    pose = pose_message(mesh)
    place = pose.position
    return TransformStamped(
        header=header,
        child_frame_id=f'{frame_prefix}{mesh.handedness}_wrist',
        transform=Transform(
            translation=Vector3(x=place.x, y=place.y, z=place.z), rotation=pose.orientation
        ),
    )


# The vertices of a frame's hands as a coloured PointCloud2.

# x, y, z in metres, and the colour as the bits 0x00RRGGBB of a float, as RViz and PCL read it.
_POINT = np.dtype([('x', '<f4'), ('y', '<f4'), ('z', '<f4'), ('rgb', '<u4')])
_FIELDS = [
    PointField(name=name, offset=_POINT.fields[name][1], datatype=PointField.FLOAT32, count=1)
    for name in _POINT.names
]


def point_cloud(header: Header, meshes: Sequence[HandMesh]) -> PointCloud2:
    """Return one cloud of all hands' vertices; a hand's colour tells its side."""
    points = np.concatenate([np.zeros(0, _POINT), *(_points(mesh) for mesh in meshes)])
    if importlib.util.find_spec('sensor_msgs_py'):
        from sensor_msgs_py.point_cloud2 import create_cloud

        return create_cloud(header, _FIELDS, points.view(_AS_FLOATS))
    return plain_cloud(header, points)


_AS_FLOATS = np.dtype([(name, '<f4') for name in _POINT.names])


def plain_cloud(header: Header, points: NDArray[np.void]) -> PointCloud2:
    """Return the message without help of sensor_msgs_py; ``points`` (N,) of the type above."""
    data = array.array('B', points.tobytes())
    return PointCloud2(
        header=header,
        height=1,
        width=len(points),
        fields=_FIELDS,
        is_bigendian=False,
        point_step=_POINT.itemsize,
        row_step=_POINT.itemsize * len(points),
        data=data,
        is_dense=True,
    )


def _points(mesh: HandMesh) -> NDArray[np.void]:
    red, green, blue = SIDE_COLOURS[mesh.handedness]
    points = np.zeros(len(mesh.vertices_cam), _POINT)
    for axis, name in enumerate('xyz'):
        points[name] = mesh.vertices_cam[:, axis]
    points['rgb'] = red << 16 | green << 8 | blue
    return points
