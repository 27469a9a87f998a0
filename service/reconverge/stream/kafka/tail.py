"""The `Tail` of production: fetches of its own, over aiokafka's connections and record format.

aiokafka's consumer would do, but not fast enough (docs/performance.md). It copies each record into
an object of eleven fields, a tenth of a restore; it asks for more when the event loop next turns,
so that a restore and the broker take turns; and while something it has fetched is not consumed, it
leaves topics out of a fetch that then waits. What it is good at is used: connections, security,
metadata, the protocol, and the parsing of record batches, aborted transactions left out.
"""

import asyncio
from bisect import bisect_left
from collections.abc import Collection, Iterable, Mapping, Sequence
from operator import attrgetter, itemgetter
from typing import Final, NamedTuple

from aiokafka.errors import (
    CorruptRecordException,
    KafkaError,
    NoError,
    OffsetOutOfRangeError,
    for_code,
)
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.record.memory_records import MemoryRecords

from reconverge.stream.kafka.client import (
    FAILURES,
    LATEST,
    READ_COMMITTED,
    PartitionClient,
    closed,
    stopped,
    together,
    within,
)
from reconverge.stream.log import LogError, OutOfRange, Record
from reconverge.stream.options import Deadlines

_FETCH_BYTES_MAX: Final = 16 * 1024 * 1024
_TOPIC_BYTES_MAX: Final = 1024 * 1024
"""Of one topic in one fetch; a record batch above it comes whole, when its topic is named first."""

_offset: Final = attrgetter("offset")


class Answer(NamedTuple):
    """What a broker said of one topic."""

    topic: str
    position: int
    """The offset that was asked for."""
    end: int
    aborted: Sequence[tuple[int, int]] | None
    """Transactions: their producer, and where they begin."""
    batches: bytes
    """Record batches one after another; the last may be cut off."""
    error: type[KafkaError] = NoError


class Unpacked(NamedTuple):
    """What an answer holds."""

    records: list[Record]
    position: int
    """The offset to go on at."""


