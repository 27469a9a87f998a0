"""The topic `marks` as tables: read once, in order, and written as it is.

Nothing is folded. A window ends where the newest record time seen enters the next five minutes, so
that it depends on the records alone. A quote that comes late, or twice, is a row all the same: the
analytics sort by event time and take the last of an instant.
"""

from collections.abc import Callable, Sequence
from contextlib import aclosing
from operator import attrgetter
from typing import Any, Final

import msgspec
import pyarrow.parquet as pq

from reconverge.core.messages.marks import Bar, MarkEvent, Print, Quote
from reconverge.sink.store import Store
from reconverge.sink.windows import Windows
from reconverge.stream import Log, Record, stretch
from reconverge.tables import MARKS_SPINE, TABLES, Window, windows

_MS: Final = 1_000_000
_PLACE: Final = 2
"""Columns before the message's own: offset and record time."""
_TABLE_OF: Final[dict[type[Any], str]] = {Quote: "quotes", Print: "prints", Bar: "bars"}
_READ: Final[dict[type[Any], Callable[[Any], tuple[Any, ...]]]] = {
    message: attrgetter(*TABLES[table].names[_PLACE:]) for message, table in _TABLE_OF.items()
}
_decode: Final = msgspec.json.Decoder(MarkEvent).decode


class MarksSink:
    """Writes one partition of the topic."""

    def __init__(self, log: Log, topic: str, store: Store, read_s: float) -> None:
        self._log = log
        self._topic = topic
        self._read_s = read_s
        self._store = store
        self._next: int | None = None
        self._newest_ms = 0
        self.unreadable = 0
        """Records that are no mark: they leave a row in `marks` without a kind."""
        self.hole = False
        """Records between what is written and what the topic still holds are gone."""
        self._windows = Windows(store, log.partition, MARKS_SPINE, aligned=True)

    @property
    def name(self) -> str:
        """What it reads, for a person."""
        return f"{self._topic}, partition {self._log.partition}"

    async def follow(self) -> bool:
        """Write what the topic holds beyond what was read; whether there was anything."""
        start, end = await self._log.span(self._topic)
        if self._next is None:
            self._next = self._resume(start)
        if self._next < start:
            self.hole, self._next = True, start
            self._windows.break_off()
        if self._next >= end:
            return False
        async with aclosing(
            stretch(self._log, self._topic, self._next, end, self._read_s)
        ) as records:
            async for record in records:
                self._take(record)
                self._next = record.offset + 1
        return True

    def show(self) -> None:
        """Let readers see the window that is not full yet."""
        self._windows.show()

    def _resume(self, start: int) -> int:
        """Behind the last full window, if there is one."""
        found = windows(self._store.files, self._store.root, MARKS_SPINE)
        own = [w for w in found if w.partition == self._log.partition and w.end is not None]
        if not own:
            if start > 0:
                self._windows.break_off()  # retention has been here
            return start
        self._newest_ms = _newest_ms(self._store, own[-1])
        return (own[-1].end or 0) + 1

    def _take(self, record: Record) -> None:
        self._newest_ms = max(self._newest_ms, record.timestamp)
        self._windows.takes(record.offset, self._newest_ms * _MS, 1)
        self._windows.add(self._rows(record))

    def _rows(self, record: Record) -> dict[str, Sequence[tuple[Any, ...]]]:
        place = (record.offset, record.timestamp)
        try:
            mark = _decode(record.value or b"")
        except (msgspec.DecodeError, UnicodeDecodeError):
            self.unreadable += 1
            return {MARKS_SPINE: [(*place, None)]}
        family = type(mark)
        row = (*place, *_READ[family](mark))
        return {MARKS_SPINE: [(*place, mark.type)], _TABLE_OF[family]: [row]}


def _newest_ms(store: Store, window: Window) -> int:
    place = f"{store.root}/{window.path(MARKS_SPINE)}"
    times = pq.read_table(place, columns=["record_ms"], filesystem=store.files)
    return int(max(times.column(0).to_pylist()))
