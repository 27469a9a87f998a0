"""Columns of Arrow tables as the arrays of this room."""

from collections.abc import Iterator, Sequence
from typing import Final, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from reconverge.tca.arrays import Bools, Floats, Ints

WORDS: Final = 2
"""64-bit words of a decimal128, the low one first."""


def exact(column: pa.ChunkedArray) -> tuple[Ints, Bools]:
    """DECIMAL(28, 9) as nanos, and which are known; 0 where not.

    Raises ValueError for a number beyond 64 bits (9.2 billion units).
    """
    array = pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)
    known = np.asarray(array.is_valid())
    if not len(array):
        return np.empty(0, np.int64), known
    words = np.frombuffer(array.buffers()[1], np.int64).reshape(-1, WORDS)
    words = words[array.offset : array.offset + len(array)]
    low, high = words[:, 0], words[:, 1]
    if not (high == low >> 63)[known].all():
        raise ValueError("a number is too large to be exact in 64 bits of nanos")
    return np.where(known, low, 0), known


def mids(column: pa.ChunkedArray) -> Floats:
    """DECIMAL(28, 9) as mids: floats in nanos, NaN for null."""
    values, known = exact(column)
    return np.where(known, values, np.nan)


def whole(column: pa.ChunkedArray, unknown: int = 0) -> Ints:
    """Integers, with a value for null."""
    return np.asarray(column.fill_null(unknown), np.int64)


Texts: TypeAlias = NDArray[np.object_]


def texts(column: pa.ChunkedArray) -> Texts:
    """Texts, None for null."""
    return np.array(column.to_pylist() or [None], object)[: len(column)]


def said(column: pa.ChunkedArray, text: str) -> Bools:
    """Which rows hold a text."""
    return np.asarray(pc.equal(column, text).fill_null(False), np.bool_)  # noqa: FBT003


def groups(column: pa.ChunkedArray) -> Iterator[tuple[str, Ints]]:
    """Each text of a column with the places of its rows, in order."""
    values = texts(column)
    known = np.array([value is not None for value in values], bool)
    (index,) = np.nonzero(known)
    names, place = np.unique(values[index].astype(str), return_inverse=True)
    order = np.argsort(place, kind="stable")
    ends = np.cumsum(np.bincount(place, minlength=names.size))
    yield from zip(names.tolist(), np.split(index[order], ends[:-1]), strict=False)


def coded(values: Sequence[str | None], names: Sequence[str]) -> Ints:
    """Each text as its place in a list of names; 0 for null and for others."""
    places = {name: place for place, name in enumerate(names)}
    return np.array([places.get(value or "", 0) for value in values], np.int64)


def ids(rows: pa.Table, column: str) -> list[tuple[str, str]]:
    """(session, id): ids are unique within a session only."""
    pairs = zip(texts(rows["session"]).tolist(), texts(rows[column]).tolist(), strict=True)
    return [(str(session), str(name)) for session, name in pairs]