class KafkaTail:
    """Follows topics with one fetch under way to each broker that leads some of them."""

    def __init__(self, client: PartitionClient, deadlines: Deadlines) -> None:
        self._client = client
        self._deadlines = deadlines
        self._positions: dict[str, int] = {}
        self._ends: dict[str, int] = {}
        self._fetches: dict[int | None, asyncio.Task[list[Answer]]] = {}

    async def start(self, positions: Mapping[str, int]) -> None:
        """Connect and take the positions."""
        self._positions = dict(positions)
        async with within(self._deadlines.connect_s, "connecting"):
            await self._client.start()
            await self._client.get_to_know(positions)
            ends = [self._client.offset(topic, LATEST) for topic in positions]
            self._ends = dict(zip(positions, await together(*ends), strict=True))

    async def poll(self, topics: Sequence[str], wait_s: float) -> Mapping[str, Sequence[Record]]:
        """See `Tail.poll`."""
        loop = asyncio.get_running_loop()
        give_up_s = loop.time() + wait_s
        while topics:
            self.ask(topics)
            try:
                polled = self._read(await self._answers(give_up_s - loop.time()))
            except FAILURES as failure:
                raise LogError(f"fetching: {failure!r}") from failure
            if polled or loop.time() >= give_up_s:
                return polled
        return {}

    def ask(self, topics: Collection[str]) -> None:
        """See `Tail.ask`. A broker that is being asked already is left alone."""
        led: dict[int | None, list[str]] = {}
        for topic in self._positions:
            led.setdefault(self._client.leader(topic), []).append(topic)
        for node, theirs in led.items():
            wanted = [topic for topic in theirs if topic in topics]
            if wanted and node not in self._fetches:
                # What is left out must not wait until something comes on the others.
                whole = len(wanted) == len(theirs)
                wait_s = self._deadlines.fetch_s if whole else self._deadlines.tick_s
                self._fetches[node] = asyncio.create_task(self._fetch(node, wanted, wait_s))

    def end(self, topic: str) -> int:
        """See `Tail.end`."""
        return self._ends[topic]

    def seek(self, topic: str, offset: int) -> None:
        """See `Tail.seek`."""
        self._positions[topic] = offset

    async def close(self) -> None:
        """See `Tail.close`."""
        await stopped(self._fetches.values())
        await closed(self._client.close(), self._deadlines.connect_s)

    async def _answers(self, wait_s: float) -> list[Answer]:
        """What has come by now, or comes first; empty when nothing does."""
        if wait_s > 0 and not any(fetch.done() for fetch in self._fetches.values()):
            await asyncio.wait(
                self._fetches.values(), timeout=wait_s, return_when=asyncio.FIRST_COMPLETED
            )
        done = [node for node, fetch in self._fetches.items() if fetch.done()]
        return [answer for node in done for answer in self._fetches.pop(node).result()]

    async def _fetch(self, node: int | None, topics: Sequence[str], wait_s: float) -> list[Answer]:
        """One request; without an answer to use, a look who leads now and a moment's rest."""
        answers: list[Answer] = []
        if node is not None:
            try:
                answers = await self._request(node, {t: self._positions[t] for t in topics}, wait_s)
            except KafkaError as error:
                if not error.retriable:
                    raise
        if not answers or any(answer.error.retriable for answer in answers):
            await self._client.look_again()
        return answers

    async def _request(
        self, node: int, positions: Mapping[str, int], wait_s: float
    ) -> list[Answer]:
        asked = [
            (topic, [(self._client.partition, offset, _TOPIC_BYTES_MAX)])
            for topic, offset in positions.items()
        ]
        request = FetchRequest(int(wait_s * 1_000), 1, _FETCH_BYTES_MAX, READ_COMMITTED, asked)
        response = await self._client.send(node, request)
        aborted = 2 if response.API_VERSION >= 11 else -2
        return [
            Answer(topic, positions[topic], end, rest[aborted], rest[-1], for_code(code))
            for topic, partitions in response.topics
            for _, code, end, *rest in partitions
        ]

    def _read(self, answers: Iterable[Answer]) -> dict[str, list[Record]]:
        unpacked = [(answer, unpack(answer)) for answer in answers if self._is_usable(answer)]
        polled: dict[str, list[Record]] = {}
        for answer, (records, position) in unpacked:
            topic = answer.topic
            if answer.position != self._positions[topic]:
                continue  # two nodes answered: the leader has moved
            self._ends[topic] = answer.end
            if records:
                polled[topic] = records
                del self._positions[topic]  # the last one served is the last one named
            self._positions[topic] = position
        return polled

    def _is_usable(self, answer: Answer) -> bool:
        """Whether it may hold records we want. Raises what only our caller can mend."""
        if answer.position != self._positions[answer.topic] or answer.error.retriable:
            return False
        if answer.error is OffsetOutOfRangeError:
            raise OutOfRange(answer.topic, answer.position)
        if answer.error is not NoError:
            raise LogError(f"fetching {answer.topic}: {answer.error.__name__}")
        return True


def unpack(answer: Answer) -> Unpacked:
    """Every committed record from the position on. Raises `LogError` for what cannot be read."""
    topic, position = answer.topic, answer.position
    aborted = sorted(answer.aborted or (), key=itemgetter(1), reverse=True)
    aborting: set[int] = set()
    records: list[Record] = []
    batches = MemoryRecords(answer.batches)
    try:
        while batch := batches.next_batch():
            if not batch.validate_crc():
                raise CorruptRecordException("its checksum differs")
            end = batch.next_offset
            while aborted and aborted[-1][1] < end:
                aborting.add(aborted.pop()[0])
            if batch.is_control_batch:  # the end of a transaction, whichever way it went
                aborting.discard(batch.producer_id)
            elif not (batch.is_transactional and batch.producer_id in aborting):
                records += [
                    Record(topic, r.offset, r.timestamp or 0, r.key, r.value, r.headers)
                    for r in batch
                ]
            position = end
    except (CorruptRecordException, ValueError) as error:  # a header's name need not be UTF-8
        raise LogError(f"{topic}: unreadable at offset {position}: {error!r}") from error
    if records and records[0].offset < answer.position:  # a batch is stored as it was written
        del records[: bisect_left(records, answer.position, key=_offset)]
    return Unpacked(records, position)
