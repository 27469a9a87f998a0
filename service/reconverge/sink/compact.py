"""Old days in one file a table and partition: fewer files to open, the same rows.

A compacted window covers exactly the windows it is made of and takes their place by its name alone
(`tables.layout.counting`): its spine is written last, and only then the small files go. Stopped
anywhere, the folder reads the same; run again, it goes on.
"""

from collections.abc import Iterator
from itertools import groupby
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from reconverge.sink.store import Store
from reconverge.tables import (
    FOLDED,
    JOURNAL_SPINE,
    MARKED,
    MARKS_SPINE,
    Table,
    Window,
    all_files,
    contains,
    windows,
)


class Compacted(NamedTuple):
    """What was done."""

    windows: int
    """Windows that were put together."""
    files_deleted: int


def compact(store: Store) -> Compacted:
    """Compact every day that is over, for every partition. Raises OSError."""
    merged = deleted = 0
    for spine, tables in ((JOURNAL_SPINE, FOLDED), (MARKS_SPINE, MARKED)):
        for run in _runs(store, spine):
            merged += len(run)
            _merge(store, spine, tables, run)
        deleted += sum(_sweep(store, spine, table) for table in tables)
    return Compacted(merged, deleted)


def _runs(store: Store, spine: str) -> Iterator[list[Window]]:
    """Windows of one partition and day, without a hole between, two at least."""
    full = [w for w in windows(store.files, store.root, spine) if w.end is not None]
    for _, partition in groupby(full, key=lambda w: w.partition):
        days = [list(day) for _, day in groupby(partition, key=lambda w: w.date)]
        for day in days[:-1]:  # the last day may grow
            yield from (run for run in _contiguous(store, spine, day) if len(run) > 1)


def _contiguous(store: Store, spine: str, day: list[Window]) -> Iterator[list[Window]]:
    run = [day[0]]
    for window in day[1:]:
        if _follows(store, spine, run[-1], window):
            run.append(window)
        else:
            yield run
            run = [window]
    yield run


def _follows(store: Store, spine: str, before: Window, window: Window) -> bool:
    if spine == MARKS_SPINE:
        return before.end is not None and window.start == before.end + 1
    place = f"{store.root}/{window.path(spine)}"
    column = pq.read_table(place, columns=["previous_offset"], filesystem=store.files).column(0)
    return bool(column[0].as_py() == before.end)


def _merge(store: Store, spine: str, tables: tuple[Table, ...], run: list[Window]) -> None:
    whole = run[0]._replace(end=run[-1].end)
    names = sorted((t.name for t in tables), key=lambda name: (name == spine, name))
    for name in names:
        places = [f"{store.root}/{window.path(name)}" for window in run]
        there = [place for place in places if store.files.get_file_info(place).is_file]
        if there:
            parts = [pq.read_table(place, filesystem=store.files) for place in there]
            store.write(whole.path(name), pa.concat_tables(parts))


def _sweep(store: Store, spine: str, table: Table) -> int:
    """Delete a table's files whose window lies in a larger one that counts."""
    counting = [w for w in windows(store.files, store.root, spine) if w.end is not None]
    by_day: dict[tuple[int, str], list[Window]] = {}
    for window in counting:
        by_day.setdefault((window.partition, window.date), []).append(window)
    gone = 0
    for file in list(all_files(store.files, store.root, table.name)):
        own = file.window
        peers = by_day.get((own.partition, own.date), ())
        if any(peer != own and contains(peer, own) for peer in peers):
            store.delete(own.path(table.name))
            gone += 1
    return gone
