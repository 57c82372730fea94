"""HandMesh messages from the HandMesh dataclass, and back."""

from __future__ import annotations

import array

import numpy as np
from geometry_msgs.msg import Point, Pose, PoseWithCovariance, Quaternion
from std_msgs.msg import Header

from realhands.msg import HandMesh as HandMeshMsg
from realhands_ros.geometry.rotations import axis_angle_to_quaternion
from realhands_ros.hand.hand_mesh import FloatArray, HandMesh, MeshFlag, MeshStage
from realhands_ros.nodes.handedness import handedness_from_msg, handedness_to_msg
from realhands_ros.nodes.validation import validate
from realhands_ros.nodes.view_conversion import view_from_msg, view_to_msg


def mesh_to_msg(mesh: HandMesh, header: Header) -> HandMeshMsg:
    """Build the message of one mesh; ``header`` is the left image's."""
    return HandMeshMsg(
        header=header,
        id=mesh.id,
        handedness=handedness_to_msg(mesh.handedness),
        handedness_score=mesh.handedness_score,
        score=mesh.score,
        stage=int(mesh.stage),
        flags=int(mesh.flags),
        keypoints=_flat32(mesh.keypoints_cam),
        keypoint_scores=_flat32(mesh.keypoint_scores),
        pose=_flat32(mesh.pose_aa),
        shape=_flat32(mesh.shape),
        translation=_flat32(mesh.translation),
        vertices=_float_buffer(mesh.vertices_cam),
        vertex_offsets=_float_buffer(mesh.vertex_offsets),
        wrist=_wrist_pose(mesh),
        reprojection_error_px=mesh.reprojection_error_px,
        silhouette_iou=mesh.silhouette_iou,
        views=[view_to_msg(view, header) for view in mesh.views],
        topology_key=mesh.topology_key,
    )


def mesh_from_msg(msg: HandMeshMsg) -> HandMesh:
    """
    Read a message back.

    Raises MessageError when the message contradicts its definition, or when its handedness is
    unknown: a mesh without handedness has no model.
    """
    validate(msg)
    offsets = np.asarray(msg.vertex_offsets, np.float32).reshape(-1, 3)
    covariance = np.asarray(msg.wrist.covariance).reshape(6, 6)
    return HandMesh(
        id=msg.id,
        handedness=handedness_from_msg(msg.handedness, 'HandMesh'),
        handedness_score=msg.handedness_score,
        score=msg.score,
        stage=MeshStage(msg.stage),
        flags=MeshFlag(msg.flags),
        keypoints_cam=np.asarray(msg.keypoints).reshape(-1, 3),
        keypoint_scores=np.asarray(msg.keypoint_scores),
        pose_aa=np.asarray(msg.pose),
        shape=np.asarray(msg.shape),
        translation=np.asarray(msg.translation),
        vertices_cam=np.asarray(msg.vertices, np.float32).reshape(-1, 3),
        vertex_offsets=offsets if len(offsets) else None,
        wrist_covariance=None if covariance[0, 0] < 0 else covariance,
        reprojection_error_px=msg.reprojection_error_px,
        silhouette_iou=msg.silhouette_iou,
        views=tuple(view_from_msg(view) for view in msg.views),
        topology_key=msg.topology_key,
    )


def _flat32(values: FloatArray) -> FloatArray:
    return np.ascontiguousarray(values, dtype=np.float32).reshape(-1)


def _float_buffer(values: FloatArray | None) -> array.array[float]:
    # rclpy checks every element of a list or numpy array, but takes an array.array as it is.
    buffer = array.array('f')
    if values is not None:
        buffer.frombytes(_flat32(values).tobytes())
    return buffer


def _wrist_pose(mesh: HandMesh) -> PoseWithCovariance:
    x, y, z = (float(value) for value in mesh.keypoints_cam[0])
    qx, qy, qz, qw = axis_angle_to_quaternion(mesh.pose_aa[:3]).tolist()
    covariance = np.zeros(36)
    if mesh.wrist_covariance is None:
        covariance[0] = -1.0
    else:
        covariance[:] = np.ravel(mesh.wrist_covariance)
    return PoseWithCovariance(
        pose=Pose(position=Point(x=x, y=y, z=z), orientation=Quaternion(x=qx, y=qy, z=qz, w=qw)),
        covariance=covariance,
    )
