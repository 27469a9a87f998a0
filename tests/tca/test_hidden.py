"""Quantity that order entry could not see, from tables, where nobody stated an intention."""

from pathlib import Path

import numpy as np
import pytest

import reconverge.tca
from reconverge.tca.hidden import Asked, Views, decisions
from reconverge.tca.history import history
from tests.tca.written import Tables

S = 10**9


def array(*values: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.array(values, np.int64)


def test_what_either_stream_says_later_of_an_earlier_time_was_hidden() -> None:
    # Thought dead by order entry at 20; filled at 15, as drop copy says at 40.
    view = Views(0, array(10, 20, 40), array(10, 20, 15), array(100, 0, 0), array(100, 100, 100))
    (found,) = decisions([Asked(1, 30, 60), Asked(1, 5, 60), Asked(0, 30, 60)], [view])
    assert (found.at_ns, found.qty, found.hidden) == (30, 60, ((0, 100),))


def test_what_both_see_is_not_hidden() -> None:
    view = Views(0, array(10, 20), array(10, 20), array(100, 40), array(100, 40))
    assert decisions([Asked(1, 15, 60), Asked(1, 30, 60)], [view]) == []


def duplicated(tables: Tables) -> None:
    """O1 fills at 15 s unseen, order entry thinks it dead; O2 is sent at 30 s and fills at 35 s."""
    of = {"parent_id": "P", "symbol": "X", "side": "buy"}
    tables.add("parents", 0, event_ns=0, qty=1000 * S, arrival_mid=10 * S, **of)
    for name, sent in (("O1", 10), ("O2", 30)):
        tables.add(
            "requests", sent * S, kind="new", cl_ord_id=name, qty=100 * S, event_ns=sent * S,
            decision_ns=sent * S, **of,
        )  # fmt: skip
    rows = [
        ("O1", 10, 10, (100, 0), (100, 0)),
        ("O1", 20, 20, (0, 0), (100, 0)),
        ("O2", 31, 31, (100, 0), (100, 0)),
        ("O2", 36, 35, (0, 100), (0, 100)),
        ("O1", 50, 15, (0, 100), (0, 100)),
    ]
    for name, batch, event, entry, venue in rows:
        tables.add(
            "beliefs", batch * S, order=name, cl_ord_id=name, event_ns=event * S,
            entry_open=entry[0] * S, entry_cum=entry[1] * S,
            venue_open=venue[0] * S, venue_cum=venue[1] * S, **of,
        )  # fmt: skip
    for name, heard, at in (("O2", 36, 35), ("O1", 50, 15)):
        tables.add(
            "fills", heard * S, order=name, cl_ord_id=name, exec_id="x", exec_type="trade",
            last_qty=100 * S, last_px=10 * S, at_ns=at * S, at_basis="stated", first_word=True,
            symbol="X", side="buy",
        )  # fmt: skip
    tables.add("parent_ends", 60 * S, event_ns=60 * S, parent_id="P", mid=11 * S)


def test_the_later_fill_of_a_hidden_order_and_its_repetition_is_unintended(tmp_path: Path) -> None:
    tables = Tables()
    duplicated(tables)
    tables.write(tmp_path)
    (order,) = history(reconverge.tca.open(str(tmp_path))).orders
    found = order.fate.unintended
    assert order.parent.fills.at_ns.tolist() == [15 * S, 35 * S]
    assert (found.fill.tolist(), found.qty.tolist()) == ([1], [100 * S])
    assert found.learnt_ns.tolist() == [50 * S]
    assert found.detector.tolist() == [1]


@pytest.mark.parametrize("seen_at", [29, 30])
def test_what_order_entry_knew_at_the_decision_was_no_duplicate(
    seen_at: int, tmp_path: Path
) -> None:
    tables = Tables()
    duplicated(tables)
    tables.rows["beliefs"][-1] = dict(tables.rows["beliefs"][-1]) | {"batch_ns": seen_at * S}
    tables.rows["beliefs"].sort(key=lambda row: row["batch_ns"])
    for place, row in enumerate(tables.rows["beliefs"]):
        tables.rows["beliefs"][place] = dict(row) | {"journal_offset": place}
    tables.write(tmp_path)
    (order,) = history(reconverge.tca.open(str(tmp_path))).orders
    assert not order.fate.unintended.qty.size
