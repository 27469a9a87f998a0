"""What span of history a folder of tables holds whole, and where it does not.

Each batch names the one before it, so a hole shows in the tables themselves: where a full window's
first batch does not follow the last one of the window before.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from reconverge.sink.store import Store
from reconverge.tables import (
    JOURNAL_SPINE,
    MARKS_SPINE,
    SCHEMA_VERSION,
    TABLES,
    Window,
    files,
    windows,
)


class Gap(NamedTuple):
    """Something that is not there, or cannot be read."""

    spine: str
    partition: int
    after: int
    """Last offset before it; -1 if it is at the beginning."""
    before: int
    """First offset behind it."""
    why: str


@dataclass(slots=True)
class Verdict:
    """What a folder holds."""

    windows: int = 0
    batches: int = 0
    rows: dict[str, int] = field(default_factory=dict)
    """By table."""
    begin_ns: int | None = None
    end_ns: int | None = None
    cores: set[str] = field(default_factory=set)
    """Versions of the core that folded it."""
    gaps: list[Gap] = field(default_factory=list)

    @property
    def whole(self) -> bool:
        """Nothing is missing between the first window and the last."""
        return not self.gaps


def check(store: Store) -> Verdict:
    """Look at every file of a folder: names, schema versions, contiguity, readability.

    Raises OSError when the folder cannot be read, ValueError where windows overlap.
    """
    verdict = Verdict()
    for gap in _journal(store, verdict):
        verdict.gaps.append(gap)
    for gap in _marks(store):
        verdict.gaps.append(gap)
    for table in TABLES:
        verdict.rows[table] = 0
        for path in files(store.files, store.root, table):
            fault = _fault(store, table, path, verdict)
            if fault is not None:
                verdict.gaps.append(Gap(table, -1, -1, -1, f"{path}: {fault}"))
    return verdict


def _journal(store: Store, verdict: Verdict) -> Iterator[Gap]:
    last: Window | None = None
    last_offset = -1
    for window in windows(store.files, store.root, JOURNAL_SPINE):
        table = _read(store, window, JOURNAL_SPINE)
        if table is None:
            yield Gap(JOURNAL_SPINE, window.partition, last_offset, window.start, "unreadable")
            continue
        columns = table.to_pydict()
        verdict.windows += 1
        verdict.batches += table.num_rows
        verdict.cores |= set(columns["core"])
        times = columns["batch_ns"]
        verdict.begin_ns = min(verdict.begin_ns or times[0], times[0])
        verdict.end_ns = max(verdict.end_ns or 0, times[-1])
        if last is not None and last.partition == window.partition:
            previous = columns["previous_offset"][0]
            if previous != last_offset:
                yield Gap(
                    JOURNAL_SPINE,
                    window.partition,
                    last_offset,
                    window.start,
                    "batches missing",
                )
        elif columns["previous_offset"][0] != -1:
            yield Gap(JOURNAL_SPINE, window.partition, -1, window.start, "begins in the middle")
        for lost, offset in zip(columns["lost"], columns["journal_offset"], strict=True):
            if lost:
                yield Gap(
                    JOURNAL_SPINE, window.partition, offset, offset, f"{lost} inputs were lost"
                )
        last, last_offset = window, columns["journal_offset"][-1]


def _marks(store: Store) -> Iterator[Gap]:
    for before, window in pairwise(windows(store.files, store.root, MARKS_SPINE)):
        same = before.partition == window.partition
        if same and before.end is not None and window.start != before.end + 1:
            yield Gap(MARKS_SPINE, window.partition, before.end, window.start, "marks missing")


def _read(store: Store, window: Window, table: str) -> pa.Table | None:
    try:
        return pq.read_table(f"{store.root}/{window.path(table)}", filesystem=store.files)
    except (OSError, pa.ArrowException):
        return None


def _fault(store: Store, table: str, path: str, verdict: Verdict) -> str | None:
    try:
        parquet = pq.ParquetFile(path, filesystem=store.files)
    except (OSError, pa.ArrowException) as error:
        return f"unreadable: {error}"
    metadata = parquet.schema_arrow.metadata or {}
    version = metadata.get(b"reconverge.schema", b"").decode()
    if version != str(SCHEMA_VERSION):
        return f"schema version {version or 'unknown'}, this reads {SCHEMA_VERSION}"
    verdict.rows[table] += parquet.metadata.num_rows
    return None
