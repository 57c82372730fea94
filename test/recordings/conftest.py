"""Small recordings, message by message, so that every fault of a recording can be made."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rosbags.rosbag2 import StoragePlugin, Writer

from realhands_ros.data.hands import HandMesh, HandView
from realhands_ros.geometry.camera import StereoRig
from realhands_ros.hand.fast_model import FastHandModel
from realhands_ros.messages.topics import TRUTH_TOPIC, ZedNames
from realhands_ros.messages.types import bag_typestore
from realhands_ros.synthesis.zed_bag.messages import (
    camera_info_message,
    hands_message,
    header_message,
    image_message,
)

RIG = StereoRig.rectified(fx=60, fy=60, cx=31.5, cy=23.5, width=64, height=48, baseline=0.12)
START_NS = 1_700_000_000_000_000_000
STEP_NS = 100_000_000


class Recorder:
    """Writes single messages of a small ZED."""

    def __init__(self, writer: Writer, names: ZedNames, truth: HandMesh) -> None:
        self._writer, self._names, self._truth = writer, names, truth
        self._rng = np.random.default_rng(0)
        self._connections: dict[str, Any] = {}

    def image(self, eye: str, frame: int, frame_id: str | None = None, change=None) -> None:
        pixels = self._rng.integers(0, 255, (48, 64, 4), np.uint8)
        message = image_message(self._header(eye, frame, frame_id), pixels)
        if change is not None:
            change(message)
        self._write(self._names.image(eye), frame, message)

    def info(self, eye: str, frame: int = 0) -> None:
        camera = RIG.left if eye == 'left' else RIG.right
        message = camera_info_message(self._header(eye, frame), camera, 'zed2i')
        self._write(self._names.camera_info(eye), frame, message)

    def truth(self, frame: int, frame_id: str | None = None) -> None:
        header = self._header('left', frame, frame_id)
        self._write(TRUTH_TOPIC, frame, hands_message(header, [self._truth]))

    def pair(self, frame: int, **options) -> None:
        for eye in ('left', 'right'):
            self.info(eye, frame)
            self.image(eye, frame, **options)

    def _header(self, eye: str, frame: int, frame_id: str | None = None) -> Any:
        stamp = START_NS + frame * STEP_NS
        return header_message(stamp, frame_id or self._names.optical_frame(eye))

    def _write(self, topic: str, frame: int, message: Any) -> None:
        if topic not in self._connections:
            self._connections[topic] = self._writer.add_connection(
                topic, message.__msgtype__, typestore=bag_typestore()
            )
        connection = self._connections[topic]
        data = bag_typestore().serialize_cdr(message, connection.msgtype)
        self._writer.write(connection, START_NS + frame * STEP_NS, data)


@pytest.fixture(scope='session')
def true_mesh(models) -> HandMesh:
    posed = FastHandModel(models['right']).forward(np.zeros(48), np.zeros(10), (0.0, 0.0, 0.4))
    seen = HandView(np.zeros((21, 2)), np.ones(21))
    return HandMesh(
        'a', 'right', posed.vertices, posed.keypoints, np.zeros(48), np.zeros(3), '',
        views=(seen, seen),
    )  # fmt: skip


@pytest.fixture
def record(tmp_path: Path, true_mesh: HandMesh) -> Callable[..., Any]:
    @contextmanager
    def recorder(
        version: str = '5.1', storage: StoragePlugin = StoragePlugin.MCAP
    ) -> Iterator[Recorder]:
        with Writer(tmp_path / 'bag', version=8, storage_plugin=storage) as writer:
            yield Recorder(writer, ZedNames(version), true_mesh)

    return recorder
