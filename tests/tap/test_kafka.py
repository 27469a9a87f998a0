"""Events into Kafka, on librdkafka's in-process broker."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.partitioner import DefaultPartitioner, murmur2
from confluent_kafka import Producer

from reconverge.core.events import Heartbeat
from reconverge.tap import kafka
from reconverge.tap.kafka import PublishError, publish, publish_stream

PARTITIONS = 4  # what the mock cluster gives every topic


@dataclass
class Broker:
    """The mock cluster lives in a producer of librdkafka's."""

    producer: Producer
    address: str


@pytest.fixture
def broker() -> Broker:
    producer = Producer({"bootstrap.servers": "x", "test.mock.num.brokers": 1, "log_level": 0})
    (found,) = producer.list_topics(timeout=10).brokers.values()
    producer.list_topics("order-entry", timeout=10)
    return Broker(producer, f"{found.host}:{found.port}")


def event(number: int, session: str = "S1") -> Heartbeat:
    return Heartbeat(session=session, event_ns=number, ingest_ns=number, seq=number)


async def events(count: int, *sessions: str) -> AsyncIterator[Heartbeat]:
    for number in range(1, count + 1):
        for session in sessions:
            yield event(number, session)


async def stored(broker: Broker, count: int) -> list[tuple[int, bytes, Heartbeat]]:
    consumer = AIOKafkaConsumer(bootstrap_servers=broker.address, auto_offset_reset="earliest")
    await consumer.start()
    try:
        consumer.assign([TopicPartition("order-entry", n) for n in range(PARTITIONS)])
        records = [await asyncio.wait_for(anext(consumer), 10) for _ in range(count)]
    finally:
        await consumer.stop()
    return [
        (r.partition, r.key or b"", Heartbeat.model_validate_json(r.value or b"")) for r in records
    ]


async def test_a_session_keeps_its_order_and_its_partition(broker: Broker) -> None:
    sessions = [f"S{n}" for n in range(6)]
    sent = await publish(events(50, *sessions), "order-entry", bootstrap_servers=broker.address)
    assert sent == 300
    got = await stored(broker, 300)
    for session in sessions:
        own = [(partition, event) for partition, key, event in got if key == session.encode()]
        assert [each.seq for _, each in own] == list(range(1, 51))
        assert {partition for partition, _ in own} == {
            DefaultPartitioner()(session.encode(), list(range(PARTITIONS)), [])
        }


@pytest.mark.parametrize(
    ("key", "hashed"),
    [
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
def test_the_partitioner_is_the_java_clients(key: bytes, hashed: int) -> None:
    """The vectors of Apache Kafka's own UtilsTest.testMurmur2."""
    assert murmur2(key) == hashed & 0xFFFFFFFF
    for count in (1, 4, 12):
        chosen = DefaultPartitioner()(key, list(range(count)), [])
        assert chosen == (hashed & 0x7FFFFFFF) % count


async def test_the_pace_is_the_events_own(broker: Broker) -> None:
    """A demonstration sends one event, sees it arrive, and sends the next."""
    arrived = asyncio.Event()

    async def paced() -> AsyncIterator[Heartbeat]:
        yield event(1)
        assert [e.seq for _, _, e in await stored(broker, 1)] == [1]
        arrived.set()
        yield event(2)

    assert await publish(paced(), "order-entry", bootstrap_servers=broker.address) == 2
    assert arrived.is_set()


async def test_what_is_in_flight_is_bounded(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kafka, "IN_FLIGHT_MAX", 3)
    assert await publish(events(100, "S1"), "order-entry", bootstrap_servers=broker.address) == 100


async def test_settings_name_the_topic(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECONVERGE_TOPIC_PREFIX", "order-")
    monkeypatch.setenv("RECONVERGE_TOPIC_NAMES", '{"drop-copy": "order-entry"}')
    assert await publish_stream(events(1, "S1"), "drop-copy", broker.address) == 1
    assert len(await stored(broker, 1)) == 1


async def test_a_broker_that_is_not_there_is_said_so() -> None:
    with pytest.raises(PublishError, match="KafkaConnectionError"):
        await publish(events(1, "S1"), "order-entry", bootstrap_servers="127.0.0.1:1")


async def test_a_source_that_fails_does_not_leave_the_producer_open(broker: Broker) -> None:
    async def failing() -> AsyncIterator[Heartbeat]:
        yield event(1)
        raise RuntimeError("the log vanished")

    with pytest.raises(RuntimeError, match="vanished"):
        await publish(failing(), "order-entry", bootstrap_servers=broker.address)
    assert [e.seq for _, _, e in await stored(broker, 1)] == [1]
