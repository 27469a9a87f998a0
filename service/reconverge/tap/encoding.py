"""What a log file is written in, told by its first bytes: plain, UTF-8 with a mark, UTF-16, gzip of
any of these. Out come the bytes of a raw log, in UTF-8 what was UTF-16.
"""

import codecs
import zlib
from collections.abc import Iterator
from typing import Final

CHUNK_BYTES: Final = 1 << 20
"""So much of a compressed file is unpacked at a time, however well it was packed."""
_SNIFFED_BYTES: Final = 4
_GZIP: Final = b"\x1f\x8b"
_WITH_ANY_HEADER: Final = 31  # zlib's word for gzip
_UTF16: Final = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}


class Plain:
    """Bytes of a log as they come, turned into those of a plain one."""

    def __init__(self) -> None:
        self.fault: str | None = None
        """Why the rest of the file cannot be read, once that is so."""
        self._sniffed = b""
        self._packed: zlib._Decompress | None = None
        self._inner: Plain | None = None  # of what was packed
        self._text: codecs.IncrementalDecoder | None = None
        self._is_known = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        """What a piece of the file says."""
        if self.fault is not None:
            return
        if not self._is_known:
            self._sniffed += data
            if len(self._sniffed) < _SNIFFED_BYTES:
                return
            data = self._begin()
        yield from self._decoded(data)

    def finish(self) -> Iterator[bytes]:
        """What was kept back, when the file ends here."""
        if not self._is_known:
            yield from self._decoded(self._begin())
        if self._packed is not None and self._inner is not None:
            if self.fault is None:
                yield from self._inner.feed(self._packed.flush())
            yield from self._inner.finish()
            if not self._packed.eof and self.fault is None:
                self.fault = "the gzip data breaks off here"
        if self._text is not None:
            yield self._text.decode(b"", final=True).encode()

    def _begin(self) -> bytes:
        """Settle what the file is written in; the bytes that are left to read."""
        start, self._sniffed, self._is_known = self._sniffed, b"", True
        if start.startswith(_GZIP):
            self._packed, self._inner = zlib.decompressobj(_WITH_ANY_HEADER), Plain()
        elif start.startswith(codecs.BOM_UTF8):
            return start[len(codecs.BOM_UTF8) :]
        elif (encoding := _UTF16.get(start[:2])) is not None:
            self._text = codecs.getincrementaldecoder(encoding)("replace")
            return start[2:]
        elif len(start) >= _SNIFFED_BYTES and not start[1] and not start[3] and start[0]:
            self._text = codecs.getincrementaldecoder("utf-16-le")("replace")
        elif len(start) >= _SNIFFED_BYTES and not start[0] and not start[2] and start[1]:
            self._text = codecs.getincrementaldecoder("utf-16-be")("replace")
        return start

    def _decoded(self, data: bytes) -> Iterator[bytes]:
        if self._inner is not None:
            yield from self._unpacked(data, self._inner)
        elif self._text is not None:
            yield self._text.decode(data).encode()
        else:
            yield data

    def _unpacked(self, data: bytes, inner: "Plain") -> Iterator[bytes]:
        """Members one after the other, as tools that append to a packed log write them."""
        while data and self._packed is not None:
            if self._packed.eof:
                if not data.startswith(_GZIP):  # zeros that fill a block up
                    return
                self._packed = zlib.decompressobj(_WITH_ANY_HEADER)
            try:
                yield from inner.feed(self._packed.decompress(data, CHUNK_BYTES))
            except zlib.error as error:
                self.fault = f"the gzip data is broken: {error}"
                return
            data = self._packed.unconsumed_tail or self._packed.unused_data
