"""From tables to rows, on DuckDB: as-of joins against numpy, executions of a history by hand."""

import ibis
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconverge.tca import build
from reconverge.tca.build import AsOf, asof
from reconverge.tca.marks import of_quotes

ENGINE = ibis.duckdb.connect()


def read(expression: ibis.Table) -> pa.Table:
    return ENGINE.to_pyarrow(expression)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 999), st.booleans())
def test_an_as_of_join_finds_what_the_mids_find(seed: int, strict: bool) -> None:
    chance = np.random.default_rng(seed)
    quotes = {
        "symbol": chance.choice(["A", "B"], 40),
        "event_ns": np.sort(chance.integers(0, 25, 40)),
        "topic_offset": np.arange(40),
        "bid": chance.integers(1, 50, 40) * 2,
    }
    fills = {
        "symbol": chance.choice(["A", "B", "C"], 30),
        "at_ns": chance.integers(-2, 30, 30),
        "no": np.arange(30),
    }
    on = AsOf("symbol", "at_ns", "event_ns", ("no",), ("topic_offset",), strict)
    left, right = ibis.memtable(pa.table(fills)), ibis.memtable(pa.table(quotes))
    found = read(asof(left, right, on).order_by("no"))
    assert found.num_rows == 30
    for row in found.to_pylist():
        mine = quotes["symbol"] == row["symbol"]
        bid = quotes["bid"][mine]
        mids = of_quotes(quotes["event_ns"][mine], bid, bid, stale_ns=1000)
        look = mids.before if strict else mids.at
        expected = look(np.array([row["at_ns"]]))[0]
        assert (row["bid"] is None) == np.isnan(expected)
        assert row["bid"] is None or row["bid"] == expected


FILL = {
    "p": 0, "journal_offset": 0, "position": 0, "batch_ns": 0, "session": "S", "channel": None,
    "order": "O1", "exec_type": "trade", "cl_ord_id": "C1", "parent_id": None, "symbol": "ACME",
    "side": "buy", "exec_id": "E1", "exec_ref_id": None, "last_qty": 100, "last_px": 10,
    "mid": None, "fee": None, "liquidity": None, "at_ns": None, "at_basis": "unknown",
}  # fmt: skip
SCHEMA = ibis.schema(
    dict.fromkeys(FILL, "int64")
    | dict.fromkeys(
        ["session", "channel", "order", "exec_type", "cl_ord_id", "parent_id", "symbol", "side",
         "exec_id", "exec_ref_id", "liquidity", "at_basis"], "string",
    )
)  # fmt: skip


def executions(*words: dict[str, object]) -> list[dict[str, object]]:
    rows = [FILL | {"position": i, "batch_ns": 10 * i} | word for i, word in enumerate(words)]
    columns = {name: [row[name] for row in rows] for name in FILL}
    table = ibis.memtable(pa.table(columns, SCHEMA.to_pyarrow()))
    found: list[dict[str, object]] = read(
        build.executions(table).order_by("order", "exec_id")
    ).to_pylist()
    return found


def test_an_execution_told_by_both_streams_is_one_with_both_hearing_times() -> None:
    (found,) = executions(
        {"channel": "DC", "at_ns": 7, "at_basis": "derived", "cl_ord_id": "OTHER"},
        {"parent_id": "P1", "mid": 9, "at_ns": 5, "at_basis": "stated"},
        {"parent_id": "P1"},
    )
    assert (found["heard_venue_ns"], found["heard_entry_ns"]) == (0, 10)
    assert (found["at_ns"], found["at_basis"]) == (5, "stated")
    assert (found["parent_id"], found["mid"], found["cl_ord_id"]) == ("P1", 9, "C1")


def test_a_corrected_execution_is_as_last_corrected_and_a_busted_one_is_gone() -> None:
    found = executions(
        {},
        {"exec_id": "E2"},
        {"exec_id": "K1", "exec_ref_id": "E1", "exec_type": "trade_correct", "last_px": 11},
        {"exec_id": "K2", "exec_ref_id": "E1", "exec_type": "trade_correct", "last_qty": 90,
         "last_px": 12},
        {"exec_id": "B1", "exec_ref_id": "E2", "exec_type": "trade_cancel"},
        {"exec_id": "B1", "exec_ref_id": "E2", "exec_type": "trade_cancel", "channel": "DC"},
    )  # fmt: skip
    assert [(row["exec_id"], row["qty"], row["px"]) for row in found] == [("E1", 90, 12)]


def test_a_bust_may_name_the_correction() -> None:
    assert not executions(
        {},
        {"exec_id": "K1", "exec_ref_id": "E1", "exec_type": "trade_correct"},
        {"exec_id": "B1", "exec_ref_id": "K1", "exec_type": "trade_cancel"},
    )


def test_executions_of_other_orders_with_the_same_id_are_others() -> None:
    found = executions(
        {},
        {"order": "O2"},
        {"order": "O2", "exec_id": "B1", "exec_ref_id": "E1", "exec_type": "trade_cancel"},
    )
    assert [row["order"] for row in found] == ["O1"]


def test_an_execution_told_by_re_sent_reports_only_has_no_time() -> None:
    (found,) = executions({})
    assert (found["at_ns"], found["at_basis"]) == (None, "unknown")


def test_the_newest_row_of_a_group_is_the_last_in_history() -> None:
    rows = {"p": [0, 0, 0], "journal_offset": [5, 7, 7], "position": [9, 1, 2], "k": [1, 1, 1]}
    table = ibis.memtable(pa.table(rows))
    assert read(build.newest(table, ["k"]))["position"].to_pylist() == [2]
    with pytest.raises(ibis.common.exceptions.IbisError):
        build.newest(table, ["nothing"])
