"""Write a rosbag2 (mcap) of a ZED's topics, and of the truth; whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from rosbags.interfaces import Connection
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer

from realhands_ros.data.hands import HandMesh, MeshTopology
from realhands_ros.errors import DatasetError
from realhands_ros.geometry.camera import StereoRig
from realhands_ros.messages.topics import (
    CAMERA_INFO_TYPE,
    EYES,
    HANDS_TYPE,
    IMAGE_TYPES,
    RESULT_TYPES,
    TOPOLOGY,
    TRUTH_TOPIC,
    TRUTH_TOPOLOGY_TOPIC,
    ZedNames,
)
from realhands_ros.messages.types import bag_typestore, reliable_qos
from realhands_ros.synthesis.zed_bag.messages import (
    camera_info_message,
    hands_message,
    header_message,
    image_message,
    topology_message,
)

# From version 9 on metadata.yaml spells its QoS profiles in a way that Humble cannot read.
_BAG_VERSION: Literal[8] = 8
_QUEUE_DEPTH = 10


class ZedBagWriter:
    """An open bag; use it as a context manager."""

    def __init__(
        self,
        folder: Path,
        wrappers: Sequence[ZedNames],
        rig: StereoRig,
        camera_model: str,
        notes: Mapping[str, str],
    ) -> None:
        """
        Prepare a bag in ``folder``, which must not exist yet.

        ``camera_model`` is a name of rigs.ZED_MODELS; ``notes`` become the bag's custom_data. The
        truth is in the left frame of the last of ``wrappers``.
        """
        self._wrappers = wrappers
        self._rig = rig
        self._camera_model = camera_model
        self._writer = Writer(folder, version=_BAG_VERSION, storage_plugin=StoragePlugin.MCAP)
        # Chunks inside the mcap file: players read it without unpacking it first.
        self._writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
        for key, value in notes.items():
            self._writer.set_custom_data(key, value)
        self._connections: dict[str, Connection] = {}

    def __enter__(self) -> ZedBagWriter:
        """Open the bag and announce its topics."""
        self._writer.open()
        for names in self._wrappers:
            for eye in EYES:
                self._announce(names.image(eye), IMAGE_TYPES[0])
                self._announce(names.camera_info(eye), CAMERA_INFO_TYPE)
        self._announce(TRUTH_TOPIC, HANDS_TYPE)
        self._announce(TRUTH_TOPOLOGY_TOPIC, RESULT_TYPES[TOPOLOGY], is_latched=True)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Write index and metadata, unless there was an error."""
        self._writer.__exit__(kind, error, traceback)

    def write_topology(self, stamp_ns: int, topology: MeshTopology) -> None:
        """Write the latched topology of one hand; ``stamp_ns`` since the epoch."""
        self._write(TRUTH_TOPOLOGY_TOPIC, stamp_ns, topology_message(topology))

    def write_frame(self, stamp_ns: int, images: NDArray[np.uint8], hands: list[HandMesh]) -> None:
        """Write images (2, H, W, 4) in BGRA, both calibrations and the truth, under one stamp."""
        for names in self._wrappers:
            for eye, pixels, camera in zip(EYES, images, self._rig.views, strict=True):
                header = header_message(stamp_ns, names.optical_frame(eye))
                self._write(names.image(eye), stamp_ns, image_message(header, pixels))
                info = camera_info_message(header, camera, self._camera_model)
                self._write(names.camera_info(eye), stamp_ns, info)
        left = header_message(stamp_ns, self._wrappers[-1].optical_frame('left'))
        self._write(TRUTH_TOPIC, stamp_ns, hands_message(left, hands))

    def _announce(self, topic: str, kind: str, *, is_latched: bool = False) -> None:
        self._connections[topic] = self._writer.add_connection(
            topic,
            kind,
            typestore=bag_typestore(),
            offered_qos_profiles=[reliable_qos(_QUEUE_DEPTH, is_latched=is_latched)],
        )

    def _write(self, topic: str, stamp_ns: int, message: Any) -> None:
        connection = self._connections[topic]
        data = bag_typestore().serialize_cdr(message, connection.msgtype)
        self._writer.write(connection, stamp_ns, data)


@contextmanager
def whole_or_nothing(bag: Path) -> Iterator[Path]:
    """
    Give a folder to write a bag to, which becomes ``bag`` if the block ends without an error.

    Raises DatasetError when ``bag`` exists, an unfinished bag lies where this one would be made,
    or it cannot be written (disk full); nothing is left behind then.
    """
    _expect_free(bag)
    unfinished = bag.with_name(f'{bag.name}.partial')
    _expect_free(unfinished)
    try:
        # rosbags names the file after its folder, which so has the bag's name from the start.
        unfinished.mkdir(parents=True)
        yield unfinished / bag.name
        _flush_to_disk(unfinished / bag.name)
        (unfinished / bag.name).rename(bag)
    except OSError as error:
        message = (
            f'{bag} cannot be written ({error.strerror or error}): '
            'make room or choose another place'
        )
        raise DatasetError(message) from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _expect_free(path: Path) -> None:
    if path.exists():
        message = f'{path} exists already and is not overwritten: delete it or choose another name'
        raise DatasetError(message)


def _flush_to_disk(folder: Path) -> None:
    for path in folder.iterdir():
        with path.open('rb') as file:
            os.fsync(file.fileno())
