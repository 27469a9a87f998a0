"""Confidence against its formula: a product of components, each in [0, 1] and monotone."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconverge.core.control.confidence import CERTAIN, TruthReading, confidence
from reconverge.core.control.policy import Policy, parse
from reconverge.core.messages.wire import plain

POLICY = Policy()
CLEAN = TruthReading(1.0, 1.0, 0, 0, 0.0, 0, 0.0, 0.0)
RATIO = st.floats(0, 1)
READINGS = st.builds(
    TruthReading,
    similarity=RATIO,
    quantity=RATIO,
    outstanding=st.integers(0, 50),
    outstanding_peak=st.integers(0, 50),
    gap_age_ms=st.floats(0, 5_000),
    unrecoverable=st.integers(0, 2),
    ambiguous=RATIO,
    lag_ms=st.floats(0, 10_000) | st.just(math.inf),
)


def but(**changes: Any) -> TruthReading:
    """A reading with nothing wrong but this."""
    return CLEAN._replace(**changes)


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


def test_the_product_is_weighted() -> None:
    reading = but(similarity=0.8975, ambiguous=0.5)
    assert confidence(reading, POLICY).value == pytest.approx(0.25)
    weighted = parse({"weights": {"similarity": 2, "in_flight": 0}})
    assert confidence(reading, weighted).value == pytest.approx(0.25)
    assert confidence(reading, parse({"weights": {"similarity": 3}})).value == 0.0625


def test_of_two_equally_low_the_first_binds() -> None:
    assert confidence(but(quantity=0.0, unrecoverable=1), POLICY).binding == "quantity"


@given(READINGS)
def test_it_is_a_ratio_and_any_zero_is_a_zero(reading: TruthReading) -> None:
    found = confidence(reading, POLICY)
    parts = plain(found.components).values()
    assert 0 <= found.value <= min(parts) + 1e-6
    assert (found.binding is None) == (min(parts) == 1)


@given(READINGS, RATIO)
def test_it_is_monotone_in_each_component(reading: TruthReading, other: float) -> None:
    for better in (
        reading._replace(similarity=max(reading.similarity, other)),
        reading._replace(quantity=max(reading.quantity, other)),
        reading._replace(ambiguous=min(reading.ambiguous, other)),
        reading._replace(lag_ms=min(reading.lag_ms, other * 5_000)),
        reading._replace(unrecoverable=0),
        reading._replace(outstanding=0),
    ):
        assert confidence(better, POLICY).value >= confidence(reading, POLICY).value
