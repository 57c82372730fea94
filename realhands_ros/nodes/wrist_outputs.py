"""Where the wrists are: poses, and transforms from the left optical frame."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from geometry_msgs.msg import (
    Point,
    Pose,
    PoseStamped,
    Quaternion,
    Transform,
    TransformStamped,
    Vector3,
)
from rclpy.qos import QoSProfile
from std_msgs.msg import Header

from realhands_ros.hand.hand_mesh import HandMesh
from realhands_ros.nodes.stage_node import StageNode
from realhands_ros.teleoperation.wrist import wrist_pose

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
