"""The `Log` of production: one partition of Kafka through aiokafka 0.14.

Every Kafka option is spelt out here, at one call site for each kind of client; connection and
security options come from the settings. Hazards of the client that this file meets: `stop()` and
sends can hang with the broker down (aiokafka #712, #773, #1101), so a deadline is round every
await; a producer's fatal error leaves it useless without a sign, so producers live no longer than
their worker.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import (
    KafkaError,
    MessageSizeTooLargeError,
    OffsetOutOfRangeError,
    RecordTooLargeError,
)

from reconverge.stream.log import (
    LogError,
    Message,
    OutcomeUnknown,
    OutOfRange,
    Record,
    Sent,
    Tail,
    TooLarge,
)
from reconverge.stream.options import Deadlines

Connection = Mapping[str, Any]
"""What every client is given alike.

`bootstrap_servers`, and `security_protocol`, `sasl_*`, `ssl_context` where needed.
"""

_RECORD_BYTES_MAX = 4 * 1024 * 1024
"""Above Kafka's default of 1 MiB.

The broker's limit is the one that counts, and its refusal is understood.
"""


_TOO_LARGE = (MessageSizeTooLargeError, RecordTooLargeError)
_FAILURES = (KafkaError, OSError, AssertionError)  # it asserts that a partition is known


def _producer(connection: Connection, client_id: str, delivery_s: float) -> AIOKafkaProducer:
    return AIOKafkaProducer(
        **connection,
        client_id=client_id,
        acks="all",
        enable_idempotence=True,
        linger_ms=0,  # the worker batches already
        max_batch_size=256 * 1024,
        max_request_size=_RECORD_BYTES_MAX,
        request_timeout_ms=int(delivery_s * 1_000),
        retry_backoff_ms=50,
        metadata_max_age_ms=60_000,
        connections_max_idle_ms=540_000,
        compression_type=None,  # JSON of a few hundred bytes, produced to be read in a millisecond
    )


def _consumer(connection: Connection, client_id: str, fetch_s: float) -> AIOKafkaConsumer:
    return AIOKafkaConsumer(
        **connection,
        client_id=client_id,
        group_id=None,  # positions are the journal's business
        enable_auto_commit=False,
        auto_offset_reset="none",  # nothing may be skipped in silence
        isolation_level="read_committed",
        check_crcs=True,
        fetch_min_bytes=1,
        fetch_max_wait_ms=int(fetch_s * 1_000),
        fetch_max_bytes=16 * 1024 * 1024,
        max_partition_fetch_bytes=1024 * 1024,
        request_timeout_ms=30_000,
        retry_backoff_ms=50,
        metadata_max_age_ms=60_000,
        connections_max_idle_ms=540_000,
        consumer_timeout_ms=200,
    )


@asynccontextmanager
async def within(
    seconds: float, what: str, error: type[LogError] = LogError
) -> AsyncIterator[None]:
    """A deadline, and one kind of error for all that the client may raise."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except _TOO_LARGE as failure:
        raise TooLarge(f"{what}: {failure}") from failure
    except TimeoutError as failure:
        raise error(f"{what}: nothing within {seconds} s") from failure
    except _FAILURES as failure:
        raise error(f"{what}: {failure!r}") from failure


async def closed(closing: Awaitable[None], seconds: float) -> None:
    """Close a client, or leave it to its fate after the deadline."""
    with suppress(LogError):
        async with within(seconds, "closing"):
            await closing


class KafkaTail:
    """Follows topics through a consumer of its own, without a group."""

    def __init__(self, consumer: AIOKafkaConsumer, partition: int, deadlines: Deadlines) -> None:
        self._consumer = consumer
        self._partition = partition
        self._deadlines = deadlines
        self._ends: dict[str, int] = {}

    async def start(self, positions: Mapping[str, int]) -> None:
        """Connect and take the positions."""
        partitions = {topic: TopicPartition(topic, self._partition) for topic in positions}
        async with within(self._deadlines.connect_s, "connecting a consumer"):
            await self._consumer.start()
            self._consumer.assign(list(partitions.values()))
            for topic, offset in positions.items():
                self._consumer.seek(partitions[topic], offset)
            ends = await self._consumer.end_offsets(list(partitions.values()))
        self._ends = {partition.topic: offset for partition, offset in ends.items()}

    async def poll(
        self, topics: Sequence[str], records_max: int, wait_s: float
    ) -> Mapping[str, Sequence[Record]]:
        """See `Tail.poll`."""
        if not topics:  # aiokafka would take it as all of them
            return {}
        partitions = [TopicPartition(topic, self._partition) for topic in topics]
        try:
            async with within(wait_s + self._deadlines.read_s, "fetching"):
                polled = await self._consumer.getmany(
                    *partitions, timeout_ms=int(wait_s * 1_000), max_records=records_max
                )
        except LogError as error:
            if isinstance(error.__cause__, OffsetOutOfRangeError):
                ((partition, offset),) = error.__cause__.args[0].items()
                raise OutOfRange(partition.topic, offset) from error
            raise
        return {partition.topic: records for partition, records in polled.items()}

    def end(self, topic: str) -> int:
        """See `Tail.end`."""
        seen = self._consumer.highwater(TopicPartition(topic, self._partition))
        return max(self._ends[topic], seen or 0)

    def seek(self, topic: str, offset: int) -> None:
        """See `Tail.seek`."""
        self._consumer.seek(TopicPartition(topic, self._partition), offset)

    async def close(self) -> None:
        """See `Tail.close`."""
        await closed(self._consumer.stop(), self._deadlines.connect_s)


