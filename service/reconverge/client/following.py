"""The caps topic, followed: connecting, reading, noticing that Kafka is silent, connecting again.

A dead broker is noticed by a question each second (docs/router.md, C8): neither a hung connection
nor aiokafka's consumer says anything by itself.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import (
    KafkaConnectionError,
    KafkaError,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
)

from reconverge.client.book import CapBook
from reconverge.client.quiet import log

_RETRY_S: Final = 1.0
"""Pause before a broken connection is tried again: below the time a cap is valid by default."""
_CONNECT_S: Final = 5.0
"""Longest that connecting may take: a healthy cluster needs a tenth of a second."""
_REQUEST_MS: Final = 3_000
"""Longest that aiokafka waits for one answer; a topic that is missing is told after this."""
_QUESTION_S: Final = 1.0
_ANSWER_S: Final = 2.0
"""Both C8: within the validity of a cap it is known whether Kafka answers."""
_POLL_MS: Final = 200
"""Longest wait for records before the loop looks whether it has caught up."""
_RECORDS_MAX: Final = 200
"""Records taken at once: some 2 ms, for which the router's own event loop stands still."""
_METADATA_MS: Final = 30_000
"""How often new partitions are looked for."""
_CLOSE_S: Final = 5.0
"""Closing a consumer can hang while the broker is down (aiokafka #773)."""
_SKEW_WINDOW_NS: Final = 30_000_000_000
"""The least of what the caps of this window and the one before it show is the skew."""
_SKEW_TOLD_NS: Final = 500_000_000
"""A skew that is logged: NTP keeps clocks within a hundredth of this."""

_NS_PER_MS: Final = 1_000_000

_DEFAULTS: Final = {"request_timeout_ms": _REQUEST_MS, "metadata_max_age_ms": _METADATA_MS}


class Trouble(Exception):
    """Why no news is coming."""


class Skew:
    """This machine's clock minus the service's, as live caps show it."""

    def __init__(self) -> None:
        self._begun_ns: int | None = None
        self._now: int | None = None
        self._before: int | None = None

    def note(self, difference_ns: int, monotonic_ns: int) -> None:
        """Take what one cap shows: arrival by our clock minus publication by the service's."""
        if self._begun_ns is None or monotonic_ns - self._begun_ns >= _SKEW_WINDOW_NS:
            self._begun_ns, self._before, self._now = monotonic_ns, self._now, None
        self._now = difference_ns if self._now is None else min(self._now, difference_ns)

    @property
    def ns(self) -> int | None:
        """The estimate; none before the first cap."""
        known = [one for one in (self._before, self._now) if one is not None]
        return min(known, default=None)


