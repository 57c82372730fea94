"""The left image with the hands drawn over it, while somebody looks."""

from __future__ import annotations

import array
from collections import OrderedDict
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from realhands_ros.data.frames import StereoFrame, to_bgr
from realhands_ros.data.hands import HandMesh
from realhands_ros.data.topology import Handedness
from realhands_ros.hand.model_file import default_model_folder, load_hand_model_data
from realhands_ros.nodes.flow_control import RateLimit, Worker
from realhands_ros.nodes.stage_node import StageNode

# Meshes come this many frames after their image at most.
_FRAMES_KEPT = 12
_SKELETON_BGR = (60, 220, 60)


class OverlayOutput:
    """
    Publishes ``hands/overlay`` of frames whose meshes have come back, in a thread of its own.

    Images are kept, and anything is drawn, only while there is a subscriber. What draws is loaded
    for the first one: a node that is started anew must be back soon.
    """

    def __init__(self, node: StageNode, rate_hz: float, model_folder: Path | None) -> None:
        """Create the publisher; ``model_folder`` holds the hand model of the meshes."""
        self._node = node
        self._model_folder = model_folder
        self._is_due = RateLimit(rate_hz)
        self._publisher = node.add_output(Image, 'hands/overlay')
        self._frames: OrderedDict[int, StereoFrame] = OrderedDict()
        self._worker: Worker[Any] = Worker('overlay', self._draw)

    @property
    def is_wanted(self) -> bool:
        """Return whether anybody subscribes."""
        return self._publisher.get_subscription_count() > 0

    def keep(self, frame: StereoFrame) -> None:
        """Remember a frame until its meshes come."""
        if not self.is_wanted:
            self._frames.clear()
            return
        self._frames[frame.stamp_ns] = frame
        while len(self._frames) > _FRAMES_KEPT:
            self._frames.popitem(last=False)

    def show(self, header: Header, stamp_ns: int, meshes: Sequence[HandMesh]) -> None:
        """Draw the meshes over the frame of their stamp, if it is kept and it is time to."""
        frame = self._frames.get(stamp_ns)
        if frame is not None and self._is_due():
            self._worker.offer((header, frame, meshes))

    def close(self) -> None:
        """End the thread."""
        self._worker.stop()

    @cached_property
    def _faces(self) -> dict[Handedness, NDArray[np.int64]]:
        folder = self._model_folder or default_model_folder()
        sides: tuple[Handedness, ...] = ('left', 'right')
        return {side: load_hand_model_data(folder, side).faces for side in sides}

    def _draw(self, item: tuple[Header, StereoFrame, Sequence[HandMesh]]) -> None:
        from realhands_ros.hand.drawing import draw_meshes, draw_skeleton

        header, frame, meshes = item
        try:
            picture, lens = to_bgr(frame.images[0]), frame.lenses[0]
            # The image lies in the message that it came in; it is not ours to draw on.
            picture = picture.copy() if lens is None else lens.undistort_image(picture)
            draw_meshes(picture, frame.cameras[0], meshes, self._faces)
            for mesh in meshes:
                draw_skeleton(picture, mesh.views[0].keypoints_px, _SKELETON_BGR)
            self._publisher.publish(image_message(header, picture))
        except Exception as error:  # noqa: BLE001 a node never dies of its input
            self._node.complain(error)


def image_message(header: Header, picture: Any) -> Image:
    """Return a picture (H, W, 3), BGR, as a message."""
    height, width, channels = picture.shape
    return Image(
        header=header,
        height=height,
        width=width,
        encoding='bgr8',
        step=width * channels,
        data=array.array('B', picture.tobytes()),
    )
