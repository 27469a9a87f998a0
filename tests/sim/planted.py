"""Protocol bugs, planted on purpose: what the simulation must find to be worth believing.

Each is a mistake that somebody could make in good faith. `plant` puts it in place until its context
ends.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from reconverge.stream import folding, publish, worker
from reconverge.stream.clock import Clock
from reconverge.stream.history import journal, replay, restore
from reconverge.stream.history.records import encode
from reconverge.stream.intake import _Buffer
from reconverge.stream.log import OutcomeUnknown
from reconverge.stream.quarantine import quarantine
from tests.sim.toy import ToyFold

Plant = Callable[[pytest.MonkeyPatch], None]


def caps_before_journal(patch: pytest.MonkeyPatch) -> None:
    """Publish at once, to save a millisecond."""

    async def journal_then_publish(self: Any, pending: Any) -> None:
        await self._publisher.publish(self._journal._last + 1, pending.folded.outputs)
        record = pending.record.model_copy(update={"published": self._publisher.published})
        await self._journal.append(record)

    patch.setattr(worker.Worker, "_journal_then_publish", journal_then_publish)


def no_claim_check(patch: pytest.MonkeyPatch) -> None:
    """Trust the group: whoever still runs must be the owner."""

    async def account_for(self: Any, start: int, end: int) -> None:
        return

    patch.setattr(journal.Journal, "_account_for", account_for)


def every_record_counts(patch: pytest.MonkeyPatch) -> None:
    """Restore from whatever the journal holds, a zombie's records included."""
    patch.setattr(journal, "counts", lambda record, offset: True)


def unknown_append_tried_again(patch: pytest.MonkeyPatch) -> None:
    """Treat an unknown outcome as a failure, and write again."""
    append = journal.Journal.append

    async def persistent(self: Any, record: Any) -> int:
        last = self._last
        try:
            return await append(self, record)
        except OutcomeUnknown:
            self._last = last
            return await append(self, record)

    patch.setattr(journal.Journal, "append", persistent)


def claim_after_restore(patch: pytest.MonkeyPatch) -> None:
    """Restore first and claim when ready, to keep the old owner going for longer."""

    async def claim(cls: Any, log: Any, options: Any, record: Any) -> Any:
        _, end = await log.span(options.topics.journal)
        early = cls(log, options, end)
        early.late_claim = record
        return early

    restore_of = worker.Worker._restore

    async def restored_then_claimed(self: Any) -> Any:
        restored = await restore_of(self)
        topic = self._options.topics.journal
        epoch = await self._log.append(topic, None, encode(self._journal.late_claim))
        self._journal = journal.Journal(self._log, self._options, epoch)
        return restored

    patch.setattr(journal.Journal, "claim", classmethod(claim))
    patch.setattr(worker.Worker, "_restore", restored_then_claimed)


def quarantine_after_journal(patch: pytest.MonkeyPatch) -> None:
    """Set bad records aside when there is time for it."""

    async def submit(self: Any, pending: Any) -> None:
        await self._committed()
        self._commit = asyncio.create_task(self._journal_then_publish(pending))
        await self._committed()
        await quarantine(self._log, pending.folded.refused, self._options, self._observer)

    patch.setattr(worker.Worker, "_submit", submit)


def poison_journalled_as_any_other(patch: pytest.MonkeyPatch) -> None:
    """Say how many records were set aside, and not which of them were poison."""
    of = worker.Worker._fold

    def silent(self: Any, *arguments: Any) -> Any:
        pending = of(self, *arguments)
        return pending._replace(record=pending.record.model_copy(update={"poison": {}}))

    patch.setattr(worker.Worker, "_fold", silent)


def half_changed_sessions_go_on(patch: pytest.MonkeyPatch) -> None:
    """Set the record aside, and leave the session as the error left it."""
    patch.setattr(ToyFold, "replace", lambda self, session, why, now_ns: None)