class KafkaLog:
    """One partition of every topic. Made by `connect`."""

    def __init__(
        self, connection: Connection, partition: int, client_id: str, deadlines: Deadlines
    ) -> None:
        self._connection = connection
        self._client_id = f"{client_id}-{partition}"
        self._deadlines = deadlines
        self.partition = partition
        # Two, for a client has one request under way to a broker, and the journal must not queue.
        self._journal = _producer(connection, f"{self._client_id}-journal", deadlines.append_s)
        self._outputs = _producer(connection, f"{self._client_id}-outputs", deadlines.append_s)
        self._lookup = _consumer(connection, f"{self._client_id}-lookup", deadlines.fetch_s)

    @classmethod
    async def connect(
        cls, connection: Connection, partition: int, client_id: str, deadlines: Deadlines
    ) -> "KafkaLog":
        """Open the clients of one worker. Raises `LogError`."""
        log = cls(connection, partition, client_id, deadlines)
        return await log._opened(log._journal.start(), log._outputs.start(), log._lookup.start())

    @classmethod
    async def reading(
        cls, connection: Connection, partition: int, client_id: str, deadlines: Deadlines
    ) -> "KafkaLog":
        """One that only reads, and needs no right to write. Raises `LogError`."""
        log = cls(connection, partition, client_id, deadlines)
        return await log._opened(log._lookup.start())

    async def _opened(self, *starts: Awaitable[None]) -> "KafkaLog":
        try:
            async with within(self._deadlines.connect_s, "connecting"):
                await asyncio.gather(*starts)
        except LogError:
            await self.close()
            raise
        return self

    async def append(self, topic: str, key: bytes | None, value: bytes) -> int:
        """See `Log.append`."""
        async with within(self._deadlines.append_s, f"appending to {topic}", OutcomeUnknown):
            written = await self._journal.send_and_wait(topic, value, key, self.partition)
        return self._offset(topic, written.offset)

    async def send(self, messages: Sequence[Message]) -> Sequence[Sent]:
        """See `Log.send`. One deadline for all: it is the dearest part of a small record."""
        async with within(self._deadlines.append_s, "sending", OutcomeUnknown):
            return [await self._send(message) for message in messages]

    async def _send(self, message: Message) -> Sent:
        topic, key, value, headers = message
        try:
            sent: Sent = await self._outputs.send(
                topic, value, key, self.partition, headers=list(headers)
            )
        except MessageSizeTooLargeError as failure:
            return _failed(TooLarge(f"{topic}: {failure}"))
        return sent

    async def acknowledged(self, sent: Sent) -> int:
        """See `Log.acknowledged`."""
        try:
            if sent.done():
                written = await sent
            else:
                async with asyncio.timeout(2 * self._deadlines.append_s):
                    written = await sent
        except TooLarge:
            raise
        except _TOO_LARGE as failure:
            raise TooLarge(str(failure)) from failure
        except (TimeoutError, *_FAILURES) as failure:
            raise OutcomeUnknown(f"no acknowledgement: {failure!r}") from failure
        return self._offset(written.topic, written.offset)

    async def span(self, topic: str) -> tuple[int, int]:
        """See `Log.span`."""
        partition = TopicPartition(topic, self.partition)
        async with within(self._deadlines.read_s, f"looking up the offsets of {topic}"):
            starts = await self._lookup.beginning_offsets([partition])
            ends = await self._lookup.end_offsets([partition])
        return starts[partition], ends[partition]

    async def follow(self, positions: Mapping[str, int]) -> Tail:
        """See `Log.follow`."""
        consumer = _consumer(self._connection, f"{self._client_id}-tail", self._deadlines.fetch_s)
        tail = KafkaTail(consumer, self.partition, self._deadlines)
        try:
            await tail.start(positions)
        except BaseException:
            await tail.close()
            raise
        return tail

    async def close(self) -> None:
        """See `Log.close`."""
        stops = (self._journal.stop(), self._outputs.stop(), self._lookup.stop())
        await asyncio.gather(*(closed(stop, self._deadlines.connect_s) for stop in stops))

    @staticmethod
    def _offset(topic: str, offset: int) -> int:
        """A broker that has seen a retried write before may not know its offset any more."""
        if offset < 0:
            raise OutcomeUnknown(f"{topic}: written, but the broker does not say where")
        return offset


def _failed(error: LogError) -> Sent:
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    future.set_exception(error)
    future.exception()  # whoever asks is told; nobody need ask
    return future
