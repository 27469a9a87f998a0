"""History: a partition's journal replayed, batch after batch, from a snapshot on.

What a restore does to go on, and an audit to compare. The result is exact, or says that it is not:
inputs out of retention, a recreated topic and outputs that come out otherwise than the journal says
are conditions, never silence.
"""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import NamedTuple

from reconverge.stream.conditions import Condition, Refusal
from reconverge.stream.folding import Folded, Folds, Ledger
from reconverge.stream.history import snapshot
from reconverge.stream.history.journal import OwnedEntry, entries, record_at
from reconverge.stream.history.records import Batch, Claim, Owned, Position, Snapshot, decode
from reconverge.stream.inputs import Inputs
from reconverge.stream.log import Log, Record, read
from reconverge.stream.observer import Observer
from reconverge.stream.options import Options


class Manifest(NamedTuple):
    """A snapshot's manifest and where it is."""

    offset: int
    record: Snapshot


class Replayed(NamedTuple):
    """One journalled batch, folded again."""

    offset: int
    batch: Batch
    stretches: Mapping[str, Sequence[Record]]
    """The input records it took, by topic."""
    folded: Folded


class History:
    """One partition's journal, replayed up to (not including) an offset of it."""

    def __init__(
        self, log: Log, folds: Folds, options: Options, observer: Observer, end: int
    ) -> None:
        self._log = log
        self._folds = folds
        self._options = options
        self._observer = observer
        self._end = end
        self.ledger = Ledger(folds, folds.new(), options.topics)
        """The fold, and where it stands."""
        self.manifest: Manifest | None = None
        """The snapshot it was built on."""
        self.exact = True
        """Everything came out as the journal says, so far."""
        self.foreign = False
        """Some of it was folded first by another version of the core, and accepted by name."""
        self._inputs: Inputs | None = None
        self._claims: dict[int, Claim] = {}
        self._policies_of = -1  # the epoch whose policies are in force
        self._next: int | None = None  # journal offset to go on from, once it is known
        self._verified = False  # the inputs are those whose positions are known

    async def start(self, last: OwnedEntry | None, before_ns: int | None = None) -> bool:
        """Begin at the newest whole snapshot, of those taken by `before_ns` if that is given.

        `last` is the newest record of the journal that counts, None when it holds none. False when
        the journal no longer reaches back to its own beginning and no such snapshot is left. Raises
        `Refusal`.

        Snapshots of another core that is accepted by name say nothing here but where inputs stood:
        without another to begin at, all inputs that are held are folded again.
        """
        begins, _ = await self._log.span(self._options.topics.journal)
        offset = -1 if last is None else _newest_snapshot(last)
        foreign: list[Manifest] = []
        while offset >= begins:
            manifest = await self._manifest(offset)
            if manifest.core in self._options.cores_accepted - self._folds.readable:
                foreign.append(Manifest(offset, manifest))
            else:
                self._check_core(manifest.core, self._folds.readable, offset)
                late = before_ns is not None and manifest.now_ns > before_ns
                if not late and await self._load(Manifest(offset, manifest)):
                    return True
            offset = manifest.previous
        return await self._begin_with_nothing(foreign, begins) or begins == 0

    async def _begin_with_nothing(self, foreign: Sequence[Manifest], begins: int) -> bool:
        """Begin at the oldest of these snapshots whose inputs are held, without its state.

        False if there is none, or no need: journal and inputs are held from their very beginning.
        """
        held = {topic: (await self._log.span(topic))[0] for topic in self._options.topics.inputs}
        if begins == 0 and not any(held.values()):
            return False
        for offset, record in reversed(foreign):
            if all(at.offset >= held[topic] for topic, at in record.positions.items()):
                self.ledger.positions |= record.positions
                self.ledger.now_ns = record.now_ns
                self._next = offset + 1
                why = f"what was folded by core {record.core} up to {record.now_ns} is not known"
                self.ledger.fold.park(why, record.now_ns)
                return True
        return False

    async def _load(self, manifest: Manifest) -> bool:
        offset, record = manifest
        limits, deadlines = self._options.limits, self._options.deadlines
        try:
            rows = await snapshot.load(
                self._log,
                self._options.topics.snapshots,
                record,
                limits.snapshot_bytes,
                deadlines.read_s,
            )
        except snapshot.Unreadable as error:
            self._met("snapshot_unreadable", f"manifest at {offset}: {error}")
            return False
        self.ledger = Ledger(self._folds, self._folds.load(rows), self._options.topics)
        self.ledger.positions |= record.positions
        self.ledger.now_ns = record.now_ns
        self._policies_of = record.epoch
        self._next = offset + 1
        self.manifest = manifest
        return True

    async def _manifest(self, offset: int) -> Snapshot:
        topic = self._options.topics.journal
        found = await read(self._log, topic, offset, offset + 1, self._options.deadlines.read_s)
        record = decode(found[0].value, offset)
        if not isinstance(record, Snapshot):
            raise Refusal(
                "journal_unreadable", f"journal offset {offset} is not a snapshot's manifest"
            )
        return record

    async def grown(self) -> bool:
        """Move the end to where the journal ends by now; whether it has grown."""
        before = self._end
        _, self._end = await self._log.span(self._options.topics.journal)
        return self._end > before

    async def batches(self) -> AsyncGenerator[Replayed, None]:
        """Every batch since, folded again; `ledger` stands behind the one just yielded.

        Asked again, it goes on behind the last one: with `grown` between, a history is followed.
        """
        if not self._verified and self.ledger.positions:
            await (await self.inputs()).verify(self.ledger.positions)
        self._verified = True
        if self._next is None:
            self._next, _ = await self._log.span(self._options.topics.journal)
        async with aclosing(entries(self._log, self._options, self._next, self._end)) as suffix:
            async for offset, record in suffix:
                self._next = offset + 1
                if isinstance(record, Claim):
                    self._claims[offset] = record
                    continue
                await self._enter_epoch(record, offset)
                if isinstance(record, Batch):
                    yield await self._fold(record, offset)

    async def _enter_epoch(self, record: Owned, offset: int) -> None:
        """The policies of a claim take effect at its first record."""
        if record.epoch == self._policies_of:
            return
        claim = self._claims.get(record.epoch) or await self._claim(record.epoch)
        if claim is None:
            raise Refusal(
                "policy_missing", f"the claim of epoch {record.epoch}, for journal offset {offset}"
            )
        try:
            self.ledger.fold.set_policies(claim.policies, record.now_ns)
        except self._folds.rejection as error:
            raise Refusal(
                "policy_missing",
                f"the claim at {record.epoch} carries a policy refused now: {error}",
            ) from error
        self._policies_of = record.epoch

    async def _claim(self, epoch: int) -> Claim | None:
        """The claim of an epoch that began before this history does; None if it is gone."""
        begins, _ = await self._log.span(self._options.topics.journal)
        record = await record_at(self._log, self._options, epoch) if epoch >= begins else None
        return record if isinstance(record, Claim) else None

    async def _fold(self, batch: Batch, offset: int) -> Replayed:
        self._check_core(batch.core, self._options.cores_accepted | {self._folds.version}, offset)
        for topic, stretch in batch.taken.items():
            self.ledger.positions.setdefault(topic, Position(stretch.start, 0))
        inputs = await self.inputs()
        stretches = await inputs.past(batch.taken)
        self.exact = self.exact and inputs.whole
        folded = self.ledger.advance(stretches, batch.lost, batch.now_ns, batch.epoch, batch.poison)
        inputs.skip(batch.lost)
        self._compare(batch, folded, offset)
        return Replayed(offset, batch, stretches, folded)

    def _compare(self, batch: Batch, folded: Folded, offset: int) -> None:
        """Once inputs are gone nothing can come out the same any more, and that has been said."""
        derived = len(folded.outputs), folded.digest, folded.poison
        if batch.core != self._folds.version:
            self._accept(batch.core, offset)
            return
        same = derived == (batch.outputs, batch.digest, batch.poison)
        if self.exact and not (same and self.ledger.fold.policy_hash == batch.policy):
            self.exact = False
            self._met("derivation_mismatch", f"first at journal offset {offset}")

    def _accept(self, core: str, offset: int) -> None:
        """Told once: what other rules made of the same inputs is not compared."""
        if not self.foreign:
            self.foreign, self.exact = True, False
            told = f"batches of core {core}, from journal offset {offset} on, are folded by core"
            self._met("core_accepted", f"{told} {self._folds.version}")

    async def close(self) -> None:
        """Let go of the inputs, if they were opened."""
        if self._inputs:
            await self._inputs.close()

    async def inputs(self) -> Inputs:
        """The inputs, open where the ledger stands.

        Known from a manifest, a first batch, or the topics' starts.
        """
        if self._inputs is None:
            for topic in self._options.topics.inputs:
                if topic not in self.ledger.positions:
                    start, _ = await self._log.span(topic)
                    self.ledger.positions[topic] = Position(start, 0)
            self._inputs = Inputs(self._log, self._options, self._observer, self.ledger.positions)
        return self._inputs

    def _check_core(self, version: str, understood: frozenset[str], offset: int) -> None:
        if version not in understood:
            raise Refusal(
                "core_unknown",
                f"journal offset {offset} is of core {version}, this is {self._folds.version}",
            )

    def _met(self, condition: Condition, detail: str) -> None:
        self._observer.condition(
            self._log.partition, condition, f"journal of partition {self._log.partition}: {detail}"
        )


def _newest_snapshot(last: OwnedEntry) -> int:
    """Journal offset of the newest manifest, -1 for none."""
    offset, record = last
    return offset if isinstance(record, Snapshot) else record.snapshot
