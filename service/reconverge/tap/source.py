"""Log files as pieces: read once to the end, or followed while they grow, are rotated and cut."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final

from reconverge.tap.encoding import Plain
from reconverge.tap.framing import Framer, Origin, Piece, Unreadable

_READ_BYTES: Final = 1 << 20
_LINE_BYTES_MAX: Final = 4 << 20
"""A longer line is cut behind its last whole message: raw streams have no line ends at all."""
_ANCHOR_BYTES: Final = 64
"""So many bytes before the position are compared before reading on: a file cut and filled again has
others there."""
_TRAILER_BYTES: Final = len(b"\x0110=000\x01")
_WHOLE = re.compile(rb"\x0110=\d{3}\x01\Z")  # a message's end, whether or not the line's follows


class Log:
    """A log by its name, whose file may be replaced (rename, create) or cut (copy, truncate)."""

    def __init__(self, path: Path, utc_offset_ns: int = 0, *, lenient: bool = False) -> None:
        self.path = path
        self._utc_offset_ns = utc_offset_ns
        self._lenient = lenient
        self._file: BinaryIO = path.open("rb", buffering=0)
        self._partial = b""
        self._begin()

    def __enter__(self) -> "Log":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def all(self) -> Iterator[Piece]:
        """The whole of a file that does not grow."""
        yield from self._to_the_end()
        yield from self.finish()

    def poll(self) -> Iterator[Piece]:
        """What is new in the file that bears the name now; part of a line is kept for later."""
        if self._was_cut():
            yield from self._lost("the file was cut in the middle of this line")
            self._file.seek(0)
            self._partial = b""
            self._begin()
        yield from self._to_the_end()
        replacement = self._replacement()
        if replacement is not None:
            yield from self._to_the_end()  # written between our last read and the rename
            yield from self.finish()
            self._file.close()
            self._file = replacement
            self._begin()
            yield from self._to_the_end()

    def finish(self) -> Iterator[Piece]:
        """What was kept back, when nothing will follow it."""
        for data in self._plain.finish():
            yield from self._lines(data)
        if self._plain.fault is not None:
            where = Origin(str(self.path), self._number + 1)
            yield Unreadable(where, f"{self._plain.fault}; what comes after is lost", b"")
        line, self._partial = self._partial, b""
        if line:
            yield from self._framer.feed(self._number + 1, line)
        yield from self._framer.close()

    def _begin(self) -> None:
        self._framer = Framer(str(self.path), self._utc_offset_ns, lenient=self._lenient)
        self._plain = Plain()
        self._number = 0  # of the last complete line
        self._anchor = b""

    def _to_the_end(self) -> Iterator[Piece]:
        while data := self._file.read(_READ_BYTES):
            self._anchor = (self._anchor + data)[-_ANCHOR_BYTES:]
            for plain in self._plain.feed(data):
                yield from self._lines(plain)
        if _WHOLE.search(self._partial, max(0, len(self._partial) - _TRAILER_BYTES)):
            yield from self._release(len(self._partial))

    def _lines(self, data: bytes) -> Iterator[Piece]:
        """The lines that some plain bytes complete."""
        *lines, self._partial = (self._partial + data).split(b"\n")
        for line in lines:
            self._number += 1
            yield from self._framer.feed(self._number, line)
        if len(self._partial) > _LINE_BYTES_MAX:
            yield from self._release(self._partial.rfind(b"\x0110=") + _TRAILER_BYTES)

    def _release(self, size: int) -> Iterator[Piece]:
        """Take what is whole out of a line that has not ended; all of it where nothing is."""
        cut = size if size >= _TRAILER_BYTES else len(self._partial)
        line, self._partial = self._partial[:cut], self._partial[cut:]
        yield from self._framer.feed(self._number + 1, line)

    def _was_cut(self) -> bool:
        position = self._file.tell()
        fd = self._file.fileno()
        if os.fstat(fd).st_size < position:
            return True
        return os.pread(fd, len(self._anchor), position - len(self._anchor)) != self._anchor

    def _replacement(self) -> BinaryIO | None:
        """The file that has taken the name over, opened, if there is one."""
        try:
            candidate = self.path.open("rb", buffering=0)
        except FileNotFoundError:
            return None
        if os.path.sameopenfile(candidate.fileno(), self._file.fileno()):
            candidate.close()
            return None
        return candidate

    def _lost(self, reason: str) -> Iterator[Piece]:
        if self._partial:
            yield Unreadable(Origin(str(self.path), self._number + 1), reason, self._partial)
        yield from self._framer.close()
