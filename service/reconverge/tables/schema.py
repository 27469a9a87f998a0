"""What a table and a column are, and the kinds that columns have.

A column's kind decides its Parquet type. Quantities, prices and money that must stay exact are
DECIMAL(28, 9), times are integer nanoseconds since the Unix epoch in UTC. Null means *unknown*:
the event did not say it. Nothing is guessed to fill a column.
"""

from collections.abc import Iterable, Mapping
from typing import Final, Literal, NamedTuple

import pyarrow as pa

SCHEMA_VERSION: Final = 1
"""Written into every file. It rises when a column changes its meaning, unit or type, or goes; a new
column does not raise it."""

Kind = Literal["text", "int", "time", "exact", "ratio", "flag", "nested"]
"""In Parquet: string, int64, int64 (nanoseconds), decimal128(28, 9), double, bool, JSON text."""


ARROW_TYPES: Final[Mapping[Kind, pa.DataType]] = {
    "text": pa.string(), "int": pa.int64(), "time": pa.int64(), "exact": pa.decimal128(28, 9),
    "ratio": pa.float64(), "flag": pa.bool_(), "nested": pa.string(),
}  # fmt: skip
"""What each kind is in a file, for whoever writes it and whoever reads it."""


class Column(NamedTuple):
    """One column of a table."""

    name: str
    kind: Kind
    meaning: str


class Table(NamedTuple):
    """One table: what a row is, and its columns."""

    name: str
    row: str
    columns: tuple[Column, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of its columns, in order."""
        return tuple(column.name for column in self.columns)


def columns(kind: Kind, **meanings: str) -> tuple[Column, ...]:
    """Columns of one kind, each with its meaning."""
    return tuple(Column(name, kind, meaning) for name, meaning in meanings.items())


def described(tables: Iterable[Table]) -> str:
    """The tables of docs/tables.md."""
    return "\n\n".join(map(_described, tables))


def _described(table: Table) -> str:
    head = (f"### `{table.name}`", "", f"A row is {table.row}.", "", "| column | type | meaning |")
    rows = (f"| `{column.name}` | {column.kind} | {column.meaning} |" for column in table.columns)
    return "\n".join([*head, "|---|---|---|", *rows])
