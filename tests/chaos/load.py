"""What is traded during a drill, and the truth that must be known at the end.

The desks of the simulation, on real Kafka in real time: every session under a key that the
partitioner alone places, every record counted when it is acknowledged.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Mapping
from itertools import count
from random import Random
from typing import Any, NamedTuple

from aiokafka.partitioner import DefaultPartitioner
from confluent_kafka import KafkaError, Message, Producer

from reconverge.core.session import Session
from tests.sim.load import Desk, DeskLoad

_FLUSH_S_MAX = 60.0
_TURN_S = 0.02
_GAPS = (("entry", None), ("DC", "DC"))
"""Sources in which some sessions are left with a gap: as the service names them, and the desks."""


class Source(NamedTuple):
    """Where the numbering of one source stands."""

    next_expected: int
    open_gaps: list[tuple[int, int | None]]


class Truth(NamedTuple):
    """What must be known of a session."""

    entry: list[str]
    """Orders working as the order-entry stream told it, sorted,"""
    venue: list[str]
    """and as drop copy did."""
    sources: dict[str, Source]

    @classmethod
    def held(cls, session: Session) -> "Truth":
        """What a fold holds to be true."""
        orders, sequences = session.truth.orders, session.truth.sequences
        found = {name: sequences.get(channel) for name, channel in _GAPS}
        return cls(
            sorted(orders.working(venue=False)),
            sorted(orders.working(venue=True)),
            {n: Source(s.next_expected, s.open_gaps()) for n, s in found.items() if s},
        )

    def shows(self, status: Mapping[str, Any]) -> bool:
        """Whether a status page says the same, as far as it goes: orders are only counted there."""
        both, either = set(self.entry) & set(self.venue), set(self.entry) | set(self.venue)
        return status["working"] == {"both": len(both), "either": len(either)} and all(
            status["rwh"][name]["next_expected"] == source.next_expected
            and [tuple(gap) for gap in status["rwh"][name]["open_gaps"]] == source.open_gaps
            for name, source in self.sources.items()
        )


class Trading(DeskLoad):
    """Desks at work, at a steady rate, until told to come to an end."""

    def __init__(self, random: Random, bootstrap: str, partitions: int, desks: int) -> None:
        super().__init__(random, 0, self._produce)
        self._desks = _spread(partitions, desks)
        self.partitions = {desk.session: desk.partition for desk in self._desks}
        self.sent: Counter[tuple[str, int]] = Counter()
        """Records acknowledged, by topic and partition."""
        self._failed: list[str] = []
        self._producer = Producer({
            "bootstrap.servers": bootstrap, "acks": "all", "enable.idempotence": True,
            "partitioner": "murmur2_random", "linger.ms": 5, "message.timeout.ms": 120_000,
            "log_level": 0,  # refused connections are expected here
        })  # fmt: skip

    async def trade(self, events_per_s: float) -> None:
        """Go on until cancelled, making up for turns that came late."""
        begun_s, made = time.monotonic(), self._made
        while True:
            while self._made - made < (time.monotonic() - begun_s) * events_per_s:
                self.step(time.time_ns())
            self._producer.poll(0)
            assert not self._failed, self._failed[0]
            await asyncio.sleep(_TURN_S)

    async def finish(self) -> dict[str, Truth]:
        """Say all that is owed, but leave some gaps open; returns what must be known in the end."""
        self.end(time.time_ns())
        for number, desk in enumerate(self._desks):
            channels = [channel for _, channel in _GAPS]
            for channel in channels[: number % 3]:
                for _ in range(1 + number):
                    self._say(desk, channel, {"type": "heartbeat"}, lose=True)
            for channel in channels:
                self._say(desk, channel, {"type": "heartbeat"}, lose=False)
        left = await asyncio.to_thread(self._producer.flush, _FLUSH_S_MAX)
        assert left == 0, f"{left} records were not acknowledged"
        assert not self._failed, self._failed[0]
        return {desk.session: _truth(desk) for desk in self._desks}

    _made = 0

    def _produce(self, topic: str, _: int, key: bytes, value: bytes | None) -> None:
        self._made += 1
        self._producer.produce(topic, value, key, on_delivery=self._delivered)

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        topic, partition = message.topic(), message.partition()
        if error is not None or topic is None or partition is None:
            self._failed.append(f"not acknowledged: {error}")
        else:
            self.sent[topic, partition] += 1


def _spread(partitions: int, desks: int) -> list[Desk]:
    """Desks whose names the partitioner spreads evenly."""
    place, numbers = DefaultPartitioner(), list(range(partitions))
    found: list[Desk] = []
    for number in count():
        session = f"DESK-{number}"
        partition = place(session.encode(), numbers, numbers)
        if sum(desk.partition == partition for desk in found) * partitions < desks:
            found.append(Desk(session, partition))
        if len(found) == desks:
            return found
    raise AssertionError("numbers do not end")


def _truth(desk: Desk) -> Truth:
    working = sorted(f"V{name}" for name in desk.working)
    sources = {}
    for name, channel in _GAPS:
        lost = [fields["seq"] for fields in desk.lost[channel]]
        gaps: list[tuple[int, int | None]] = [(lost[0], lost[-1])] if lost else []
        sources[name] = Source(lost[0] if lost else desk.said[channel] + 1, gaps)
    return Truth(working, working, sources)
