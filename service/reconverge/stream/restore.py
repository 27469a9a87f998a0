"""Restoring a partition.

The newest whole snapshot, then the journal's suffix with its inputs folded again.

The result is exact, or says that it is not: inputs out of retention, a recreated topic and outputs
that come out otherwise than the journal says are conditions, never silence.
"""

from contextlib import aclosing
from typing import NamedTuple

from reconverge.stream import snapshot
from reconverge.stream.conditions import Condition, Refusal
from reconverge.stream.folding import Folded, Folds, Ledger, Output
from reconverge.stream.inputs import Inputs
from reconverge.stream.journal import OwnedEntry, entries, newest
from reconverge.stream.log import Log, read
from reconverge.stream.observer import Observer
from reconverge.stream.options import Options
from reconverge.stream.records import Batch, Claim, Lost, Owned, Position, Snapshot, decode


class Manifest(NamedTuple):
    """A snapshot's manifest and where it is."""

    offset: int
    record: Snapshot


class Restored(NamedTuple):
    """A partition as its journal has it."""

    ledger: Ledger
    inputs: Inputs
    """Open where the ledger stands."""
    manifest: Manifest | None
    """The snapshot it was built on."""
    unpublished: list[Output]
    """Events whose arrival the journal does not vouch for, in order."""
    published: int
    """Journal offset up to which the journal vouches for them."""
    lost: dict[str, Lost]
    """Input that could not be read (again).

    The next record must say so, and a new snapshot makes it history.
    """
    records: int
    """Input records folded again."""
    batches: int
    """Journal batches replayed."""


async def restore(
    log: Log, folds: Folds, options: Options, observer: Observer, epoch: int
) -> Restored:
    """The partition as it was when the claim at `epoch` was made, but for what the conditions say.

    Raises `LogError` (try again) and `Refusal` (someone must act).
    """
    replay = _Replay(log, folds, options, observer, epoch)
    return await replay.run()


class _Replay:
    """One restore under way."""

    def __init__(
        self, log: Log, folds: Folds, options: Options, observer: Observer, epoch: int
    ) -> None:
        self._log = log
        self._folds = folds
        self._options = options
        self._observer = observer
        self._epoch = epoch
        self._ledger = Ledger(folds, folds.new(), options.topics)
        self._inputs: Inputs | None = None
        self._claims: dict[int, Claim] = {}
        self._policies_of = -1  # the epoch whose policies are in force
        self._published = -1
        self._unpublished: list[Output] = []
        self._records = self._batches = 0
        self._exact = True

    async def run(self) -> Restored:
        begins, _ = await self._log.span(self._options.topics.journal)
        last = await newest(self._log, self._options, self._epoch)
        manifest = await self._load_snapshot(last, begins) if last else None
        overrun = bool(last) and not manifest and begins > 0
        if overrun:
            self._met("journal_overrun", f"it begins at {begins}, and no snapshot is left")
        elif last:
            self._published = last.record.published
            await self._replay(manifest.offset + 1 if manifest else begins)
        inputs = await self._open()
        lost = inputs.resume(self._ledger.positions)
        if overrun:
            lost = {
                topic: Lost(0, at.offset)
                for topic, at in self._ledger.positions.items()
                if at.offset
            }
        return Restored(
            self._ledger,
            inputs,
            manifest,
            self._unpublished,
            self._published,
            lost,
            self._records,
            self._batches,
        )

    async def _load_snapshot(self, last: OwnedEntry, begins: int) -> Manifest | None:
        """The newest snapshot that is whole.

        The manifests are a chain from the last record backwards.
        """
        deadlines, limits = self._options.deadlines, self._options.limits
        offset = last.offset if isinstance(last.record, Snapshot) else last.record.snapshot
        while offset >= begins:
            manifest = await self._manifest(offset)
            self._check_core(manifest.core, self._folds.readable, offset)
            try:
                topic = self._options.topics.snapshots
                rows = await snapshot.load(
                    self._log, topic, manifest, limits.snapshot_bytes, deadlines.read_s
                )
            except snapshot.Unreadable as error:
                self._met("snapshot_unreadable", f"manifest at {offset}: {error}")
                offset = manifest.previous
                continue
            self._ledger = Ledger(self._folds, self._folds.load(rows), self._options.topics)
            self._ledger.positions |= manifest.positions
            self._ledger.now_ns = manifest.now_ns
            self._policies_of = manifest.epoch
            return Manifest(offset, manifest)
        return None

    async def _manifest(self, offset: int) -> Snapshot:
        topic = self._options.topics.journal
        found = await read(self._log, topic, offset, offset + 1, self._options.deadlines.read_s)
        record = decode(found[0].value, offset)
        if not isinstance(record, Snapshot):
            raise Refusal(
                "journal_unreadable", f"journal offset {offset} is not a snapshot's manifest"
            )
        return record

    async def _replay(self, start: int) -> None:
        if self._ledger.positions:
            await (await self._open()).verify(self._ledger.positions)
        async with aclosing(entries(self._log, self._options, start, self._epoch)) as suffix:
            async for offset, record in suffix:
                if isinstance(record, Claim):
                    self._claims[offset] = record
                    continue
                self._enter_epoch(record, offset)
                if isinstance(record, Batch):
                    await self._fold(record, offset)

    def _enter_epoch(self, record: Owned, offset: int) -> None:
        """The policies of a claim take effect at its first record."""
        if record.epoch == self._policies_of:
            return
        claim = self._claims.get(record.epoch)
        if claim is None:
            raise Refusal(
                "policy_missing", f"the claim of epoch {record.epoch}, for journal offset {offset}"
            )
        try:
            self._ledger.fold.set_policies(claim.policies, record.now_ns)
        except self._folds.rejection as error:
            raise Refusal(
                "policy_missing",
                f"the claim at {record.epoch} carries a policy refused now: {error}",
            ) from error
        self._policies_of = record.epoch

    async def _fold(self, batch: Batch, offset: int) -> None:
        self._check_core(batch.core, self._options.cores_accepted | {self._folds.version}, offset)
        for topic, stretch in batch.taken.items():
            self._ledger.positions.setdefault(topic, Position(stretch.start, 0))
        inputs = await self._open()
        stretches = await inputs.past(batch.taken)
        self._exact = self._exact and inputs.whole
        folded = self._ledger.advance(stretches, batch.lost, batch.now_ns, batch.epoch)
        inputs.skip(batch.lost)
        if offset > self._published:
            self._unpublished += [output for output in folded.outputs if output.event]
        self._records += sum(map(len, stretches.values()))
        self._batches += 1
        self._compare(batch, folded, offset)

    def _compare(self, batch: Batch, folded: Folded, offset: int) -> None:
        """Once inputs are gone nothing can come out the same any more, and that has been said."""
        same = (len(folded.outputs), folded.digest) == (batch.outputs, batch.digest)
        if self._exact and not (same and self._ledger.fold.policy_hash == batch.policy):
            self._exact = False
            self._met("derivation_mismatch", f"first at journal offset {offset}")

    async def _open(self) -> Inputs:
        """The inputs, opened once the positions are known.

        From a manifest, a first batch, or the topics' starts.
        """
        if self._inputs is None:
            for topic in self._options.topics.inputs:
                if topic not in self._ledger.positions:
                    start, _ = await self._log.span(topic)
                    self._ledger.positions[topic] = Position(start, 0)
            self._inputs = Inputs(self._log, self._options, self._observer, self._ledger.positions)
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
