"""Snapshots: the whole state of a partition in chunks small enough for Kafka, and back.

A snapshot exists once its manifest (`records.Snapshot`) is in the journal, which is written after
every chunk was acknowledged. The snapshots topic is a plain store: chunks nobody's manifest points
at are left for retention to delete, and a chunk is recognised by its headers, so whatever a zombie
writes between two chunks does no harm.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from typing import NamedTuple

import msgspec

from reconverge.stream.folding import Row
from reconverge.stream.history.records import Snapshot
from reconverge.stream.log import Log, Message, Record, Sent, read

_ROWS_AT_ONCE = 64
"""Rows encoded in one go; one with so many that they exceed a chunk is halved until it fits."""
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(list[Row]).decode
"""Not by orjson: a sum of quantities may exceed 64 bits."""
_CHUNKS_ON_THE_WAY = 8
"""Chunks sent and not yet acknowledged: four megabytes, whatever the size of the state."""


class Unreadable(Exception):
    """A snapshot that is not whole (any more).

    Chunks are missing, or are not what the manifest says.
    """


class Written(NamedTuple):
    """What a manifest needs to know of the chunks."""

    first: int
    last: int
    chunks: int
    rows: int
    size_bytes: int
    digest: str


async def write(
    log: Log, topic: str, snapshot_id: str, rows: Iterable[Row], chunk_bytes: int
) -> Written:
    """Write the chunks of a snapshot; all are acknowledged on return.

    Raises what `Log.send` raises.
    """
    offsets: list[int] = []
    on_the_way: deque[Sent] = deque()
    rows_total = size = 0
    digest = blake2b(digest_size=16)
    for index, (count, chunk) in enumerate(_chunks(rows, chunk_bytes)):
        headers = [("snapshot", snapshot_id.encode()), ("chunk", b"%d" % index)]
        on_the_way.extend(await log.send([Message(topic, snapshot_id.encode(), chunk, headers)]))
        rows_total, size = rows_total + count, size + len(chunk)
        digest.update(chunk)
        if len(on_the_way) == _CHUNKS_ON_THE_WAY:
            offsets.append(await log.acknowledged(on_the_way.popleft()))
    offsets += [await log.acknowledged(sent) for sent in on_the_way]
    return Written(offsets[0], offsets[-1], len(offsets), rows_total, size, digest.hexdigest())


async def load(
    log: Log, topic: str, manifest: Snapshot, bytes_max: int, wait_s: float
) -> Iterator[Row]:
    """The rows of a snapshot, verified as a whole before the first is given.

    Raises `Unreadable`, and `LogError` when that cannot be told just now.
    """
    if manifest.size_bytes > bytes_max:
        raise Unreadable(f"{manifest.size_bytes} bytes are more than the limit of {bytes_max}")
    start, end = await log.span(topic)
    if not start <= manifest.first <= manifest.last < end:
        raise Unreadable(f"its chunks are outside what {topic} holds: {start} to {end - 1}")
    records = await read(log, topic, manifest.first, manifest.last + 1, wait_s)
    chunks = _own_chunks(records, manifest.id)
    if len(chunks) != manifest.chunks:
        raise Unreadable(f"{len(chunks)} chunks of {manifest.chunks}")
    digest = blake2b(digest_size=16)
    for chunk in chunks:
        digest.update(chunk)
    if digest.hexdigest() != manifest.digest:
        raise Unreadable("its digest differs from the manifest's")
    return _rows(chunks)


def _own_chunks(records: Iterable[Record], snapshot_id: str) -> list[bytes]:
    own = ("snapshot", snapshot_id.encode())
    return [record.value or b"" for record in records if own in record.headers]


def _rows(chunks: list[bytes]) -> Iterator[Row]:
    """Each chunk is let go of before the next is parsed."""
    chunks.reverse()
    while chunks:
        yield from _decode(chunks.pop())


def _chunks(rows: Iterable[Row], chunk_bytes: int) -> Iterator[tuple[int, bytes]]:
    """Rows as JSON arrays of at most `chunk_bytes`, unless one row alone is larger.

    At least one chunk.
    """
    parts: list[bytes] = []
    count = size = 0
    for part_count, part in _parts(rows, chunk_bytes):
        if size + len(part) > chunk_bytes and parts:
            yield count, b"[%b]" % b",".join(parts)
            parts, count, size = [], 0, 0
        parts.append(part)
        count += part_count
        size += len(part) + 1
    yield count, b"[%b]" % b",".join(parts)


def _parts(rows: Iterable[Row], chunk_bytes: int) -> Iterator[tuple[int, bytes]]:
    batch: list[Row] = []
    for row in rows:
        batch.append(row)
        if len(batch) == _ROWS_AT_ONCE:
            yield from _halved(batch, chunk_bytes)
            batch = []
    if batch:
        yield from _halved(batch, chunk_bytes)


def _halved(batch: list[Row], chunk_bytes: int) -> Iterator[tuple[int, bytes]]:
    part = _encode(batch)[1:-1]
    if len(part) <= chunk_bytes or len(batch) == 1:
        yield len(batch), part
        return
    middle = len(batch) // 2
    yield from _halved(batch[:middle], chunk_bytes)
    yield from _halved(batch[middle:], chunk_bytes)
