"""Messages as bags hold them: their types for rosbags, their stamps. No ROS is needed."""

from __future__ import annotations

import importlib
from functools import lru_cache
from typing import Any

from rosbags.interfaces import (
    Qos,
    QosDurability,
    QosHistory,
    QosLiveliness,
    QosReliability,
    QosTime,
)
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from realhands_ros.resources import resource_path


@lru_cache(maxsize=1)
def bag_typestore() -> Typestore:
    """
    Return a store of ROS 2's common messages and of ``realhands/msg/*``.

    Raises ConfigError when the package's msg folder is missing.
    """
    store = get_typestore(Stores.LATEST)
    types = {}
    for path in sorted(resource_path('msg').glob('*.msg')):
        types.update(get_types_from_msg(path.read_text(), f'realhands/msg/{path.stem}'))
    store.register(types)
    return store


def message_class(name: str) -> Any:
    """
    Return the class that ROS has for a type of message, such as 'sensor_msgs/msg/Image'.

    Raises ImportError or AttributeError where the type is not installed.
    """
    package, _, kind = name.partition('/msg/')
    return getattr(importlib.import_module(f'{package}.msg'), kind)


def reliable_qos(depth: int, *, is_latched: bool = False) -> Qos:
    """Return the quality of service of a reliable topic, the last ``depth`` messages kept."""
    unlimited = QosTime(0, 0)
    return Qos(
        QosHistory.KEEP_LAST,
        depth,
        QosReliability.RELIABLE,
        QosDurability.TRANSIENT_LOCAL if is_latched else QosDurability.VOLATILE,
        unlimited,
        unlimited,
        QosLiveliness.AUTOMATIC,
        unlimited,
        avoid_ros_namespace_conventions=False,
    )


def serialised_stamp_ns(data: bytes) -> int:
    """
    Return the stamp, nanoseconds, of a serialised message (CDR) that begins with a Header.

    Behind four bytes that name the encoding (little endian, what rosbag2 and DDS write) stand
    seconds and nanoseconds.
    """
    seconds = int.from_bytes(data[4:8], 'little', signed=True)
    return seconds * 1_000_000_000 + int.from_bytes(data[8:12], 'little')


def stamp_ns(message: Any) -> int:
    """Return a message's stamp in nanoseconds."""
    return int(message.header.stamp.sec) * 1_000_000_000 + int(message.header.stamp.nanosec)
