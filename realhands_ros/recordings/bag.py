"""One recording, whatever its state: its topics, and its messages in the order of recording."""

from __future__ import annotations

import heapq
import io
import struct
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, cast

from rosbags.rosbag2 import Reader, ReaderError

from realhands_ros.errors import DatasetError
from realhands_ros.messages.types import bag_typestore

# The whole records of an mcap file whose end is missing, as a path that rosbags can open.
#
# A recorder that was killed leaves no index and no footer, and a record that ends in its middle.
# The part before that is a valid unindexed file as soon as a footer follows it; here it follows in
# memory, so that nothing is written or copied.

_MAGIC = b'\x89MCAP0\r\n'
_FOOTER, _DATA_END = 0x02, 0x0F
_RECORD_HEAD = struct.Struct('<BQ')
# End of the data without a checksum, and a footer that names no summary.
_TAIL = (
    _RECORD_HEAD.pack(_DATA_END, 4)
    + bytes(4)
    + _RECORD_HEAD.pack(_FOOTER, 20)
    + bytes(20)
    + _MAGIC
)


@dataclass(frozen=True)
class SalvagedMcap:
    """A damaged mcap file; has of pathlib's interface what rosbags asks for."""

    path: Path

    @property
    def suffix(self) -> str:
        """Return '.mcap', by which rosbags knows the format."""
        return '.mcap'

    def __str__(self) -> str:
        return str(self.path)

    def exists(self) -> bool:
        """Return whether the file is there."""
        return self.path.exists()

    def is_dir(self) -> bool:
        """Return False: it is one file."""
        return False

    def open(self, *_: Any, **__: Any) -> BinaryIO:
        """Open the whole records for reading, with a footer behind them."""
        return cast(
            'BinaryIO', io.BufferedReader(_WithTail(self.path, _end_of_records(self.path)))
        )


def is_damaged(path: Path) -> bool:
    """Return whether an mcap file has no end, or no beginning."""
    if path.stat().st_size < 2 * len(_MAGIC):
        return True
    with path.open('rb') as file:
        begins = file.read(len(_MAGIC)) == _MAGIC
        file.seek(-len(_MAGIC), io.SEEK_END)
        return not (begins and file.read() == _MAGIC)


def _end_of_records(path: Path) -> int:
    """Return where the last whole record of the data section ends."""
    size, position = path.stat().st_size, len(_MAGIC)
    with path.open('rb') as file:
        while True:
            file.seek(position)
            head = file.read(_RECORD_HEAD.size)
            if len(head) < _RECORD_HEAD.size:
                return position
            kind, length = _RECORD_HEAD.unpack(head)
            following = position + _RECORD_HEAD.size + length
            if kind in (0, _FOOTER, _DATA_END) or following > size:
                return position
            position = following


class _WithTail(io.RawIOBase):
    """The first bytes of a file, and the tail after them."""

    def __init__(self, path: Path, length: int) -> None:
        self._file = path.open('rb')
        self._length = length
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {
            io.SEEK_SET: 0,
            io.SEEK_CUR: self._position,
            io.SEEK_END: self._length + len(_TAIL),
        }[whence]
        self._position = max(0, base + offset)
        return self._position

    def readinto(self, buffer: Any) -> int:
        wanted = len(buffer)
        if self._position < self._length:
            self._file.seek(self._position)
            data = self._file.read(min(wanted, self._length - self._position))
        else:
            start = self._position - self._length
            data = _TAIL[start : start + wanted]
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)

    def close(self) -> None:
        self._file.close()
        super().close()


_STORAGE_SUFFIXES = ('.mcap', '.db3')


@contextmanager
def open_bag(bag: Path) -> Iterator[Reader]:
    """Give a reader of a bag; DatasetError when it cannot be read."""
    try:
        reader = Reader(bag)
        reader.open()
    except (ReaderError, OSError, ValueError) as error:
        message = f'{bag} cannot be read as a rosbag2 recording ({error})'
        raise DatasetError(message) from error
    try:
        yield reader
    finally:
        reader.close()


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
