"""Caps against DOMAIN §10 and §13: ceilings, ramp, latch, and the convexity of catching up."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconverge.core.control.cap import (
    CapLimit,
    Governor,
    Standing,
    catchup_multiple,
    limit,
    rounded,
    shortfall_expected,
    temporary_impact_bps,
    uplift_bps,
)
from reconverge.core.control.machine import FROZEN, RISING
from reconverge.core.control.policy import CatchUp, Policy, parse
from reconverge.core.messages.effects import State

POLICY = Policy()


def standing(state: State, **flags: Any) -> Standing:
    """A session in a state, with nothing else that binds its cap."""
    clear = Standing(state, state in RISING, False, False, False, False)
    return clear._replace(**flags)


STATES = st.sampled_from(list(State))
RATIO = st.floats(0, 1)
SECOND = 1_000_000_000


@pytest.mark.parametrize(
    ("state", "top"),
    [
        (State.HEALTHY, 1.0),
        (State.STABLE, 1.0),
        (State.CONTROLLED_REENTRY, 0.90),
        (State.REPLAY_SYNCING, 0.50),
        (State.FAILOVER_DETECTED, 0.30),
        (State.STATE_DIVERGED, 0.20),
    ],
)
def test_the_default_ceilings_are_those_of_the_domain(state: State, top: float) -> None:
    assert limit(standing(state), 1.0, None, POLICY) == CapLimit(top, "ceiling")


@given(STATES, RATIO, RATIO)
def test_s3_s5_never_above_the_ceiling_and_monotone_in_confidence(
    state: State, one: float, other: float
) -> None:
    low, high = sorted((one, other))
    caps = [limit(standing(state), c, None, POLICY).cap for c in (low, high, 1.0)]
    assert caps == sorted(caps)
    assert caps[-1] == POLICY.cap.ceiling.of(state)


@given(STATES, RATIO)
def test_the_safe_mode_latch_bounds_every_state(state: State, trust: float) -> None:
    bound = limit(standing(state, safe_mode=True), trust, None, POLICY)
    assert bound.cap <= POLICY.cap.safe_mode


@pytest.mark.parametrize(
    ("trust", "holds"), [(1.0, "safe_mode"), (0.06, "safe_mode"), (0.05, "lag"), (0.04, "lag")]
)
def test_the_latch_is_named_only_where_it_takes_something_away(trust: float, holds: str) -> None:
    bound = limit(standing(State.HEALTHY, safe_mode=True), trust, "lag", POLICY)
    assert bound == CapLimit(min(trust, POLICY.cap.safe_mode), holds)


@given(st.lists(st.tuples(STATES, RATIO, st.integers(0, 5 * SECOND)), min_size=1))
def test_s4_a_cap_falls_at_once_and_rises_only_where_allowed_and_by_the_ramp(
    steps: list[tuple[State, float, int]],
) -> None:
    governor, now_ns, before = Governor(), 0, 0.0
    for state, trust, elapsed_ns in steps:
        now_ns += elapsed_ns
        bound = limit(standing(state), trust, None, POLICY)
        governor.govern(bound, POLICY.cap.ramp_per_s, now_ns, may_rise=state in RISING)
        governor.told = rounded(governor.value)
        assert governor.value <= bound.cap
        if governor.value > before:
            assert state in RISING
            assert governor.value - before <= 0.10 * elapsed_ns / SECOND + 1e-12
        else:
            assert governor.value >= min(before, bound.cap) - 1e-4  # told in basis points
        before = governor.value


def test_the_ramp_takes_ten_seconds_from_nothing_to_everything() -> None:
    governor = Governor(0.0, 0)
    bound = CapLimit(1.0, "ceiling")
    assert governor.govern(bound, 0.10, 5 * SECOND, may_rise=True) == CapLimit(0.5, "ramp")
    assert governor.govern(bound, 0.10, 10 * SECOND, may_rise=True) == CapLimit(1.0, "ceiling")


def test_a_session_starts_at_nothing_whatever_the_time_is() -> None:
    governor = Governor()
    bound = CapLimit(1.0, "ceiling")
    assert governor.govern(bound, 0.10, 1_700_000_000 * SECOND, may_rise=True) == CapLimit(
        0.0, "ramp"
    )
    assert governor.govern(bound, 0.10, 1_700_000_001 * SECOND, may_rise=True) == CapLimit(
        0.1, "ramp"
    )


def test_s4_time_that_a_cap_could_not_rise_in_earns_it_nothing() -> None:
    governor = Governor(0.2, told=0.2)
    high = CapLimit(0.9, "ceiling")
    governor.govern(high, 0.10, 0, may_rise=False)
    assert governor.govern(high, 0.10, 60 * SECOND, may_rise=True).cap == 0.2
    assert governor.govern(high, 0.10, 61 * SECOND, may_rise=True).cap == 0.3
    at_ceiling = Governor(0.9, told=0.9)
    at_ceiling.govern(high, 0.10, 0, may_rise=True)
    assert at_ceiling.govern(CapLimit(1.0, "ceiling"), 0.10, 60 * SECOND, may_rise=True).cap == 0.9


def test_a_clock_that_steps_back_raises_nothing() -> None:
    governor = Governor(0.2, 10 * SECOND, 0.2)
    assert governor.govern(CapLimit(1.0, "ceiling"), 0.10, 5 * SECOND, may_rise=True).cap == 0.2


@pytest.mark.parametrize(
    ("flags", "cap", "reason"),
    [
        ({"parked": True, "closed": True}, 0.02, "parked"),
        ({"closed": True}, 0.02, "closed"),
        ({"cold_start": True}, 0.20, "cold_start"),
        ({"cold_start": True, "safe_mode": True}, 0.05, "safe_mode"),
    ],
)
def test_what_binds_a_cap_besides_confidence_is_named(
    flags: dict[str, bool], cap: float, reason: str
) -> None:
    policy = parse({"cap": {"floor": 0.02}})
    assert limit(standing(State.HEALTHY, **flags), 1.0, None, policy) == CapLimit(cap, reason)


@pytest.mark.parametrize(("mode", "top"), [("drop_copy", 0.9), ("snapshot", 0.54), ("entry", 0.27)])
def test_a_weak_witness_lowers_every_ceiling(mode: str, top: float) -> None:
    policy = parse({"witness": {"mode": mode}})
    found = limit(standing(State.CONTROLLED_REENTRY), 1.0, None, policy)
    assert found.cap == pytest.approx(top)


def test_a_floor_is_not_above_the_ceiling_that_a_weak_witness_leaves() -> None:
    policy = parse({"witness": {"mode": "entry"}, "cap": {"floor": 0.05, "safe_mode": 0.05}})
    assert limit(standing(State.STATE_DIVERGED), 0.0, None, policy).cap == pytest.approx(0.05)
    lower = parse({"witness": {"mode": "entry", "entry_ceiling": 0.1}, "cap": {"floor": 0.05}})
    assert limit(standing(State.STATE_DIVERGED), 0.0, None, lower).cap == pytest.approx(0.02)


def test_a_rise_too_small_to_publish_was_never_given() -> None:
    governor = Governor(0.2, 0, 0.2)
    assert governor.govern(CapLimit(1.0, "ceiling"), 0.10, SECOND // 20, may_rise=True).cap == 0.205
    assert not governor.is_news()
    assert governor.govern(CapLimit(1.0, "ceiling"), 0.10, SECOND // 20, may_rise=False) == (
        0.2, "hold",
    )  # fmt: skip


@given(RATIO)
def test_a_published_cap_is_never_above_the_cap(cap: float) -> None:
    assert cap - 1.01e-4 <= rounded(cap) <= cap + 1e-9


# -- catching up: check values of DOMAIN §10 -------------------------------------------------------


@pytest.mark.parametrize(("uplift", "multiple"), [(1, 1.32), (2, 1.66), (3, 2.04), (5, 2.90)])
def test_the_convexity_limit_has_the_check_values(uplift: float, multiple: float) -> None:
    wide = {"uplift_max_bps": uplift, "multiple_max": 10.0, "participation_max": 1.0}
    policy = parse({"catch_up": wide})
    found = catchup_multiple(State.STABLE, 157.0, policy)
    assert found == pytest.approx(multiple, abs=0.006)
    assert uplift - 0.001 < uplift_bps(found, 157.0, policy.catch_up) <= uplift


def test_the_base_cost_at_ten_percent_is_5_60_bps() -> None:
    assert temporary_impact_bps(0.10, 157.0, CatchUp()) == pytest.approx(5.60, abs=0.005)


@pytest.mark.parametrize(("days", "cost"), [(0.1, 22), (0.2, 15), (0.5, 8)])
def test_ibm_in_almgren_2005_costs_what_the_paper_says(days: float, cost: int) -> None:
    """X is 10% of daily volume, so over T days it is a participation of 0.1 / T."""
    assert round(temporary_impact_bps(0.1 / days, 157.0, CatchUp())) == cost


@pytest.mark.parametrize("state", sorted(FROZEN))
def test_nothing_is_repaid_faster_than_normal_while_expansion_is_frozen(state: State) -> None:
    assert catchup_multiple(state, 157.0, POLICY) == 1.0


@given(st.floats(1, 2_000), st.floats(0, 50))
def test_the_absolute_limits_bound_every_multiple(sigma: float, uplift: float) -> None:
    policy = parse({"catch_up": {"uplift_max_bps": uplift}})
    multiple = catchup_multiple(State.HEALTHY, sigma, policy)
    assert 1.0 <= multiple <= 2.0
    assert multiple * policy.catch_up.participation_normal <= 0.20 + 1e-12


@pytest.mark.parametrize(
    ("limits", "multiple"),
    [
        ({}, 3.0),
        ({"multiple_max": 2.25}, 2.25),
        ({"participation_max": 0.25}, 2.5),
        ({"uplift_max_bps": 2.0}, 1.6635),
    ],
)
def test_each_limit_on_catching_up_bounds_it_alone(
    limits: dict[str, float], multiple: float
) -> None:
    loose = {"uplift_max_bps": 50.0, "multiple_max": 3.0, "participation_max": 1.0}
    policy = parse({"catch_up": loose | limits})
    assert catchup_multiple(State.HEALTHY, 157.0, policy) == multiple


def test_what_cannot_be_repaid_in_time_is_reported_not_hurried() -> None:
    assert shortfall_expected(1_000, 10.0, 1.5, 100.0) == 500
    assert shortfall_expected(1_000, 10.0, 2.0, 100.0) == 0
    assert shortfall_expected(1_000, 10.0, 1.0, 1e9) == 1_000
