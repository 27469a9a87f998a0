"""Published examples of shortfall and impact, to their printed digits (X11-X13)."""

import numpy as np
import pytest
from statsmodels.duration.survfunc import SurvfuncRight, survdiff

from reconverge.core.control.cap import catchup_multiple, temporary_impact_bps, uplift_bps
from reconverge.core.control.policy import CatchUp, Policy
from reconverge.core.messages.effects import State
from reconverge.tca.arrays import Ints
from reconverge.tca.fifo import Steps
from reconverge.tca.kpis import bcu_limit, kaplan_meier, log_rank, model_bcu
from reconverge.tca.shortfall import BUY, SELL, Fills, Parent, Tranche, before_arrival, shortfall

NANOS = 1_000_000_000


def nanos(value: float) -> int:
    return round(value * NANOS)


def one(value: float) -> Ints:
    return np.array([nanos(value)])


def parent(
    side: int, quantity: int, arrival: float, filled: int, price: float, *rest: float
) -> Parent:
    """One fill at the average price; the rest: the mid at the end, and the fee."""
    end, fee = rest
    time, zero = np.array([1]), np.zeros(1, np.int64)
    fills = Fills(
        time, time, np.array([1]), one(filled), one(price), np.zeros(1), np.array([fee]), zero
    )
    tranche = Tranche(0, nanos(quantity), float(nanos(arrival)))
    none = np.empty(0, np.int64)
    return Parent(side, (tranche,), Steps(none, none), fills, 2, float(nanos(end)))


def test_kissell_complete_execution() -> None:
    assert shortfall(parent(BUY, 5000, 10.0, 5000, 10.50, 11.0, 100)).total == pytest.approx(2600)


@pytest.mark.parametrize(("side", "price", "end"), [(BUY, 10.5, 11.0), (SELL, 9.5, 9.0)])
def test_perold_with_opportunity_cost_and_the_sell_mirrored(
    side: int, price: float, end: float
) -> None:
    found = shortfall(parent(side, 5000, 10.0, 4000, price, end, 80))
    assert (found.trading, found.opportunity, found.fees) == pytest.approx((2000, 1000, 80))
    assert found.total == pytest.approx(3080)


@pytest.mark.parametrize(
    ("side", "arrival", "price", "end"), [(BUY, 10.25, 10.5, 11.0), (SELL, 9.75, 9.5, 9.0)]
)
def test_wagner_expanded_by_the_delay_before_arrival(
    side: int, arrival: float, price: float, end: float
) -> None:
    order = parent(side, 5000, arrival, 4000, price, end, 80)
    delay, rest = before_arrival(order, float(nanos(10.0))), shortfall(order)
    assert (delay.opportunity, delay.trading, delay.total) == pytest.approx((250, 1000, 1250))
    assert (rest.trading, rest.opportunity) == pytest.approx((1000, 750))
    assert delay.total + rest.total == pytest.approx(3080)


def test_cfa_example_in_percent_of_the_decision_price() -> None:
    order = parent(BUY, 1000, 40.04, 700, 40.05, 40.08, 17)
    delay, rest = before_arrival(order, float(nanos(40.0))), shortfall(order)
    missed = rest.opportunity + delay.opportunity
    parts = np.array([rest.fees, rest.trading, delay.trading, missed]) / 40_000 * 100
    assert parts == pytest.approx([0.0425, 0.0175, 0.07, 0.06])
    assert parts.sum() == pytest.approx(0.19)


def test_delayed_order_of_which_half_was_missed() -> None:
    order = parent(BUY, 8000, 75.75, 4000, 77.0, 79.0, 1500)
    delay, rest = before_arrival(order, float(nanos(75.0))), shortfall(order)
    missed = rest.opportunity + delay.opportunity
    parts = np.array([delay.trading, rest.trading, missed, rest.fees]) / 600_000 * 100
    assert parts == pytest.approx([0.50, 0.8333, 2.6667, 0.25], abs=5e-5)
    assert parts.sum() == pytest.approx(4.25)


