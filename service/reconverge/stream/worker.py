"""The worker of one partition.

Claim, restore, then batch after batch until stopped or superseded.

The order of a batch is the protocol (docs/protocol.md): fold; set refused records aside and wait
for that; append the journal record and wait for that, proving that no newer claim exists; only then
publish. While one batch waits for the journal the next is fetched, never more than one. Under
backlog it is folded meanwhile, too; else it stays open, for what comes until the journal has room.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from time import perf_counter
from traceback import format_exception
from typing import Any, Final, NamedTuple

import orjson

from reconverge.stream import memory
from reconverge.stream.clock import Clock
from reconverge.stream.conditions import Refusal
from reconverge.stream.folding import Fold, Folded, Folds
from reconverge.stream.history import snapshot
from reconverge.stream.history.handover import await_predecessor
from reconverge.stream.history.journal import Journal
from reconverge.stream.history.records import Batch, Claim, Lost, Snapshot, Taken
from reconverge.stream.history.restore import Restored, restore
from reconverge.stream.inputs import Stretches
from reconverge.stream.log import Log, TooLarge, read
from reconverge.stream.observer import BatchSeen, Observer, RestoreSeen
from reconverge.stream.options import Options
from reconverge.stream.publish import Publisher
from reconverge.stream.quarantine import quarantine

_NS = 1_000_000_000
TRACE_FRAMES: Final = 5
"""Innermost frames told of an error: where it was raised, and by way of what."""


class Context(NamedTuple):
    """What every worker of a process shares."""

    folds: Folds
    policies: Sequence[Mapping[str, Any]]
    """The policy documents this process was started with."""
    options: Options
    observer: Observer
    clock: Callable[[], Clock]
    """Makes a worker's clock: each partition has a time of its own."""
    restores: asyncio.Semaphore
    """Bounds the memory that restores use at once."""


class Pending(NamedTuple):
    """A folded batch on its way to the journal."""

    record: Batch
    folded: Folded
    records: int
    oldest_ms: int | None
    fold_s: float


