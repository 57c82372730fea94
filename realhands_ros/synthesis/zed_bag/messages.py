"""Messages of a ZED and of the truth, for rosbags' serialiser."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.transform import Rotation

from realhands_ros.data.hands import HandMesh, HandView, MeshTopology
from realhands_ros.data.topology import JOINT_NAMES, JOINT_PARENTS
from realhands_ros.geometry.camera import PinholeCamera
from realhands_ros.messages.types import bag_typestore

# The distortion model that the wrapper names for each camera, with its number of coefficients
# (ZedCamera::fillCamInfo of zed-ros2-wrapper).
_RATIONAL = ('rational_polynomial', 8)
_PLUMB_BOB = ('plumb_bob', 5)
_DISTORTION = {'zed': _PLUMB_BOB, 'zedm': _PLUMB_BOB}

_HANDEDNESS = {'left': 1, 'right': 2}
_NS_PER_S = 1_000_000_000


def header_message(stamp_ns: int, frame_id: str) -> Any:
    """Return a std_msgs/Header; ``stamp_ns`` since the epoch."""
    seconds, nanoseconds = divmod(stamp_ns, _NS_PER_S)
    stamp = _make('builtin_interfaces/Time', sec=seconds, nanosec=nanoseconds)
    return _make('std_msgs/Header', stamp=stamp, frame_id=frame_id)


def image_message(header: Any, pixels: NDArray[np.uint8]) -> Any:
    """Return a sensor_msgs/Image in bgra8 of pixels (H, W, 4)."""
    height, width, channels = pixels.shape
    return _make(
        'sensor_msgs/Image',
        header=header,
        height=height,
        width=width,
        encoding='bgra8',
        is_bigendian=0,
        step=width * channels,
        data=np.ascontiguousarray(pixels).reshape(-1),
    )


def camera_info_message(header: Any, camera: PinholeCamera, camera_model: str) -> Any:
    """
    Return the sensor_msgs/CameraInfo of one camera of a rectified rig, as the wrapper fills it.

    R is the identity, D zeros of the model's length, and P holds K and in its last column
    ``-fx * B``, metres, for the right camera. ``camera_model`` is a name of rigs.ZED_MODELS.
    """
    intrinsics = camera.intrinsics
    projection = intrinsics @ np.column_stack([camera.rotation, camera.translation])
    model, coefficients = _DISTORTION.get(camera_model, _RATIONAL)
    return _make(
        'sensor_msgs/CameraInfo',
        header=header,
        height=camera.height,
        width=camera.width,
        distortion_model=model,
        d=np.zeros(coefficients),
        k=intrinsics.reshape(-1),
        r=np.eye(3).reshape(-1),
        p=projection.reshape(-1),
        binning_x=0,
        binning_y=0,
        roi=_make(
            'sensor_msgs/RegionOfInterest',
            x_offset=0,
            y_offset=0,
            height=0,
            width=0,
            do_rectify=False,
        ),
    )


def hands_message(header: Any, hands: list[HandMesh]) -> Any:
    """Return a realhands/HandMeshArray; ``header`` is the left image's."""
    return _make(
        'realhands/HandMeshArray', header=header, hands=[_mesh(hand, header) for hand in hands]
    )


def topology_message(topology: MeshTopology) -> Any:
    """Return a realhands/HandTopology."""
    return _make(
        'realhands/HandTopology',
        key=topology.key,
        faces=topology.faces.astype(np.uint32).reshape(-1),
        uv=_flat32(topology.uv),
        face_uv=topology.face_uv.astype(np.uint32).reshape(-1),
        joint_names=list(JOINT_NAMES),
        joint_parents=np.array(JOINT_PARENTS, dtype=np.int32),
    )


def _make(name: str, **fields: Any) -> Any:
    return bag_typestore().types[name.replace('/', '/msg/')](**fields)


def _mesh(mesh: HandMesh, header: Any) -> Any:
    offsets = np.zeros(0) if mesh.vertex_offsets is None else mesh.vertex_offsets
    return _make(
        'realhands/HandMesh',
        header=header,
        id=mesh.id,
        handedness=_HANDEDNESS[mesh.handedness],
        handedness_score=mesh.handedness_score,
        score=mesh.score,
        stage=int(mesh.stage),
        flags=int(mesh.flags),
        keypoints=_flat32(mesh.keypoints_cam),
        keypoint_scores=_flat32(mesh.keypoint_scores),
        pose=_flat32(mesh.pose_aa),
        shape=_flat32(mesh.shape),
        translation=_flat32(mesh.translation),
        vertices=_flat32(mesh.vertices_cam),
        vertex_offsets=_flat32(offsets),
        wrist=_wrist_pose(mesh),
        reprojection_error_px=mesh.reprojection_error_px,
        silhouette_iou=mesh.silhouette_iou,
        views=[_view(view) for view in mesh.views],
        topology_key=mesh.topology_key,
    )


def _view(view: HandView) -> Any:
    return _make(
        'realhands/HandView',
        keypoints_px=_flat32(view.keypoints_px),
        keypoint_scores=_flat32(view.keypoint_scores),
        crop_affine=np.zeros(6),
        crop=_no_image(),
        weak_camera=np.zeros(3, dtype=np.float32),
        silhouette=_no_image(),
    )


def _no_image() -> Any:
    return _make(
        'sensor_msgs/Image',
        header=header_message(0, ''),
        height=0,
        width=0,
        encoding='',
        is_bigendian=0,
        step=0,
        data=np.zeros(0, dtype=np.uint8),
    )


def _wrist_pose(mesh: HandMesh) -> Any:
    x, y, z = (float(value) for value in mesh.keypoints_cam[0])
    qx, qy, qz, qw = Rotation.from_rotvec(mesh.pose_aa[:3]).as_quat().tolist()
    covariance = np.zeros(36)
    if mesh.wrist_covariance is None:
        covariance[0] = -1.0
    else:
        covariance[:] = np.ravel(mesh.wrist_covariance)
    pose = _make(
        'geometry_msgs/Pose',
        position=_make('geometry_msgs/Point', x=x, y=y, z=z),
        orientation=_make('geometry_msgs/Quaternion', x=qx, y=qy, z=qz, w=qw),
    )
    return _make('geometry_msgs/PoseWithCovariance', pose=pose, covariance=covariance)


def _flat32(values: ArrayLike) -> NDArray[np.float32]:
    return np.ascontiguousarray(values, dtype=np.float32).reshape(-1)