def test_a_gain_is_below_zero() -> None:
    found = shortfall(parent(BUY, 4000, 16.24, 4000, 16.20, 16.0, 38.50))
    assert found.total / (4000 * 16.24) * 100 == pytest.approx(-0.187, abs=5e-4)


@pytest.mark.parametrize(
    ("sigma_bps", "printed"), [(157.0, (22.29, 14.71, 8.49)), (226.0, (32.09, 21.17, 12.22))]
)
def test_almgren_impact_of_a_tenth_of_the_days_volume(
    sigma_bps: float, printed: tuple[float, ...]
) -> None:
    """IBM and DRI, traded in a tenth, a fifth and a half of a day (X13)."""
    rates = [0.1 / days for days in (0.1, 0.2, 0.5)]
    found = [temporary_impact_bps(rate, sigma_bps, CatchUp()) for rate in rates]
    assert found == pytest.approx(printed, abs=0.006)


def test_model_bcu_of_the_default_policy() -> None:
    uplift = uplift_bps(1.66, 157.0, CatchUp())
    assert uplift == pytest.approx(1.990, abs=5e-4)
    assert model_bcu(uplift, 1.66) == pytest.approx(5.006, abs=5e-4)
    volatile = catchup_multiple(State.STABLE, 600.0, Policy())
    bps = model_bcu(uplift_bps(volatile, 600.0, CatchUp()), volatile)
    assert bps == pytest.approx(14.5, abs=0.05)
    assert bcu_limit(bps) == 1.6 * bps
    assert bcu_limit(1.0) == 3.0
    assert model_bcu(0.0, 1.0) == float("inf")


GEHAN_6MP = ([6, 6, 6, 6, 7, 9, 10, 10, 11, 13, 16, 17, 19, 20, 22, 23, 25, 32, 32, 34, 35],
             [1, 1, 1, 0, 1, 0, 1, 0, 0, 1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0])  # fmt: skip
GEHAN_PLACEBO = [1, 1, 2, 2, 3, 4, 4, 5, 5, 8, 8, 8, 8, 11, 11, 12, 12, 15, 17, 22, 23]


def test_kaplan_meier_of_the_6_mp_trial() -> None:
    time, ended = np.array(GEHAN_6MP[0], float), np.array(GEHAN_6MP[1], bool)
    found = kaplan_meier(time, ended)
    printed = {
        6: 0.85714,
        7: 0.80672,
        10: 0.75294,
        13: 0.69020,
        16: 0.62745,
        22: 0.53782,
        23: 0.44818,
    }
    assert [found.by(at) for at in printed] == pytest.approx(list(printed.values()), abs=5e-6)
    assert found.median == 23
    oracle = SurvfuncRight(time, ended)
    assert np.sqrt(found.variance) == pytest.approx(oracle.surv_prob_se)
    assert found.by(5.9) == 1.0


def test_log_rank_of_the_6_mp_trial() -> None:
    time = np.array(GEHAN_6MP[0] + GEHAN_PLACEBO, float)
    ended = np.array(GEHAN_6MP[1] + [1] * 21, bool)
    placebo = np.arange(42) >= 21
    found = log_rank(time, ended, placebo)
    assert found.chi2 == pytest.approx(16.793, abs=5e-4)
    assert found.p == pytest.approx(4.17e-5, rel=2e-3)
    assert (found.chi2, found.p) == pytest.approx(survdiff(time, ended, placebo))
    assert kaplan_meier(time[placebo], ended[placebo]).median == 8


def test_a_mean_of_what_was_observed_is_too_short_and_a_restricted_mean_says_up_to_when() -> None:
    found = kaplan_meier(np.array([1.0, 2.0, 4.0]), np.array([True, True, False]))
    assert found.restricted_mean() == pytest.approx(1 + 2 / 3 + 2 / 3)
    assert found.restricted_mean(3.0) == pytest.approx(1 + 2 / 3 + 1 / 3)
    assert found.median == 2.0
    assert kaplan_meier(np.array([3.0]), np.array([False])).median == np.inf
