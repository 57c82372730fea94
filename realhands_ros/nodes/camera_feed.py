"""The newest calibration of the cameras, from their camera_info topics."""

from __future__ import annotations

import threading
from functools import partial

import numpy as np
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import CameraInfo

from realhands_ros.errors import CalibrationError
from realhands_ros.geometry.camera import Lens, PinholeCamera
from realhands_ros.messages.cameras import decode_cameras
from realhands_ros.nodes.quality_of_service import CALIBRATION
from realhands_ros.nodes.stage_node import StageNode

# The encoding's four bytes, seconds and nanoseconds: what changes from message to message.
_SERIALISED_STAMP_END = 12
# A camera's first image comes before its first camera_info.
_PATIENCE_S = 0.5


class CameraFeed:
    """Listens to the camera_info of the cameras that a node's parameters tell of."""

    def __init__(self, node: StageNode) -> None:
        """Read the parameters ``stereo`` and ``rectified``."""
        self._node = node
        self.eyes = ('left', 'right') if node.values['stereo'] else ('left',)
        self._rectified = bool(node.values['rectified'])
        self._infos: dict[str, CameraInfo] = {}
        # Two a frame come, and hardly ever anything new: compared as they are, they cost least.
        self._serialised: dict[str, bytes] = {}
        self._decoded: tuple[tuple[PinholeCamera, ...], tuple[Lens | None, ...]] | None = None
        # The executor writes what the worker reads.
        self._changed = threading.Condition()
        self._patience_s = _PATIENCE_S

    def listen(self) -> None:
        """Subscribe."""
        for eye in self.eyes:
            callback = partial(self._on_info, eye)
            self._node.add_input(CameraInfo, f'{eye}/camera_info', callback, CALIBRATION, raw=True)

    def decode(self) -> tuple[tuple[PinholeCamera, ...], tuple[Lens | None, ...]]:
        """
        Return cameras and lenses; CalibrationError while there are none that can be used.

        Waits for the first ones for a moment, once: not to be called by the executor.
        """
        with self._changed:
            self._changed.wait_for(lambda: not self._missing, self._patience_s)
            self._patience_s = 0.0
            return self._decode()

    @property
    def cameras(self) -> tuple[PinholeCamera, ...]:
        """Return the cameras; raises as ``decode`` does."""
        return self.decode()[0]

    @property
    def calibration(self) -> str:
        """Return 'valid', or in words what is wrong."""
        try:
            with self._changed:
                self._decode()
        except CalibrationError as error:
            return str(error)
        return 'valid'

    @property
    def _missing(self) -> list[str]:
        return [eye for eye in self.eyes if eye not in self._infos]

    def _on_info(self, eye: str, data: bytes) -> None:
        calibration = data[_SERIALISED_STAMP_END:]
        with self._changed:
            if self._serialised.get(eye) != calibration:
                self._infos[eye] = deserialize_message(data, CameraInfo)
                self._serialised[eye] = calibration
                self._decoded = None
                self._changed.notify()

    def _decode(self) -> tuple[tuple[PinholeCamera, ...], tuple[Lens | None, ...]]:
        if missing := self._missing:
            message = (
                f'no camera_info of the {" and the ".join(missing)} camera yet: '
                f'is {missing[0]}/camera_info remapped to its topic?'
            )
            raise CalibrationError(message)
        if self._decoded is None:
            self._decoded = self._decode_infos()
        return self._decoded

    def _decode_infos(self) -> tuple[tuple[PinholeCamera, ...], tuple[Lens | None, ...]]:
        infos = [self._infos[eye] for eye in self.eyes]
        try:
            return decode_cameras(infos, rectified=self._rectified)
        except (ArithmeticError, ValueError, np.linalg.LinAlgError) as error:
            message = f'the camera_info cannot be used ({error}): calibrate the cameras'
            raise CalibrationError(message) from error
