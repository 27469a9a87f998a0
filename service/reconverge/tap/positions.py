"""Where the tap on raw FIX stands, kept in Kafka: for each partition it reads, the position, what
must be remembered there, and how far the output topics went then.

The record is written after the events before the position were acknowledged. What was published
behind it, by a process that died, is found in the output topics themselves: each record there says
which raw record it came from.
"""

import zlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from time import monotonic
from typing import Any, Final

import orjson
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

ORIGIN: Final = "fix"
"""Header of an event: the raw record it came from, as ``TOPIC/PARTITION/OFFSET/INDEX``; the index
tells the events of one record apart."""
STATE_BYTES_MAX: Final = 900_000
"""Packed: some thousands of sessions in a partition. Kafka's default limit of a record is 1 MB."""
STALL_S_MAX: Final = 60.0
"""A broker that has records and gives none for so long gives none at all."""
_FETCH_MS: Final = 500
READER: Final = {"auto_offset_reset": "earliest", "fetch_max_wait_ms": 20}
"""How such a reader is made: it reads what is there, and waits for nothing."""

Mark = tuple[int, int]
"""Offset of a raw record, and which of its events."""
Outputs = dict[str, list[int]]
"""By output topic, the next offset of each of its partitions."""


@dataclass(slots=True)
class Position:
    """What is remembered of one partition of a raw topic."""

    offset: int
    """The next raw record to read."""
    sources: list[Any]
    """``Feed.dump``."""
    outputs: Outputs
    """How far the outputs went when all before the offset was acknowledged."""

    def packed(self) -> bytes:
        """As a record's value. Raises OverflowError when it is larger than a record may be."""
        plain = {"offset": self.offset, "sources": self.sources, "outputs": self.outputs}
        packed = zlib.compress(orjson.dumps(plain), 1)
        if len(packed) > STATE_BYTES_MAX:
            raise OverflowError(f"{len(packed)} bytes to remember are too many for a record")
        return packed

    @classmethod
    def unpacked(cls, value: bytes) -> "Position":
        """Inverse of ``packed``."""
        return cls(**orjson.loads(zlib.decompress(value)))


def origin(place: TopicPartition, mark: Mark) -> bytes:
    """The value of the header ``ORIGIN``."""
    return f"{place.topic}/{place.partition}/{mark[0]}/{mark[1]}".encode()


def mark_of(record: ConsumerRecord[bytes, bytes], place: TopicPartition) -> Mark | None:
    """Which event of which raw record of a partition an output record holds; None if of another."""
    for name, value in record.headers:
        if name == ORIGIN:
            *found, offset, index = value.decode().rsplit("/", 3)
            if found == [place.topic, str(place.partition)]:
                return int(offset), int(index)
    return None


async def between(
    reader: AIOKafkaConsumer, spans: Mapping[TopicPartition, tuple[int, int]]
) -> AsyncIterator[tuple[TopicPartition, ConsumerRecord[bytes, bytes]]]:
    """The records of some partitions, each from one offset up to another.

    Raises TimeoutError when the brokers say nothing for long.
    """
    left = {place: span for place, span in spans.items() if span[0] < span[1]}
    if not left:
        return
    starts = await reader.beginning_offsets(list(left))
    reader.assign(list(left))
    for place, (first, _) in left.items():
        reader.seek(place, max(first, starts[place]))
    heard_s = monotonic()
    while left:
        if monotonic() - heard_s > STALL_S_MAX:
            raise TimeoutError(f"nothing came for {STALL_S_MAX:g} s of {', '.join(map(str, left))}")
        for place, records in (await reader.getmany(*left, timeout_ms=_FETCH_MS)).items():
            for record in records:
                if record.offset < left[place][1]:
                    yield place, record
            heard_s = monotonic()
        at = {place: await reader.position(place) for place in left}
        left = {place: span for place, span in left.items() if at[place] < span[1]}


async def newest(reader: AIOKafkaConsumer, place: TopicPartition, key: bytes) -> Position | None:
    """The newest position of a key in the partition that holds it; None if it has none yet."""
    (end,) = (await reader.end_offsets([place])).values()
    found: bytes | None = None
    async for _, record in between(reader, {place: (0, end)}):
        if record.key == key and record.value is not None:
            found = record.value
    return None if found is None else Position.unpacked(found)


async def published(
    reader: AIOKafkaConsumer, place: TopicPartition, began: Outputs, ended: Outputs
) -> dict[TopicPartition, Mark]:
    """Up to which event of a raw partition each output partition has them.

    They went there in order, so all before it are there. Looked for between where the outputs were
    when the position was written, and where they are.
    """
    spans = {
        TopicPartition(topic, partition): (_at(began.get(topic, ends), partition), end)
        for topic, ends in ended.items()
        for partition, end in enumerate(ends)
    }
    found: dict[TopicPartition, Mark] = {}
    async for output, record in between(reader, spans):
        mark = mark_of(record, place)
        if mark is not None:
            found[output] = max(mark, found.get(output, mark))
    return found


def _at(offsets: list[int], partition: int) -> int:
    """Of a partition that was added since, its beginning."""
    return offsets[partition] if partition < len(offsets) else 0
