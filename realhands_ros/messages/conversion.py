"""Messages of this package from the dataclasses of ``data``, and back."""

from __future__ import annotations

import array
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from geometry_msgs.msg import Point, Pose, PoseWithCovariance, Quaternion
from numpy.typing import NDArray
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from realhands.msg import HandMesh as HandMeshMsg
from realhands.msg import HandObservation as HandObservationMsg
from realhands.msg import HandTexture as HandTextureMsg
from realhands.msg import HandTopology
from realhands.msg import HandView as HandViewMsg
from realhands_ros.data.hands import (
    FloatArray,
    HandMesh,
    HandObservation,
    HandTexture,
    HandView,
    MeshFlag,
    MeshStage,
)
from realhands_ros.data.topology import JOINT_NAMES, JOINT_PARENTS, NUM_KEYPOINTS, Handedness
from realhands_ros.errors import MessageError
from realhands_ros.geometry.rotations import axis_angle_to_quaternion
from realhands_ros.hand.model_file import MeshTopology
from realhands_ros.messages.validation import validate

# HandView messages from the HandView dataclass, and back.


def view_to_msg(view: HandView, header: Header) -> HandViewMsg:
    """Build the message of one view; absent parts stay empty as HandView.msg says."""
    msg = HandViewMsg(
        keypoints_px=np.asarray(view.keypoints_px, np.float32).reshape(-1),
        keypoint_scores=np.asarray(view.keypoint_scores, np.float32).reshape(-1),
    )
    if view.crop_affine is not None:
        msg.crop_affine = np.asarray(view.crop_affine, np.float64).reshape(-1)
    if view.weak_camera is not None:
        msg.weak_camera = np.asarray(view.weak_camera, np.float32).reshape(-1)
    if view.crop is not None:
        msg.crop = _image_msg(view.crop, 'bgr8', header)
    if view.silhouette is not None:
        msg.silhouette = _image_msg(view.silhouette, 'mono8', header)
    return msg


def view_from_msg(msg: HandViewMsg) -> HandView:
    """Read a view back; ``msg`` is part of a validated message."""
    has_crop_frame = np.any(msg.crop_affine)
    return HandView(
        keypoints_px=np.asarray(msg.keypoints_px).reshape(-1, 2),
        keypoint_scores=np.asarray(msg.keypoint_scores),
        crop_affine=np.asarray(msg.crop_affine).reshape(2, 3) if has_crop_frame else None,
        crop=_pixels(msg.crop, 3),
        silhouette=_pixels(msg.silhouette, 1),
        weak_camera=np.asarray(msg.weak_camera) if np.any(msg.weak_camera) else None,
    )


def _image_msg(pixels: NDArray[np.uint8], encoding: str, header: Header) -> Image:
    data = array.array('B')
    data.frombytes(np.ascontiguousarray(pixels).tobytes())
    return Image(
        header=header,
        height=pixels.shape[0],
        width=pixels.shape[1],
        encoding=encoding,
        step=int(np.prod(pixels.shape[1:])),
        data=data,
    )


def _pixels(image: Image, channels: int) -> NDArray[np.uint8] | None:
    if image.width == 0:
        return None
    rows = np.frombuffer(image.data, np.uint8).reshape(image.height, image.step)
    pixels = rows[:, : image.width * channels].reshape(image.height, image.width, channels)
    return pixels[:, :, 0] if channels == 1 else pixels


# Handedness as the messages of this package number it.

_TO_MSG: dict[Handedness, int] = {
    'left': HandMeshMsg.HANDEDNESS_LEFT,
    'right': HandMeshMsg.HANDEDNESS_RIGHT,
}
_FROM_MSG: dict[int, Handedness] = {number: side for side, number in _TO_MSG.items()}


def handedness_to_msg(handedness: Handedness) -> int:
    """Return the number of a handedness."""
    return _TO_MSG[handedness]


def handedness_from_msg(number: int, where: str) -> Handedness:
    """Return the handedness of a number; MessageError, naming ``where``, when it is unknown."""
    if number not in _FROM_MSG:
        message = f'{where}.handedness: expected 1 (left) or 2 (right), found {number}'
        raise MessageError(message)
    return _FROM_MSG[number]


# HandMesh messages from the HandMesh dataclass, and back.


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
        world_landmarks=_float_buffer(_world_to_msg(mesh.world_landmarks[: len(mesh.views)])),
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
        world_landmarks=_world_from_msg(msg),
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


# HandObservation messages from the HandObservation dataclass, and back.


def observation_to_msg(observation: HandObservation, header: Header) -> HandObservationMsg:
    """Build the message of one observation; ``header`` is the left image's."""
    return HandObservationMsg(
        id=observation.id,
        handedness=handedness_to_msg(observation.handedness),
        handedness_score=observation.handedness_score,
        score=observation.score,
        views=[view_to_msg(view, header) for view in observation.views],
        world_landmarks=_world_to_msg(observation.world_landmarks[: len(observation.views)]),
    )


def observation_from_msg(msg: HandObservationMsg) -> HandObservation:
    """
    Read a message back.

    Raises MessageError when the message contradicts its definition, or when its handedness is
    unknown: nothing can be reconstructed without it.
    """
    validate(msg)
    return HandObservation(
        id=msg.id,
        handedness=handedness_from_msg(msg.handedness, 'HandObservation'),
        views=tuple(view_from_msg(view) for view in msg.views),
        handedness_score=msg.handedness_score,
        score=msg.score,
        world_landmarks=_world_from_msg(msg),
    )


def _world_to_msg(landmarks: Sequence[FloatArray | None]) -> FloatArray:
    if all(points is None for points in landmarks):
        return np.zeros(0, np.float32)
    unknown = np.full((NUM_KEYPOINTS, 3), np.nan)
    known = [unknown if points is None else points for points in landmarks]
    return np.asarray(known, np.float32).reshape(-1)


def _world_from_msg(msg: HandObservationMsg | HandMeshMsg) -> tuple[FloatArray | None, ...]:
    views = np.asarray(msg.world_landmarks, np.float32).reshape(-1, NUM_KEYPOINTS, 3)
    known = [points if np.isfinite(points).all() else None for points in views]
    return tuple(known) if known else (None,) * len(msg.views)


# HandTexture messages from the HandTexture dataclass.


def texture_to_msg(texture: HandTexture, header: Header, image_format: str) -> HandTextureMsg:
    """Build the message of one atlas; ``image_format`` is 'png' or 'jpeg'."""
    done, data = cv2.imencode(f'.{image_format}', texture.atlas[..., ::-1])
    assert done
    atlas = CompressedImage(
        header=header, format=image_format, data=array.array('B', data.tobytes())
    )
    return HandTextureMsg(
        header=header,
        id=texture.id,
        topology_key=texture.topology_key,
        atlas=atlas,
        coverage=texture.coverage,
    )


# HandTopology messages from the MeshTopology dataclass.


def topology_to_msg(topology: MeshTopology) -> HandTopology:
    """Build the message of one hand model and handedness."""
    return HandTopology(
        key=topology.key,
        faces=_buffer('I', topology.faces.astype(np.uint32)),
        uv=_buffer('f', topology.uv.astype(np.float32)),
        face_uv=_buffer('I', topology.face_uv.astype(np.uint32)),
        joint_names=list(JOINT_NAMES),
        joint_parents=list(JOINT_PARENTS),
    )


def _buffer(typecode: str, values: NDArray[Any]) -> array.array[Any]:
    buffer = array.array(typecode)
    buffer.frombytes(np.ascontiguousarray(values).tobytes())
    return buffer
