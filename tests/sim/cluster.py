"""A simulated Kafka: topics in memory, and a network that is as bad as the weather says.

Requests take time and are applied whether or not their sender still lives; answers may be lost,
late, or wait for a paused process to wake up. Everything random comes from one seeded generator.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Any, Final

from reconverge.stream.log import (
    Headers,
    LogError,
    Message,
    OutcomeUnknown,
    OutOfRange,
    Record,
    TooLarge,
)
from tests.sim.loop import VirtualLoop

START_NS = 1_700_000_000_000_000_000
RECORD_BYTES_MAX = 50_000
FETCHED_MAX: Final = 20
"""Records of one topic in one fetch; often they are fewer."""


@dataclass
class Weather:
    """How likely things go wrong, per request. All zero is a calm day."""

    latency_s: float = 0.002
    """Mean of the time that each half of a request takes."""
    lost_request: float = 0.0
    lost_answer: float = 0.0
    late_request: float = 0.0
    """A write that is applied long after its sender has given up."""
    failed_read: float = 0.0
    repeated_read: float = 0.0
    """A poll that returns some records a second time."""
    refused_write: float = 0.0
    """A write that fails at once with an unknown outcome, and is not applied.

    A leader that moved.
    """


class Process:
    """One process of the service, as the network sees it.

    Alive, paused or dead, with a clock of its own.
    """

    def __init__(self, name: str, loop: VirtualLoop) -> None:
        self.name = name
        self._loop = loop
        self.alive = True
        self.clock_offset_ns = 0
        self._paused_until = 0.0
        self._held: list[Callable[[], None]] = []

    def wall_ns(self) -> int:
        return START_NS + self._loop.now_ns() + self.clock_offset_ns

    def pause(self, seconds: float) -> None:
        self._paused_until = max(self._paused_until, self._loop.time() + seconds)
        self._loop.call_at(self._paused_until, self._wake)

    @property
    def paused(self) -> bool:
        return self._loop.time() < self._paused_until

    def deliver(self, callback: Callable[[], None]) -> None:
        """Run once the process is awake; never, if it is dead by then."""
        if not self.alive:
            return
        if self.paused:
            self._held.append(callback)
        else:
            callback()

    def _wake(self) -> None:
        if not self.paused:
            held, self._held = self._held, []
            for callback in held:
                self.deliver(callback)


class Cluster:
    """The topics, and who watches what is written to them."""

    def __init__(self, loop: VirtualLoop, random: Random) -> None:
        self.loop = loop
        self.random = random
        self.weather = Weather()
        self.topics: dict[tuple[str, int], list[Record]] = defaultdict(list)
        self.starts: dict[tuple[str, int], int] = defaultdict(int)
        self.watchers: list[Callable[[int, Record, object], None]] = []
        """Told of each record: its partition, itself, and who wrote it."""
        self._arrivals: dict[tuple[str, int], list[asyncio.Future[None]]] = defaultdict(list)

    def write(
        self,
        topic: str,
        partition: int,
        key: bytes | None,
        value: bytes | None,
        headers: Headers = (),
        *,
        clock_ahead_ns: int = 0,
        writer: object = None,
    ) -> int:
        """Append to a partition, tell the watchers, wake the readers.

        `clock_ahead_ns` is how far the clock is ahead by which its producer stamps it.
        """
        log = self.topics[topic, partition]
        timestamp = (START_NS + self.loop.now_ns() + clock_ahead_ns) // 1_000_000
        record = Record(topic, len(log), timestamp, key, value, tuple(headers))
        log.append(record)
        for watch in self.watchers:
            watch(partition, record, writer)
        arrivals, self._arrivals[topic, partition] = self._arrivals[topic, partition], []
        for future in arrivals:
            if not future.done():
                future.set_result(None)
        return record.offset

    def arrival(self, topics: Sequence[str], partition: int) -> asyncio.Future[None]:
        """Done when anything is written to one of these topics."""
        future: asyncio.Future[None] = self.loop.create_future()
        for topic in topics:
            self._arrivals[topic, partition].append(future)
        return future

    def lag(self) -> float:
        return self.random.expovariate(1 / self.weather.latency_s)

    def hits(self, probability: float) -> bool:
        return probability > 0 and self.random.random() < probability

    def trim(self, topic: str, partition: int, start: int) -> None:
        """Retention deletes what is before `start`."""
        self.starts[topic, partition] = start

    def make_again(self, topic: str, partition: int) -> None:
        """Delete a topic and create it anew, empty."""
        self.topics[topic, partition] = []
        self.starts[topic, partition] = 0


class SimTail:
    """Follows a partition of some topics."""

    def __init__(self, log: "SimLog", positions: Mapping[str, int]) -> None:
        self._log = log
        self._positions = dict(positions)

    async def poll(self, topics: Sequence[str], wait_s: float) -> Mapping[str, Sequence[Record]]:
        cluster, partition = self._log.cluster, self._log.partition
        await self._log.travel()
        if cluster.hits(cluster.weather.failed_read):
            raise LogError("simulated: fetch failed")
        polled = self._polled(topics)
        if not polled and wait_s > 0:
            arrival = cluster.arrival(topics, partition)
            await asyncio.wait([arrival], timeout=wait_s)
            await self._log.travel()
            polled = self._polled(topics)
        return polled

    def _polled(self, topics: Sequence[str]) -> dict[str, Sequence[Record]]:
        cluster, partition = self._log.cluster, self._log.partition
        polled: dict[str, Sequence[Record]] = {}
        for topic in topics:
            records, position = cluster.topics[topic, partition], self._positions[topic]
            if not cluster.starts[topic, partition] <= position <= len(records):
                if polled:
                    break
                raise OutOfRange(topic, position)
            take = records[position : position + cluster.random.randint(1, FETCHED_MAX)]
            if take:
                self._positions[topic] = take[-1].offset + 1
                if cluster.hits(cluster.weather.repeated_read):
                    again = max(cluster.starts[topic, partition], position - 2)
                    take = records[again:position] + take
                polled[topic] = take
        return polled

    def ask(self, topics: Sequence[str]) -> None:
        """Whatever is there is ready already."""

    def end(self, topic: str) -> int:
        return len(self._log.cluster.topics[topic, self._log.partition])

    def seek(self, topic: str, offset: int) -> None:
        self._positions[topic] = offset

    async def close(self) -> None:
        await self._log.travel()


class SimLog:
    """The `Log` of one simulated process."""

    def __init__(self, cluster: Cluster, process: Process, partition: int, append_s: float) -> None:
        self.cluster = cluster
        self.partition = partition
        self._process = process
        self._append_s = append_s
        self._applied_s: dict[tuple[str, str], float] = defaultdict(float)
        """When the last write was applied, by producer and topic: those keep their order."""
        self._closed = False

    async def travel(self) -> None:
        """A request that only reads: there and back again."""
        await self._answered(self.cluster.lag() + self.cluster.lag(), lambda: None)

    async def append(self, topic: str, key: bytes | None, value: bytes) -> int:
        return await self.acknowledged(self._send("journal", topic, key, value, ()))

    async def send(self, messages: Sequence[Message]) -> "list[asyncio.Future[int]]":
        return [self._send("outputs", *message) for message in messages]

    async def acknowledged(self, sent: Any) -> int:
        self._gate()
        offset: int = await sent
        return offset

    async def span(self, topic: str) -> tuple[int, int]:
        await self.travel()
        key = topic, self.partition
        return self.cluster.starts[key], len(self.cluster.topics[key])

    async def follow(self, positions: Mapping[str, int]) -> SimTail:
        await self.travel()
        return SimTail(self, positions)

    async def close(self) -> None:
        self._closed = True

    def _gate(self) -> None:
        """A dead process does nothing more; what runs is only asyncio tidying it up."""
        if not self._process.alive:
            raise asyncio.CancelledError

    async def _answered(self, seconds: float, act: Callable[[], Any]) -> Any:
        self._gate()
        future = self.cluster.loop.create_future()
        answer = partial(_resolve, future, act)
        self.cluster.loop.call_later(seconds, self._process.deliver, answer)
        return await future

    def _send(
        self, producer: str, topic: str, key: bytes | None, value: bytes | None, headers: Headers
    ) -> "asyncio.Future[int]":
        self._gate()
        cluster, weather, loop = self.cluster, self.cluster.weather, self.cluster.loop
        future: asyncio.Future[int] = loop.create_future()
        future.add_done_callback(lambda done: done.cancelled() or done.exception())
        if len(value or b"") > RECORD_BYTES_MAX:
            future.set_exception(TooLarge(topic))
            return future
        give_up = partial(_fail, future, OutcomeUnknown(f"simulated: {topic}"))
        if cluster.hits(weather.refused_write):
            loop.call_later(cluster.lag(), self._process.deliver, give_up)
            return future
        loop.call_later(self._append_s, self._process.deliver, give_up)
        if cluster.hits(weather.lost_request):
            return future
        late = (
            self._append_s * cluster.random.uniform(0.5, 3)
            if cluster.hits(weather.late_request)
            else 0.0
        )
        when = max(self._applied_s[producer, topic] + 1e-6, loop.time() + cluster.lag() + late)
        self._applied_s[producer, topic] = when
        answered = not cluster.hits(weather.lost_answer)

        def apply() -> None:
            offset = cluster.write(topic, self.partition, key, value, headers, writer=self)
            if answered:
                answer = partial(_resolve, future, lambda: offset)
                loop.call_later(cluster.lag(), self._process.deliver, answer)

        loop.call_at(when, apply)
        return future


def _resolve(future: asyncio.Future[Any], act: Callable[[], Any]) -> None:
    if not future.done():
        future.set_result(act())


def _fail(future: asyncio.Future[Any], error: LogError) -> None:
    if not future.done():
        future.set_exception(error)
