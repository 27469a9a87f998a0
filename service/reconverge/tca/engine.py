"""The tables of history on an engine. The only file that names one: DuckDB, on a laptop (T93).

Expressions elsewhere are Ibis, so that they run on another engine unchanged.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import ibis
import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from pyarrow.fs import FileSystem, LocalFileSystem

from reconverge.tables import ARROW_TYPES, SCHEMA_VERSION, TABLES, Table, files

PARTITION: Final = "p"
"""The partition of a row of folded history, from the name of its file."""


class UnknownSchema(ValueError):
    """A file was written by a version whose columns mean something else."""


class Lake:
    """History as tables, each an Ibis expression: `lake.fills`, `lake.quotes`, …"""

    def __init__(self, uri: str) -> None:
        """Raises FileNotFoundError where there are no tables, `UnknownSchema`, and ValueError
        where two histories lie in one folder.
        """
        if "://" in uri:
            self._store, self._root = FileSystem.from_uri(uri)
        else:
            self._store, self._root = LocalFileSystem(), str(Path(uri).absolute())
        self._engine = ibis.duckdb.connect()
        paths = {name: files(self._store, self._root, name) for name in TABLES}
        if not any(paths.values()):
            raise FileNotFoundError(f"no tables in {uri}: `reconverge sink --to {uri}` writes them")
        self._tables = {name: self._registered(TABLES[name], paths[name]) for name in TABLES}

    def __getattr__(self, name: str) -> ir.Table:
        tables: dict[str, ir.Table] = self.__dict__.get("_tables", {})
        if name in tables:
            return tables[name]
        raise AttributeError(f"there is no table {name!r}; there are {', '.join(tables)}")

    def __dir__(self) -> Iterator[str]:
        yield from TABLES

    def read(self, expression: ir.Table) -> pa.Table:
        """The rows of an expression."""
        return self._engine.to_pyarrow(expression)

    def _registered(self, table: Table, paths: list[str]) -> ir.Table:
        schema = pa.schema([(column.name, ARROW_TYPES[column.kind]) for column in table.columns])
        for path in paths:
            self._check(path)
        # Columns that an older file does not have are null: unknown.
        full = schema.append(pa.field(PARTITION, pa.int32()))
        flavour = ds.partitioning(pa.schema([(PARTITION, pa.int32())]), flavor="hive")
        source = ds.dataset(paths, full, "parquet", self._store, flavour) if paths else None
        held: ds.Dataset | pa.Table = full.empty_table() if source is None else source
        self._engine.con.register(table.name, held)
        return self._engine.table(table.name)

    def _check(self, path: str) -> None:
        with self._store.open_input_file(path) as source:
            metadata = pq.read_schema(source).metadata or {}
        version = metadata.get(b"reconverge.schema", b"none").decode()
        if version != str(SCHEMA_VERSION):
            raise UnknownSchema(
                f"{path} has schema {version}, this version reads {SCHEMA_VERSION}: write the"
                " tables again with this version's sink"
            )
