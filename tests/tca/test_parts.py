"""The parts of an attribution, each against hand-made examples or a share-by-share oracle."""

from itertools import repeat

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconverge.tca import fifo, figures, kpis, marks, reset, unintended
from reconverge.tca.arrays import Ints, cumulated, ints
from reconverge.tca.fifo import NONE
from reconverge.tca.reset import NEVER, Opposite, Repost, Trades
from reconverge.tca.shortfall import BUY, SELL, legs_add_up
from reconverge.tca.unintended import Decision, Filled, Unintended
from reconverge.tca.usual import Mean, shrunk, weighted

S = 1_000_000_000
small = st.lists(st.integers(1, 9), max_size=8)


def array(*values: int) -> Ints:
    return np.array(values, np.int64)


# FIFO


@settings(deadline=None)
@given(small, small, st.integers(1, 60))
def test_cutting_gives_each_share_what_counting_gives(a: list[int], b: list[int], n: int) -> None:
    qty, indices = fifo.cut(n, np.cumsum(array(*a)), np.cumsum(array(*b)))
    for values, index in zip((a, b), indices, strict=True):
        one_by_one = [i for i, count in enumerate(values) for _ in range(count)]
        expected = (one_by_one + [NONE] * n)[:n]
        assert np.repeat(index, qty).tolist() == expected


def test_a_stepwise_schedule_is_due_at_its_points() -> None:
    """Nothing is due until the end of the schema's own example."""
    found = fifo.steps(array(0, 60 * S), array(0, 5000))
    assert [column.tolist() for column in found] == [[60 * S], [5000]]


