"""
Messages from plain arrays: ROS's for the nodes, rosbags' for recordings made without ROS.

Both kinds have the same fields and go the same way; ``kind`` says which one is made. A header is
the left image's; it goes into everything that was seen at its instant.
"""

from __future__ import annotations

import array
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from realhands_ros.data.hands import (
    Floats,
    HandMesh,
    HandObservation,
    HandTexture,
    HandView,
    MeshTopology,
)
from realhands_ros.data.topology import JOINT_NAMES, JOINT_PARENTS, NUM_KEYPOINTS, Handedness
from realhands_ros.geometry.rotations import axis_angle_to_quaternion
from realhands_ros.messages.types import bag_typestore, message_class

# HandMesh.HANDEDNESS_LEFT and HANDEDNESS_RIGHT.
HANDEDNESS_NUMBERS: dict[Handedness, int] = {'left': 1, 'right': 2}

_NS_PER_S = 1_000_000_000


class MessageKind(Protocol):
    """How messages of one library are made."""

    def make(self, name: str, **fields: Any) -> Any:
        """Return a message of a type such as 'sensor_msgs/msg/Image'."""

    def sequence(self, values: NDArray[Any]) -> Any:
        """Return the value of an unbounded array field."""

    def no_image(self) -> Any:
        """Return an empty sensor_msgs/Image."""


class _RosMessages:
    """Messages of rclpy."""

    def make(self, name: str, **fields: Any) -> Any:
        return _ros_class(name)(**fields)

    def sequence(self, values: NDArray[Any]) -> array.array[Any]:
        # rclpy checks every element of a list or numpy array, but takes an array.array as it is.
        buffer = array.array(values.dtype.char if values.dtype != np.uint8 else 'B')
        buffer.frombytes(np.ascontiguousarray(values).tobytes())
        return buffer

    def no_image(self) -> Any:
        return self.make('sensor_msgs/msg/Image')


class _BagMessages:
    """Messages of rosbags, whose fields must all be given."""

    def make(self, name: str, **fields: Any) -> Any:
        return bag_typestore().types[name](**fields)

    def sequence(self, values: NDArray[Any]) -> NDArray[Any]:
        return np.ascontiguousarray(values).reshape(-1)

    def no_image(self) -> Any:
        return self.make(
            'sensor_msgs/msg/Image',
            header=make_header(0, '', self),
            height=0,
            width=0,
            encoding='',
            is_bigendian=0,
            step=0,
            data=np.zeros(0, dtype=np.uint8),
        )


_ros_class = lru_cache(maxsize=None)(message_class)

ROS: MessageKind = _RosMessages()
BAG: MessageKind = _BagMessages()


def make_header(stamp_ns: int, frame_id: str, kind: MessageKind = ROS) -> Any:
    """Build a std_msgs/Header; ``stamp_ns``: nanoseconds since the epoch."""
    seconds, nanoseconds = divmod(stamp_ns, _NS_PER_S)
    stamp = kind.make('builtin_interfaces/msg/Time', sec=seconds, nanosec=nanoseconds)
    return kind.make('std_msgs/msg/Header', stamp=stamp, frame_id=frame_id)


def image_to_msg(
    pixels: NDArray[np.uint8], encoding: str, header: Any, kind: MessageKind = ROS
) -> Any:
    """Build a sensor_msgs/Image of pixels (H, W) or (H, W, C)."""
    return kind.make(
        'sensor_msgs/msg/Image',
        header=header,
        height=pixels.shape[0],
        width=pixels.shape[1],
        encoding=encoding,
        is_bigendian=0,
        step=int(np.prod(pixels.shape[1:])),
        data=kind.sequence(pixels),
    )


def view_to_msg(view: HandView, header: Any, kind: MessageKind = ROS) -> Any:
    """Build a HandView; absent parts stay empty as HandView.msg says."""
    no_camera, no_affine = np.zeros(3, np.float32), np.zeros(6)
    return kind.make(
        'realhands/msg/HandView',
        keypoints_px=_flat32(view.keypoints_px),
        keypoint_scores=_flat32(view.keypoint_scores),
        crop_affine=no_affine
        if view.crop_affine is None
        else np.asarray(view.crop_affine, np.float64).reshape(-1),
        weak_camera=no_camera if view.weak_camera is None else _flat32(view.weak_camera),
        crop=kind.no_image()
        if view.crop is None
        else image_to_msg(view.crop, 'bgr8', header, kind),
        silhouette=kind.no_image()
        if view.silhouette is None
        else image_to_msg(view.silhouette, 'mono8', header, kind),
    )


