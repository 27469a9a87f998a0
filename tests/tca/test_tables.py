"""From tables to attributions: the same as from the arrays that the tables were written from."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import reconverge.tca
from reconverge.sink import Store
from reconverge.sink.columns import arrow
from reconverge.tables import TABLES, Window
from reconverge.tca import rows as r
from reconverge.tca.attribution import attribute
from reconverge.tca.columns import exact
from reconverge.tca.costs import attributed
from reconverge.tca.engine import Lake, UnknownSchema
from reconverge.tca.history import history
from reconverge.tca.usual import usual
from tests.tca.simulator import Scene
from tests.tca.written import Tables, add

CASES = [Scene(np.random.default_rng([77, n]), n, stated=True).play() for n in (2, 5, 8, 17)]
"""An unwound duplicate, an absorbed one, none, an overfilled one; sells and buys."""


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    return opened(tmp_path_factory.mktemp("tables"), 0)


def opened(tmp_path: Path, number: int) -> Lake:
    tables = Tables()
    add(tables, CASES[number], f"P{number}")
    tables.write(tmp_path)
    return reconverge.tca.open(str(tmp_path))


@pytest.mark.parametrize("number", range(len(CASES)))
def test_a_parent_from_tables_costs_what_it_costs_from_arrays(number: int, tmp_path: Path) -> None:
    case = CASES[number]
    (cost,) = attributed(opened(tmp_path, number))
    parent = cost.order.parent
    for name in ("at_ns", "heard_ns", "sign", "qty", "price", "mid", "intent"):
        assert getattr(parent.fills, name).tolist() == getattr(case.parent.fills, name).tolist()
    assert parent.tranches == case.parent.tranches
    assert [column.tolist() for column in parent.schedule] == [
        column.tolist() for column in case.parent.schedule
    ]
    assert cost.order.restrictions.label == case.restrictions.label
    assert cost.order.failed_ns == case.failed_ns
    assert cost.order.fate.unintended.fill.tolist() == case.fate.unintended.fill.tolist()
    known = usual(case.parent, case.failed_ns)
    direct = attribute(case.parent, known, case.mids, case.restrictions, case.fate)
    assert cost.attribution.deferred == direct.deferred
    for name in r.BUCKETS:
        assert cost.attribution.buckets[name].value == direct.buckets[name].value, name


def test_a_lake_has_its_tables_as_expressions(lake: Lake) -> None:
    assert set(dir(lake)) == set(TABLES)
    assert lake.fills.count().to_pyarrow().as_py() == 2 * CASES[0].parent.fills.qty.size
    assert lake.read(lake.alerts).num_rows == 0
    frame = lake.parents.select("parent_id", "qty").to_pandas()
    assert frame["parent_id"].tolist() == ["P0"]
    with pytest.raises(AttributeError, match="there is no table 'trades'"):
        _ = lake.trades


def test_no_tables_and_tables_of_another_version_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="reconverge sink --to"):
        reconverge.tca.open(str(tmp_path))
    opened(tmp_path, 0)
    (path,) = (tmp_path / "acks").rglob("*.parquet")
    table = pq.read_table(path)
    pq.write_table(table.replace_schema_metadata({"reconverge.schema": "99"}), path)
    with pytest.raises(UnknownSchema, match="has schema 99"):
        reconverge.tca.open(str(tmp_path))


def test_columns_that_an_older_file_lacks_are_unknown(tmp_path: Path) -> None:
    opened(tmp_path, 0)
    (path,) = (tmp_path / "fills").rglob("*.parquet")
    table = pq.read_table(path, partitioning=None)
    pq.write_table(table.drop_columns(["liquidity"]), path)
    lake = reconverge.tca.open(str(tmp_path))
    assert lake.read(lake.fills)["liquidity"].null_count == table.num_rows


def test_executions_of_no_parent_are_counted_and_contradictory_parents_told(tmp_path: Path) -> None:
    tables = Tables()
    add(tables, CASES[0], "P0")
    stray = dict(tables.rows["fills"][-1]) | {"parent_id": None, "order": "stray", "cl_ord_id": "?"}
    tables.add("fills", 1, **{k: v for k, v in stray.items() if k not in _PLACE})
    tables.add("parents", 5, event_ns=5, parent_id="BAD", symbol="P0", side="buy", qty=0)
    tables.write(tmp_path)
    read = history(reconverge.tca.open(str(tmp_path)))
    assert read.without_parent == 1
    assert [order.parent_id for order in read.orders] == ["P0"]
    assert list(read.refused) == ["BAD"]


_PLACE = ("session", "journal_offset", "position", "batch_ns")


@pytest.mark.parametrize(("total", "whole"), [(None, False), (300, True), (299, False)])
def test_legs_are_pooled_and_must_add_up(total: int | None, whole: bool, tmp_path: Path) -> None:
    tables, one = Tables(), 10**9
    for session, qty in (("A", 100), ("B", 200)):
        tables.add(
            "parents", 0, event_ns=0, session=session, parent_id="P", symbol="X", side="buy",
            qty=qty * one, arrival_mid=10 * one, total_qty=None if total is None else total * one,
        )  # fmt: skip
    tables.write(tmp_path)
    (order,) = history(reconverge.tca.open(str(tmp_path))).orders
    assert order.sessions == ("A", "B")
    assert order.parent.quantity == 300 * one
    assert (order.problem is None) == whole
    assert order.parent.open


def test_a_symbols_own_cap_goes_before_its_sessions_and_an_expired_one_restricts(
    tmp_path: Path,
) -> None:
    tables, one = Tables(), 10**9
    tables.add("parents", 0, event_ns=0, parent_id="P", symbol="X", side="buy", qty=one)
    cap = {"epoch": 1, "state": "STABLE", "episode_id": "E", "valid_until_ns": 300}
    tables.add("caps", 100, **cap, sequence=1, cap=0.5, instrument_cap=1.0, reason="similarity")
    tables.add("caps", 200, **cap, sequence=2, cap=0.5, instrument_cap=1.0, reason="similarity")
    tables.add("caps", 200, **cap, sequence=2, cap=0.3, symbol="X", reason="similarity")
    tables.add("caps", 400, **(cap | {"valid_until_ns": 900}), sequence=3, cap=1.0, reason="")
    tables.add("caps", 500, **(cap | {"episode_id": None}), sequence=4, cap=0.1, reason="ramp")
    tables.add("parent_ends", 1000, event_ns=1000, parent_id="P")
    tables.write(tmp_path)
    (order,) = history(reconverge.tca.open(str(tmp_path))).orders
    found = order.restrictions
    assert (found.from_ns.tolist(), found.to_ns.tolist()) == ([200, 300], [300, 400])
    assert found.label == ("STABLE/similarity", "STABLE/expired")


def test_exact_columns_become_nanos_whatever_their_chunks_and_nulls() -> None:
    kind = pa.decimal128(28, 9)
    values = pa.array([None, "-1.5", "0.000000001", "9000000000"], pa.string()).cast(kind)
    column = pa.chunked_array([values[1:3], values])
    found, known = exact(column)
    assert found.tolist() == [-1_500_000_000, 1, 0, -1_500_000_000, 1, 9 * 10**18]
    assert known.tolist() == [True, True, False, True, True, True]
    with pytest.raises(ValueError, match="too large to be exact"):
        exact(pa.chunked_array([pa.array(["10000000000"], pa.string()).cast(kind)]))
    assert exact(pa.chunked_array([], kind))[0].size == 0


def test_an_empty_window_of_every_table_can_be_read(tmp_path: Path) -> None:
    store, window = Store(str(tmp_path)), Window(0, 0, 0, "2026-01-05")
    for name, table in TABLES.items():
        store.write(window.path(name), arrow(table, []))
    read = history(reconverge.tca.open(str(tmp_path)))
    assert read.orders == ()
    assert np.equal(read.without_parent, 0)
