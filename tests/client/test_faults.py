"""The Python client on a real Kafka that is down, hung, killed, incomplete, forbidden or flooded.

The promise: a view is the safe cap at the latest one validity after the last cap was received, and
says why; and the service's word again once there is one. Sampled all the time: no view is ever
anything else.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    NewPartitions,
    ResourcePatternType,
    ResourceType,
)

from reconverge.client import CapSubscription, CapView, SafeCap, Why
from tests.client.heartbeats import Service
from tests.kafka.broker import USER, KafkaCluster

pytestmark = pytest.mark.kafka

SAFE = SafeCap(cap=0.01)
WAIT_S = 60.0
S = 1_000_000_000


class Watcher:
    """Looks at a session all the time, and when the service last was heard."""

    def __init__(self, caps: CapSubscription, validity_s: int = 3) -> None:
        self.caps = caps
        self.validity_ns = validity_s * S
        self.values: set[float] = set()
        self.reasons: set[str | None] = set()
        self._entry_ns: dict[int, int] = {}

    def look(self) -> CapView:
        before_ns = time.monotonic_ns()
        view = self.caps.cap("A")
        if not view.safe:
            first_ns = self._entry_ns.setdefault(view.sequence, before_ns)
            assert before_ns - first_ns < self.validity_ns, "obeyed for longer than it was granted"
        self.values.add(view.cap)
        self.reasons.add(view.why)
        return view

    async def until(self, holds: Callable[[CapView], bool]) -> CapView:
        async with asyncio.timeout(WAIT_S):
            while True:
                view = self.look()
                if holds(view):
                    return view
                await asyncio.sleep(0.01)

    async def heard(self, value: float) -> None:
        await self.until(lambda view: not view.safe and view.cap == value)

    async def safe(self, why: str) -> None:
        await self.until(lambda view: view.why == why)


@asynccontextmanager
async def watching(connection: Any, topic: str = "caps") -> AsyncIterator[Watcher]:
    async with CapSubscription(connection, safe=SAFE, topic=topic) as caps:
        yield Watcher(caps)


@pytest.fixture
def lines() -> Iterator[list[str]]:
    """What is logged meanwhile, by anyone."""

    class Kept(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            found.append(record.getMessage())

    found: list[str] = []
    handler = Kept()
    logging.root.addHandler(handler)
    yield found
    logging.root.removeHandler(handler)


@pytest.mark.slow
async def test_kafka_down_at_the_start_without_the_topic_frozen_and_killed(
    lines: list[str],
) -> None:
    with KafkaCluster() as kafka:
        kafka.stop(1)
        async with watching(kafka.bootstrap) as router:
            caps = router.caps
            await router.until(lambda _: caps.trouble != "not connected yet")
            assert router.look().why == "not_connected"
            assert not await caps.caught_up(timeout=0)

            await asyncio.to_thread(kafka.start, 1)
            await router.until(lambda _: "has no topic 'caps'" in (caps.trouble or ""))
            assert "reconverge topics --create" in (caps.trouble or "")
            assert router.look().why == "not_connected"

            await asyncio.to_thread(kafka.create_topic, "caps", 3)
            await router.safe("never_heard")
            assert await caps.caught_up(timeout=WAIT_S)
            service = Service(kafka.bootstrap, "caps")
            with service.beating(0.5):
                await router.heard(0.5)
                assert (caps.trouble, caps.health.connected) == (None, True)

            changes = caps.changes()
            with service.beating(0.4):
                await router.heard(0.4)
            kafka.pause(1)
            await router.safe("not_connected")
            assert "has not answered" in (caps.trouble or "")
            assert caps.health.lag is None
            kafka.resume(1)
            with service.beating(0.3):
                await router.heard(0.3)

            kafka.kill(1)
            await router.safe("not_connected")
            await asyncio.to_thread(kafka.start, 1)
            with service.beating(0.2):
                await router.heard(0.2)
            assert caps.health.reconnects >= 2
            ended = [view.why async for _, view in limited(changes) if view.safe]
            assert len(ended) == 2
        assert router.values == {0.01, 0.5, 0.4, 0.3, 0.2}
    per_kind: dict[str, int] = {}
    for line in lines:
        kind = line.split("(", maxsplit=1)[0][:20]
        per_kind[kind] = per_kind.get(kind, 0) + 1
    assert max(per_kind.values()) <= 20, per_kind


async def limited(changes: Any) -> AsyncIterator[Any]:
    """What is waiting to be told, and no more."""
    while changes._waiting:
        yield await anext(changes)


def grant(kafka: KafkaCluster, topic: str, *operations: AclOperation) -> None:
    bindings = [
        AclBinding(
            ResourceType.TOPIC,
            topic,
            ResourcePatternType.LITERAL,
            f"User:{USER}",
            "*",
            operation,
            AclPermissionType.ALLOW,
        )
        for operation in operations
    ]
    for made in kafka._admin.create_acls(bindings).values():
        made.result()


@pytest.mark.slow
async def test_rights_that_are_missing_are_named_and_missed_until_granted() -> None:
    # Kafka's own listeners are plain, and whoever comes by them is nobody.
    authorizer = "org.apache.kafka.metadata.authorizer.StandardAuthorizer"
    settings = {"authorizer.class.name": authorizer, "super.users": "User:ANONYMOUS"}
    with KafkaCluster(secure=True, settings=settings) as kafka:
        for topic in ("caps", "parents"):
            kafka.create_topic(topic)
        service = Service(f"127.0.0.1:{kafka._ports[1][1]}", "caps")
        wrong = kafka.client() | {"sasl_plain_password": "wrong"}
        async with watching(wrong) as router:
            await router.until(lambda _: router.caps.trouble != "not connected yet")
            assert router.look().why == "not_connected"

        async with watching(kafka.client()) as router:
            caps = router.caps
            await router.until(lambda _: "grant Describe and Read" in (caps.trouble or ""))
            assert router.look().why == "not_connected"
            grant(kafka, "caps", AclOperation.DESCRIBE)
            await asyncio.sleep(0)
            grant(kafka, "caps", AclOperation.READ)
            with service.beating(0.5):
                await router.heard(0.5)
                caps.acknowledge(router.look())
                await router.until(lambda _: caps.health.acknowledging is not None)
                assert "Describe and Write on topic 'parents'" in (caps.health.acknowledging or "")
                grant(kafka, "parents", AclOperation.DESCRIBE, AclOperation.WRITE)
                await router.until(lambda _: caps.health.acknowledged == 1)
                assert caps.health.acknowledging is None


async def test_reading_begins_at_the_lookback(kafka: KafkaCluster) -> None:
    kafka.create_topic("lookback", partitions=3)
    service = Service(kafka.bootstrap, "lookback")
    for age_s, count in ((60.0, 900), (5.0, 30)):
        for number in range(count):
            service.say(0.5, f"S{number % 30}", age_s=age_s, valid_s=100)
    service.flush()
    async with watching(kafka.bootstrap, "lookback") as router:
        assert await router.caps.caught_up(timeout=WAIT_S)
        assert router.caps.health.records == 30
        assert not router.caps.cap("S7").safe
    async with CapSubscription(kafka.bootstrap, topic="lookback", lookback_s=None) as caps:
        assert await caps.caught_up(timeout=WAIT_S)
        assert caps.health.records == 930


async def test_new_partitions_are_noticed(kafka: KafkaCluster) -> None:
    kafka.create_topic("growing")
    connection = kafka.client() | {"metadata_max_age_ms": 500}
    async with watching(connection, "growing") as router:
        assert await router.caps.caught_up(timeout=WAIT_S)
        await asyncio.to_thread(add_partitions, kafka, "growing", 6)
        await router.until(lambda _: router.caps.health.reconnects == 1)
        service = Service(kafka.bootstrap, "growing")
        while not all(not router.caps.cap(f"S{n}").safe for n in range(20)):
            for number in range(20):
                service.say(0.5, f"S{number}", valid_s=60)
            service.flush()
            await asyncio.sleep(0.05)


def add_partitions(kafka: KafkaCluster, topic: str, count: int) -> None:
    kafka._admin.create_partitions([NewPartitions(topic, count)])[topic].result()


@pytest.mark.parametrize(
    ("ahead_s", "why"), [(4, Why.CLOCK_AHEAD), (-60, Why.CLOCK_BEHIND), (-3_600, Why.CLOCK_BEHIND)]
)
async def test_a_wall_clock_that_is_wrong_is_told_and_put_right(
    kafka: KafkaCluster, ahead_s: int, why: Why
) -> None:
    topic = f"clock{ahead_s}"
    kafka.create_topic(topic)
    caps = CapSubscription(kafka.bootstrap, safe=SAFE, topic=topic)
    caps.book.wall_ns = lambda: time.time_ns() + ahead_s * S
    with Service(kafka.bootstrap, topic).beating(0.5):
        async with caps:
            router = Watcher(caps)
            await router.safe(why)
            assert router.values == {0.01}
            assert caps.health.skew_s == pytest.approx(ahead_s, abs=1.5)
            caps.book.wall_ns = time.time_ns
            await router.heard(0.5)
            caps.book.wall_ns = lambda: time.time_ns() + ahead_s * S
            await router.safe(why)


async def test_a_flood_of_what_cannot_be_read_takes_no_cap_away(kafka: KafkaCluster) -> None:
    kafka.create_topic("flood")
    service = Service(kafka.bootstrap, "flood")
    async with watching(kafka.bootstrap, "flood") as router:
        caps = router.caps
        assert await caps.caught_up(timeout=WAIT_S)
        with service.beating(0.5):
            await router.heard(0.5)
            flood = Service(kafka.bootstrap, "flood")
            for number in range(100_000):
                flood.send(b'{"type":"cap","v":1,"session":"A"', f"{number}")
                if not number % 1_000:
                    router.look()
                    await asyncio.sleep(0)
            await asyncio.to_thread(flood.flush)
            await router.until(lambda _: caps.health.unreadable == 100_000)
            await router.heard(0.5)
        assert router.values <= {0.5, 0.01}
        await router.safe("expired")


@pytest.mark.slow
async def test_ten_thousand_sessions_are_all_heard_and_all_end(kafka: KafkaCluster) -> None:
    kafka.create_topic("many", partitions=4)
    service = Service(kafka.bootstrap, "many")
    names = [f"S{number}" for number in range(10_000)]
    async with watching(kafka.bootstrap, "many") as router:
        caps = router.caps
        assert await caps.caught_up(timeout=WAIT_S)
        changes = caps.changes()
        for round_ in range(3):
            for name in names:
                service.say(0.1 * (round_ + 1), name, valid_s=60)
            await asyncio.to_thread(service.flush)
        last = 0.1 * 3
        await router.until(lambda _: all(caps.cap(name).cap == last for name in names))
        caps.book.monotonic_ns = lambda: time.monotonic_ns() + 60 * S
        told: dict[str, CapView] = {}
        async with asyncio.timeout(WAIT_S):
            async for session, view in changes:
                told[session] = view
                if view.safe and len(told) == len(names) and all(v.safe for v in told.values()):
                    break
        assert all(caps.cap(name).why == "expired" for name in names)


async def test_a_late_joiner_of_a_dead_service_obeys_nothing(kafka: KafkaCluster) -> None:
    kafka.create_topic("dead")
    service = Service(kafka.bootstrap, "dead")
    for age_s in (9.0, 8.0, 7.0, 6.0, 5.0):
        service.say(0.9, age_s=age_s)
    service.flush()
    async with watching(kafka.bootstrap, "dead") as router:
        await router.safe("expired")
        assert await router.caps.caught_up(timeout=WAIT_S)
        assert router.values == {0.01}


async def test_acknowledgements_get_to_kafka_after_an_outage(kafka: KafkaCluster) -> None:
    for topic in ("acknowledged", "parents-of-acknowledged"):
        kafka.create_topic(topic)
    service = Service(kafka.bootstrap, "acknowledged")
    async with CapSubscription(
        kafka.bootstrap, topic="acknowledged", acknowledgements="parents-of-acknowledged"
    ) as caps:
        router = Watcher(caps, validity_s=60)
        service.say(0.5, valid_s=60)
        service.flush()
        await router.heard(0.5)
        kafka.pause(1)
        caps.acknowledge(router.look())
        await router.until(lambda _: caps.health.acknowledging is not None)
        kafka.resume(1)
        await router.until(lambda _: caps.health.acknowledged == 1)
    consumer = AIOKafkaConsumer(
        "parents-of-acknowledged", **kafka.client(), auto_offset_reset="earliest"
    )
    async with consumer, asyncio.timeout(WAIT_S):
        assert (await consumer.getone()).key == b"A"
