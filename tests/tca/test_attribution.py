"""One small parent by hand: each slice in its bucket, and each unknown with its reason."""

import math
from dataclasses import replace

import numpy as np
import pytest

from reconverge.tca import kpis
from reconverge.tca import rows as r
from reconverge.tca.arrays import Ints
from reconverge.tca.attribution import Attribution, attribute
from reconverge.tca.delays import Restrictions
from reconverge.tca.fifo import Steps
from reconverge.tca.figures import known
from reconverge.tca.lots import Fate, split
from reconverge.tca.marks import NO_MIDS, Mids, of_quotes
from reconverge.tca.reset import Reset
from reconverge.tca.shortfall import BUY, Fills, Parent, Tranche
from reconverge.tca.unintended import Unintended
from reconverge.tca.usual import UNKNOWN, Mean, Usual, usual

S = 1_000_000_000
USUAL = Usual(Mean(0.0, 0.1, 30), Mean(0.0, 0.0, 30), "own")


def array(*values: int) -> Ints:
    return np.array(values, np.int64)


def seconds(*values: int) -> Ints:
    return array(*values) * S


MIDS: Mids = of_quotes(seconds(*range(200)), seconds(*range(100, 300)), seconds(*range(100, 300)))
"""The mid rises by one a second, from 100 at 0."""


def fills(*rows: tuple[int, int, int, int]) -> Fills:
    """(second, shares, cost above the mid, sign)."""
    at, shares, cost, sign = (array(*column) for column in zip(*rows, strict=True))
    mid = MIDS.before(at * S)
    price = mid.astype(np.int64) + cost * sign * S
    zero = np.zeros(at.size, np.int64)
    return Fills(at * S, at * S, sign, shares * S, price, mid, np.zeros(at.size), zero)


def parent(filled: Fills, *, quantity: int = 100, end: int = 100) -> Parent:
    """Ten shares due each ten seconds."""
    steps = Steps(seconds(*range(10, 101, 10)), seconds(*([10] * 10)))
    tranche = Tranche(0, quantity * S, 100.0 * S)
    return Parent(BUY, (tranche,), steps, filled, end * S, (100.0 + end) * S)


# Filled when due; nothing from 35 on; all that is owed at 75, 76, … 80; and then in time again.
GATED = [*((t, 10, 2, 1) for t in (10, 20, 30)), *((t, 10, 5, 1) for t in (75, 76, 77, 78, 79, 80))]
IN_TIME = [(90, 10, 2, 1), (100, 10, 2, 1)]
CAP = Restrictions(
    seconds(35, 50), seconds(50, 70), array(3, 3), ("STATE_DIVERGED/similarity", "REPLAY/hold")
)


def attributed(order: Parent, known: Usual = USUAL, fate: Fate | None = None) -> Attribution:
    return attribute(order, known, MIDS, CAP, fate or Fate())


def test_a_run_is_found_and_its_delay_is_told_by_reason() -> None:
    found = attributed(parent(fills(*GATED, (81, 10, 5, 1), *IN_TIME), quantity=110))
    (run,) = found.runs
    assert (run.episode, run.from_ns, run.basis, run.open) == (3, 35 * S, "inferred", False)
    # Due at 40, 50, 60, 70 and filled at 75, 76, 77, 78: 35 + 26 + 17 + 8 shares-seconds × 10;
    # those due at 80 are filled at 79 and 80.
    assert found.deferred["STATE_DIVERGED/similarity"] == pytest.approx(10 * 10)
    assert found.deferred["REPLAY/hold"] == pytest.approx(10 * (20 + 20 + 10))
    throttled = found.rows.term == r.DELAY
    inside = throttled & (found.rows.bucket == r.THROTTLE)
    assert found.rows.money[inside].sum() > 0
    assert {found.rows.episode[inside].item(i) for i in range(int(inside.sum()))} == {3}


