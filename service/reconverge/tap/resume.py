"""Where a publication left off: the topic itself is the record of it, and no file beside it.

A tap that is started again reads its logs from the start, as it must to know the session. What the
topic already has must not go there twice: its numbers would look reused (R4).
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.partitioner import DefaultPartitioner

from reconverge.core.messages.decode import Undecodable, decode
from reconverge.core.messages.events import StreamEvent

WINDOW_RECORDS: Final = 2_000
"""Records looked at in one step back from the end of the partition."""
LOOK_BACK_RECORDS: Final = 500_000
"""How far back a session's newest event is looked for, among those of the sessions it shares its
partition with: some seconds' reading."""
DEADLINE_S: Final = 60.0
"""For all of it; beyond that the broker is in no state to publish to either."""


@dataclass(frozen=True, slots=True)
class Source:
    """Whose events: a session's, of one drop-copy channel where ``channel`` names it."""

    session: str
    channel: str | None = None


async def newest(topic: str, source: Source, **reached: Any) -> StreamEvent | None:
    """The newest event of a source in a topic; None if there is none within reach."""
    # The topic is named here so that its partitions are known after the start, or it is missed.
    consumer = AIOKafkaConsumer(topic, auto_offset_reset="earliest", **reached)
    try:
        async with asyncio.timeout(DEADLINE_S):
            await consumer.start()
            partitions = sorted(consumer.partitions_for_topic(topic))
            key = source.session.encode()
            partition = TopicPartition(topic, DefaultPartitioner()(key, partitions, partitions))
            consumer.unsubscribe()
            return await _newest_in(consumer, partition, source)
    finally:
        await asyncio.wait_for(consumer.stop(), DEADLINE_S)


async def after(
    events: AsyncIterator[StreamEvent], last: StreamEvent | None
) -> AsyncIterator[StreamEvent]:
    """The events behind ``last``; where the logs lack it, those later than it."""
    is_new = last is None
    async for event in events:
        if is_new:
            yield event
        elif event == last:
            is_new = True
        elif last is not None and event.ingest_ns > last.ingest_ns:
            is_new = True
            yield event


async def _newest_in(
    consumer: AIOKafkaConsumer, partition: TopicPartition, source: Source
) -> StreamEvent | None:
    consumer.assign([partition])
    (first,) = (await consumer.beginning_offsets([partition])).values()
    (end,) = (await consumer.end_offsets([partition])).values()
    oldest = max(first, end - LOOK_BACK_RECORDS)
    while end > oldest:
        start = max(oldest, end - WINDOW_RECORDS)
        found = None
        consumer.seek(partition, start)
        while await consumer.position(partition) < end:
            for records in (await consumer.getmany(partition, timeout_ms=500)).values():
                for record in records:
                    if record.offset < end:
                        found = _event(record.key, record.value, source) or found
        if found is not None:
            return found
        end = start
    return None


def _event(key: bytes | None, value: bytes | None, source: Source) -> StreamEvent | None:
    if key != source.session.encode() or value is None:
        return None
    try:
        event = decode(value)
    except Undecodable:
        return None  # not ours; whoever reads the topic will say so
    if not isinstance(event, StreamEvent) or source.channel not in {None, event.channel}:
        return None
    return event