class Follower:
    """Follows one topic into a book, for as long as ``run`` is not cancelled."""

    def __init__(
        self,
        connection: Mapping[str, Any],
        topic: str,
        lookback_s: float | None,
        book: CapBook,
        tell: Callable[[str], None],
    ) -> None:
        self.trouble: str | None = "not connected yet"
        self.connections = 0
        self.records = 0
        self.record_ns: int | None = None
        """When the last record came, on the monotonic clock."""
        self.lag: int | None = None
        self.skew = Skew()
        self.caught_up = asyncio.Event()
        self._connection = _DEFAULTS | dict(connection)
        self._topic = topic
        self._lookback_s = lookback_s
        self._book = book
        self._tell = tell
        self._ends: dict[TopicPartition, int] = {}
        self._before: dict[TopicPartition, int] = {}
        self._closing: set[asyncio.Task[None]] = set()
        book.connected = False

    async def check(self) -> None:
        """Raise what aiokafka has against the arguments."""
        await self._consumer().stop()

    def _consumer(self) -> AIOKafkaConsumer:
        return AIOKafkaConsumer(
            self._topic,
            **self._connection,
            client_id="reconverge-client",
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="latest",
        )

    async def run(self) -> None:
        """Follow, until cancelled."""
        while True:
            try:
                await self._follow(self._consumer())
            except Exception as error:  # a router must outlive even a bug in here
                self._lost(error)
            await asyncio.sleep(_RETRY_S)

    async def closed(self, wait_s: float) -> None:
        """Wait for connections that are being closed; not for long."""
        if self._closing:
            await asyncio.wait(self._closing, timeout=wait_s)

    async def _follow(self, consumer: AIOKafkaConsumer) -> None:
        try:
            partitions = await self._connect(consumer)
            await _first_failure(self._read(consumer), self._question(consumer, partitions))
        finally:
            self._book.connected = False
            self.lag = None
            closing = asyncio.create_task(_close(consumer))
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)

    async def _connect(self, consumer: AIOKafkaConsumer) -> set[TopicPartition]:
        try:
            async with asyncio.timeout(_CONNECT_S):
                await consumer.start()
                partitions = set(consumer.assignment())
                # Else a first fetch waits for records at the end, and all questions behind it.
                consumer.pause(*partitions)
                self._ends = await consumer.end_offsets(sorted(partitions))
                await self._seek(consumer)
                consumer.resume(*partitions)
        except TimeoutError:
            raise Trouble(f"Kafka does not answer within {_CONNECT_S:g} s") from None
        self._before = dict(self._ends)
        self.connections += 1
        self.trouble = None
        self._book.connected = True
        log.info("caps: following %s, %d partitions", self._topic, len(partitions))
        return partitions

    async def _seek(self, consumer: AIOKafkaConsumer) -> None:
        """Begin at the lookback; what is older has ended, or its session beats that slowly."""
        if self._lookback_s is None:
            # Not seek_to_beginning: the start asked for the end, and that may come after it.
            for partition, offset in (await consumer.beginning_offsets(sorted(self._ends))).items():
                consumer.seek(partition, offset)
            return
        begin_ms = max(0, self._book.wall_ns() // _NS_PER_MS - int(self._lookback_s * 1_000))
        found = await consumer.offsets_for_times(dict.fromkeys(self._ends, begin_ms))
        for partition, end in self._ends.items():
            there = found[partition]
            consumer.seek(partition, end if there is None else there.offset)

    async def _read(self, consumer: AIOKafkaConsumer) -> None:
        while True:
            batches = await consumer.getmany(timeout_ms=_POLL_MS, max_records=_RECORDS_MAX)
            for partition, records in batches.items():
                for record in records:
                    self._take(record, live=record.offset >= self._ends.get(partition, 0))
            await self._look_whether_caught_up(consumer)
            await asyncio.sleep(0)  # records that have been fetched are handed out without a wait

    def _take(self, record: "ConsumerRecord[bytes, bytes]", *, live: bool) -> None:
        self.records += 1
        self.record_ns = self._book.monotonic_ns()
        unreadable = self._book.unreadable
        session = self._book.offer(record.value, record.key)
        if session is not None:
            if live:
                self._note_skew(session, self.record_ns)
            self._tell(session)
        elif self._book.unreadable > unreadable:
            where = f"{record.topic}/{record.partition}@{record.offset}"
            log.warning("caps: a record that cannot be read, passed over: %s", where)

    def _note_skew(self, session: str, now_ns: int) -> None:
        published_ns = self._book.publish_ns(session)
        if published_ns is not None:
            self.skew.note(self._book.wall_ns() - published_ns, now_ns)
            skew_ns = self.skew.ns or 0
            if abs(skew_ns) > _SKEW_TOLD_NS:
                log.warning(
                    "caps: this clock is %+.1f s from the service's: check NTP on both",
                    skew_ns / 1e9,
                )

    async def _look_whether_caught_up(self, consumer: AIOKafkaConsumer) -> None:
        for partition, end in list(self._before.items()):
            if await consumer.position(partition) >= end:
                del self._before[partition]
        if not self._before:
            self.caught_up.set()

    async def _question(self, consumer: AIOKafkaConsumer, partitions: set[TopicPartition]) -> None:
        """Ask for the end offsets each second: the answer is the sign of life, and the lag."""
        while True:
            await asyncio.sleep(_QUESTION_S)
            try:
                async with asyncio.timeout(_ANSWER_S):
                    ends = await consumer.end_offsets(sorted(partitions))
                    places = {p: await consumer.position(p) for p in partitions}
            except TimeoutError:
                raise Trouble(f"Kafka has not answered for {_ANSWER_S:g} s") from None
            if consumer.assignment() != partitions:
                raise Trouble(f"the partitions of {self._topic} changed; connecting anew")
            self.lag = sum(max(0, ends[p] - places[p]) for p in partitions)

    def _lost(self, error: Exception) -> None:
        self.trouble = _told(error, self._topic)
        log.warning("caps: not connected: %s", self.trouble)


def _told(error: Exception, topic: str) -> str:
    """Why no news is coming, and what to do."""
    match error:
        case UnknownTopicOrPartitionError():
            return (
                f"Kafka has no topic {topic!r} that we may see. Make it (reconverge topics"
                f" --create), or grant Describe and Read on topic {topic!r}"
            )
        case TopicAuthorizationFailedError():
            return f"no right to read: grant Describe and Read on topic {topic!r}"
        case KafkaConnectionError():
            return f"{error}: down, or it refuses us; the log lines of aiokafka say which"
    return str(error) or type(error).__name__


async def _first_failure(*work: Coroutine[Any, Any, None]) -> None:
    """Run endless tasks side by side; raises the first failure, the others having been ended."""
    tasks = [asyncio.create_task(one) for one in work]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            if task.done():
                task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _close(consumer: AIOKafkaConsumer) -> None:
    with suppress(KafkaError, OSError, TimeoutError):  # nothing is left to lose in it
        # Not wait_for, which in Python 3.11 can swallow the cancellation that ends the task.
        async with asyncio.timeout(_CLOSE_S):
            await consumer.stop()
