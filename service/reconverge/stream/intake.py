"""Records read ahead of their batch: bounded, and aligned in time while a backlog is worked off.

Kafka hands out what it has, topic by topic. After an outage that would fold an hour of one topic
before the first minute of another, and the two views of every order would disagree for no reason
but ours. So while much of a topic is known to wait, the others are taken only up to its newest
fetched time.
"""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from operator import attrgetter

from reconverge.stream.log import Record

_offset = attrgetter("offset")
_timestamp = attrgetter("timestamp")


class _Buffer:
    """Records of one topic, taken from the front without moving the rest."""

    __slots__ = ("fetched", "head", "newest", "records")

    def __init__(self, fetched: int) -> None:
        self.records: list[Record] = []
        self.head = 0
        self.fetched = fetched
        """One past the last offset fetched."""
        self.newest = -1
        """Latest timestamp fetched."""

    def __len__(self) -> int:
        return len(self.records) - self.head

    def add(self, records: Sequence[Record]) -> None:
        fresh = records[bisect_left(records, self.fetched, key=_offset) :]
        if not fresh:
            return
        self.records = [*self.records[self.head :], *fresh]
        self.head = 0
        self.fetched = fresh[-1].offset + 1
        self.newest = max(self.newest, *map(_timestamp, fresh))

    def take(self, end: int) -> list[Record]:
        start, self.head = self.head, end
        return self.records[start:end]


class Intake:
    """Buffers of the input topics, in merge order."""

    def __init__(self, positions: Mapping[str, int]) -> None:
        self._buffers = {topic: _Buffer(position) for topic, position in positions.items()}

    def add(self, topic: str, records: Sequence[Record]) -> None:
        """What a poll returned, in offset order. What was fetched before is dropped."""
        self._buffers[topic].add(records)

    def skip(self, topic: str, offset: int) -> None:
        """The next record of the topic comes from `offset` on."""
        self._buffers[topic].fetched = offset

    def drop(self, topic: str) -> None:
        """Forget what is buffered of a topic."""
        buffer = self._buffers[topic]
        buffer.records, buffer.head, buffer.newest = [], 0, -1

    def holds(self, topic: str) -> bool:
        """Whether anything of the topic is buffered."""
        return len(self._buffers[topic]) > 0

    def fetched(self, topic: str) -> int:
        """One past the last offset fetched of a topic."""
        return self._buffers[topic].fetched

    def hungry(self, records_max: int) -> list[str]:
        """The topics whose buffers have room."""
        return [topic for topic, buffer in self._buffers.items() if len(buffer) < records_max]

    def buffered(self) -> int:
        """Records held."""
        return sum(map(len, self._buffers.values()))

    def cut(self, records_max: int, horizon_ms: int | None) -> dict[str, list[Record]]:
        """The next batch.

        At most `records_max` records of each topic, none (a run of them) later than the horizon.
        """
        taken: dict[str, list[Record]] = {}
        for topic, buffer in self._buffers.items():
            end = min(len(buffer.records), buffer.head + records_max)
            if horizon_ms is not None:
                end = _until(buffer.records, buffer.head, end, horizon_ms)
            if end > buffer.head:
                taken[topic] = buffer.take(end)
        return taken

    def horizon_ms(self, ends: Mapping[str, int], lag_min: int) -> int | None:
        """The time up to which every topic has been fetched that lags by `lag_min` records.

        None when none does.
        """
        lagging = [
            buffer
            for topic, buffer in self._buffers.items()
            if ends[topic] - buffer.fetched >= lag_min
        ]
        return min((buffer.newest for buffer in lagging), default=None)

    def cut_to(self, ends: Mapping[str, int]) -> dict[str, list[Record]]:
        """Everything buffered below an end offset, by topic: a batch of the past."""
        taken: dict[str, list[Record]] = {}
        for topic, end_offset in ends.items():
            buffer = self._buffers[topic]
            end = bisect_left(buffer.records, end_offset, lo=buffer.head, key=_offset)
            if end > buffer.head:
                taken[topic] = buffer.take(end)
        return taken

    def behind(self, ends: Mapping[str, int]) -> int:
        """Records known to exist that have not been fetched, by offset."""
        return sum(max(0, ends[topic] - buffer.fetched) for topic, buffer in self._buffers.items())


def _until(records: Sequence[Record], start: int, end: int, horizon_ms: int) -> int:
    """The end of the leading run of records that are not later than the horizon."""
    late = (index for index in range(start, end) if records[index].timestamp > horizon_ms)
    return next(late, end)
