"""Windows are a pure function of the entries: wherever a sink begins again, the same files."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconverge.sink import Store, Windows, compact
from reconverge.tables import JOURNAL_SPINE, WINDOW_NS, files, layout, windows

DAY_NS = 86_400_000_000_000


class Entry(NamedTuple):
    offset: int
    at_ns: int
    records: int


@st.composite
def histories(draw: st.DrawFn) -> list[Entry]:
    """Batches of a few hours, some of them large, across midnight."""
    offset, at_ns, entries = 0, 20_000 * DAY_NS - 2 * WINDOW_NS, []
    for _ in range(draw(st.integers(1, 40))):
        offset += draw(st.integers(1, 3))  # claims and snapshots lie between
        at_ns += draw(st.sampled_from([0, 1_000, WINDOW_NS // 3, WINDOW_NS, 3 * WINDOW_NS]))
        entries.append(Entry(offset, at_ns, draw(st.sampled_from([0, 1, 10, 60_000, 100_001]))))
    return entries


def rows(entry: Entry, previous: int) -> dict[str, list[tuple[object, ...]]]:
    batch: tuple[object, ...] = (
        entry.offset,
        entry.at_ns,
        previous,
        7,
        entry.records,
        0,
        0,
        "2",
        "hash",
    )
    ack: tuple[object, ...] = (entry.offset, 0, entry.at_ns, "S", entry.at_ns, 7, entry.offset)
    return {JOURNAL_SPINE: [batch]} | ({"acks": [ack]} if entry.offset % 2 else {})


def write(
    folder: Path, entries: Sequence[Entry], begin: int, *, aligned: bool, show: bool = False
) -> int:
    """Feed entries from one on; returns the last offset of the newest full window."""
    written = Windows(Store(str(folder)), 0, JOURNAL_SPINE, aligned=aligned)
    for place in range(begin, len(entries)):
        entry = entries[place]
        previous = entries[place - 1].offset if place else -1
        if written.takes(entry.offset, entry.at_ns, entry.records):
            written.add(rows(entry, previous))
        if show:
            written.show()
    return written.last_end


def contents(folder: Path, *, full: bool = True) -> dict[str, bytes]:
    found = sorted(folder.rglob("*.parquet"))
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in found
        if not (full and path.stem.endswith("open"))
    }


@settings(max_examples=40, deadline=None)
@given(history=histories(), data=st.data())
def test_a_sink_that_begins_again_writes_the_same_bytes(
    history: list[Entry], data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    once, again = (tmp_path_factory.mktemp(name) for name in ("once", "again"))
    write(once, history, 0, aligned=True)
    stops = sorted(data.draw(st.sets(st.integers(0, len(history)), max_size=4)))
    begin = 0
    for stop in [*stops, len(history)]:  # killed there: what was not full is lost
        end = write(again, history[:stop], begin, aligned=True, show=True)
        begin = next((i for i, e in enumerate(history) if e.offset == end), begin - 1) + 1
    assert contents(again) == contents(once)


@settings(max_examples=40, deadline=None)
@given(history=histories(), data=st.data())
def test_a_sink_that_begins_in_the_middle_writes_some_of_the_same_files(
    history: list[Entry], data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    whole, late = (tmp_path_factory.mktemp(name) for name in ("whole", "late"))
    write(whole, history, 0, aligned=True)
    write(late, history, data.draw(st.integers(0, len(history) - 1)), aligned=False)
    assert contents(late).items() <= contents(whole).items()


def test_an_open_window_counts_until_it_is_full(tmp_path: Path) -> None:
    """And a full one counts only when its spine is there."""
    store, root = Store(str(tmp_path)), str(tmp_path)
    written = Windows(store, 0, JOURNAL_SPINE, aligned=True)
    for offset, at_ns in ((0, 0), (1, 1), (2, WINDOW_NS)):
        written.takes(offset, at_ns, 1)
        written.add(rows(Entry(offset, at_ns, 1), offset - 1))
        written.show()
    assert [(w.start, w.end) for w in windows(store.files, root, "acks")] == [(0, 1), (2, None)]
    assert len(files(store.files, root, "acks")) == 1
    first = windows(store.files, root, JOURNAL_SPINE)[0]
    (tmp_path / first.path(JOURNAL_SPINE)).unlink()
    assert files(store.files, root, "acks") == []


def test_two_histories_in_one_folder_are_refused() -> None:
    one = layout.Window(0, 0, 10, "2026-01-05")
    with pytest.raises(ValueError, match="two histories"):
        layout.counting([one, one._replace(start=5, end=15)])
    assert layout.counting([one, one._replace(start=5, end=10), one._replace(partition=1)]) == [
        one,
        one._replace(partition=1),
    ]


def test_compacting_changes_no_row_and_may_be_stopped_anywhere(tmp_path: Path) -> None:
    history = [Entry(n, n * WINDOW_NS, 1) for n in range(620)]  # more than two days
    write(tmp_path, history, 0, aligned=True)
    store, root = Store(str(tmp_path)), str(tmp_path)

    def read(table: str) -> list[tuple[object, ...]]:
        found: list[tuple[object, ...]] = []
        for path in files(store.files, root, table):
            found += [tuple(row.values()) for row in pq.read_table(path).to_pylist()]
        return found

    before = {table: read(table) for table in (JOURNAL_SPINE, "acks")}
    some = contents(tmp_path)
    done = compact(store)
    assert done.windows == 576  # of two days that are over
    assert {table: read(table) for table in before} == before
    compacted = contents(tmp_path)
    for name in [*some][::3]:  # as if the deleting had been stopped
        (tmp_path / name).write_bytes(some[name])
    assert {table: read(table) for table in before} == before
    compact(store)
    assert contents(tmp_path) == compacted
