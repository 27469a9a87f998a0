"""Where the files of the tables lie, and which of them count.

    TABLE/date=YYYY-MM-DD/p=NN/FROM-TO.parquet

FROM and TO are journal offsets (for marks: offsets of the topic), both included; NN is the
partition. Which offsets make a file is a pure function of the journal, so any number of sinks,
restarted anywhere, write the same files with the same bytes.

A window is one span of offsets in all tables. Its spine (`batches`, or `marks`) is written last, so
a window counts once its spine is there, and readers never see half of it. The window that is not
full yet is named FROM-open; it counts only while it begins after every full one.
"""

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Final, NamedTuple

from pyarrow.fs import FileSelector, FileSystem, FileType

from reconverge.tables.folded import FOLDED, JOURNAL_SPINE
from reconverge.tables.market import MARKS_SPINE

SECOND_NS: Final = 1_000_000_000
WINDOW_NS: Final = 300 * SECOND_NS
"""A window ends where the batch's time enters the next five minutes: files of a size that Parquet
likes, and a report that never waits for long."""
WINDOW_RECORDS: Final = 100_000
"""It also ends once so many input records are in it: a backlog is worked off in bounded memory."""

_NAME: Final = re.compile(
    r"(?P<table>\w+)/date=(?P<date>\d{4}-\d\d-\d\d)/p=(?P<partition>\d+)/"
    r"(?P<start>\d+)-(?P<end>\d+|open)\.parquet$"
)
_FOLDED: Final = frozenset(table.name for table in FOLDED)


class Window(NamedTuple):
    """One span of offsets of one partition, the same in all its tables."""

    partition: int
    start: int
    end: int | None
    """Last offset, included; None while the window is open."""
    date: str
    """UTC day on which it begins."""

    def path(self, table: str) -> str:
        """Where a table's part of it lies, below the root."""
        end = "open" if self.end is None else f"{self.end:012d}"
        folder = f"{table}/date={self.date}/p={self.partition:02d}"
        return f"{folder}/{self.start:012d}-{end}.parquet"


class Found(NamedTuple):
    """A file of a table."""

    table: str
    window: Window
    path: str


def day(at_ns: int) -> str:
    """The UTC day of a moment."""
    return datetime.fromtimestamp(at_ns // SECOND_NS, UTC).date().isoformat()


def spine(table: str) -> str:
    """The table whose file makes a window of this one whole."""
    return JOURNAL_SPINE if table in _FOLDED else MARKS_SPINE


def all_files(store: FileSystem, root: str, table: str) -> Iterator[Found]:
    """Every file of one table, those that do not count included."""
    selector = FileSelector(f"{root}/{table}", allow_not_found=True, recursive=True)
    for info in store.get_file_info(selector):
        named = _NAME.search(info.path)
        if info.type is FileType.File and named:
            end = None if named["end"] == "open" else int(named["end"])
            window = Window(int(named["partition"]), int(named["start"]), end, named["date"])
            yield Found(named["table"], window, info.path)


def counting(windows: Iterable[Window]) -> list[Window]:
    """Of one spine's windows those that count, by partition and offset.

    A full window takes the place of those that lie in it: it was compacted from them. Raises
    ValueError where two overlap otherwise: two histories were written to one folder.
    """
    ordered = sorted(windows, key=lambda w: (w.partition, w.start, w.end is None, -(w.end or 0)))
    kept: list[Window] = []
    last: Window | None = None
    for window in ordered:
        if last is None or last.partition != window.partition:
            last = None
        begins_after = last is None or (last.end is not None and window.start > last.end)
        if begins_after:
            kept.append(window)
            last = window
        elif window.end is not None and not contains(last, window):
            raise ValueError(f"{last} and {window} overlap: two histories are in one folder")
    return kept


def contains(outer: Window | None, inner: Window) -> bool:
    """Whether a full window lies in another, or is it."""
    if outer is None or outer.end is None or inner.end is None:
        return False
    same = outer.partition == inner.partition
    return same and outer.start <= inner.start and inner.end <= outer.end


def windows(store: FileSystem, root: str, table: str) -> list[Window]:
    """The windows of a spine that count."""
    return counting(file.window for file in all_files(store, root, spine(table)))


def files(store: FileSystem, root: str, table: str) -> list[str]:
    """The files of a table that make up its rows: those of windows that count, in order."""
    whole = {window: place for place, window in enumerate(windows(store, root, table))}
    mine = [file for file in all_files(store, root, table) if file.window in whole]
    return [file.path for file in sorted(mine, key=lambda file: whole[file.window])]
