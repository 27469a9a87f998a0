"""The input topics of one partition: what the next batch takes, and what a past one took.

Joins a `Tail` with its `Intake`, and names what can be wrong with an input topic: retention passed
our position, or the topic was made again.
"""

import asyncio
from collections.abc import Mapping, Sequence
from zlib import crc32

from reconverge.stream.conditions import Condition
from reconverge.stream.history.records import Lost, Position, Taken
from reconverge.stream.intake import Intake
from reconverge.stream.log import Log, LogError, OutOfRange, Record, Tail, read
from reconverge.stream.observer import Observer
from reconverge.stream.options import Options

Stretches = dict[str, list[Record]]


class Inputs:
    """Reads ahead of the batches, bounded; keeps what turns out to be gone until recorded."""

    def __init__(
        self, log: Log, options: Options, observer: Observer, positions: Mapping[str, Position]
    ) -> None:
        self._log = log
        self._options = options
        self._observer = observer
        self._offsets = {topic: position.offset for topic, position in positions.items()}
        self._intake = Intake(self._offsets)
        self._tail: Tail | None = None
        self._lost: dict[str, Lost] = {}
        self._made_again: set[str] = set()
        self._flowed_s = 0.0
        """When nothing was held back last. Seconds, by the event loop's clock."""

    async def close(self) -> None:
        """Release the connections."""
        if self._tail:
            await self._tail.close()

    async def fetch(self, wait_s: float) -> None:
        """Read on, for at most `wait_s` if nothing is there. Raises `LogError`."""
        hungry = self._intake.hungry(self._options.limits.buffered_records)
        await self._poll([topic for topic in hungry if topic not in self._lost], wait_s)

    def cut(self) -> Stretches:
        """The next batch; empty when there is nothing, or nothing yet.

        A topic far behind holds the others back to its own time, but not for long if it is stuck.
        """
        limits, now_s = self._options.limits, asyncio.get_running_loop().time()
        horizon_ms = self._intake.horizon_ms(self._ends(), limits.batch_records)
        stretches = self._intake.cut(limits.batch_records, horizon_ms)
        if not stretches and now_s - self._flowed_s > self._options.deadlines.align_s:
            stretches = self._intake.cut(limits.batch_records, None)
        if stretches or not self._intake.buffered():
            self._flowed_s = now_s
        return stretches

    def cut_lost(self) -> dict[str, Lost]:
        """Stretches gone, of topics of which nothing older is buffered.

        For the batch just cut, and told once.
        """
        told = {topic: lost for topic, lost in self._lost.items() if not self._intake.holds(topic)}
        for topic in told:
            del self._lost[topic]
        return told

    @property
    def whole(self) -> bool:
        """Whether nothing turned out to be gone."""
        return not self._lost

    @property
    def buffered(self) -> int:
        """Records read ahead."""
        return self._intake.buffered()

    @property
    def waiting(self) -> int:
        """Records known to exist that no batch has taken."""
        return self._intake.buffered() + self._intake.behind(self._ends())

    async def past(self, taken: Mapping[str, Taken]) -> Stretches:
        """What a past batch took, without what is gone or is not what was taken then.

        Raises `LogError`.
        """
        ends = {
            topic: stretch.end for topic, stretch in taken.items() if stretch.end > stretch.start
        }
        while short := [
            topic
            for topic, end in ends.items()
            if self._intake.fetched(topic) < end and topic not in self._made_again
        ]:
            await self._read_on(short)
        stretches = self._intake.cut_to(
            {t: end for t, end in ends.items() if t not in self._made_again}
        )
        for topic, records in list(stretches.items()):
            if records[-1].offset != ends[topic] - 1 or _mark(records[-1]) != taken[topic].mark:
                del stretches[topic]
                await self._start_over(topic, taken[topic].start)
        return stretches

    async def verify(self, positions: Mapping[str, Position]) -> None:
        """Check that each topic still is the one whose record before the position was read.

        Raises `LogError`.
        """
        looks = [self._is_the_same(topic, position) for topic, position in positions.items()]
        for (topic, position), same in zip(
            positions.items(), await asyncio.gather(*looks), strict=True
        ):
            if same is None:
                await self._step_over(topic, position.offset)
            elif not same:
                await self._start_over(topic, position.offset)

    async def _is_the_same(self, topic: str, position: Position) -> bool | None:
        """Whether the topic still holds what was read before the position.

        None when it begins behind the position, or ends before it.
        """
        offset, mark = position
        start, end = await self._log.span(topic)
        if start <= offset - 1 < end and mark:
            wait_s = self._options.deadlines.read_s
            (found,) = await read(self._log, topic, offset - 1, offset, wait_s)
            return _mark(found) == mark
        return True if start <= offset <= end else None

    def resume(self, ledger: Mapping[str, Position]) -> dict[str, Lost]:
        """What a whole restore could not read, for its owner's first record.

        And where reading goes on.
        """
        lost, self._lost, self._made_again = self._lost, {}, set()
        self._flowed_s = asyncio.get_running_loop().time()
        for topic, (start, end) in lost.items():
            if end > start:
                lost[topic] = Lost(start, max(end, ledger[topic].offset))
        return lost

    def skip(self, lost: Mapping[str, Lost]) -> None:
        """A past batch stepped over these."""
        for topic, (_, end) in lost.items():
            self._intake.drop(topic)
            self._go_on(topic, end)

    async def _read_on(self, short: Sequence[str]) -> None:
        """More of the topics that a past batch took more of, and of others while there is room."""
        wait_s, before = self._options.deadlines.read_s, (self._intake.buffered(), dict(self._lost))
        hungry = self._intake.hungry(self._options.limits.buffered_records)
        await self._poll(sorted({*short, *hungry}), wait_s)
        await _requests_sent()
        if before == (self._intake.buffered(), self._lost):
            raise LogError(
                f"no input within {wait_s} s, though the journal says that there is some"
            )

    async def _poll(self, topics: Sequence[str], wait_s: float) -> None:
        try:
            tail = self._tail = self._tail or await self._log.follow(self._offsets)
            polled = await tail.poll(topics, wait_s)
            tail.ask(topics)
        except OutOfRange as error:
            await self._step_over(error.topic, self._intake.fetched(error.topic))
            return
        for topic, records in polled.items():
            self._intake.add(topic, records)

    def _ends(self) -> Mapping[str, int]:
        return {topic: self._tail.end(topic) if self._tail else 0 for topic in self._offsets}

    async def _step_over(self, topic: str, position: int) -> None:
        """Nothing is at the position.

        Retention passed it, or the topic is another one that ends before it.
        """
        start, end = await self._log.span(topic)
        if start > position:
            self._lose(topic, Lost(position, start), "retention_overrun")
        elif end < position:
            await self._start_over(topic, position)

    async def _start_over(self, topic: str, position: int) -> None:
        """The topic was made again.

        What we read of it no longer exists, what it holds now is new.
        """
        start, _ = await self._log.span(topic)
        self._made_again.add(topic)
        self._intake.drop(topic)
        self._lose(topic, Lost(position, start), "topic_recreated")

    def _lose(self, topic: str, lost: Lost, condition: Condition) -> None:
        earlier = self._lost.get(topic)
        self._lost[topic] = Lost(earlier.start if earlier else lost.start, lost.end)
        self._go_on(topic, lost.end)
        where = f"{topic}-{self._log.partition}: read up to {lost.start}, continued at {lost.end}"
        self._observer.condition(self._log.partition, condition, where)

    def _go_on(self, topic: str, offset: int) -> None:
        self._offsets[topic] = offset
        self._intake.skip(topic, offset)
        if self._tail:
            self._tail.seek(topic, offset)


async def _requests_sent() -> None:
    """Let the loop turn as often as the tail needs to have its next requests on their way.

    In its first turn their tasks begin, in the second they write to their sockets. What comes now
    is long and does not turn the loop.
    """
    for _ in range(2):
        await asyncio.sleep(0)


def _mark(record: Record) -> int:
    return crc32(record.value or b"")
