"""Intervals that can be believed: how often they hold the truth, and what matching is for.

The expected shares are those of an independent prototype (3,000 replications, 700 of matched
designs); ours must be within 1.2 points. Fewer replications here, all of them in the long tests.
"""

import numpy as np
import pytest

from reconverge.tca.quantiles import mover
from reconverge.tca.tails import Resampling, bootstrap, expanded_percentile
from tests.tca.designs import (
    Design,
    duration_sample,
    matched_sample,
    matched_truth,
    sample,
    truth,
    unmatched_value,
)  # fmt: skip

POINTS = 1.2
LONG, SHORT = 3000, 400
BINOMIAL = 3 * np.sqrt(0.95 * 0.05 / SHORT) * 100

TABLE = [
    (Design(15, 10), 93.8),
    (Design(15, 10, family="t4"), 93.8),
    (Design(20, 5), 95.6),
    (Design(20, 5, family="t4"), 95.7),
    (Design(20, 20), 94.4),
    (Design(20, 20, family="t4"), 94.0),
    (Design(30, 4), 96.2),
    (Design(30, 4, family="t4"), 95.4),
    (Design(30, 10), 94.8),
    (Design(30, 10, family="t4"), 94.9),
    (Design(40, 5), 95.5),
    (Design(40, 5, family="t4"), 95.3),
    (Design(60, 5), 95.6),
    (Design(60, 5, family="t4"), 95.4),
    (Design(60, 20, icc=0.5), 94.3),
    (Design(60, 20, icc=0.5, family="t4"), 95.1),
    (Design(100, 10), 96.0),
    (Design(200, 5), 95.7),
]


def covered(design: Design, replications: int, p: float = 0.95) -> float:
    """How often the interval holds the truth, in percent."""
    true, hits = truth(design, p), 0
    for number in range(replications):
        exposed, controls = sample(design, np.random.default_rng([7, number]))
        found = mover([(1.0, exposed.quantile(p)), (-1.0, controls.quantile(p))])
        hits += found.low <= true <= found.high
    return hits / replications * 100


@pytest.mark.long
@pytest.mark.parametrize(("design", "expected"), TABLE, ids=str)
def test_the_interval_of_a_lift_covers_as_often_as_it_says(design: Design, expected: float) -> None:
    assert covered(design, LONG) == pytest.approx(expected, abs=POINTS)


@pytest.mark.parametrize(("design", "expected"), TABLE[1:6:2], ids=str)
def test_it_covers_in_a_short_run_too(design: Design, expected: float) -> None:
    assert covered(design, SHORT) == pytest.approx(expected, abs=BINOMIAL)


@pytest.mark.long
def test_what_is_refused_would_not_cover() -> None:
    """Why a p99 needs five exceedances: with 1.2 the interval misses one truth of three."""
    assert covered(Design(30, 4), LONG, 0.99) < 75
    assert covered(Design(60, 5), LONG, 0.99) < 94
    assert covered(Design(100, 5), LONG, 0.99) == pytest.approx(95.0, abs=1.5)


@pytest.mark.long
@pytest.mark.parametrize("incidents", [15, 30, 60, 120])
def test_the_interval_of_a_matched_lift_covers(incidents: int) -> None:
    """A little wide, since the shocks that days share between the groups are not credited."""
    true, hits, errors = matched_truth(), 0, []
    for number in range(700):
        drawn = matched_sample(np.random.default_rng([8, number]), incidents)
        pair = drawn.exposed.quantile(0.95), drawn.matched().quantile(0.95)
        found = mover([(1.0, pair[0]), (-1.0, pair[1])])
        hits += found.low <= true <= found.high
        errors.append(found.value - true)
    assert 95 - POINTS < hits / 7 < 99.5
    assert abs(np.mean(errors)) < 1.5


def lifts(draws: int, incidents: int) -> tuple[float, float]:
    """Mean matched and unmatched lift."""
    found = []
    for number in range(draws):
        drawn = matched_sample(np.random.default_rng([9, number]), incidents)
        tops = [g.quantile(0.95).value for g in (drawn.exposed, drawn.matched(), drawn.controls)]
        found.append((tops[0] - tops[1], tops[0] - tops[2]))
    matched, unmatched = np.mean(found, axis=0).tolist()
    return matched, unmatched


def test_a_planted_lift_reads_as_a_gain_without_strata() -> None:
    """A true 10.6 bps: without strata it reads as about -2.6."""
    assert matched_truth() == pytest.approx(10.7, abs=0.2)
    assert unmatched_value() == pytest.approx(-2.4, abs=0.3)
    matched, unmatched = lifts(60, 120)
    assert matched == pytest.approx(matched_truth(), abs=1.0)
    assert unmatched == pytest.approx(unmatched_value(), abs=1.0)


def test_no_effect_reads_as_five_basis_points_without_duration() -> None:
    drawn = duration_sample(np.random.default_rng(4), 2000, 10, 150_000)
    exposed = drawn.exposed.quantile(0.95).value
    assert exposed - drawn.controls.quantile(0.95).value == pytest.approx(4.9, abs=0.5)
    assert exposed - drawn.matched().quantile(0.95).value == pytest.approx(0.0, abs=0.4)


def test_the_bootstrap_that_matches_again_agrees_with_the_interval() -> None:
    """The printed cross-check of a review (T65)."""
    drawn = matched_sample(np.random.default_rng([10, 1]), 60)
    pair = drawn.exposed.quantile(0.95), drawn.matched().quantile(0.95)
    found = mover([(1.0, pair[0]), (-1.0, pair[1])])
    strata = drawn.keys[0]["vol"], drawn.keys[1]["vol"]
    resampling = Resampling(drawn.exposed, drawn.controls, [strata])
    replicates = bootstrap(resampling, 0.95, np.random.default_rng(11), 600)
    low, high = expanded_percentile(replicates, 60)
    assert low < found.value < high
    assert (high - low) == pytest.approx(found.high - found.low, rel=0.5)
    # A resample in which everybody is drawn once is the sample.
    once = [np.ones(column.size, np.int64) for column in strata]
    assert resampling.lift(0.95, (once[0], once[1])) == pytest.approx(found.value)
    assert resampling.lift(0.95) == pytest.approx(found.value)
