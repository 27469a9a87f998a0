"""Confidence against its formula: a product of components, each in [0, 1] and monotone."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconverge.core.control.confidence import (
    CERTAIN,
    TruthReading,
    agreement,
    confidence,
    gated,
)
from reconverge.core.control.policy import Policy, parse
from reconverge.core.messages.wire import plain
from reconverge.core.orders import Agreement

POLICY = Policy()
AGREED = Agreement(1.0, 1.0, 0.0, 0, 20, 20)
"""Of orders enough that nothing is softened."""
CLEAN = TruthReading(AGREED, AGREED, 0, 0, 0.0, 0, 0.0)
RATIO = st.floats(0, 1)
AGREEMENTS = st.builds(
    Agreement,
    similarity=RATIO,
    quantity=RATIO,
    ambiguous=RATIO,
    ambiguous_orders=st.integers(0, 30),
    orders=st.integers(0, 30),
    working=st.integers(0, 30),
)
READINGS = st.builds(
    TruthReading,
    agreement=AGREEMENTS,
    gate=AGREEMENTS,
    outstanding=st.integers(0, 50),
    outstanding_peak=st.integers(0, 50),
    gap_age_ms=st.floats(0, 5_000),
    unrecoverable=st.integers(0, 2),
    lag_ms=st.floats(0, 10_000) | st.just(math.inf),
)


def gates(reading: TruthReading) -> float:
    """Confidence as the machine's gates see it."""
    return gated(reading, POLICY, confidence(reading, POLICY).sourced)


def but(**changes: Any) -> TruthReading:
    """A reading with nothing wrong but this."""
    agreed = {name: changes.pop(name) for name in list(changes) if name in Agreement._fields}
    of = AGREED._replace(**agreed)
    return CLEAN._replace(agreement=of, gate=of, **changes)


def test_nothing_wrong_is_certainty_and_names_nothing() -> None:
    assert confidence(CLEAN, POLICY) == CERTAIN
    slow = confidence(but(outstanding_peak=9), POLICY)
    assert (slow.value, slow.binding) == (1.0, None)


@pytest.mark.parametrize(
    ("wrong", "component", "value"),
    [
        ({"similarity": 0.8975}, "similarity", 0.5),
        ({"similarity": 0.80}, "similarity", 0.0),
        ({"quantity": 0.8975}, "quantity", 0.5),
        ({"outstanding": 3, "outstanding_peak": 4, "gap_age_ms": 1_000}, "replay", 0.25),
        ({"outstanding": 3, "outstanding_peak": 0, "gap_age_ms": 1_000}, "replay", 0.0),
        ({"unrecoverable": 1}, "replay", 0.0),
        ({"lag_ms": 2_750}, "freshness", 0.5),
        ({"lag_ms": math.inf}, "freshness", 0.0),
        ({"ambiguous": 0.25}, "in_flight", 0.75),
        ({"ambiguous": 1.5}, "in_flight", 0.0),
        ({"ambiguous_orders": 5}, "in_flight", 0.75),
        ({"ambiguous_orders": 5, "ambiguous": 0.5}, "in_flight", 0.5),
    ],
)
def test_each_component_has_its_scale_and_is_named_when_it_binds(
    wrong: dict[str, float], component: str, value: float
) -> None:
    found = confidence(but(**wrong), POLICY)
    assert found.value == getattr(found.components, component) == pytest.approx(value)
    assert found.binding == component


def test_a_young_gap_is_messages_in_flight() -> None:
    assert confidence(but(outstanding=3, outstanding_peak=3, gap_age_ms=999), POLICY).value == 1


def test_three_kinds_of_doubt_multiply_and_of_one_kind_the_worst_view_counts_once() -> None:
    reading = but(similarity=0.8975, quantity=0.9, ambiguous=0.1, lag_ms=2_750, unrecoverable=0)
    assert confidence(reading, POLICY).value == pytest.approx(0.25)
    halved = reading._replace(outstanding=1, outstanding_peak=2, gap_age_ms=1_000)
    assert confidence(halved, POLICY).value == pytest.approx(0.125)
    assert confidence(halved, POLICY).sourced == pytest.approx(0.25)


