"""The `Log` of production: one partition of Kafka through aiokafka 0.14.

What is asked of Kafka is spelt out where it is asked (`tail`, `producer`); connection
and security options come from the settings. After a failure a producer is useless, so producers
live no longer than their worker.
"""

import asyncio
from collections.abc import Coroutine, Generator, Mapping, Sequence
from typing import Any

from aiokafka.errors import KafkaError

from reconverge.stream.kafka.client import (
    EARLIEST,
    LATEST,
    Connection,
    PartitionClient,
    closed,
    stopped,
    together,
    within,
)
from reconverge.stream.kafka.producer import Outcome, Producer
from reconverge.stream.kafka.tail import KafkaTail
from reconverge.stream.log import Message, OutcomeUnknown, Sent, Tail, TooLarge
from reconverge.stream.options import Deadlines


class _Sent:
    """One message of those that are written together."""

    __slots__ = ("_index", "_writing")

    def __init__(self, writing: asyncio.Task[list[Outcome]], index: int) -> None:
        self._writing = writing
        self._index = index

    def done(self) -> bool:
        """See `Sent.done`."""
        return self._writing.done()

    def __await__(self) -> Generator[Any, None, Outcome]:
        """See `Sent.__await__`. Who gives up waiting does not stop the writing."""
        outcomes = yield from asyncio.shield(self._writing).__await__()
        return outcomes[self._index]


class KafkaLog:
    """One partition of every topic. Made by `connect`."""

    def __init__(
        self, connection: Connection, partition: int, client_id: str, deadlines: Deadlines
    ) -> None:
        self._connection = connection
        self._client_id = f"{client_id}-{partition}"
        self._deadlines = deadlines
        self.partition = partition
        # Two, for a producer has one request under way, and the journal must not queue.
        self._journal = self._producer("journal")
        self._outputs = self._producer("outputs")
        self._lookup = self._client("lookup")
        self._writing: set[asyncio.Task[list[Outcome]]] = set()

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

    async def _opened(self, *starts: Coroutine[Any, Any, None]) -> "KafkaLog":
        try:
            async with within(self._deadlines.connect_s, "connecting"):
                await together(*starts)
        except BaseException:
            await self.close()
            raise
        return self

    async def append(self, topic: str, key: bytes | None, value: bytes) -> int:
        """See `Log.append`."""
        async with within(self._deadlines.append_s, f"appending to {topic}", OutcomeUnknown):
            (outcome,) = await self._journal.write([Message(topic, key, value)])
        return _offset(outcome)

    async def send(self, messages: Sequence[Message]) -> Sequence[Sent]:
        """See `Log.send`."""
        if not messages:
            return []
        writing = asyncio.create_task(self._write(messages))
        self._writing.add(writing)
        writing.add_done_callback(self._written)
        return [_Sent(writing, index) for index in range(len(messages))]

    async def _write(self, messages: Sequence[Message]) -> list[Outcome]:
        async with within(self._deadlines.append_s, "sending", OutcomeUnknown):
            return await self._outputs.write(messages)

    def _written(self, writing: asyncio.Task[list[Outcome]]) -> None:
        self._writing.discard(writing)
        if not writing.cancelled():
            writing.exception()  # whoever asks is told; nobody need ask

    async def acknowledged(self, sent: Sent) -> int:
        """See `Log.acknowledged`."""
        return _offset(await sent)

    async def span(self, topic: str) -> tuple[int, int]:
        """See `Log.span`."""
        async with within(self._deadlines.read_s, f"looking up the offsets of {topic}"):
            return (
                await self._lookup.offset(topic, EARLIEST),
                await self._lookup.offset(topic, LATEST),
            )

    async def follow(self, positions: Mapping[str, int]) -> Tail:
        """See `Log.follow`."""
        tail = KafkaTail(self._client("tail"), self._deadlines)
        try:
            await tail.start(positions)
        except BaseException:
            await tail.close()
            raise
        return tail

    async def close(self) -> None:
        """See `Log.close`."""
        await stopped(self._writing)
        closing = (self._journal.close(), self._outputs.close(), self._lookup.close())
        await asyncio.gather(*(closed(one, self._deadlines.connect_s) for one in closing))

    def _client(self, purpose: str) -> PartitionClient:
        return PartitionClient(self._connection, self.partition, f"{self._client_id}-{purpose}")

    def _producer(self, purpose: str) -> Producer:
        return Producer(self._client(purpose), self._deadlines.append_s)


def _offset(outcome: Outcome) -> int:
    if isinstance(outcome, KafkaError):
        raise TooLarge(repr(outcome)) from outcome
    if outcome < 0:
        raise OutcomeUnknown("written, but no broker knows where any more")
    return outcome
