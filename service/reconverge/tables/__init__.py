"""The tables of history: which there are, what each column means, and where their files lie.

The sink writes them and the analytics read them; both go by this room alone. Data and file names
only: nothing here reads Kafka, folds anything or computes a cost.
"""

from typing import Final

from reconverge.tables.folded import FOLDED, JOURNAL_SPINE
from reconverge.tables.layout import (
    WINDOW_NS,
    WINDOW_RECORDS,
    Window,
    all_files,
    contains,
    day,
    files,
    spine,
    windows,
)
from reconverge.tables.market import MARKED, MARKS_SPINE
from reconverge.tables.schema import ARROW_TYPES, SCHEMA_VERSION, Column, Table, described

TABLES: Final = {table.name: table for table in (*FOLDED, *MARKED)}
"""Every table by name."""

__all__ = [
    "ARROW_TYPES",
    "FOLDED",
    "JOURNAL_SPINE",
    "MARKED",
    "MARKS_SPINE",
    "SCHEMA_VERSION",
    "TABLES",
    "WINDOW_NS",
    "WINDOW_RECORDS",
    "Column",
    "Table",
    "Window",
    "all_files",
    "contains",
    "day",
    "described",
    "files",
    "spine",
    "windows",
]
