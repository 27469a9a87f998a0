"""The shell on real Kafka.

Topics checked, partitions shared, handed over, fenced, and history that can be told again.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaProducer

from reconverge.stream.clock import Clock
from reconverge.stream.conditions import Refusal
from reconverge.stream.history.journal import newest
from reconverge.stream.history.replay import History
from reconverge.stream.kafka.log import KafkaLog
from reconverge.stream.kafka.membership import KafkaMembership, check_topics
from reconverge.stream.options import Options, Topics
from reconverge.stream.service import Service
from reconverge.stream.worker import Context
from tests.kafka.broker import KafkaCluster
from tests.sim.toy import ToyFold, ToyFolds, event
from tests.stream.stage import Notes

pytestmark = pytest.mark.kafka
PARTITIONS = 2
PATIENCE_S = 60.0


class Site:
    """An installation of its own on the shared broker."""

    def __init__(self, kafka: KafkaCluster) -> None:
        self.kafka = kafka
        self.name = f"site-{uuid4().hex[:8]}"
        names = {f: f"{self.name}.{getattr(Topics(), f)}" for f in Topics.__dataclass_fields__}
        self.options = Options(replace(Topics(**names), quarantine_prefix="dlq."), member=self.name)
        self.notes = Notes()
        self._numbers: dict[tuple[str, str], int] = {}

    def create_topics(self) -> None:
        for topic in (*self.options.topics.inputs, *self.options.topics.outputs):
            self.kafka.create_topic(topic, PARTITIONS)

    async def check(self) -> int:
        return await check_topics(self.kafka.client(), self.options.topics, self.options.deadlines)

    async def log(self, partition: int) -> KafkaLog:
        deadlines = self.options.deadlines
        return await KafkaLog.connect(self.kafka.client(), partition, self.name, deadlines)

    @asynccontextmanager
    async def serving(self, group: str = "") -> AsyncIterator[Service]:
        """A process of the service, until the context ends; then it leaves in order."""
        context = Context(
            ToyFolds(), [{"id": "base"}], self.options, self.notes, Clock, asyncio.Semaphore(2)
        )
        membership = KafkaMembership(
            self.kafka.client(),
            self.name + group,
            self.name,
            self.options.topics,
            self.options.deadlines,
        )
        service, stop = Service(context, self.log, membership), asyncio.Event()
        task = asyncio.create_task(service.run(stop))
        try:
            yield service
        finally:
            stop.set()
            await task

    async def feed(self, count: int) -> None:
        """As many events for each of two sessions on two streams of every partition."""
        producer = AIOKafkaProducer(**self.kafka.client())
        await producer.start()
        topics = self.options.topics
        for partition in range(PARTITIONS):
            for session in (f"a{partition}", f"b{partition}"):
                for topic in (topics.order_entry, topics.drop_copy):
                    first = self._numbers.get((session, topic), 0)
                    self._numbers[session, topic] = first + count
                    for number in range(first, first + count):
                        value = event(session, topic, number)
                        await producer.send(topic, value, session.encode(), partition)
        await producer.stop()

    async def history(self, partition: int) -> tuple[ToyFold, bool]:
        """The state as the journal tells it from its first record on; whether it all comes out."""
        log = await self.log(partition)
        _, end = await log.span(self.options.topics.journal)
        history = History(log, ToyFolds(), self.options, self.notes, end)
        last = await newest(log, self.options, end)
        assert last
        assert await history.start(last, before_ns=0)
        async for _ in history.batches():
            pass
        await history.close()
        await log.close()
        assert isinstance(history.ledger.fold, ToyFold)
        return history.ledger.fold, history.exact


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 - another system's state: nobody sets an event
            await asyncio.sleep(0.02)


@pytest.fixture
def site(kafka: KafkaCluster) -> Site:
    site = Site(kafka)
    site.create_topics()
    return site


async def test_topics_are_checked_before_anything_is_served(kafka: KafkaCluster) -> None:
    site = Site(kafka)
    with pytest.raises(Refusal, match=r"topic_missing.*journal"):
        await site.check()
    site.create_topics()
    assert await site.check() == PARTITIONS
    uneven = replace(site.options.topics, journal=f"{site.name}.uneven")
    kafka.create_topic(uneven.journal, PARTITIONS + 1)
    site.options = replace(site.options, topics=uneven)
    with pytest.raises(Refusal, match="partition_counts_unequal"):
        await site.check()


async def test_processes_share_partitions_and_hand_them_over_in_order(site: Site) -> None:
    async with site.serving() as first:
        await until(lambda: first.ready and len(first.status()) == PARTITIONS)
        await site.feed(50)
        async with site.serving() as second:
            await until(lambda: len(second.workers()) == 1 and len(first.workers()) == 1)
            await site.feed(50)
            assert first.status().keys() | second.status().keys() == set(range(PARTITIONS))
        await until(lambda: len(first.workers()) == PARTITIONS)
        await site.feed(50)
        await until(lambda: _consumed(first, 300))
    assert site.notes.conditions == []
    assert any(seen.records == 0 and seen.batches == 0 for seen in site.notes.restores[2:])
    for partition in range(PARTITIONS):
        fold, exact = await site.history(partition)
        assert exact
        assert {name: s.count for name, s in fold.sessions.items()} == {
            f"a{partition}": 300,
            f"b{partition}": 300,
        }


def _consumed(service: Service, end: int) -> bool:
    positions = [worker.positions() for worker in service.workers().values()]
    return all(sum(by_topic.values()) == 2 * end for by_topic in positions)


async def test_a_member_that_is_not_told_is_fenced_by_the_journal(site: Site) -> None:
    """Two installations on one journal: only the newest claim's owner is believed."""
    async with site.serving() as old:
        await until(lambda: old.ready)
        await site.feed(20)
        async with site.serving(group="-of-a-rival"):
            await until(lambda: "superseded" in site.notes.conditions)
            await site.feed(20)
    async with site.serving() as last:
        await until(lambda: last.ready and _consumed(last, 80))
    for partition in range(PARTITIONS):
        fold, exact = await site.history(partition)
        assert exact
        assert [session.count for session in fold.sessions.values()] == [80, 80]
