"""``reconverge tap kafka`` as a process: raw FIX from Kafka into the input topics.

A member of a consumer group on the raw topics. Of each partition it is given it reads on from the
position that it, or another, last wrote down; what was published behind that is found and not
published again (``tap.positions``). A position is written, and the group's offset committed, once
every event before it is acknowledged.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any, Final

from aiokafka import (
    AIOKafkaConsumer,
    AIOKafkaProducer,
    ConsumerRebalanceListener,
    ConsumerRecord,
    TopicPartition,
)
from aiokafka.errors import KafkaError
from aiokafka.partitioner import DefaultPartitioner

from reconverge.core.messages.events import StreamEvent
from reconverge.core.messages.wire import encode
from reconverge.tap.feed import Feed, Raw
from reconverge.tap.framing import Unreadable
from reconverge.tap.kafka import LINGER_MS, STOP_TIMEOUT_S, PublishError
from reconverge.tap.positions import (
    ORIGIN,
    READER,
    Mark,
    Outputs,
    Position,
    newest,
    origin,
    published,
)
from reconverge.tap.routing import Record, Routes, Stream

BATCH_RECORDS_MAX: Final = 2_000
"""Raw records translated before their events are awaited: a tenth of a second's work."""
SENT_BYTES_MAX: Final = 256 * 1024
"""Events that travel together: one batch of a partition is under way at a time."""
FETCH_MS: Final = 200
SAVE_EVERY_S: Final = 1.0
"""How old a position may be while records come: so much is read again after a crash."""
DEADLINE_S: Final = 60.0
"""For whatever a broker is asked; beyond that it is in no state to be published to."""
_NOTHING: Final[Mark] = (-1, -1)


class ScatteredError(Exception):
    """A session's messages lie in several partitions, so that nobody has their order."""


@dataclass(frozen=True, slots=True)
class Options:
    """What an installation chooses."""

    topics: Sequence[str]
    """Raw topics to read."""
    routes: Routes
    streams: Mapping[Stream, str]
    """The topic of each stream."""
    positions: str
    """The topic of the positions."""
    group: str
    session_s: float
    """Silence after which the group gives our partitions to others."""
    lenient: bool = False


@dataclass(slots=True)
class Place:
    """One partition that is ours."""

    feed: Feed
    offset: int
    """The next record to translate."""
    outputs: Outputs
    """Where the search for what was published begins if we die now."""
    published: dict[TopicPartition, Mark]
    """Up to where an earlier process published the events of what we read again."""
    saved_s: float = 0.0
    saved_offset: int = -1

    @property
    def is_past(self) -> bool:
        """Whether all that was published before us has been read again."""
        last = max(self.published.values(), default=_NOTHING)
        return self.offset > last[0]


