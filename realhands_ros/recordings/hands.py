"""The hands that the nodes' recorder wrote to a bag, frame by frame, without ROS."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray
from rosbags.rosbag2 import Reader

from realhands_ros.data.hands import (
    HandMesh,
    HandObservation,
    with_silhouettes,
)
from realhands_ros.errors import DatasetError
from realhands_ros.messages.decode import atlas_from_msg, read_mesh, read_observation
from realhands_ros.messages.topics import MESH, OBSERVATIONS, REGRESSED, RESULT_TYPES, TEXTURE
from realhands_ros.messages.types import serialised_stamp_ns, stamp_ns
from realhands_ros.recordings.bag import BagFile

T = TypeVar('T')
Image = NDArray[np.uint8]

# The stages between topics, whose times the recorder's clock tells.
_STEPS = {'handnet': (OBSERVATIONS, REGRESSED), 'refinement': (REGRESSED, MESH)}


def find_hands(topics: Mapping[str, str]) -> dict[str, str]:
    """
    Return the recorded topics of hands, as far as they are there.

    The keys are the names that the nodes give them, which a recorded name ends in, whatever its
    namespace.
    """
    return {
        end: topic
        for end, kind in RESULT_TYPES.items()
        for topic, found in sorted(topics.items(), reverse=True)
        if found == kind and f'/{topic}'.endswith(f'/{end}')
    }


class RecordedHands:
    """What a bag knows of hands, by stamps that must be asked for in rising order."""

    def __init__(self, path: Path, stack: ExitStack) -> None:
        """
        Open the bag until ``stack`` closes; DatasetError when it holds no meshes.

        A topic is read by an opening of its own, since a damaged file can be read at one place at
        a time only.
        """
        topics = find_hands(stack.enter_context(BagFile(path)).topics)
        if MESH not in topics and REGRESSED not in topics:
            message = f'{path} has no topic {MESH}: name a bag that `--record` wrote'
            raise DatasetError(message)

        def stream(end: str, convert: Callable[[Any], T]) -> _ByStamp[T]:
            if end not in topics:
                return _ByStamp(iter(()), convert)
            bag = stack.enter_context(BagFile(path))
            return _ByStamp((m for _, m in bag.messages({topics[end]})), convert)

        self._meshes = stream(MESH, lambda m: tuple(map(read_mesh, m.hands)))
        self._regressed = stream(REGRESSED, lambda m: tuple(map(read_mesh, m.hands)))
        self._observations = stream(OBSERVATIONS, lambda m: tuple(map(read_observation, m.hands)))
        self._textures = stream(TEXTURE, lambda m: (str(m.id), atlas_from_msg(m)))
        self.atlases: dict[str, Image] = {}
        self._times = _record_times(path, topics)
        self._topics = topics

    def stamps(self) -> list[int]:
        """Return the stamps at which there are meshes."""
        return sorted(self._times.get(MESH) or self._times.get(REGRESSED, {}))

    def at(
        self, stamp: int
    ) -> tuple[tuple[HandMesh, ...], tuple[HandMesh, ...], tuple[HandObservation, ...]]:
        """Return meshes, regressed meshes and observations; ``atlases`` are brought up to date."""
        for key, atlas in self._textures.until(stamp):
            self.atlases[key] = atlas
        regressed = self._regressed.at(stamp) or ()
        meshes = self._meshes.at(stamp)
        if meshes is None:
            meshes, regressed = regressed, ()
        meshes = with_silhouettes(meshes, regressed)
        return meshes, regressed, self._observations.at(stamp) or ()

    def latency_ms(self, stamp: int) -> dict[str, float]:
        """Return how long the stages took, by the recorder's clock."""
        plots = {}
        for stage, (begin, end) in _STEPS.items():
            first, last = (self._times.get(topic, {}).get(stamp) for topic in (begin, end))
            if first is not None and last is not None:
                plots[f'latency/{stage}'] = 1e-6 * (last - first)
        return plots


class _ByStamp(Generic[T]):
    """A stream of messages, looked at by stamp."""

    def __init__(self, messages: Iterator[Any], convert: Callable[[Any], T]) -> None:
        self._messages = messages
        self._convert = convert
        self._next: Any | None = next(messages, None)

    def at(self, stamp: int) -> T | None:
        """Return what has this very stamp."""
        while self._next is not None and stamp_ns(self._next) < stamp:
            self._next = next(self._messages, None)
        if self._next is None or stamp_ns(self._next) != stamp:
            return None
        return self._convert(self._next)

    def until(self, stamp: int) -> Iterator[T]:
        """Give what has come up to a stamp."""
        while self._next is not None and stamp_ns(self._next) <= stamp:
            yield self._convert(self._next)
            self._next = next(self._messages, None)


def _record_times(path: Path, topics: Mapping[str, str]) -> dict[str, dict[int, int]]:
    """Return when each stamp of each topic was recorded, nanoseconds; as far as can be read."""
    ends = {topic: end for end, topic in topics.items() if end != TEXTURE}
    times: dict[str, dict[int, int]] = {end: {} for end in ends.values()}
    try:
        with Reader(path) as reader:
            wanted = [c for c in reader.connections if c.topic in ends]
            for connection, recorded, data in reader.messages(wanted):
                stamp = serialised_stamp_ns(data)
                times[ends[connection.topic]].setdefault(stamp, recorded)
    # A damaged recording has no times; what it shows is read elsewhere.
    except Exception:  # noqa: BLE001
        pass
    return times
