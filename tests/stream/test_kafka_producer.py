"""Writing on real Kafka: in order and once, whatever becomes of the answers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import pytest
from aiokafka.errors import KafkaConnectionError, KafkaError, MessageSizeTooLargeError
from aiokafka.protocol.produce import ProduceRequest

from reconverge.stream.kafka.client import LATEST, Connection, PartitionClient, together
from reconverge.stream.kafka.log import KafkaLog
from reconverge.stream.kafka.producer import RECORD_BYTES_MAX, Producer
from reconverge.stream.log import Message, OutcomeUnknown, TooLarge, read
from reconverge.stream.options import Deadlines
from tests.kafka.broker import KafkaCluster

pytestmark = pytest.mark.kafka
DEADLINE_S = 10.0


@pytest.fixture
def topic(kafka: KafkaCluster) -> str:
    name = f"write-{uuid4().hex[:8]}"
    kafka.create_topic(name)
    return name


@asynccontextmanager
async def logged(kafka: KafkaCluster) -> AsyncIterator[KafkaLog]:
    log = await KafkaLog.connect(kafka.client(), 0, "test", Deadlines())
    try:
        yield log
    finally:
        await log.close()


@asynccontextmanager
async def producing(client: PartitionClient) -> AsyncIterator[Producer]:
    producer = Producer(client, DEADLINE_S)
    await producer.start()
    try:
        yield producer
    finally:
        await producer.close()


async def stored(kafka: KafkaCluster, topic: str) -> list[tuple[bytes | None, bytes | None]]:
    async with logged(kafka) as log:
        found = await read(log, topic, *await log.span(topic), wait_s=DEADLINE_S)
        return [(record.key, record.value) for record in found]


class Deaf(PartitionClient):
    """Sends everything, and does not hear the first answers to what it writes."""

    unheard = 3

    async def send(self, node: int, request: object) -> Any:
        response = await super().send(node, request)
        if isinstance(request, ProduceRequest) and self.unheard:
            self.unheard -= 1
            raise KafkaConnectionError
        return response


class Stumbling(PartitionClient):
    """Fails for good before a record is sent, the first or a later one, and recovers."""

    def __init__(self, connection: Connection, falls_at: int) -> None:
        super().__init__(connection, 0, "stumbling")
        self._falls_at = falls_at
        self._written = 0

    async def send(self, node: int, request: object) -> Any:
        if isinstance(request, ProduceRequest):
            self._written += 1
            if self._written == self._falls_at:
                raise KafkaError
        return await super().send(node, request)


async def test_each_record_gets_the_next_offset(kafka: KafkaCluster, topic: str) -> None:
    async with logged(kafka) as log:
        offsets = [await log.append(topic, key, b"%d" % n) for n, key in enumerate([None, b"k"])]
    assert offsets == [0, 1]
    assert await stored(kafka, topic) == [(None, b"0"), (b"k", b"1")]


async def test_a_record_sent_again_is_written_once(kafka: KafkaCluster, topic: str) -> None:
    async with producing(Deaf(kafka.client(), 0, "deaf")) as producer:
        assert await producer.write([Message(topic, None, b"first")]) == [0]
        assert await producer.write([Message(topic, None, b"second")]) == [1]
    assert await stored(kafka, topic) == [(None, b"first"), (None, b"second")]


@pytest.mark.parametrize("falls_at", [1, 2])
async def test_nothing_follows_a_record_that_may_be_missing(
    kafka: KafkaCluster, topic: str, falls_at: int
) -> None:
    """Not even what was waiting for its turn."""
    messages = [Message(topic, None, b"%d" % n) for n in range(1, 4)]
    async with producing(Stumbling(kafka.client(), falls_at)) as producer:
        writes = [producer.write([message]) for message in messages]
        outcomes = await asyncio.gather(*writes, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes].count(list) == falls_at - 1
    assert await stored(kafka, topic) == [(None, b"1")][: falls_at - 1]


async def test_records_small_enough_are_written_where_their_batch_is_too_large(
    kafka: KafkaCluster, topic: str
) -> None:
    strict = f"{topic}.strict"
    kafka.create_topic(strict, config={"max.message.bytes": "1000"})
    messages = [
        Message(strict, b"%d" % n, bytes(size)) for n, size in enumerate([400] * 4 + [2000])
    ]
    async with producing(PartitionClient(kafka.client(), 0, "x")) as producer:
        outcomes = await producer.write([*messages, Message(topic, None, b"other")])
        assert [*outcomes[:4], outcomes[5]] == [0, 1, 2, 3, 0]
        assert isinstance(outcomes[4], MessageSizeTooLargeError)
        assert await producer.write(messages[:1]) == [4]
    assert [key for key, _ in await stored(kafka, strict)] == [b"0", b"1", b"2", b"3", b"0"]


async def test_a_closed_client_asks_no_more(kafka: KafkaCluster, topic: str) -> None:
    client = PartitionClient(kafka.client(), 0, "closed")
    await client.start()
    assert await client.offset(topic, LATEST) == 0
    await client.close()
    for known in (topic, f"{topic}.never-heard-of"):
        with pytest.raises(KafkaError, match="closed"):
            await client.offset(known, LATEST)


async def test_of_what_is_done_together_nothing_outlives_a_failure() -> None:
    async def fails() -> None:
        raise KafkaError("early")

    async def endures() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            stopped.append(True)

    stopped: list[bool] = []
    with pytest.raises(KafkaError, match="early"):
        await together(endures(), fails(), endures())
    assert stopped == [True, True]


@pytest.mark.parametrize("size", [2 * 1024 * 1024, RECORD_BYTES_MAX])
async def test_a_record_refused_for_its_size_leaves_no_gap(
    kafka: KafkaCluster, topic: str, size: int
) -> None:
    """The topic takes a megabyte; above four nothing is sent."""
    async with logged(kafka) as log:
        assert await log.append(topic, None, b"before") == 0
        with pytest.raises(TooLarge):
            await log.append(topic, None, bytes(size))
        assert await log.append(topic, None, b"after") == 1


async def test_the_numbers_of_a_producer_begin_again(kafka: KafkaCluster, topic: str) -> None:
    async with producing(PartitionClient(kafka.client(), 0, "old")) as producer:
        producer._numbers[topic] = 2**31 - 1
        assert [await producer.write([Message(topic, None, b"x")]) for _ in range(3)] == [
            [0],
            [1],
            [2],
        ]


async def test_no_broker_is_waited_for_longer_than_the_deadline(
    kafka: KafkaCluster, topic: str
) -> None:
    log = await KafkaLog.connect(kafka.client(), 0, "test", Deadlines(append_s=0.3))
    try:
        with pytest.raises(OutcomeUnknown, match="nothing within"):
            await log.append(f"{topic}.nobody-made-this", None, b"x")
    finally:
        await log.close()


async def test_records_of_several_topics_travel_together_each_topic_in_order(
    kafka: KafkaCluster, topic: str
) -> None:
    """More than fits in one batch of a topic, one that goes alone, and one that nobody takes."""
    other = f"{topic}.other"
    kafka.create_topic(other)
    large, refused = bytes(500_000), bytes(2 * 1024 * 1024)
    sizes = [100_000, 100_000, 100_000, 10]
    messages = [
        *(Message(topic, b"%d" % n, bytes(size), [("n", b"x")]) for n, size in enumerate(sizes)),
        Message(other, b"large", large),
        Message(topic, b"refused", refused),
        Message(other, None, None),
        Message(topic, b"last", b"last"),
    ]
    async with logged(kafka) as log:
        sent = await log.send(messages)
        outcomes: list[int | str] = []
        for one in sent:
            try:
                outcomes.append(await log.acknowledged(one))
            except TooLarge:
                outcomes.append("too large")
        assert outcomes == [0, 1, 2, 3, 0, "too large", 1, 4]
        assert all(one.done() for one in sent)
    assert [key for key, _ in await stored(kafka, topic)] == [b"0", b"1", b"2", b"3", b"last"]
    assert await stored(kafka, other) == [(b"large", large), (None, None)]


async def test_what_is_sent_is_written_in_the_order_of_sending(
    kafka: KafkaCluster, topic: str
) -> None:
    async with logged(kafka) as log:
        batches = [await log.send([Message(topic, None, b"%d" % n)] * 2) for n in range(20)]
        offsets = [await log.acknowledged(one) for batch in batches for one in batch]
    assert offsets == list(range(40))
    assert [value for _, value in await stored(kafka, topic)] == [
        b"%d" % n for n in range(20) for _ in range(2)
    ]


async def test_what_is_still_on_its_way_when_the_log_closes_is_unknown(
    kafka: KafkaCluster, topic: str
) -> None:
    async with logged(kafka) as log:
        (sent,) = await log.send([Message(f"{topic}.nobody-made-this", None, b"x")])
    assert sent.done()