def test_a_linear_schedule_is_due_evenly_at_the_midpoints_of_seconds() -> None:
    due_ns, qty = fifo.steps(array(0, 60 * S), array(0, 6000), "linear")
    assert qty.tolist() == [100] * 60
    assert due_ns.tolist() == [S // 2 + i * S for i in range(60)]


def test_a_long_linear_schedule_has_ten_thousand_steps_and_loses_nothing() -> None:
    due_ns, qty = fifo.steps(array(0, 100_000 * S), array(7, 10**15 + 7), "linear")
    assert due_ns.size == 10_001
    assert qty.sum() == 10**15 + 7
    assert qty[0] == 7


def test_schedules_that_go_back_are_refused() -> None:
    with pytest.raises(ValueError, match="times of a schedule decrease"):
        fifo.steps(array(5, 3), array(1, 2))
    with pytest.raises(ValueError, match="scheduled quantities decrease"):
        fifo.steps(array(3, 5), array(2, 1))
    with pytest.raises(ValueError, match="one quantity for each time"):
        fifo.steps(array(3), array(2, 1))


def test_shares_withdrawn_before_they_were_due_were_never_due() -> None:
    first = fifo.Steps(array(10, 20, 30), array(4, 4, 4))
    found = fifo.in_force([(0, first), (15, fifo.Steps(array(10, 40), array(2, 6)))])
    assert dict(zip(*(column.tolist() for column in found), strict=True)) == {10: 2, 40: 6}


# Exact numbers


def test_quantities_that_would_not_be_exact_are_refused() -> None:
    with pytest.raises(TypeError, match="must be integers"):
        ints([1.5])
    with pytest.raises(ValueError, match="negative"):
        cumulated(array(1, -1))
    with pytest.raises(ValueError, match="too many to be exact"):
        cumulated(array(2**61, 2**61))
    assert cumulated(array(2**60, 2**60)).tolist() == [2**60, 2**61]


def test_a_figure_has_a_value_or_a_reason() -> None:
    for value, reason in ((1.0, "why"), (None, None), (None, ""), (float("nan"), None)):
        with pytest.raises(AssertionError):
            figures.Figure(value, reason, "derived", 1, 0)


def test_a_sum_with_an_unknown_term_is_unknown_and_its_basis_the_weakest() -> None:
    parts = [figures.known(1.0, "stated", 2, 1), figures.known(2.5, "inferred", 3, 2)]
    assert figures.total(parts) == figures.Figure(3.5, None, "inferred", 5, 2)
    without = figures.total([*parts, figures.unknown("No mid.")])
    assert (without.value, without.unknown) == (None, "No mid.")


# Marks


def test_a_mid_at_a_fill_is_before_it_and_at_any_other_time_at_it() -> None:
    mids = marks.of_quotes(array(1 * S, 2 * S, 2 * S), array(9, 11, 19), array(11, 13, 21))
    at = array(S - 1, S, 2 * S, 3 * S)
    assert mids.at(at)[1:].tolist() == [10, 20, 20]
    assert mids.before(at)[2:].tolist() == [10, 20]
    assert np.isnan(mids.at(at)[0])
    assert np.isnan(mids.before(at)[:2]).all()


def test_a_stale_crossed_or_one_sided_quote_gives_no_mid() -> None:
    mids = marks.of_quotes(array(0, 10 * S, 20 * S), array(9, 12, 0), array(11, 10, 11))
    assert mids.at(array(5 * S)).tolist() == [10]
    for at_ns in (5 * S + 1, 10 * S, 20 * S):
        assert np.isnan(mids.at(array(at_ns))).all()
    locked = marks.of_quotes(array(0), array(10), array(10))
    assert locked.at(array(0)).tolist() == [10]


def test_quotes_out_of_order_are_put_in_order() -> None:
    mids = marks.of_quotes(array(2 * S, S), array(20, 10), array(20, 10))
    assert mids.at(array(S, 2 * S)).tolist() == [10, 20]


def test_a_bar_holds_its_first_mid_and_hands_its_last_on() -> None:
    mids = marks.of_bars(array(0, 60), array(60, 120), np.array([1.0, 3.0]), np.array([2.0, 4.0]))
    assert mids.at(array(30, 60, 120, 180)).tolist() == [1, 3, 4, 4]
    assert np.isnan(mids.at(array(181))).all()


def test_mids_of_one_parent_from_marks_and_stamps_are_flagged() -> None:
    mids = marks.of_quotes(array(0), array(10), array(10))
    both = marks.at_fills(mids, array(1, 9 * S), np.array([11.0, 12.0]))
    assert (both[0].tolist(), both[1]) == ([10, 12], True)
    stamped = marks.at_fills(marks.NO_MIDS, array(1, 2), np.array([11.0, np.nan]))
    assert stamped[0][0] == 11
    assert np.isnan(stamped[0][1])
    assert not stamped[1]


# The usual cost and lag


def test_own_fills_are_shrunk_to_the_controls_by_twenty_pseudo_fills() -> None:
    found = shrunk(Mean(6.0, 0.3, 60), Mean(2.0, 0.4, 500))
    assert (found.value, found.se, found.n) == pytest.approx((5.0, np.hypot(0.225, 0.1), 60))
    assert shrunk(Mean(float("nan"), 0.0, 0), Mean(2.0, 0.4, 500)).value == 2.0


def test_a_weighted_mean_has_the_standard_error_of_a_ratio() -> None:
    found = weighted(np.array([1.0, 2.0, 6.0]), array(1, 1, 1))
    assert found.value == 3
    assert found.se == pytest.approx(np.std([1, 2, 6], ddof=1) / np.sqrt(3))


def test_legs_add_up_to_the_whole_or_the_whole_is_unknown() -> None:
    assert legs_add_up(array(5, 7), 12)
    assert not legs_add_up(array(5, 7), 13)
    assert legs_add_up(array(5), None)
    assert not legs_add_up(array(5, 7), None)


# Queue reset


def trades(*rows: tuple[int, int, int, bool]) -> Trades:
    columns = list(zip(*rows, strict=True)) if rows else repeat((), 4)
    at_ns, price, qty, lit = (np.array(column) for column in columns)
    return Trades(ints(at_ns), ints(price), ints(qty), lit.astype(bool))


NO_QUOTES = Opposite(array(), array())


@pytest.mark.parametrize("side", [BUY, SELL])
def test_a_trade_through_the_old_limit_would_have_filled_all_of_it(side: int) -> None:
    repost = Repost(side, 100, 1, 10, 50, None, array(0))
    through = trades((11, 100, 5, True), (12, 100 - side, 1, True))
    found = reset.reset(repost, array(20), array(50), through, NO_QUOTES)
    assert [column.tolist() for column in found.least] == [[0], [50], [12], [100]]
    assert found.most.qty.tolist() == [5, 45]
    assert found.most.filled_ns.tolist() == [11, 12]
    offered = Opposite(array(9, 13, 15), array(100 - side, 100, 100 - side))
    by_quote = reset.reset(repost, array(20), array(50), trades(), offered)
    assert by_quote.least.filled_ns.tolist() == [15]


def test_with_the_queue_known_volume_beyond_it_would_have_filled() -> None:
    repost = Repost(BUY, 100, 1, 10, 50, 30, array(0, 1))
    printed = trades(
        (9, 100, 99, True), (11, 100, 40, True), (12, 100, 99, False), (13, 100, 5, True)
    )
    found = reset.reset(repost, array(12, 30), array(20, 30), printed, NO_QUOTES)
    assert found.least == found.most
    # Ten shares by 11, five more by 13, when the first fill had already been made.
    assert found.least.fill.tolist() == [0]
    assert found.least.qty.tolist() == [10]
    late = reset.reset(repost, array(40, 50), array(20, 30), printed, NO_QUOTES)
    assert late.least.qty.tolist() == [10, 5]


def test_what_the_market_did_not_reach_before_the_fill_is_not_reset() -> None:
    repost = Repost(BUY, 100, 1, 10, 50, None, array(0))
    at_fill = reset.reset(repost, array(20), array(50), trades((20, 99, 1, True)), NO_QUOTES)
    assert not at_fill.most.qty.size
    never = reset.reset(repost, array(NEVER), array(50), trades(), NO_QUOTES)
    assert not never.most.qty.size
    nothing = reset.reset(repost._replace(fill=array()), array(), array(), trades(), NO_QUOTES)
    assert not nothing.most.qty.size


# Unintended quantity


def listed(found: Unintended) -> list[tuple[int, ...]]:
    return list(zip(*(column.tolist() for column in found[:3]), strict=True))


def test_fills_of_one_intention_beyond_its_first_order_are_unintended() -> None:
    found = unintended.stated(
        array(0, -1, 0, 0), array(60, 500, 70, 10), array(90, 20, 30, 40), array(100)
    )
    # Known once both are: the first fill was heard of last.
    assert listed(found) == [(2, 30, 90), (3, 10, 90)]


def test_of_what_was_sent_again_the_later_fill_is_unintended() -> None:
    filled = Filled(array(0, 1), array(10, 30), array(50, 30), array(100, 100))
    found = unintended.derived([Decision(20, 1, 100, ((0, 100),))], filled)
    assert listed(found) == [(1, 100, 50)]
    # The old order filled after the new one had.
    late = Filled(array(1, 0), array(30, 40), array(30, 60), array(100, 100))
    assert listed(unintended.derived([Decision(20, 1, 100, ((0, 100),))], late)) == [(1, 100, 60)]


def test_only_the_hidden_part_is_doubled_and_only_once() -> None:
    filled = Filled(
        array(0, 0, 1, 2), array(5, 10, 30, 31), array(5, 50, 30, 31), array(60, 40, 100, 100)
    )
    decisions = [Decision(20, 1, 100, ((0, 40),)), Decision(21, 2, 100, ((0, 40),))]
    assert listed(unintended.derived(decisions, filled)) == [(2, 40, 50)]


def test_a_hidden_order_that_never_filled_makes_nothing_unintended() -> None:
    filled = Filled(array(1), array(30), array(30), array(100))
    assert not unintended.derived([Decision(20, 1, 100, ((0, 100),))], filled).qty.size


def test_a_share_is_unintended_once() -> None:
    one = unintended.stated(array(0, 0), array(60, 70), array(1, 2), array(100))
    two = Unintended(array(1, 0), array(50, 5), array(9, 9), array(1, 1))
    found = unintended.once([one, two], array(60, 70))
    assert listed(found) == [(1, 30, 2), (1, 20, 9), (0, 5, 9)]
    assert found.detector.tolist() == [0, 1, 1]


# KPIs


def test_bcu_is_a_ratio_of_sums_with_the_interval_of_its_clusters() -> None:
    cost, cleared = np.array([1.0, 2.0, 6.0, 3.0]), np.array([1000.0, 3000.0, 4000.0, 4000.0])
    incident = array(7, 7, 8, 9)
    found = kpis.bcu(cost, cleared, incident)
    assert found.figure == figures.known(10.0, n=4, incidents=3)
    # By hand: scores by incident -1, 2, -1; their squares sum to 6; G/(G-1) = 1.5.
    se = np.sqrt(1.5 * 6) / 12_000 * 1e4
    assert found.high - found.low == pytest.approx(2 * 4.302653 * se, rel=1e-6)


def test_bcu_without_backlog_cleared_is_unknown_and_of_one_incident_has_no_interval() -> None:
    none = kpis.bcu(np.array([1.0]), np.array([0.0]), array(1))
    assert none.figure.unknown
    single = kpis.bcu(np.array([1.0]), np.array([1000.0]), array(1))
    assert (single.figure.value, single.high) == (10.0, np.inf)
    assert kpis.uplift(np.array([1.0]), np.array([0.0])).unknown
    assert kpis.uplift(np.array([1.0]), np.array([2000.0])).value == pytest.approx(5.0)
