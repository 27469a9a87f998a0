"""One worker's writing to the journal of its partition.

Claim once, then append, each record proved in its place.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import NamedTuple

from reconverge.stream.conditions import Refusal, Superseded
from reconverge.stream.history.records import (
    Batch,
    Claim,
    JournalRecord,
    Snapshot,
    counts,
    decode,
    encode,
)
from reconverge.stream.log import Log, LogError, read, stretch
from reconverge.stream.options import Options


class Entry(NamedTuple):
    """A journal record that counts, and where it is."""

    offset: int
    record: JournalRecord


class OwnedEntry(NamedTuple):
    """One that only an owner writes."""

    offset: int
    record: Batch | Snapshot


class Journal:
    """The right to append, from `claim` until the first sign of a newer claim."""

    def __init__(self, log: Log, options: Options, epoch: int) -> None:
        self._log = log
        self._options = options
        self.epoch = epoch
        """Offset of our claim."""
        self._last = epoch

    @classmethod
    async def claim(cls, log: Log, options: Options, claim: Claim) -> "Journal":
        """Take the partition over.

        Raises `LogError`; a claim whose outcome is unknown is simply made again.
        """
        return cls(log, options, await log.append(options.topics.journal, None, encode(claim)))

    async def append(self, record: Batch | Snapshot) -> int:
        """Write one record that counts and return its offset. Its `epoch` and `after` are set here.

        Raises `Superseded`, and `OutcomeUnknown`, after which this journal must not be used again.
        """
        topic = self._options.topics.journal
        for _ in range(self._options.limits.rewrites):
            after = self._last
            stamped = record.model_copy(update={"epoch": self.epoch, "after": after})
            self._last = await self._log.append(topic, None, encode(stamped))
            if self._last == after + 1:
                return self._last
            await self._account_for(after + 1, self._last)
        raise LogError(f"{topic}: others keep writing between our records")

    async def _account_for(self, start: int, end: int) -> None:
        """Something came between.

        A newer claim ends this worker; a zombie's record only means to write again.
        """
        if end < start:
            raise Refusal(
                "journal_regressed",
                f"offset {end} was given after {start - 1}: truncated or made again",
            )
        topic, deadlines = self._options.topics.journal, self._options.deadlines
        for record in await read(self._log, topic, start, end, deadlines.read_s):
            if isinstance(decode(record.value, record.offset), Claim):
                raise Superseded(record.offset)


async def entries(log: Log, options: Options, start: int, end: int) -> AsyncGenerator[Entry, None]:
    """The journal records in [start, end) that count, in order. Raises `LogError` and `Refusal`."""
    topic, wait_s = options.topics.journal, options.deadlines.read_s
    async with aclosing(stretch(log, topic, start, end, wait_s)) as records:
        async for raw in records:
            record = decode(raw.value, raw.offset)
            if counts(record, raw.offset):
                yield Entry(raw.offset, record)


async def record_at(log: Log, options: Options, offset: int) -> JournalRecord:
    """One record of the journal, known to be there. Raises `LogError` and `Refusal`."""
    topic, wait_s = options.topics.journal, options.deadlines.read_s
    (found,) = await read(log, topic, offset, offset + 1, wait_s)
    return decode(found.value, offset)


async def newest(log: Log, options: Options, end: int) -> OwnedEntry | None:
    """The last record before `end`, other than a claim, that counts; None when there is none.

    Reads backwards in growing windows: whether a record counts shows on the record itself. Even a
    day of a crash loop, which leaves nothing but claims, is a few thousand records.
    """
    start, _ = await log.span(options.topics.journal)
    window = 64
    while end > start:
        found = None
        async with aclosing(entries(log, options, max(start, end - window), end)) as window_entries:
            async for entry in window_entries:
                if not isinstance(entry.record, Claim):
                    found = OwnedEntry(entry.offset, entry.record)
        if found:
            return found
        end, window = max(start, end - window), window * 4
    return None
