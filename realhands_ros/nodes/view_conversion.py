"""HandView messages from the HandView dataclass, and back."""

from __future__ import annotations

import array

import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from realhands.msg import HandView as HandViewMsg
from realhands_ros.hand.hand_mesh import HandView


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
