"""
The whole records of an mcap file whose end is missing, as a path that rosbags can open.

A recorder that was killed leaves no index and no footer, and a record that ends in its middle. The
part before that is a valid unindexed file as soon as a footer follows it; here it follows in
memory, so that nothing is written or copied.
"""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

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