class Worker:
    """Serves one partition.

    `run` is called once; `progress` counts its turns for whoever watches over it.
    """

    def __init__(self, log: Log, context: Context) -> None:
        self._log = log
        self._context = context
        self._options = context.options
        self._observer = context.observer
        self._clock = context.clock()
        self._stopping = asyncio.Event()
        self._waiting: asyncio.Timeout | None = None  # for input; ends early when told to stop
        self._commit: asyncio.Task[None] | None = None
        self._connections = AsyncExitStack()
        self._ahead = False
        self._flowing = False  # what is buffered is not held back for a slower topic
        self.progress = 0
        """Grows as long as the worker is not stuck."""
        self.ready = False
        """True from the first batch until the end."""
        self.served = False
        """Whether it ever was ready."""

    @property
    def fold(self) -> Fold:
        """The state being served, for reading between batches; only while `ready`."""
        return self._ledger.fold

    def stop(self) -> None:
        """Leave in order: finish the batch, write a snapshot, release the partition."""
        if self._waiting and not self._stopping.is_set():
            self._waiting.reschedule(0)
        self._stopping.set()

    async def run(self) -> None:
        """Serve until `stop`, then return.

        Raises `Superseded`, `LogError` and `Refusal`; the log stays open.
        """
        await await_predecessor(self._log, self._options, self._clock)
        self._journal = await Journal.claim(self._log, self._options, self._claim())
        try:
            with memory.growing():
                await self._open(await self._restore())
            while not self._stopping.is_set():
                await self._turn()
            await self._write_snapshot(released=True)
        finally:
            self.ready = False
            self._observer.owned(self._log.partition, owned=False)
            if self._commit:
                self._commit.cancel()
                await asyncio.gather(self._commit, return_exceptions=True)
            await self._connections.aclose()

    def positions(self) -> Mapping[str, int]:
        """Where each input topic is read next, for lag tools. Only while `ready`."""
        return {topic: position.offset for topic, position in self._ledger.positions.items()}

    # Taking over.

    def _claim(self) -> Claim:
        return Claim(
            member=self._options.member,
            at_ns=self._clock.now_ns(),
            core=self._context.folds.version,
            accepted=tuple(sorted(self._options.cores_accepted)),
            policies=tuple(dict(document) for document in self._context.policies),
        )

    async def _restore(self) -> Restored:
        context, started = self._context, perf_counter()
        async with context.restores:
            restored = await restore(
                self._log, context.folds, self._options, self._observer, self._journal.epoch
            )
        size = restored.manifest.record.size_bytes if restored.manifest else 0
        seconds = perf_counter() - started
        self._observer.restored(
            RestoreSeen(self._log.partition, restored.records, restored.batches, size, seconds)
        )
        return restored

    async def _check_epoch(self) -> None:
        """Epochs rise for ever, or routers would not listen: new journal, new caps topic."""
        topic, epoch = self._options.topics.caps, self._journal.epoch
        start, end = await self._log.span(topic)
        if start == end:
            return
        (newest,) = await read(self._log, topic, end - 1, end, self._options.deadlines.read_s)
        published = orjson.loads(newest.value or b"{}").get("epoch", -1)
        if published >= epoch:
            told = f"{topic} holds epoch {published}, this journal has come to {epoch}"
            raise Refusal("journal_recreated", told)

    async def _open(self, restored: Restored) -> None:
        """The first batch of an epoch takes nothing.

        It sets policies, owns up to losses and publishes the caps that are due.
        """
        self._ledger, self._inputs = restored.ledger, restored.inputs
        self._connections.push_async_callback(self._inputs.close)
        if not restored.manifest and not restored.batches:
            await self._check_epoch()
        self._clock.not_before(self._ledger.now_ns)
        self._snapshot = restored.manifest.offset if restored.manifest else -1
        self._snapshot_rows = restored.manifest.record.rows if restored.manifest else 0
        self._suffix_records, self._suffix_batches = restored.records, restored.batches
        limits = self._options.limits
        self._publisher = Publisher(
            self._log, self._observer, restored.published, limits.batches_unacknowledged
        )
        await self._publisher.publish(self._journal.epoch, restored.unpublished)
        now_ns = self._clock.now_ns()
        try:
            self._ledger.fold.set_policies(self._context.policies, now_ns)
        except self._context.folds.rejection as error:
            raise Refusal("policy_missing", f"the policies given are refused: {error}") from error
        starts = {
            topic: Taken(at.offset, at.offset, at.mark)
            for topic, at in self._ledger.positions.items()
        }
        await self._submit(self._fold({}, restored.lost, now_ns, starts))
        if restored.lost or restored.foreign:  # what cannot be read so again becomes history
            await self._write_snapshot(released=False)
        await self._committed()
        await self._publisher.drained()  # routers have their caps before we pause
        memory.freeze()
        self.ready = self.served = True
        self._observer.owned(self._log.partition, owned=True)

    # One batch after another.

    async def _turn(self) -> None:
        self.progress += 1
        self._check_clock()
        stretches = await self._take()
        lost = self._inputs.cut_lost()
        now_ns = self._clock.now_ns()
        if stretches or lost or self._due(now_ns):
            await self._submit(self._fold(stretches, lost, now_ns, {}))
        elif self._commit and self._commit.done():
            await self._committed()
        if self._snapshot_due():
            await self._write_snapshot(released=False)

    def _check_clock(self) -> None:
        """Told once, until it is over."""
        ahead_s = self._clock.ahead_ns / _NS
        if ahead_s > self._options.deadlines.clock_ahead_s and not self._ahead:
            told = f"{ahead_s:.1f} s ahead of the wall; running at half speed"
            self._observer.condition(self._log.partition, "clock_ahead", told)
        self._ahead = ahead_s > self._options.deadlines.clock_ahead_s

    async def _take(self) -> Stretches:
        """Whatever is there; empty when a deadline comes first."""
        flowing = self._flowing and self._inputs.buffered
        try:
            async with asyncio.timeout(None) as self._waiting:
                await self._inputs.fetch(0 if flowing else self._wait_s())
        except TimeoutError:  # told to stop: what has been read ahead is the next owner's
            return {}
        finally:
            self._waiting = None
        if self._commit and self._inputs.buffered < self._options.limits.ahead_records:
            await self._committed()
            await self._inputs.fetch(0)
        stretches = self._inputs.cut()
        self._flowing = bool(stretches)
        return stretches

    def _wait_s(self) -> float:
        deadline_ns, deadlines = self._ledger.fold.next_deadline_ns, self._options.deadlines
        if deadline_ns is None:
            return deadlines.idle_s
        wait_s = (deadline_ns - self._clock.now_ns()) / _NS
        return min(max(wait_s, deadlines.tick_s), deadlines.idle_s)

    def _due(self, now_ns: int) -> bool:
        deadline_ns = self._ledger.fold.next_deadline_ns
        return deadline_ns is not None and deadline_ns <= now_ns

    def _fold(
        self,
        stretches: Stretches,
        lost: Mapping[str, Lost],
        now_ns: int,
        starts: Mapping[str, Taken],
    ) -> Pending:
        started = perf_counter()
        folded = self._ledger.advance(stretches, lost, now_ns, self._journal.epoch)
        record = Batch(
            epoch=self._journal.epoch,
            after=-1,  # the journal knows
            now_ns=now_ns,
            core=self._context.folds.version,
            policy=self._ledger.fold.policy_hash,
            published=-1,  # known when it is written
            taken={**starts, **folded.taken},
            lost=dict(lost),
            refused=len(folded.refused),
            poison=folded.poison,
            outputs=len(folded.outputs),
            digest=folded.digest,
            snapshot=self._snapshot,
        )
        records = sum(map(len, stretches.values()))
        oldest_ms = min((stretch[0].timestamp for stretch in stretches.values()), default=None)
        self._suffix_records += records
        self._suffix_batches += 1
        return Pending(record, folded, records, oldest_ms, perf_counter() - started)

    async def _submit(self, pending: Pending) -> None:
        """Hand a batch to the journal once the one before it is through."""
        await self._committed()
        self._tell_faults(pending.folded)
        if pending.folded.refused:
            await quarantine(self._log, pending.folded.refused, self._options, self._observer)
        self._commit = asyncio.create_task(self._journal_then_publish(pending))

    def _tell_faults(self, folded: Folded) -> None:
        """Errors nobody foresaw, contained to a session: a defect that somebody must hear of."""
        faults: list[tuple[str, Exception | None]] = [
            (f"{item.record.topic} at offset {item.record.offset}", item.error)
            for item in folded.refused
            if item.disposition == "poison"
        ]
        faults += [(f"session {session}", error) for session, error in folded.faults]
        for where, error in faults:
            trace = "".join(format_exception(error, limit=-TRACE_FRAMES)) if error else ""
            self._observer.condition(self._log.partition, "poison", f"{where}: {trace}")

    async def _committed(self) -> None:
        """Return when no batch is on its way to the journal; raises what became of it."""
        if self._commit:
            await self._commit
            self._commit = None

    async def _journal_then_publish(self, pending: Pending) -> None:
        started = perf_counter()
        record = pending.record.model_copy(update={"published": self._publisher.published})
        offset = await self._journal.append(record)
        journal_s = perf_counter() - started
        await self._publisher.publish(offset, pending.folded.outputs)
        self._observer.batch(self._seen(pending, journal_s))
        self._observer.effects(pending.folded.effects)

    def _seen(self, pending: Pending, journal_s: float) -> BatchSeen:
        waiting, now_ms = self._inputs.waiting, self._clock.now_ns() // 1_000_000
        age_s = max(0, now_ms - pending.oldest_ms) / 1_000 if pending.oldest_ms is not None else 0.0
        return BatchSeen(
            partition=self._log.partition,
            records=pending.records,
            effects=len(pending.folded.outputs),
            fold_s=pending.fold_s,
            journal_s=journal_s,
            event_age_s=age_s,
            lag_s=age_s if waiting else 0.0,
            lag_records=waiting,
        )

    # Snapshots.

    def _snapshot_due(self) -> bool:
        limits = self._options.limits
        records_max = max(
            limits.suffix_records, limits.suffix_records_per_row * self._snapshot_rows
        )
        return self._suffix_records >= records_max or self._suffix_batches >= limits.suffix_batches

    async def _write_snapshot(self, *, released: bool) -> None:
        """What was journalled and published so far need not be folded by any restore again."""
        started = perf_counter()
        await self._committed()
        await self._publisher.drained()
        topics, chunk_bytes = self._options.topics, self._options.limits.chunk_bytes
        snapshot_id = f"{self._journal.epoch}-{self._publisher.published}"
        self._suffix_records = self._suffix_batches = 0
        try:
            written = await snapshot.write(
                self._log, topics.snapshots, snapshot_id, self._ledger.fold.dump(), chunk_bytes
            )
        except TooLarge as error:
            self._observer.condition(self._log.partition, "snapshot_too_large", str(error))
            return
        record = Snapshot(
            epoch=self._journal.epoch,
            after=-1,
            now_ns=self._ledger.now_ns,
            core=self._context.folds.version,
            policy=self._ledger.fold.policy_hash,
            published=self._publisher.published,
            id=snapshot_id,
            positions=self._ledger.positions,
            previous=self._snapshot,
            released=released,
            **written._asdict(),
        )
        self._snapshot = await self._journal.append(record)
        self._snapshot_rows = written.rows
        if not released:
            memory.freeze()
        self._observer.snapshot(self._log.partition, written.size_bytes, perf_counter() - started)
