"""Queue reset from tables: stated pairs, defensive cancels, and what the market traded."""

from collections.abc import Mapping
from pathlib import Path

import pytest

import reconverge.tca
from reconverge.tca.history import Order, history
from tests.tca.written import Tables

S = 10**9
OF = {"parent_id": "P", "symbol": "X", "side": "buy"}
REPOST: Mapping[str, object] = {"kind": "new", "repost_of": "O1"}
REPLACE: Mapping[str, object] = {"kind": "replace", "orig_cl_ord_id": "O1"}


def scene(
    *, state: str = "REPLAY_SYNCING", intent: str | None = None, new: Mapping[str, object] = REPOST,
    ahead: int | None = None, prints: tuple[tuple[int, int, int], ...] = ((50, 99, 10),),
) -> Tables:  # fmt: skip
    """O1 rests at 100 from 10 s, is cancelled at 40 s; O2, sent at 45 s, fills at 60 s at 101."""
    tables = Tables()
    tables.add("parents", 0, event_ns=0, qty=1000 * S, arrival_mid=100 * S, **OF)
    tables.add(
        "requests", 10 * S, kind="new", cl_ord_id="O1", qty=100 * S, price=100 * S,
        event_ns=10 * S, **OF,
    )  # fmt: skip
    if ahead is not None:
        tables.add(
            "reports", 11 * S, cl_ord_id="O1", exec_type="new", queue_ahead=ahead * S, event_ns=11
        )
    cap = {"epoch": 1, "reason": "ceiling", "episode_id": "E", "valid_until_ns": 99 * S}
    tables.add("caps", 30 * S, **cap, sequence=1, state=state, cap=0.2)
    tables.add(
        "requests", 39 * S, kind="cancel", cl_ord_id="C1", orig_cl_ord_id="O1", intent=intent,
        event_ns=39 * S,
    )  # fmt: skip
    end = {"exec_type": "canceled", "cl_ord_id": "C1", "orig_cl_ord_id": "O1"}
    if new is REPLACE:
        end = {"exec_type": "replaced", "cl_ord_id": "O2", "orig_cl_ord_id": "O1"}
    tables.add("reports", 40 * S, **end, event_ns=40 * S)
    tables.add(
        "requests", 45 * S, **new, cl_ord_id="O2", qty=100 * S, price=101 * S, event_ns=45 * S,
        **OF,
    )  # fmt: skip
    tables.add(
        "fills", 60 * S, order="O2", cl_ord_id="O2", exec_id="x", exec_type="trade", at_ns=60 * S,
        last_qty=100 * S, last_px=101 * S, at_basis="stated", first_word=True, symbol="X",
        side="buy",
    )  # fmt: skip
    tables.add("parent_ends", 70 * S, event_ns=70 * S, parent_id="P", mid=101 * S)
    for place, (at_s, price, qty) in enumerate(prints):
        tables.rows["prints"].append(
            {"topic_offset": place, "symbol": "X", "event_ns": at_s * S, "price": price * S,
             "qty": qty * S, "aggressor": "sell"}
        )  # fmt: skip
    return tables


def read(tables: Tables, folder: Path) -> Order:
    tables.write(folder)
    (order,) = history(reconverge.tca.open(str(folder))).orders
    return order


@pytest.mark.parametrize("new", [REPOST, REPLACE])
def test_what_the_market_would_have_filled_at_the_old_limit_is_reset(
    new: Mapping[str, object], tmp_path: Path
) -> None:
    found = read(scene(new=new), tmp_path).fate
    assert [column.tolist() for column in found.reset] == [[0], [100 * S], [50 * S], [100 * S]]
    assert found.reset_basis == "inferred"


def test_a_cancel_outside_of_a_frozen_state_is_the_strategys(tmp_path: Path) -> None:
    assert not read(scene(state="STABLE"), tmp_path / "1").fate.reset.qty.size
    stated = read(scene(state="STABLE", intent="defensive"), tmp_path / "2").fate
    assert stated.reset.qty.tolist() == [100 * S]


def test_a_new_order_that_does_not_say_what_it_stands_for_is_no_pair(tmp_path: Path) -> None:
    assert not read(scene(new={"kind": "new"}), tmp_path).fate.reset.qty.size


def test_with_the_queue_told_only_volume_beyond_it_counts(tmp_path: Path) -> None:
    at_limit = ((41, 100, 30), (50, 100, 40))
    found = read(scene(ahead=50, prints=at_limit), tmp_path / "1").fate
    assert (found.reset.qty.tolist(), found.reset_basis) == ([20 * S], "derived")
    assert not read(scene(prints=at_limit), tmp_path / "2").fate.reset.qty.size


def test_prints_of_ones_own_and_after_the_fill_do_not_count(tmp_path: Path) -> None:
    late = ((60, 99, 100), (61, 99, 10))
    assert not read(scene(prints=late), tmp_path).fate.reset.qty.size