def nothing_sent_again(patch: pytest.MonkeyPatch) -> None:
    """Believe that what was journalled was published."""
    of = restore.restore

    async def forgetful(*arguments: Any) -> Any:
        return (await of(*arguments))._replace(unpublished=[])

    patch.setattr(worker, "restore", forgetful)


def published_when_sent(patch: pytest.MonkeyPatch) -> None:
    """Count outputs as published once they are queued."""
    of = publish.Publisher.publish

    async def hasty(self: Any, offset: int, outputs: Any) -> None:
        await of(self, offset, outputs)
        self.published = offset

    patch.setattr(publish.Publisher, "publish", hasty)


def outputs_in_reverse(patch: pytest.MonkeyPatch) -> None:
    """Send the outputs of a batch last first."""
    of = publish.Publisher.publish

    async def reversing(self: Any, offset: int, outputs: Any) -> None:
        await of(self, offset, outputs[::-1])

    patch.setattr(publish.Publisher, "publish", reversing)


def snapshot_before_its_outputs(patch: pytest.MonkeyPatch) -> None:
    """Snapshot what was journalled, though its outputs are still on their way."""
    of = worker.Worker._write_snapshot

    async def hasty(self: Any, *, released: bool) -> None:
        drained, self._publisher.drained = self._publisher.drained, self._committed
        try:
            await of(self, released=released)
        finally:
            self._publisher.drained = drained

    patch.setattr(worker.Worker, "_write_snapshot", hasty)


def merged_by_their_own_timestamps(patch: pytest.MonkeyPatch) -> None:
    """Merge records by time, whatever their order in their topic."""

    def merge(stretches: Any) -> Any:
        records = [record for stretch in stretches for record in stretch]
        return sorted(records, key=lambda record: record.timestamp)

    patch.setattr(folding, "merge", merge)


def snapshot_before_the_journal(patch: pytest.MonkeyPatch) -> None:
    """Snapshot the state as it is, a batch not yet journalled included."""
    of = worker.Worker._write_snapshot

    async def hasty(self: Any, *, released: bool) -> None:
        commit, self._commit = self._commit, None
        try:
            await of(self, released=released)
        finally:
            self._commit = commit

    patch.setattr(worker.Worker, "_write_snapshot", hasty)


def repeated_records_folded_again(patch: pytest.MonkeyPatch) -> None:
    """Trust the client never to hand out a record twice."""

    def add(self: Any, records: Any) -> None:
        self.records = [*self.records[self.head :], *records]
        self.head = 0
        self.fetched = records[-1].offset + 1
        self.newest = max(self.newest, *(record.timestamp for record in records))

    patch.setattr(_Buffer, "add", add)


def time_of_the_machine(patch: pytest.MonkeyPatch) -> None:
    """Read the clock as it is, whatever the journal says of the time."""
    patch.setattr(Clock, "now_ns", lambda self: self._wall())


def policies_of_the_reader(patch: pytest.MonkeyPatch) -> None:
    """Restore without the policies that claims carry."""
    patch.setattr(replay.History, "_enter_epoch", lambda self, record, offset: None)


PLANTED: dict[str, Plant] = {
    plant.__name__: plant
    for plant in (
        caps_before_journal,
        no_claim_check,
        every_record_counts,
        unknown_append_tried_again,
        claim_after_restore,
        quarantine_after_journal,
        poison_journalled_as_any_other,
        half_changed_sessions_go_on,
        nothing_sent_again,
        published_when_sent,
        outputs_in_reverse,
        snapshot_before_its_outputs,
        merged_by_their_own_timestamps,
        snapshot_before_the_journal,
        repeated_records_folded_again,
        time_of_the_machine,
        policies_of_the_reader,
    )
}


@contextmanager
def planted(name: str) -> Iterator[None]:
    """With one bug in place."""
    with pytest.MonkeyPatch.context() as patch:
        PLANTED[name](patch)
        yield
