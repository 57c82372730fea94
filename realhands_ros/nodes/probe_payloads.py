"""What the transport probe sends: hand meshes in motion, and camera images."""

from __future__ import annotations

import array
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import torch
from builtin_interfaces.msg import Time
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from realhands.msg import HandMeshArray
from realhands_ros.hand.hand_mesh import HandMesh, MeshStage
from realhands_ros.hand.layer import HandModel
from realhands_ros.hand.topology import NUM_POSE, NUM_SHAPE
from realhands_ros.nodes.mesh_conversion import mesh_to_msg

_FRAME_ID = 'zed_left_camera_frame_optical'


class Payload(Protocol):
    """A kind of message to send; ``messages`` gives one message per topic, all with one stamp."""

    topics: tuple[tuple[str, type], ...]

    def messages(self, stamp: Time) -> list[Any]:
        """Return the messages of one frame."""


class HandMeshPayload:
    """The shipped hand, opening and closing in front of the camera."""

    topics = (('probe/hands', HandMeshArray),)

    def __init__(self) -> None:
        # Prepared beforehand: the probe measures the transport, not the hand model.
        self._motion = _opening_and_closing_hand(frames=32)
        self._frame = 0

    def messages(self, stamp: Time) -> list[Any]:
        """Return the HandMeshArray of the next frame of the motion."""
        header = Header(stamp=stamp, frame_id=_FRAME_ID)
        mesh = self._motion[self._frame % len(self._motion)]
        self._frame += 1
        return [HandMeshArray(header=header, hands=[mesh_to_msg(mesh, header)])]


class StereoPairPayload:
    """A pair of 1280x720 bgra8 images, as a ZED publishes them at HD720."""

    topics = (('probe/left/image', Image), ('probe/right/image', Image))
    _WIDTH, _HEIGHT = 1280, 720

    def __init__(self) -> None:
        pixels = np.random.default_rng(0).integers(0, 256, self._WIDTH * self._HEIGHT * 4)
        self._data = array.array('B', pixels.astype(np.uint8).tobytes())

    def messages(self, stamp: Time) -> list[Any]:
        """Return the left and the right image."""
        return [self._image(stamp), self._image(stamp)]

    def _image(self, stamp: Time) -> Image:
        return Image(
            header=Header(stamp=stamp, frame_id=_FRAME_ID),
            height=self._HEIGHT,
            width=self._WIDTH,
            encoding='bgra8',
            step=self._WIDTH * 4,
            data=self._data,
        )


def _opening_and_closing_hand(frames: int) -> list[HandMesh]:
    # In MANO's flat pose a finger bends about +z; all fingers bend together, the thumb rests.
    phase = torch.linspace(0.0, 2.0 * torch.pi, frames + 1)[:-1]
    pose_aa = torch.zeros(frames, NUM_POSE)
    pose_aa[:, 3:39].view(frames, 12, 3)[:, :, 2] = (0.6 * (1.0 - torch.cos(phase)))[:, None]
    translation = torch.tensor([[0.0, 0.0, 0.5]]).expand(frames, 3)
    with torch.no_grad():
        output = HandModel.load()(pose_aa, torch.zeros(frames, NUM_SHAPE), translation)
    return [
        HandMesh(
            id='probe',
            handedness='right',
            vertices_cam=output.vertices[frame].numpy(),
            keypoints_cam=output.keypoints[frame].numpy(),
            pose_aa=pose_aa[frame].numpy(),
            translation=translation[frame].numpy(),
            topology_key='probe',
            stage=MeshStage.GROUND_TRUTH,
        )
        for frame in range(frames)
    ]


PAYLOADS: dict[str, Callable[[], Payload]] = {
    'hand_mesh': HandMeshPayload,
    'stereo_pair_720p': StereoPairPayload,
}
