"""The past of a partition: from where it can be derived, and deriving it batch after batch.

A journal outlives its inputs. So the past begins at a snapshot whose inputs are still held, or at
the very beginning; how far back that is depends on retention, and is always said.
"""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from difflib import get_close_matches
from typing import Final

from reconverge.core.session import Session
from reconverge.stream import (
    Batch,
    Claim,
    Condition,
    CoreFold,
    CoreFolds,
    History,
    Log,
    Manifest,
    Observer,
    Options,
    OwnedEntry,
    Replayed,
    Snapshot,
    entries,
    newest,
    record_at,
)

_UNREADABLE: Final[frozenset[Condition]] = frozenset({"retention_overrun", "topic_recreated"})
"""Conditions after which nothing can be derived any more."""


class Gone(Exception):
    """Kafka does not hold (any more) what would have to be read."""


class Unheard(Exception):
    """Nothing of a session lies in the history that was read."""


class Conditions(Observer):
    """Keeps the named conditions that reading the past met."""

    def __init__(self) -> None:
        self.met: set[Condition] = set()
        self.told: list[str] = []

    def condition(self, partition: int | None, name: Condition, detail: str) -> None:  # noqa: ARG002
        """Keep it."""
        self.met.add(name)
        self.told.append(f"{name}: {detail}")


class Past:
    """One partition's history up to some time. Made by `opened`."""

    def __init__(
        self, log: Log, options: Options, last: OwnedEntry, history: History, met: Conditions
    ) -> None:
        self.log = log
        self.options = options
        self.history = history
        self.last = last
        """The newest record of the journal that counts, whatever its time."""
        self.conditions = met
        """What reading it met."""
        manifest = history.manifest
        self.begin_ns = manifest.record.now_ns if manifest else -1
        """Nothing up to this time can be derived from where this history begins; -1 if all can."""

    @property
    def fold(self) -> CoreFold:
        """The state behind the batch just replayed."""
        fold = self.history.ledger.fold
        if not isinstance(fold, CoreFold):
            raise AssertionError("a past is of the real core")
        return fold

    def session(self, name: str) -> Session | None:
        """One session as of the batch just replayed; none before its first event."""
        return self.fold.partition.sessions.get(name)

    def unheard(self, name: str) -> Unheard:
        """That nobody knows the session, with the names that are nearest to it."""
        nearest = get_close_matches(name, sorted(self.fold.partition.sessions))
        told = f": the nearest names are {', '.join(nearest)}" if nearest else ""
        return Unheard(f"no session {name} is known in that span of time{told}")

    async def grown(self) -> bool:
        """Whether the journal has grown; then `batches` goes on where it ended."""
        return await self.history.grown()

    async def batches(self) -> AsyncGenerator[Replayed, None]:
        """Every batch, folded again. Raises `Gone` where inputs cannot be read."""
        async for replayed in self.history.batches():
            if self.conditions.met & _UNREADABLE:
                raise Gone("; ".join(self.conditions.told))
            yield replayed


@asynccontextmanager
async def opened(
    log: Log, options: Options, folds: CoreFolds, from_ns: int | None, to_ns: int | None
) -> AsyncIterator[Past]:
    """The past of a log's partition, from the newest snapshot before a time, up to another.

    Without times: all there is. Where nothing so old can be derived it begins later: see
    `Past.begin_ns`. Raises `Gone`, `LogError` and `Refusal`.
    """
    journal, conditions = options.topics.journal, Conditions()
    _, end = await log.span(journal)
    last = await newest(log, options, end)
    if last is None:
        raise Gone(f"{journal}-{log.partition} holds no history")
    manifest = await _beginning(log, options, folds, last, from_ns)
    if manifest is not None and to_ns is not None and to_ns < manifest.record.now_ns:
        raise Gone(f"nothing before {manifest.record.now_ns} (nanoseconds) can be derived any more")
    if to_ns is not None and to_ns < last.record.now_ns:
        begin = manifest.offset + 1 if manifest else 0
        _, end = await around(log, options, begin, end, to_ns + 1)
    history = History(log, folds, options, conditions, end)
    if manifest is not None and not await history.start(OwnedEntry(*manifest)):
        raise Gone("; ".join(conditions.told))
    try:
        yield Past(log, options, last, history, conditions)
    finally:
        await (await history.inputs()).close()


async def around(log: Log, options: Options, begin: int, end: int, at_ns: int) -> tuple[int, int]:
    """Journal offsets of the last batch before a time (-1 for none), and of what follows it.

    Looks at [begin, end), and says `end` if nothing there is of that time or later.
    """
    before = -1
    async with aclosing(entries(log, options, begin, end)) as records:
        async for offset, record in records:
            if isinstance(record, Claim):
                continue
            if record.now_ns >= at_ns:
                return before, offset
            if isinstance(record, Batch):
                before = offset
    return before, end


async def batch_before(log: Log, options: Options, offset: int) -> int | None:
    """Journal offset of the last batch that counts before an offset; None if it is gone."""
    while True:
        found = await newest(log, options, offset)
        if found is None:
            return None
        if isinstance(found.record, Batch):
            return found.offset
        offset = found.offset


async def _beginning(
    log: Log, options: Options, folds: CoreFolds, last: OwnedEntry, from_ns: int | None
) -> Manifest | None:
    """The snapshot to begin at; none for the very beginning."""
    held = {topic: (await log.span(topic))[0] for topic in options.topics.inputs}
    oldest: Manifest | None = None
    async for manifest in _manifests(log, options, last):
        record = manifest.record
        if record.core not in folds.readable:
            break  # the older ones were written by older cores still
        if any(at.offset < held[topic] for topic, at in record.positions.items()):
            break  # and reach back even further
        oldest = manifest
        if from_ns is not None and record.now_ns < from_ns:
            return manifest
    if await _whole(log, options, held, last.offset, folds.version):
        return None
    if oldest is None:
        raise Gone("the inputs of every snapshot there is are out of retention")
    return oldest


async def _manifests(log: Log, options: Options, last: OwnedEntry) -> AsyncIterator[Manifest]:
    """Snapshots, newest first, as far back as the journal goes."""
    begins, _ = await log.span(options.topics.journal)
    offset = last.offset if isinstance(last.record, Snapshot) else last.record.snapshot
    while offset >= begins:
        record = await record_at(log, options, offset)
        if not isinstance(record, Snapshot):
            raise Gone(f"journal offset {offset} is not a snapshot's manifest")
        yield Manifest(offset, record)
        offset = record.previous


async def _whole(log: Log, options: Options, held: dict[str, int], end: int, core: str) -> bool:
    """Whether all that ever happened can be derived: nothing of journal and inputs is gone.

    And the first of it was folded by this version of the core.
    """
    begins, _ = await log.span(options.topics.journal)
    if begins > 0:
        return False
    async with aclosing(entries(log, options, 0, end + 1)) as records:
        async for _, record in records:
            if isinstance(record, Batch):  # an owner's first names every topic's position
                whole = all(at.start >= held[topic] for topic, at in record.taken.items())
                return whole and record.core == core
    return True
