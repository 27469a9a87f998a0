"""Following topics: every committed record once and in order, whatever lies between."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from hypothesis import given
from hypothesis import strategies as st

from reconverge.stream.kafka.log import KafkaLog
from reconverge.stream.kafka.tail import Answer, unpack
from reconverge.stream.log import LogError, OutOfRange, Record, Tail
from reconverge.stream.options import Deadlines
from tests.kafka.broker import KafkaCluster

PATIENCE_S = 30.0
MEBIBYTE = 1024 * 1024


class Site:
    """Topics of one partition on the shared broker, and what writes to them."""

    def __init__(self, kafka: KafkaCluster, topics: Sequence[str]) -> None:
        self.kafka = kafka
        self.topics = topics

    @asynccontextmanager
    async def tail(self, positions: Mapping[str, int] | None = None) -> AsyncIterator[Tail]:
        """Follows all topics from their beginning, or some from elsewhere."""
        log = await KafkaLog.reading(self.kafka.client(), 0, "test", Deadlines())
        tail = await log.follow(dict.fromkeys(self.topics, 0) if positions is None else positions)
        try:
            yield tail
        finally:
            await tail.close()
            await log.close()

    async def write(self, *values: tuple[str, bytes]) -> None:
        async with AIOKafkaProducer(**self.kafka.client(), max_request_size=8 * MEBIBYTE) as writer:
            for topic, value in values:
                await writer.send_and_wait(topic, value, partition=0)


@pytest.fixture
def site(kafka: KafkaCluster) -> Site:
    name = f"tail-{uuid4().hex[:8]}"
    topics = [f"{name}.a", f"{name}.b", f"{name}.c"]
    for topic in topics:
        kafka.create_topic(topic, config={"max.message.bytes": str(8 * MEBIBYTE)})
    return Site(kafka, topics)


async def read(tail: Tail, topics: Sequence[str], amount: int) -> dict[str, list[Record]]:
    """So many records in all; an assertion when they do not come."""
    found: dict[str, list[Record]] = {topic: [] for topic in topics}
    async with asyncio.timeout(PATIENCE_S):
        while sum(map(len, found.values())) < amount:
            for topic, records in (await tail.poll(topics, 1.0)).items():
                found[topic] += records
    return found


def values(records: Sequence[Record]) -> list[bytes | None]:
    return [record.value for record in records]


@pytest.mark.kafka
async def test_a_topic_is_read_from_its_position_on_and_again_after_a_seek(site: Site) -> None:
    a, b, _ = site.topics
    await site.write(*((topic, b"%d" % n) for n in range(5) for topic in (a, b)))
    async with site.tail({a: 2, b: 4}) as tail:
        assert (tail.end(a), tail.end(b)) == (5, 5)
        found = await read(tail, [a, b], 4)
        assert values(found[a]) == [b"2", b"3", b"4"]
        assert [(r.topic, r.offset, r.key, r.headers) for r in found[b]] == [(b, 4, None, [])]
        tail.ask([a, b])
        tail.seek(a, 0)
        assert values((await read(tail, [a, b], 5))[a]) == [b"0", b"1", b"2", b"3", b"4"]
        await site.write((b, b"5"))
        assert values((await read(tail, [a, b], 1))[b]) == [b"5"]
        assert tail.end(b) == 6


@pytest.mark.kafka
async def test_what_a_transaction_took_back_is_not_there(site: Site) -> None:
    a, b, _ = site.topics
    writer = AIOKafkaProducer(**site.kafka.client(), transactional_id=a)
    async with writer:
        for number, commit in enumerate([True, False, True, False]):
            await writer.begin_transaction()
            for topic in (a, b):
                await writer.send_and_wait(topic, b"%d" % number, partition=0)
            await (writer.commit_transaction() if commit else writer.abort_transaction())
    await site.write((a, b"plain"))
    async with site.tail() as tail:
        found = await read(tail, [a, b], 5)
        assert values(found[a]) == [b"0", b"2", b"plain"]
        assert values(found[b]) == [b"0", b"2"]
        assert [record.offset for record in found[a]] == [0, 4, 8]


@pytest.mark.kafka
async def test_a_position_that_is_not_there_costs_the_other_topics_nothing(site: Site) -> None:
    a, b, _ = site.topics
    await site.write((a, b"0"), (b, b"0"))
    async with site.tail({a: 0, b: 7}) as tail:
        with pytest.raises(OutOfRange) as raised:
            await read(tail, [a, b], 2)
        assert (raised.value.topic, raised.value.position) == (b, 7)
        tail.seek(b, 0)
        found = await read(tail, [a, b], 2)
        assert values(found[a]) == values(found[b]) == [b"0"]


@pytest.mark.kafka
async def test_a_record_above_what_a_fetch_takes_of_a_topic_comes_all_the_same(site: Site) -> None:
    """Kafka hands a batch out whole only when its topic is named first in the request."""
    large = [bytes(3 * MEBIBYTE), bytes(2 * MEBIBYTE)]
    await site.write(*((topic, value) for value in large for topic in site.topics))
    async with site.tail() as tail:
        found = await read(tail, site.topics, 6)
        assert [values(found[topic]) for topic in site.topics] == [large] * 3


# What a broker sent, taken apart.


def batch(first: int, sent: Sequence[bytes]) -> bytes:
    """A record batch as a broker stores it."""
    builder = DefaultRecordBatchBuilder(
        2, 0, is_transactional=0, producer_id=-1, producer_epoch=-1, base_sequence=-1,
        batch_size=MEBIBYTE,
    )  # fmt: skip
    for number, value in enumerate(sent):
        builder.append(number, 1_000 + number, None, value, [])
    stored = builder.build()
    stored[:8] = first.to_bytes(8)  # its offset is no part of its checksum
    return bytes(stored)


def answer(batches: bytes, position: int = 0) -> Answer:
    return Answer("a", position, end=100, aborted=None, batches=batches)


def test_records_come_with_the_offsets_they_are_stored_at() -> None:
    records, position = unpack(answer(batch(3, [b"x", b"y"]) + batch(9, [b"z"])))
    assert [(r.offset, r.timestamp, r.value) for r in records] == [
        (3, 1_000, b"x"), (4, 1_001, b"y"), (9, 1_000, b"z")
    ]  # fmt: skip
    assert position == 10


def test_what_a_batch_holds_from_before_the_position_is_left_out() -> None:
    records, position = unpack(answer(batch(3, [b"x", b"y", b"z"]), position=4))
    assert ([r.offset for r in records], position) == ([4, 5], 6)


@given(st.data())
def test_a_damaged_batch_is_never_taken_for_records(data: st.DataObject) -> None:
    whole = batch(0, [b"first", b"second"])
    at = data.draw(st.integers(min_value=17, max_value=len(whole) - 1), "byte of what is checked")
    changed = bytearray(whole)
    changed[at] ^= data.draw(st.integers(min_value=1, max_value=255), "bits")
    with pytest.raises(LogError, match="unreadable at offset 0"):
        unpack(answer(bytes(changed)))


def test_a_batch_cut_off_by_the_size_of_a_fetch_is_left_for_the_next_one() -> None:
    records, position = unpack(answer(batch(0, [b"x"]) + batch(1, [b"y"])[:-1]))
    assert (values(records), position) == ([b"x"], 1)
    assert unpack(answer(b"", position=7)) == ([], 7)
