"""From rows to Arrow: a list of tuples becomes a table of typed columns.

Exact numbers come as decimal texts or as nanos and leave as DECIMAL(28, 9): a nano is that type's
unit, so its 128-bit integer is written as it is, without a detour over decimals or floats.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec
import numpy as np
import pyarrow as pa

from reconverge.core.messages.units import nanos
from reconverge.tables import ARROW_TYPES, SCHEMA_VERSION, Column, Table

_WIDTH: Final = 16
"""Bytes of a decimal128."""
_NULL: Final = bytes(_WIDTH)

_json: Final = msgspec.json.Encoder(order="deterministic").encode


def schema(table: Table, **facts: str) -> pa.Schema:
    """The Arrow schema of a table; ``facts`` become the file's metadata."""
    fields = [pa.field(column.name, ARROW_TYPES[column.kind]) for column in table.columns]
    metadata = {"reconverge.schema": str(SCHEMA_VERSION)} | {
        f"reconverge.{name}": text for name, text in facts.items()
    }
    return pa.schema(fields, metadata=metadata)


def arrow(table: Table, rows: Sequence[tuple[Any, ...]], **facts: str) -> pa.Table:
    """Rows as an Arrow table. Each row holds a value, or None, for every column in order."""
    columns = zip(*rows, strict=True) if rows else [()] * len(table.columns)
    arrays = [_array(column, values) for column, values in zip(table.columns, columns, strict=True)]
    return pa.Table.from_arrays(arrays, schema=schema(table, **facts))


def _array(column: Column, values: Sequence[Any]) -> pa.Array:
    make = _MAKERS.get(column.kind)
    return pa.array(values, ARROW_TYPES[column.kind]) if make is None else make(values)


def _exact(values: Sequence[str | int | None]) -> pa.Array:
    known = np.fromiter((value is not None for value in values), bool, len(values))
    parts = [
        _NULL
        if value is None
        else (nanos(value) if isinstance(value, str) else value).to_bytes(
            _WIDTH, "little", signed=True
        )
        for value in values
    ]
    mask = None
    if not known.all():
        mask = pa.py_buffer(np.packbits(known, bitorder="little").tobytes())
    return pa.Array.from_buffers(
        ARROW_TYPES["exact"], len(values), [mask, pa.py_buffer(b"".join(parts))]
    )


def _nested(values: Sequence[Any]) -> pa.Array:
    return pa.array([None if v is None else _json(v).decode() for v in values], pa.string())


_MAKERS: Final[dict[str, Callable[[Sequence[Any]], pa.Array]]] = {
    "exact": _exact,
    "nested": _nested,
}
