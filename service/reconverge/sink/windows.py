"""Cutting rows into windows, and writing each window once it is full.

What is in a window depends on the journal alone: it ends before the first batch whose time lies in
another five minutes, or that would follow 100,000 input records. A sink that begins in the middle
of a history first passes over batches up to the next full five minutes, so that its windows are
those of every other sink.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from reconverge.sink.columns import arrow
from reconverge.sink.store import Store
from reconverge.tables import TABLES, WINDOW_NS, WINDOW_RECORDS, Window, day

Rows = Mapping[str, Sequence[tuple[Any, ...]]]


class Windows:
    """The windows of one partition and one spine, in order."""

    def __init__(
        self, store: Store, partition: int, spine_table: str, *, aligned: bool, **facts: str
    ) -> None:
        self._store = store
        self._partition = partition
        self._spine = spine_table
        self._facts = facts
        self._begun = aligned
        """Whether a window may begin at the next entry; else only where the five minutes turn."""
        self._slot = -1
        self._entries = 0
        self._start = -1
        self._end = -1
        self._start_ns = 0
        self._rows: dict[str, list[tuple[Any, ...]]] = {}
        self._shown: dict[str, int] = {}
        """Rows of each table in the open window as last shown."""
        self.passed_over = 0
        """Entries before the first window."""
        self.last_end = -1
        """Last offset of the newest full window written here."""

    def takes(self, offset: int, at_ns: int, entries: int) -> bool:
        """Make room for an entry; cuts the window before it where one ends.

        False while no window has begun: its rows belong to none.
        """
        slot = at_ns // WINDOW_NS
        turned = self._slot not in (-1, slot)
        if self._start >= 0 and (turned or self._entries + entries > WINDOW_RECORDS > 0):
            self.cut()
        self._begun = self._begun or turned
        self._slot = slot
        if not self._begun:
            self.passed_over += 1
            return False
        if self._start < 0:
            self._start, self._start_ns, self._entries = offset, at_ns, 0
        self._end = offset
        self._entries += entries
        return True

    def add(self, rows: Rows) -> None:
        """Rows of the entry just taken."""
        for table, more in rows.items():
            self._rows.setdefault(table, []).extend(more)

    def cut(self) -> None:
        """Write the window under way as a full one: its spine last, then the open files go."""
        window = Window(self._partition, self._start, self._end, day(self._start_ns))
        shown = window._replace(end=None)
        self._write(window, self._rows)
        for table in self._shown:
            self._store.delete(shown.path(table))
        self.last_end = self._end
        self._rows, self._shown, self._start, self._entries = {}, {}, -1, 0

    def break_off(self) -> None:
        """What comes next does not follow on: the window under way can never be full.

        Its rows go, and the next window begins where every sink's does.
        """
        shown = Window(self._partition, self._start, None, day(self._start_ns))
        for table in self._shown:
            self._store.delete(shown.path(table))
        self._rows, self._shown, self._start, self._entries = {}, {}, -1, 0
        self._begun, self._slot = False, -1

    def show(self) -> None:
        """Write the window under way as the open one, for readers who do not want to wait."""
        if self._start < 0:
            return
        window = Window(self._partition, self._start, None, day(self._start_ns))
        grown = {t: rows for t, rows in self._rows.items() if len(rows) != self._shown.get(t)}
        self._write(window, grown)
        self._shown |= {table: len(rows) for table, rows in grown.items()}

    def _write(self, window: Window, rows: Rows) -> None:
        tables = sorted(rows, key=lambda table: (table == self._spine, table))
        for name in tables:
            self._store.write(window.path(name), arrow(TABLES[name], rows[name], **self._facts))