def mesh_to_msg(mesh: HandMesh, header: Any, kind: MessageKind = ROS) -> Any:
    """Build a HandMesh."""
    offsets = np.zeros(0) if mesh.vertex_offsets is None else mesh.vertex_offsets
    return kind.make(
        'realhands/msg/HandMesh',
        header=header,
        id=mesh.id,
        handedness=HANDEDNESS_NUMBERS[mesh.handedness],
        handedness_score=mesh.handedness_score,
        score=mesh.score,
        stage=int(mesh.stage),
        flags=int(mesh.flags),
        keypoints=_flat32(mesh.keypoints_cam),
        keypoint_scores=_flat32(mesh.keypoint_scores),
        pose=_flat32(mesh.pose_aa),
        shape=_flat32(mesh.shape),
        translation=_flat32(mesh.translation),
        vertices=kind.sequence(_flat32(mesh.vertices_cam)),
        vertex_offsets=kind.sequence(_flat32(offsets)),
        wrist=_wrist_pose(mesh, kind),
        reprojection_error_px=mesh.reprojection_error_px,
        silhouette_iou=mesh.silhouette_iou,
        views=[view_to_msg(view, header, kind) for view in mesh.views],
        topology_key=mesh.topology_key,
    )


def meshes_to_msg(meshes: Sequence[HandMesh], header: Any, kind: MessageKind = ROS) -> Any:
    """Build a HandMeshArray."""
    hands = [mesh_to_msg(mesh, header, kind) for mesh in meshes]
    return kind.make('realhands/msg/HandMeshArray', header=header, hands=hands)


def observation_to_msg(observation: HandObservation, header: Any, kind: MessageKind = ROS) -> Any:
    """Build a HandObservation."""
    landmarks = observation.world_landmarks[: len(observation.views)]
    return kind.make(
        'realhands/msg/HandObservation',
        id=observation.id,
        handedness=HANDEDNESS_NUMBERS[observation.handedness],
        handedness_score=observation.handedness_score,
        score=observation.score,
        views=[view_to_msg(view, header, kind) for view in observation.views],
        world_landmarks=kind.sequence(_known_landmarks(landmarks)),
    )


def texture_to_msg(
    texture: HandTexture, header: Any, image_format: str, kind: MessageKind = ROS
) -> Any:
    """Build a HandTexture; ``image_format`` is 'png' or 'jpeg'."""
    done, data = cv2.imencode(f'.{image_format}', texture.atlas[..., ::-1])
    assert done
    return kind.make(
        'realhands/msg/HandTexture',
        header=header,
        id=texture.id,
        topology_key=texture.topology_key,
        atlas=kind.make(
            'sensor_msgs/msg/CompressedImage',
            header=header,
            format=image_format,
            data=kind.sequence(data),
        ),
        coverage=texture.coverage,
    )


def topology_to_msg(topology: MeshTopology, kind: MessageKind = ROS) -> Any:
    """Build the HandTopology of one hand model and handedness."""
    return kind.make(
        'realhands/msg/HandTopology',
        key=topology.key,
        faces=kind.sequence(topology.faces.astype(np.uint32)),
        uv=kind.sequence(topology.uv.astype(np.float32)),
        face_uv=kind.sequence(topology.face_uv.astype(np.uint32)),
        joint_names=list(JOINT_NAMES),
        joint_parents=kind.sequence(np.array(JOINT_PARENTS, dtype=np.int32)),
    )


def _flat32(values: Floats) -> NDArray[np.float32]:
    return np.ascontiguousarray(values, dtype=np.float32).reshape(-1)


def _wrist_pose(mesh: HandMesh, kind: MessageKind) -> Any:
    x, y, z = (float(value) for value in mesh.keypoints_cam[0])
    qx, qy, qz, qw = axis_angle_to_quaternion(mesh.pose_aa[:3]).tolist()
    covariance = np.zeros(36)
    if mesh.wrist_covariance is None:
        covariance[0] = -1.0
    else:
        covariance[:] = np.ravel(mesh.wrist_covariance)
    pose = kind.make(
        'geometry_msgs/msg/Pose',
        position=kind.make('geometry_msgs/msg/Point', x=x, y=y, z=z),
        orientation=kind.make('geometry_msgs/msg/Quaternion', x=qx, y=qy, z=qz, w=qw),
    )
    return kind.make('geometry_msgs/msg/PoseWithCovariance', pose=pose, covariance=covariance)


def _known_landmarks(landmarks: Sequence[Floats | None]) -> NDArray[np.float32]:
    """Return the landmarks of all views, NaN for a view without, nothing if none has any."""
    if all(points is None for points in landmarks):
        return np.zeros(0, np.float32)
    unknown = np.full((NUM_KEYPOINTS, 3), np.nan)
    known = [unknown if points is None else points for points in landmarks]
    return np.asarray(known, np.float32).reshape(-1)
