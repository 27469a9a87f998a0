"""Restoring a partition: its history replayed, and what of it may not have arrived."""

from typing import NamedTuple

from reconverge.stream.folding import Folds, Ledger, Output
from reconverge.stream.history.journal import newest
from reconverge.stream.history.records import Lost
from reconverge.stream.history.replay import History, Manifest
from reconverge.stream.inputs import Inputs
from reconverge.stream.log import Log
from reconverge.stream.observer import Observer
from reconverge.stream.options import Options


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
    foreign: bool
    """Some of it was folded first by another version of the core, and accepted by name."""
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
    history = History(log, folds, options, observer, epoch)
    try:
        return await _replayed(log, options, observer, history, epoch)
    except BaseException:
        await history.close()
        raise


async def _replayed(
    log: Log, options: Options, observer: Observer, history: History, epoch: int
) -> Restored:
    last = await newest(log, options, epoch)
    published, records, batches = -1, 0, 0
    unpublished: list[Output] = []
    overrun = not await history.start(last)
    if overrun:
        detail = "it no longer reaches back to its beginning, and no snapshot is left"
        journal = f"journal of partition {log.partition}"
        observer.condition(log.partition, "journal_overrun", f"{journal}: {detail}")
    elif last:
        published = last.record.published
        async for offset, _, stretches, folded in history.batches():
            batches += 1
            records += sum(map(len, stretches.values()))
            if offset > published:
                unpublished += [output for output in folded.outputs if output.event]
    inputs = await history.inputs()
    lost = inputs.resume(history.ledger.positions)
    if overrun:
        positions = history.ledger.positions
        lost = {topic: Lost(0, at.offset) for topic, at in positions.items() if at.offset}
    return Restored(
        ledger=history.ledger,
        inputs=inputs,
        manifest=history.manifest,
        unpublished=unpublished,
        published=published,
        lost=lost,
        foreign=history.foreign,
        records=records,
        batches=batches,
    )
