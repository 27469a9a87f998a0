"""The seam between the worker and Kafka.

What a partitioned log can do for us, and how it may fail.

Two implementations satisfy it: aiokafka (`kafka.log`) and the seeded simulation of the tests.
Whatever holds a `Log` is confined to one partition of every topic, which is all that a worker ever
needs. No implementation may retry in a way that could write a record twice, or wait without a
deadline.
"""

from collections.abc import AsyncGenerator, Generator, Mapping, Sequence
from contextlib import aclosing
from typing import Any, NamedTuple, Protocol

from msgspec import Struct

Headers = Sequence[tuple[str, bytes | None]]


class Record(Struct, frozen=True, gc=False):
    """A record as read from a log. A struct, because hundreds of thousands are made."""

    topic: str
    offset: int
    """Its place in the partition."""
    timestamp: int
    """When it was produced (or appended, as the topic says). Milliseconds, UTC."""
    key: bytes | None
    value: bytes | None
    headers: Headers


class Message(NamedTuple):
    """A record to be written."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers = ()


class Sent(Protocol):
    """A record on its way. `Log.acknowledged` says what became of it."""

    def done(self) -> bool:
        """True once the outcome is known."""

    def __await__(self) -> Generator[Any, None, Any]:
        """Wait for it; what comes is the implementation's own."""


class Tail(Protocol):
    """Follows one partition of some topics from given offsets."""

    async def poll(self, topics: Sequence[str], wait_s: float) -> Mapping[str, Sequence[Record]]:
        """What has arrived on `topics` since the last call, in offset order within each.

        Bounded: a megabyte or so of each; of others, too, that were asked for before. Returns as
        soon as there is anything, else empty after `wait_s`. Raises `OutOfRange` when the next
        offset of a topic is not there (any more), and `LogError` when the log cannot be read.
        """

    def ask(self, topics: Sequence[str]) -> None:
        """Have ready what comes next on `topics`, while the caller works on what has come.

        Once the event loop turns, that is.
        """

    def end(self, topic: str) -> int:
        """One past the newest offset known to exist in a topic; as fresh as the latest poll."""

    def seek(self, topic: str, offset: int) -> None:
        """Continue a topic from another offset."""

    async def close(self) -> None:
        """Release the connections. Never raises."""


class Log(Protocol):
    """One partition of every topic."""

    @property
    def partition(self) -> int:
        """The partition's number, the same in every topic."""

    async def append(self, topic: str, key: bytes | None, value: bytes) -> int:
        """Write one record durably (every in-sync replica) and return its offset.

        Raises `TooLarge` when the record was refused for its size, and nothing was written. Any
        other failure, a deadline included, raises `OutcomeUnknown`: the record may be there, or may
        appear later.
        """

    async def send(self, messages: Sequence[Message]) -> Sequence[Sent]:
        """Queue records; those of one topic are written in the order they were queued.

        What becomes of them is told by `acknowledged`.
        """

    async def acknowledged(self, sent: Sent) -> int:
        """Return the offset of a queued record once it is durable; raises like `append`."""

    async def span(self, topic: str) -> tuple[int, int]:
        """The offsets a topic holds: `(start, end)`, the end excluded."""

    async def follow(self, positions: Mapping[str, int]) -> Tail:
        """Follow topics from these offsets."""

    async def close(self) -> None:
        """Release the connections; what is still queued may or may not be written. Never raises."""


Positions = Mapping[int, Mapping[str, int]]
"""Where each partition's input topics are read next."""


class Membership(Protocol):
    """Advice on which partitions to serve."""

    async def assigned(self) -> frozenset[int]:
        """The next assignment, once there is one. Raises `LogError`: ask again."""

    async def report(self, positions: Positions) -> None:
        """Tell lag tools where we are. Raises `LogError`; nothing depends on it."""

    async def close(self) -> None:
        """Leave the group. Never raises."""


class LogError(Exception):
    """The log could not be used: the environment's fault, worth a bounded retry."""


class OutcomeUnknown(LogError):
    """A write that may or may not have happened, or may still happen.

    The writer must not write again as itself.
    """


class TooLarge(LogError):
    """A record above the log's size limit.

    Nothing was written, and the same record will never be accepted.
    """


class OutOfRange(LogError):
    """The next offset of a topic is not there.

    Retention passed it, or the topic was cut or made again.
    """

    def __init__(self, topic: str, position: int) -> None:
        super().__init__(f"{topic}: nothing at offset {position}")
        self.topic = topic
        self.position = position


async def stretch(
    log: Log, topic: str, start: int, end: int, wait_s: float
) -> AsyncGenerator[Record, None]:
    """Every record of `topic` with an offset in [start, end), once each, in order.

    Raises `LogError` when nothing comes for `wait_s`.
    """
    if start >= end:
        return
    tail = await log.follow({topic: start})
    try:
        while start < end:
            polled = await tail.poll([topic], wait_s)
            if not polled:
                raise LogError(f"{topic}: nothing of [{start}, {end}) came within {wait_s} s")
            for record in polled[topic]:
                if start <= record.offset < end:  # a tail may repeat itself
                    start = record.offset + 1
                    yield record
    finally:
        await tail.close()


async def read(log: Log, topic: str, start: int, end: int, wait_s: float) -> list[Record]:
    """As `stretch`, all at once: for stretches that fit in memory."""
    async with aclosing(stretch(log, topic, start, end, wait_s)) as records:
        return [record async for record in records]