def test_a_mismatch_of_a_tenth_is_half_of_the_confidence_not_a_quarter() -> None:
    """DOMAIN §8: the three views of one fact count once."""
    found = confidence(but(similarity=0.9, quantity=0.9, ambiguous=0.1), POLICY)
    assert found.value == pytest.approx((0.9 - 0.8) / 0.195, abs=1e-6)


def test_weights_are_exponents_and_none_is_no_part() -> None:
    reading = but(similarity=0.8975, ambiguous=0.5)
    assert confidence(reading, POLICY).value == pytest.approx(0.5)
    weighted = confidence(reading, parse({"weights": {"similarity": 2, "in_flight": 0}}))
    assert weighted.value == pytest.approx(0.25)
    assert weighted.binding == "similarity"
    deaf = confidence(but(ambiguous=1.0), parse({"weights": {"in_flight": 0}}))
    assert (deaf.value, deaf.binding) == (1.0, None)
    assert deaf.components.in_flight == 0.0
    assert confidence(but(lag_ms=2_750), parse({"weights": {"freshness": 2}})).value == 0.25


def test_of_two_equally_low_the_first_binds() -> None:
    assert confidence(but(quantity=0.0, unrecoverable=1), POLICY).binding == "quantity"


@pytest.mark.parametrize(("orders", "value"), [(1, 0.897436), (4, 0.512821), (9, 0.0), (20, 0.0)])
def test_few_orders_are_softened_for_the_cap_but_not_for_the_gates(
    orders: int, value: float
) -> None:
    """One of four in doubt weighs as one of ten: 1 - 0.25 x 4/10 = 0.90, scaled to 0.51."""
    of = Agreement(1 - 1 / 4, 1 - 1 / 4, 0.0, 0, orders, orders)
    reading = CLEAN._replace(agreement=of, gate=of)
    assert confidence(reading, POLICY).value == pytest.approx(value, abs=1e-6)
    assert gates(reading) == 0.0


def test_orders_without_a_price_count_as_orders() -> None:
    """R39."""
    unpriced = Agreement(1.0, 1.0, 0.0, 5, 200, 200)
    reading = CLEAN._replace(agreement=unpriced, gate=unpriced)
    assert confidence(reading, POLICY).components.in_flight == 0.975
    few = Agreement(1.0, 1.0, 0.0, 1, 2, 1)
    assert agreement(few, POLICY) == 0.9
    assert gates(CLEAN._replace(gate=few)) == 0.5


@given(READINGS)
def test_it_is_a_ratio_and_any_zero_is_a_zero(reading: TruthReading) -> None:
    found = confidence(reading, POLICY)
    parts = plain(found.components).values()
    assert 0 <= found.value <= min(parts) + 1e-6
    assert (found.binding is None) == (min(parts) == 1)
    assert 0 <= gates(reading) <= 1


@given(READINGS, RATIO)
def test_it_is_monotone_in_each_component(reading: TruthReading, other: float) -> None:
    of = reading.agreement
    better_views = (
        of._replace(similarity=max(of.similarity, other)),
        of._replace(quantity=max(of.quantity, other)),
        of._replace(ambiguous=min(of.ambiguous, other)),
        of._replace(ambiguous_orders=of.ambiguous_orders // 2),
    )
    betters = [reading._replace(agreement=view, gate=view) for view in better_views]
    betters += [
        reading._replace(lag_ms=min(reading.lag_ms, other * 5_000)),
        reading._replace(unrecoverable=0),
        reading._replace(outstanding=0),
    ]
    worse = reading._replace(gate=of)
    for better in betters:
        assert confidence(better, POLICY).value >= confidence(reading, POLICY).value
        assert gates(better._replace(gate=better.agreement)) >= gates(worse)
