"""
Plain arrays from messages, rclpy's or rosbags', which have the same fields.

``mesh_from_msg`` and ``observation_from_msg`` check a message of a running system by its
definition first. ``read_mesh`` and ``read_observation`` take what a recording holds, as far as it
makes a hand.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from realhands_ros.data.hands import (
    Floats,
    HandMesh,
    HandObservation,
    HandView,
    MeshFlag,
    MeshStage,
)
from realhands_ros.data.topology import NUM_KEYPOINTS, NUM_VERTICES, Handedness
from realhands_ros.errors import MessageError
from realhands_ros.messages.encode import HANDEDNESS_NUMBERS
from realhands_ros.messages.images import decode_image
from realhands_ros.messages.validation import validate

HANDEDNESS_OF_NUMBER: dict[int, Handedness] = {
    number: side for side, number in HANDEDNESS_NUMBERS.items()
}
_STAGES = {int(stage): stage for stage in MeshStage}


def mesh_from_msg(msg: Any) -> HandMesh:
    """
    Read a HandMesh.

    Raises MessageError when the message contradicts its definition, or when its handedness is
    unknown: a mesh without handedness has no model.
    """
    validate(msg)
    return read_mesh(msg)


def read_mesh(msg: Any) -> HandMesh:
    """Read a HandMesh; MessageError when it has not the numbers of a hand, or no handedness."""
    side = _handedness(msg, 'HandMesh')
    vertices = np.asarray(msg.vertices, np.float32)
    keypoints = np.asarray(msg.keypoints, np.float32)
    if vertices.size != 3 * NUM_VERTICES or keypoints.size != 3 * NUM_KEYPOINTS:
        message = (
            f'a HandMesh has {vertices.size} numbers for vertices and {keypoints.size} for '
            f'keypoints; it must have {3 * NUM_VERTICES} and {3 * NUM_KEYPOINTS}'
        )
        raise MessageError(message)
    offsets = np.asarray(msg.vertex_offsets, np.float32).reshape(-1, 3)
    covariance = np.asarray(msg.wrist.covariance, np.float64).reshape(6, 6)
    return HandMesh(
        id=str(msg.id),
        handedness=side,
        handedness_score=float(msg.handedness_score),
        score=float(msg.score),
        stage=_STAGES.get(int(msg.stage), MeshStage.UNKNOWN),
        flags=MeshFlag(int(msg.flags)),
        keypoints_cam=keypoints.reshape(-1, 3),
        keypoint_scores=np.asarray(msg.keypoint_scores),
        pose_aa=np.asarray(msg.pose, np.float32),
        shape=np.asarray(msg.shape, np.float32),
        translation=np.asarray(msg.translation, np.float32),
        vertices_cam=vertices.reshape(-1, 3),
        vertex_offsets=offsets if len(offsets) else None,
        wrist_covariance=None if covariance[0, 0] < 0 else covariance,
        reprojection_error_px=float(msg.reprojection_error_px),
        silhouette_iou=float(msg.silhouette_iou),
        views=tuple(read_view(view) for view in msg.views),
        topology_key=str(msg.topology_key),
    )


def observation_from_msg(msg: Any) -> HandObservation:
    """
    Read a HandObservation.

    Raises MessageError when the message contradicts its definition, or when its handedness is
    unknown: nothing can be reconstructed without it.
    """
    validate(msg)
    return read_observation(msg)


def read_observation(msg: Any) -> HandObservation:
    """Read a HandObservation; MessageError when its handedness is unknown."""
    landmarks = np.asarray(msg.world_landmarks, np.float32).reshape(-1, NUM_KEYPOINTS, 3)
    known: list[Floats | None] = [
        points if np.isfinite(points).all() else None for points in landmarks
    ]
    return HandObservation(
        id=str(msg.id),
        handedness=_handedness(msg, 'HandObservation'),
        views=tuple(read_view(view) for view in msg.views),
        handedness_score=float(msg.handedness_score),
        score=float(msg.score),
        world_landmarks=tuple(known) if known else (None,) * len(msg.views),
    )


def read_view(msg: Any) -> HandView:
    """Read a HandView; images are views of the message's data."""
    affine = np.asarray(msg.crop_affine, np.float64).reshape(2, 3)
    return HandView(
        keypoints_px=np.asarray(msg.keypoints_px, np.float32).reshape(-1, 2),
        keypoint_scores=np.asarray(msg.keypoint_scores, np.float32),
        crop_affine=affine if affine.any() else None,
        crop=decode_image(msg.crop) if msg.crop.width else None,
        silhouette=decode_image(msg.silhouette) if msg.silhouette.width else None,
        weak_camera=np.asarray(msg.weak_camera) if np.any(msg.weak_camera) else None,
    )


def atlas_from_msg(msg: Any) -> NDArray[np.uint8]:
    """Return the atlas (T, T, 3) RGB of a HandTexture; MessageError when it is damaged."""
    data = np.frombuffer(msg.atlas.data, np.uint8)
    decoded = cv2.imdecode(data, cv2.IMREAD_COLOR) if len(data) else None
    if decoded is None:
        message = f'the atlas of hand {msg.id} ({msg.atlas.format}) cannot be decoded'
        raise MessageError(message)
    return np.ascontiguousarray(decoded[..., ::-1], dtype=np.uint8)


def _handedness(msg: Any, where: str) -> Handedness:
    if msg.handedness not in HANDEDNESS_OF_NUMBER:
        message = f'{where}.handedness: expected 1 (left) or 2 (right), found {msg.handedness}'
        raise MessageError(message)
    return HANDEDNESS_OF_NUMBER[msg.handedness]