class Service:
    """One process of the tap.

    ``on_reject`` is told of what cannot be read; ``on_place`` of every partition that is taken up,
    with the offset, and how many records before it were deleted unread.
    """

    def __init__(
        self,
        options: Options,
        connection: Mapping[str, Any],
        on_reject: Callable[[Unreadable], None],
        on_place: Callable[[TopicPartition, int, int], None],
    ) -> None:
        self.places: dict[TopicPartition, Place] = {}
        self._options = options
        self._on_reject = on_reject
        self._on_place = on_place
        self._turn = asyncio.Lock()  # one batch, or one rebalance, at a time
        self._failed: BaseException | None = None  # in a rebalance, where nobody would hear of it
        self._given: set[TopicPartition] = set()  # ours, and not taken up yet
        self._confirmed_s = monotonic()  # when the group last took us for a member
        self._partitions: dict[str, list[int]] = {}
        own = (*options.streams.values(), options.positions)
        self._reader = AIOKafkaConsumer(*own, **connection, **READER)
        self._producer = AIOKafkaProducer(
            **connection,
            acks="all",
            enable_idempotence=True,
            linger_ms=LINGER_MS,
            max_batch_size=SENT_BYTES_MAX,
        )
        session_ms = int(options.session_s * 1_000)
        self._consumer = AIOKafkaConsumer(
            **connection,
            group_id=options.group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            session_timeout_ms=session_ms,
            heartbeat_interval_ms=session_ms // 4,
            rebalance_timeout_ms=max(session_ms, int(DEADLINE_S * 1_000)),
        )

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until ``stop`` is set. Raises ``PublishError`` and ``ScatteredError``."""
        try:
            await _within(self._start())
            while not stop.is_set():
                await self._batch()
            async with self._turn:
                await self._save(list(self.places))
        except (KafkaError, TimeoutError) as error:
            raise PublishError(f"{error!r}") from error
        finally:
            await self._close()

    async def _start(self) -> None:
        await self._reader.start()
        self._reader.unsubscribe()  # it was named so that its partitions are known
        await self._producer.start()
        for topic in (*self._options.streams.values(), self._options.positions):
            self._partitions[topic] = sorted(await self._producer.partitions_for(topic))
        await self._consumer.start()
        self._consumer.subscribe(list(self._options.topics), listener=_Listener(self))

    async def _close(self) -> None:
        for client in (self._consumer, self._producer, self._reader):
            try:
                stopping: Awaitable[object] = client.stop()  # type: ignore[no-untyped-call]
                await asyncio.wait_for(stopping, STOP_TIMEOUT_S)
            except (KafkaError, TimeoutError):
                continue  # what was wrong is told by what came before

    # -- batches --------------------------------------------------------------------------------

    async def _batch(self) -> None:
        """Some records of each partition: translated, published, acknowledged, written down."""
        async with self._turn:
            if self._failed is not None:
                raise self._failed
            for at in sorted(self._given):
                await self._take(at)
        fetched = await self._consumer.getmany(timeout_ms=FETCH_MS, max_records=BATCH_RECORDS_MAX)
        async with self._turn:
            ours = {at: records for at, records in fetched.items() if at in self.places}
            if not await self._is_member():
                for at in ours:
                    self._consumer.seek(at, self.places[at].offset)
                return
            sent: list[Awaitable[object]] = []
            for at, records in ours.items():
                for record in records:
                    sent += await self._publish(at, record)
            await _within(_all(sent))
            now_s = monotonic()
            due = [at for at, each in self.places.items() if now_s - each.saved_s > SAVE_EVERY_S]
            await self._save(due)

    async def _publish(
        self, at: TopicPartition, record: ConsumerRecord[bytes, bytes]
    ) -> list[Awaitable[object]]:
        """Send the events of one record; those that are not there already."""
        place = self.places[at]
        if record.offset < place.offset:
            return []  # fetched before we knew where to go on
        sent = []
        for index, (stream, event) in enumerate(place.feed.events(raw_of(record))):
            output, mark = self._output(stream, event), (record.offset, index)
            if mark > place.published.get(output, _NOTHING):
                sending = self._producer.send(
                    output.topic,
                    encode(event),
                    key=event.session.encode(),
                    partition=output.partition,
                    headers=[(ORIGIN, origin(at, mark))],
                )
                sent.append(await sending)
        place.offset = record.offset + 1
        return sent

    def _output(self, stream: Stream, event: StreamEvent) -> TopicPartition:
        """Where an event goes: as the Java client would choose."""
        topic = self._options.streams[stream]
        partitions = self._partitions[topic]
        chosen = DefaultPartitioner()(event.session.encode(), partitions, partitions)
        return TopicPartition(topic, chosen)

    async def _is_member(self) -> bool:
        """Whether the group still takes us for a member, as far as can be known before publishing.

        After a pause others may have been given our partitions, and publish what we were about to.
        """
        now_s = monotonic()
        if now_s - self._confirmed_s < self._options.session_s / 2 or not self.places:
            return True
        is_member = await self._commit(list(self.places))
        if not is_member and now_s - self._confirmed_s > self._options.session_s + DEADLINE_S:
            raise PublishError("the consumer group does not take us for a member any more")
        return is_member

    async def _commit(self, places: Collection[TopicPartition]) -> bool:
        """Tell the group where we are, which it takes from members only."""
        try:
            offsets = {at: self.places[at].offset for at in places}
            await _within(self._consumer.commit(offsets))
        except KafkaError:
            return False
        self._confirmed_s = monotonic()
        return True

    # -- positions ------------------------------------------------------------------------------

    async def _save(self, places: Collection[TopicPartition]) -> None:
        """Write down where we are; all before it is acknowledged. Raises ``ScatteredError``."""
        moved = [at for at in places if self.places[at].offset != self.places[at].saved_offset]
        if not moved:
            return
        self._check_scattered()
        ends = await self._ends()
        for at in moved:
            place = self.places[at]
            if place.is_past:
                place.outputs = ends
            position = Position(place.offset, place.feed.dump(), place.outputs)
            sending = self._producer.send_and_wait(
                self._options.positions, position.packed(), key=self._key(at)
            )
            await _within(sending)
            place.saved_s, place.saved_offset = monotonic(), place.offset
        await self._commit(moved)

    async def _ends(self) -> Outputs:
        """How far the output topics have gone."""
        topics = set(self._options.streams.values())
        every = [TopicPartition(topic, p) for topic in topics for p in self._partitions[topic]]
        ends = await _within(self._reader.end_offsets(every))
        return {
            topic: [ends[TopicPartition(topic, p)] for p in self._partitions[topic]]
            for topic in topics
        }

    def _key(self, at: TopicPartition) -> bytes:
        return f"{self._options.group}/{at.topic}/{at.partition}".encode()

    def _check_scattered(self) -> None:
        where = Counter(owner for place in self.places.values() for owner in place.feed.sources)
        for owner, count in where.items():
            if count > 1:
                told = (
                    f"{owner} is in {count} partitions, so its order is lost; key the raw records"
                )
                raise ScatteredError(f"{told} by session")

    # -- rebalances -----------------------------------------------------------------------------

    def give(self, assigned: Collection[TopicPartition]) -> None:
        """The group gives us partitions; the next batch takes them up. While this is called the
        client sends no heartbeats, so nothing is asked of a broker here.
        """
        self._consumer.pause(*assigned)
        self._given = set(assigned)

    async def _take(self, at: TopicPartition) -> None:
        positions = self._options.positions
        partitions = self._partitions[positions]
        key = self._key(at)
        kept_in = TopicPartition(positions, DefaultPartitioner()(key, partitions, partitions))
        position = await newest(self._reader, kept_in, key)
        ends = await self._ends()
        (first,) = (await _within(self._reader.beginning_offsets([at]))).values()
        feed = Feed(
            f"{at.topic}-{at.partition}",
            self._options.routes,
            self._on_reject,
            lenient=self._options.lenient,
        )
        if position is None:
            place = Place(feed, first, ends, {})
        else:
            feed.load(position.sources)
            found = await published(self._reader, at, position.outputs, ends)
            place = Place(feed, max(first, position.offset), position.outputs, found)
        lost = 0 if position is None else place.offset - position.offset
        self.places[at] = place
        self._given.discard(at)
        self._consumer.seek(at, place.offset)
        self._consumer.resume(at)
        self._on_place(at, place.offset, lost)
        await self._save([at])

    async def leave(self, revoked: Collection[TopicPartition]) -> None:
        """Let go of partitions, everything written down."""
        async with self._turn:
            try:
                await self._save([at for at in revoked if at in self.places])
            except Exception as error:
                self._failed = error
            for at in revoked:
                self.places.pop(at, None)
                self._given.discard(at)


class _Listener(ConsumerRebalanceListener):
    """Hands rebalances to the service."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        await self._service.leave(revoked)

    def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        self._service.give(assigned)


async def _within(awaited: Awaitable[Any]) -> Any:
    """A deadline round every question to a broker: the client has none of its own."""
    async with asyncio.timeout(DEADLINE_S):
        return await awaited


async def _all(sent: Sequence[Awaitable[object]]) -> None:
    for each in sent:
        await each


def raw_of(record: ConsumerRecord[bytes, bytes]) -> Raw:
    """What of a record matters to a feed."""
    headers = {name: value.decode(errors="replace") for name, value in record.headers}
    key = None if record.key is None else record.key.decode(errors="replace")
    told = Record(record.topic, headers, key)
    return Raw(record.offset, record.timestamp, record.value or b"", told)
