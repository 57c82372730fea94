"""One recording, whatever its state: its topics, and its messages in the order of recording."""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, cast

from rosbags.rosbag2 import Reader, ReaderError

from realhands_ros.bag_types import bag_typestore
from realhands_ros.errors import DatasetError
from realhands_ros.evaluation.bags.salvage import SalvagedMcap, is_damaged

_STORAGE_SUFFIXES = ('.mcap', '.db3')


class BagFile:
    """
    A rosbag2 folder, or a single mcap or sqlite3 file; use it as a context manager.

    ``damage`` says in words what is wrong with the recording, None while nothing is; what can be
    read of a damaged one is read. Raises DatasetError when nothing can be.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.damage: str | None = None
        self._readers: list[Reader] = []
        self._stack = ExitStack()

    def __enter__(self) -> BagFile:
        """Open the recording."""
        if not self.path.exists():
            message = f'{self.path} does not exist: name a rosbag2 folder or an mcap file'
            raise DatasetError(message)
        try:
            self._readers = [self._stack.enter_context(Reader(self.path))]
        except (ReaderError, FileNotFoundError, OSError, ValueError) as error:
            self.damage = str(error)
            self._readers = [reader for path in self._files() if (reader := self._salvage(path))]
        if not self._readers:
            message = f'{self.path} cannot be read as a rosbag2 recording ({self.damage})'
            raise DatasetError(message)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close its files."""
        self._stack.close()

    @property
    def topics(self) -> dict[str, str]:
        """Return the type of each topic that has messages, or may have."""
        return {
            connection.topic: connection.msgtype
            for reader in self._readers
            for connection in reader.connections
        }

    def count(self, topic: str) -> int:
        """Return how many messages a topic has."""
        return sum(
            connection.msgcount
            for reader in self._readers
            for connection in reader.connections
            if connection.topic == topic
        )

    def messages(self, topics: Collection[str]) -> Iterator[tuple[str, Any]]:
        """Read the messages of some topics; where the data ends early, ``damage`` says so."""
        merged = heapq.merge(
            *(self._raw(reader, topics) for reader in self._readers), key=lambda row: row[0]
        )
        for _, topic, kind, data in merged:
            yield topic, bag_typestore().deserialize_cdr(data, kind)

    def _raw(
        self, reader: Reader, topics: Collection[str]
    ) -> Iterator[tuple[int, str, str, bytes]]:
        connections = [c for c in reader.connections if c.topic in topics]
        messages = iter(reader.messages(connections)) if connections else iter(())
        while True:
            try:
                connection, stamp, data = next(messages)
            except StopIteration:
                return
            # Damaged bytes raise anything: of the decompressor, of struct, of sqlite.
            except Exception as error:  # noqa: BLE001
                self.damage = self.damage or f'{type(error).__name__}: {error}'
                return
            yield stamp, connection.topic, connection.msgtype, data

    def _files(self) -> list[Path]:
        if not self.path.is_dir():
            return [self.path]
        return sorted(path for path in self.path.iterdir() if path.suffix in _STORAGE_SUFFIXES)

    def _salvage(self, path: Path) -> Reader | None:
        """Open one file by itself, None when nothing can be read of it."""
        try:
            is_cut = path.suffix == '.mcap' and is_damaged(path)
            reader = Reader(cast('Any', SalvagedMcap(path)) if is_cut else path)
            return self._stack.enter_context(reader)
        except Exception as error:  # noqa: BLE001 as in _raw
            self.damage = f'{path.name}: {error}'
            return None
