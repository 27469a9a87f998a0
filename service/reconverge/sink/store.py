"""Where the files go: a local folder, or any store that ``pyarrow.fs`` knows.

A file appears whole or not at all. On a disk it is written beside its place, synced and renamed; an
object store makes an object visible when its one PUT is done. Compression and row groups are fixed,
so that the same rows are the same bytes wherever they are written.
"""

import os
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow.fs import FileSystem, FileType, LocalFileSystem

from reconverge.tables import files

ROW_GROUP_ROWS: Final = 64 * 1024
"""Rows a reader skips or reads at a time."""


class Store:
    """A root folder of tables. Raises OSError when it cannot be written."""

    def __init__(self, uri: str) -> None:
        if "://" in uri:
            self.files, self.root = FileSystem.from_uri(uri)
        else:
            self.files, self.root = LocalFileSystem(), str(Path(uri).absolute())
        self._local = isinstance(self.files, LocalFileSystem)

    def write(self, path: str, table: pa.Table) -> int:
        """Write a table at a path below the root, over what is there. Returns its bytes."""
        sink = pa.BufferOutputStream()
        pq.write_table(
            table, sink, row_group_size=ROW_GROUP_ROWS, compression="zstd", version="2.6"
        )
        buffer = sink.getvalue()
        place = f"{self.root}/{path}"
        if self._local:
            _replace(Path(place), buffer)
        else:
            with self.files.open_output_stream(place) as stream:
                stream.write(buffer)
        return int(buffer.size)

    def delete(self, path: str) -> None:
        """Remove a file, if it is there."""
        place = f"{self.root}/{path}"
        if self.files.get_file_info(place).type is FileType.File:
            self.files.delete_file(place)


def _replace(place: Path, content: pa.Buffer) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    part = place.with_name(f".{place.name}.{os.getpid()}")
    try:
        with part.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(place)
        _sync(place.parent)
    finally:
        part.unlink(missing_ok=True)


def _sync(folder: Path) -> None:
    """The name survives a power cut only once its folder is on the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def read(store: Store, table: str) -> list[dict[str, Any]]:
    """The rows of a table, in the order of history, as dictionaries by column.

    For tables small enough to hold. Raises OSError, and ValueError for windows that overlap.
    """
    if store.files.get_file_info(store.root).type is FileType.NotFound:
        raise FileNotFoundError("no such folder")
    rows: list[dict[str, Any]] = []
    for path in files(store.files, store.root, table):
        rows += pq.read_table(path, filesystem=store.files).to_pylist()
    return rows
