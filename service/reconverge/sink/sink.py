"""One partition's journal as tables: where to begin, and batch after batch from there on.

It begins behind the last full window that is there, else at the beginning of the history, else at
the oldest snapshot from which history can still be derived; what lies before that is a hole, and
is said. The fold comes from a snapshot at or before that place, and is folded up to it without
writing.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from typing import NamedTuple

import pyarrow.parquet as pq

from reconverge.audit import Past, batch_before, opened
from reconverge.core.venue import Venue
from reconverge.sink.record import RecordedFolds, Recorder, Stamp
from reconverge.sink.store import Store
from reconverge.sink.windows import Windows
from reconverge.stream import Log, Options, Replayed
from reconverge.tables import JOURNAL_SPINE, Window, windows


class Standing(NamedTuple):
    """Where a sink stands."""

    partition: int
    offset: int
    """Journal offset of the last batch written or shown."""
    at_ns: int
    batches: int
    records: int


class Sink:
    """Writes one partition. Made by `Sink.opened`."""

    def __init__(
        self, past: Past, recorder: Recorder, store: Store, written: int, previous: int | None
    ) -> None:
        self._past = past
        self._recorder = recorder
        self._written = written
        """Journal offset up to which full windows are there already; -1 for none."""
        self._previous = previous
        self.hole = previous is None or previous > written >= 0
        """History between what is written and what can be derived is gone."""
        aligned = not self.hole and (written >= 0 or past.begin_ns < 0)
        self._windows = Windows(store, past.log.partition, JOURNAL_SPINE, aligned=aligned)
        self.standing = Standing(past.log.partition, written, 0, 0, 0)

    @classmethod
    @asynccontextmanager
    async def opened(
        cls, log: Log, options: Options, venues: Mapping[str, Venue], store: Store
    ) -> AsyncIterator["Sink"]:
        """The sink of a log's partition, where the store's last full window ends.

        Raises `Gone`, `LogError` and `Refusal`.
        """
        last = _last(store, log.partition)
        recorder = Recorder()
        from_ns = None if last is None else _ended_ns(store, last)
        async with opened(log, options, RecordedFolds(venues, recorder), from_ns, None) as past:
            manifest = past.history.manifest
            previous = -1 if manifest is None else await batch_before(log, options, manifest.offset)
            written = -1 if last is None or last.end is None else last.end
            yield cls(past, recorder, store, written, previous)

    @property
    def name(self) -> str:
        """What it reads, for a person."""
        return f"journal, partition {self.standing.partition}"

    async def catch_up(
        self, stopped: Callable[[], bool], told: Callable[[Standing], None] | None = None
    ) -> None:
        """Write everything that the journal holds by now; the last window stays open.

        Stopped between two batches, it has lost nothing: a window counts once it is full.
        """
        async with aclosing(self._past.batches()) as batches:
            async for replayed in batches:
                self._batch(replayed)
                if told is not None:
                    told(self.standing)
                if stopped():
                    break

    async def follow(self) -> bool:
        """Look once for what came since; whether there was anything."""
        grown = await self._past.grown()
        if grown:
            await self.catch_up(lambda: False)
        return grown

    def show(self) -> None:
        """Let readers see the window that is not full yet."""
        self._windows.show()

    def _batch(self, replayed: Replayed) -> None:
        batch, offset = replayed.batch, replayed.offset
        records = sum(len(stretch) for stretch in replayed.stretches.values())
        previous, self._previous = self._previous, offset
        if offset <= self._written or not self._windows.takes(offset, batch.now_ns, records):
            self._recorder.drop()
            return
        lost = sum(end - start for start, end in batch.lost.values())
        of = (offset, batch.now_ns, batch.epoch, batch.core, batch.policy)
        stamp = Stamp(*of, records, batch.refused, lost)
        self._recorder.batch(stamp, previous, replayed.folded.effects)
        self._windows.add(self._recorder.take())
        done = self.standing
        self.standing = Standing(
            done.partition, offset, batch.now_ns, done.batches + 1, done.records + records
        )


def _last(store: Store, partition: int) -> Window | None:
    """The last full window of a partition that follows on from the one before it."""
    found = windows(store.files, store.root, JOURNAL_SPINE)
    own = [w for w in found if w.partition == partition and w.end is not None]
    return own[-1] if own else None


def _ended_ns(store: Store, window: Window) -> int:
    """Time of a window's last batch."""
    place = f"{store.root}/{window.path(JOURNAL_SPINE)}"
    times = pq.read_table(place, columns=["batch_ns"], filesystem=store.files)
    return int(times.column(0)[-1].as_py())