def test_shares_left_in_a_run_that_never_ended_are_throttled_and_counted_as_unrepaid() -> None:
    order = parent(fills((10, 10, 2, 1), (20, 10, 2, 1), (30, 10, 2, 1), (60, 5, 2, 1)))
    found = attributed(order)
    (run,) = found.runs
    assert run.open
    assert run.to_ns == 100 * S
    missing = found.rows.slice == r.SLICES.index("unfilled_in_run")
    assert found.rows.qty[missing & (found.rows.term == r.DELAY)].sum() >= 55 * S
    (repaid,) = kpis.repayments(found.runs, found.rows, order.fills.mid)
    assert repaid.unrepaid_qty > 0
    assert repaid.unrepaid_cost > 0
    assert repaid.cleared_notional < 30 * 160


def test_shares_not_due_when_the_client_stopped_are_in_base() -> None:
    order = parent(fills((10, 10, 2, 1), (20, 10, 2, 1)), end=25)
    found = attribute(order, USUAL, MIDS)
    not_due = found.rows.slice == r.SLICES.index("not_due")
    assert set(found.rows.bucket[not_due].tolist()) == {r.BASE}
    assert found.rows.money[not_due].sum() == pytest.approx(80 * 25)


def test_beyond_the_quantity_is_divergence_and_is_marked_to_the_end() -> None:
    order = parent(fills((10, 10, 0, 1), (20, 15, 0, 1)), quantity=20)
    found = attribute(order, USUAL, MIDS)
    mids = order.fills.mid / S
    assert found.rows.by_bucket()[r.DIVERGENCE] == pytest.approx(5 * (mids[1] - 200))
    assert found.buckets["C_divergence"].basis == "derived"


def test_unwound_shares_cost_the_difference_and_too_many_raise_an_alert() -> None:
    rows = fills((10, 10, 0, 1), (20, 10, 0, 1), (40, 14, 0, -1))
    bad = Unintended(array(1), seconds(10), seconds(30), array(0))
    found = attribute(parent(rows), USUAL, MIDS, fate=Fate(bad))
    mids = rows.mid / S
    assert found.rows.by_bucket()[r.DIVERGENCE] == pytest.approx(10 * (mids[1] - mids[2]))
    assert found.alerts == ("unwind_exceeds",)
    unlearnt = Fate(bad._replace(learnt_ns=seconds(41)))
    assert attribute(parent(rows), USUAL, MIDS, fate=unlearnt).placed.unwound.qty.size == 0


def test_fees_of_unintended_fills_are_divergence() -> None:
    rows = replace(fills((10, 10, 0, 1), (20, 10, 0, 1)), fee=np.array([4.0, 8.0]))
    bad = Unintended(array(1), seconds(5), seconds(20), array(0))
    found = attribute(parent(rows), USUAL, MIDS, fate=Fate(bad))
    fee = found.rows.term == r.FEE
    by_bucket = np.bincount(found.rows.bucket[fee], found.rows.money[fee])
    assert by_bucket[r.BASE] == pytest.approx(8)
    assert by_bucket[r.DIVERGENCE] == pytest.approx(4)


def test_more_unintended_than_filled_is_refused() -> None:
    bad = Unintended(array(0), seconds(11), seconds(20), array(0))
    with pytest.raises(ValueError, match="more of a fill is unintended"):
        attribute(parent(fills((10, 10, 0, 1))), USUAL, MIDS, fate=Fate(bad))


def test_shares_added_by_an_amendment_have_their_own_arrival() -> None:
    order = parent(fills((10, 10, 0, 1), (20, 10, 0, 1)), quantity=10)
    amended = replace(order, tranches=(*order.tranches, Tranche(15 * S, 10 * S, 115.0 * S)))
    found = attribute(amended, USUAL, MIDS)
    assert found.rows.total == pytest.approx(10 * 9 + 10 * (119 - 115))
    assert not found.rows.by_bucket()[r.DIVERGENCE]


def test_what_a_client_cuts_costs_nothing_and_what_was_executed_cannot_be_cut() -> None:
    order = parent(fills((10, 10, 0, 1), (20, 10, 0, 1)))
    cut = replace(order, tranches=(*order.tranches, Tranche(21 * S, -95 * S, math.nan)))
    assert cut.quantity == 20 * S
    assert attribute(cut, USUAL, MIDS).rows.total == pytest.approx(10 * 9 + 10 * 19)


# Unknowns


