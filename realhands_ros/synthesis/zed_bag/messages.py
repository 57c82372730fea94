"""Messages of a ZED and of the truth, for rosbags' serialiser."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from realhands_ros.data.hands import HandMesh, MeshTopology
from realhands_ros.geometry.camera import PinholeCamera
from realhands_ros.messages.encode import (
    BAG,
    image_to_msg,
    make_header,
    meshes_to_msg,
    topology_to_msg,
)

# The distortion model that the wrapper names for each camera, with its number of coefficients
# (ZedCamera::fillCamInfo of zed-ros2-wrapper).
_RATIONAL = ('rational_polynomial', 8)
_PLUMB_BOB = ('plumb_bob', 5)
_DISTORTION = {'zed': _PLUMB_BOB, 'zedm': _PLUMB_BOB}


def header_message(stamp_ns: int, frame_id: str) -> Any:
    """Return a std_msgs/Header; ``stamp_ns`` since the epoch."""
    return make_header(stamp_ns, frame_id, BAG)


def image_message(header: Any, pixels: NDArray[np.uint8]) -> Any:
    """Return a sensor_msgs/Image in bgra8 of pixels (H, W, 4)."""
    return image_to_msg(pixels, 'bgra8', header, BAG)


def camera_info_message(header: Any, camera: PinholeCamera, camera_model: str) -> Any:
    """
    Return the sensor_msgs/CameraInfo of one camera of a rectified rig, as the wrapper fills it.

    R is the identity, D zeros of the model's length, and P holds K and in its last column
    ``-fx * B``, metres, for the right camera. ``camera_model`` is a name of rigs.ZED_MODELS.
    """
    intrinsics = camera.intrinsics
    projection = intrinsics @ np.column_stack([camera.rotation, camera.translation])
    model, coefficients = _DISTORTION.get(camera_model, _RATIONAL)
    return BAG.make(
        'sensor_msgs/msg/CameraInfo',
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
        roi=BAG.make(
            'sensor_msgs/msg/RegionOfInterest',
            x_offset=0,
            y_offset=0,
            height=0,
            width=0,
            do_rectify=False,
        ),
    )


def hands_message(header: Any, hands: list[HandMesh]) -> Any:
    """Return a realhands/HandMeshArray; ``header`` is the left image's."""
    return meshes_to_msg(hands, header, BAG)


def topology_message(topology: MeshTopology) -> Any:
    """Return a realhands/HandTopology."""
    return topology_to_msg(topology, BAG)
