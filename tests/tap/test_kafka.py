"""Events into Kafka, on the embedded broker."""

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.partitioner import DefaultPartitioner, murmur2
from msgspec.structs import replace

from reconverge.core.messages.events import Heartbeat
from reconverge.tap import kafka, resume
from reconverge.tap.kafka import PublishError, publish, publish_stream
from reconverge.tap.resume import Source
from tests.embedded import Embedded
from tests.kafka.broker import KafkaCluster

PARTITIONS = 4  # what the mock cluster gives every topic


@pytest.fixture
def broker() -> Embedded:
    made = Embedded()
    made.touch("order-entry")
    return made


def event(number: int, session: str = "S1") -> Heartbeat:
    return Heartbeat(session=session, event_ns=number, ingest_ns=number, seq=number)


async def events(count: int, *sessions: str) -> AsyncIterator[Heartbeat]:
    for number in range(1, count + 1):
        for session in sessions:
            yield event(number, session)


async def stored(broker: Embedded, count: int) -> list[tuple[int, bytes, Heartbeat]]:
    consumer = AIOKafkaConsumer(bootstrap_servers=broker.address, auto_offset_reset="earliest")
    await consumer.start()
    try:
        consumer.assign([TopicPartition("order-entry", n) for n in range(PARTITIONS)])
        records = [await asyncio.wait_for(anext(consumer), 10) for _ in range(count)]
    finally:
        await consumer.stop()
    return [
        (r.partition, r.key or b"", msgspec.json.decode(r.value or b"", type=Heartbeat))
        for r in records
    ]


async def test_a_session_keeps_its_order_and_its_partition(broker: Embedded) -> None:
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


async def test_the_pace_is_the_events_own(broker: Embedded) -> None:
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
    broker: Embedded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kafka, "IN_FLIGHT_MAX", 3)
    assert await publish(events(100, "S1"), "order-entry", bootstrap_servers=broker.address) == 100


async def test_settings_name_the_topic(broker: Embedded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECONVERGE_TOPIC_PREFIX", "order-")
    monkeypatch.setenv("RECONVERGE_TOPIC_NAMES", '{"drop-copy": "order-entry"}')
    assert await publish_stream(events(1, "S1"), "drop-copy", bootstrap_servers=broker.address) == 1
    assert len(await stored(broker, 1)) == 1


async def test_a_broker_that_is_not_there_is_said_so() -> None:
    with pytest.raises(PublishError, match="KafkaConnectionError"):
        await publish(events(1, "S1"), "order-entry", bootstrap_servers="127.0.0.1:1")


async def test_a_source_that_fails_does_not_leave_the_producer_open(broker: Embedded) -> None:
    async def failing() -> AsyncIterator[Heartbeat]:
        yield event(1)
        raise RuntimeError("the log vanished")

    with pytest.raises(RuntimeError, match="vanished"):
        await publish(failing(), "order-entry", bootstrap_servers=broker.address)
    assert [e.seq for _, _, e in await stored(broker, 1)] == [1]


async def test_what_the_topic_has_is_not_published_again(
    broker: Embedded, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R4: a restarted tap must not make numbers look reused."""
    monkeypatch.setattr(resume, "WINDOW_RECORDS", 7)

    async def again(count: int, *sessions: str, source: Source | None) -> int:
        return await publish_stream(
            events(count, *sessions),
            "order-entry",
            bootstrap_servers=broker.address,
            resume=source,
        )

    assert await again(20, "S1", source=Source("S1")) == 20
    assert await again(90, *(f"S{n}" for n in range(2, 9)), source=None) == 630
    assert await again(20, "S1", source=Source("S1")) == 0
    assert await again(25, "S1", source=Source("S1")) == 5
    assert await again(1, "S1", source=Source("S1", "another channel")) == 1
    got = [each.seq for _, key, each in await stored(broker, 656) if key == b"S1"]
    assert got == [*range(1, 26), 1]


async def test_logs_that_lack_the_newest_go_on_behind_its_time() -> None:
    async def moments(*times: int) -> AsyncIterator[Heartbeat]:
        for at in times:
            yield event(at)

    last = replace(event(5), event_ns=4)
    assert [each.seq async for each in resume.after(moments(3, 5, 6, 4, 7), last)] == [6, 4, 7]
    assert [each.seq async for each in resume.after(moments(3, 5, 4), event(5))] == [4]


@pytest.mark.kafka
async def test_on_real_kafka(kafka: KafkaCluster) -> None:
    """What the embedded broker takes, Apache Kafka takes: idempotence, resuming, partitions."""
    kafka.create_topic("tapped", partitions=4)
    sessions = [f"S{n}" for n in range(8)]
    assert await publish(events(100, *sessions), "tapped", **kafka.client()) == 800
    last = await resume.newest("tapped", Source("S3"), **kafka.client())
    assert last == event(100, "S3")
    assert await resume.newest("tapped", Source("nobody"), **kafka.client()) is None
    rest = resume.after(events(105, "S3"), last)
    assert await publish(rest, "tapped", **kafka.client()) == 5
    with pytest.raises(PublishError, match="missing"):
        await publish_stream(
            events(1, "S1"), "missing", bootstrap_servers=kafka.client()["bootstrap_servers"],
            resume=Source("S1"),
        )  # fmt: skip