def test_without_the_mid_at_arrival_nothing_is_known_but_share_seconds() -> None:
    order = parent(fills(*GATED, *IN_TIME))
    blind = replace(order, tranches=(replace(order.tranches[0], mid=math.nan),))
    found = attributed(blind)
    assert found.shortfall.unknown == "The mid at arrival is unknown."
    assert all(figure.unknown for figure in found.buckets.values())
    assert found.deferred["REPLAY/hold"] > 0
    assert not len(found.rows)


def test_the_mid_at_the_end_is_needed_only_if_shares_are_left() -> None:
    left = replace(parent(fills((10, 10, 0, 1))), end_mid=math.nan)
    assert "mid at the end" in (attribute(left, USUAL, MIDS).shortfall.unknown or "")
    full = replace(parent(fills((10, 20, 0, 1)), quantity=20), end_mid=math.nan)
    assert attribute(full, USUAL, MIDS).shortfall.value == pytest.approx(9 / 100 * 1e4)


def test_without_a_usual_cost_what_rests_on_it_lies_in_epsilon() -> None:
    few = usual(parent(fills(*GATED)), 35 * S)
    assert few.source == "unknown: 3 own fills before the failure, at least 20 are needed"
    nothing = Usual(UNKNOWN, USUAL.lag_ns, few.source)
    found = attributed(parent(fills(*GATED, IN_TIME[0])), nothing)
    assert found.epsilon_may_hold == ("base", "C_catchup")
    assert found.buckets["C_catchup"].unknown == f"The usual cost is {few.source}."
    assert found.buckets["C_divergence"] == known(0.0, "stated", 0, 1)
    told = [found.buckets[name].value or 0.0 for name in ("C_throttle", "epsilon")]
    assert sum(told) == pytest.approx(found.shortfall.value)


def test_without_marks_the_split_in_time_is_unknown_and_the_shortfall_is_not() -> None:
    found = attribute(parent(fills(*GATED, *IN_TIME)), USUAL, NO_MIDS, CAP)
    assert found.shortfall.value is not None
    assert set(found.epsilon_may_hold) == {"base", "C_throttle"}
    assert found.buckets["C_catchup"].value is not None


def test_a_fill_without_a_mid_makes_unknown_only_what_it_could_be_part_of() -> None:
    order = parent(fills(*GATED, *IN_TIME))
    mid = order.fills.mid.copy()
    mid[0] = math.nan
    before = attributed(replace(order, fills=replace(order.fills, mid=mid)))
    assert before.epsilon_may_hold == ("base",)
    mid = order.fills.mid.copy()
    mid[4] = math.nan
    inside = attributed(replace(order, fills=replace(order.fills, mid=mid)))
    assert "C_throttle" in inside.epsilon_may_hold


def test_without_a_schedule_nobody_can_say_what_was_late() -> None:
    none = Steps(array(), array())
    found = attributed(replace(parent(fills(*GATED, *IN_TIME)), schedule=none))
    assert set(found.epsilon_may_hold) == {"base", "C_throttle", "C_catchup"}
    assert "no schedule" in (found.buckets["C_throttle"].unknown or "")


def test_restrictions_that_overlap_are_refused() -> None:
    with pytest.raises(ValueError, match="overlap"):
        Restrictions(seconds(1, 2), seconds(3, 4), array(0, 0), ("a", "b"))
    with pytest.raises(ValueError, match="before it begins"):
        Restrictions(seconds(3), seconds(2), array(0), ("a",))


def test_shares_stand_in_the_fifo_when_the_router_could_have_sent_them() -> None:
    """T22: unintended ones when learnt of plus the usual lag, reset ones at their old fill."""
    order = parent(fills((10, 10, 0, 1), (20, 10, 0, 1), (30, 10, 0, 1)))
    bad = Unintended(array(0), seconds(4), seconds(25), array(0))
    lost = Reset(array(2), seconds(10), seconds(12), seconds(99))
    found = split(order, Fate(bad, lost), lag_ns=3 * S)
    assert list(zip(found.match_ns.tolist(), found.fill.tolist(), strict=True)) == [
        (10 * S, 0), (12 * S, 2), (20 * S, 1), (28 * S, 0),
    ]  # fmt: skip
    assert found.qty.tolist() == [6 * S, 10 * S, 10 * S, 4 * S]
