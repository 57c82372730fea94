"""Meshes that a recorder wrote, read back frame by frame."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from rclpy.serialization import deserialize_message

from realhands.msg import HandMeshArray
from realhands_ros.hand.hand_mesh import HandMesh
from realhands_ros.nodes.bag_player import open_bag
from realhands_ros.nodes.mesh_conversion import mesh_from_msg
from realhands_ros.nodes.stamps import nanoseconds


class RecordedMeshes:
    """The meshes of a topic by their frames' stamps, which must be asked for in rising order."""

    def __init__(self, bag: Path, topic: str) -> None:
        """Read ``topic``; DatasetError when the bag cannot be read."""
        self._messages = _messages(bag, topic)
        self._next = next(self._messages, None)

    def at(self, stamp_ns: int) -> tuple[HandMesh, ...] | None:
        """
        Return the meshes at a stamp (nanoseconds), None where there is no message of it.

        Raises MessageError when the message contradicts its definition.
        """
        while self._next is not None and nanoseconds(self._next.header.stamp) < stamp_ns:
            self._next = next(self._messages, None)
        if self._next is None or nanoseconds(self._next.header.stamp) != stamp_ns:
            return None
        return tuple(mesh_from_msg(hand) for hand in self._next.hands)


def _messages(bag: Path, topic: str) -> Iterator[HandMeshArray]:
    with open_bag(bag) as reader:
        connections = [c for c in reader.connections if c.topic == topic]
        for _, _, data in reader.messages(connections) if connections else ():
            yield deserialize_message(bytes(data), HandMeshArray)
