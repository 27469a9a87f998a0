"""Lifts, their refusals at the edge, and what a tail consists of."""

import math
import subprocess
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from reconverge.tca import tails
from reconverge.tca.arrays import Ints
from reconverge.tca.quantiles import Contrast, Quantile, beta_bounds, mover, p_value, quantile
from reconverge.tca.tails import Group, expected_shortfall, lift, tail_contributions
from tests.rooms import ROOT


def group(clusters: int, each: int, seed: int = 1, scale: float = 10.0) -> Group:
    chance = np.random.default_rng(seed)
    values = chance.normal(size=clusters * each) * scale
    return Group(values, np.repeat(np.arange(clusters), each))


CONTROLS = group(60, 25, 2)


def test_a_lift_has_an_interval_its_counts_and_what_could_have_been_seen() -> None:
    found = lift(group(40, 5, scale=30.0), CONTROLS, matched_share=0.93)
    assert (found.name, found.figure.n, found.figure.incidents) == ("p95", 200, 40)
    assert found.control_days == 60
    assert found.low < (found.figure.value or 0.0) < found.high
    assert found.half_width == (found.high - found.low) / 2
    assert 0 < found.p < 0.05
    assert found.flags == ()
    assert lift(group(40, 5), CONTROLS, matched_share=0.79).flags


@pytest.mark.parametrize(
    ("exposed", "controls", "extra", "reason"),
    [
        (group(14, 20), CONTROLS, {}, "14 incidents; at least 15"),
        (group(33, 3), CONTROLS, {}, "4.95 exposed parents beyond"),
        (group(40, 5), group(33, 3), {}, "controls beyond the quantile"),
        (group(40, 5), CONTROLS, {"matched_share": 0.49}, "Only 49% of the exposed"),
        (group(40, 5), CONTROLS, {"smd_max": 0.25}, "A key differs by 0.25"),
    ],
)
def test_a_figure_that_the_data_cannot_carry_is_refused(
    exposed: Group, controls: Group, extra: dict[str, float], reason: str
) -> None:
    found = lift(exposed, controls, **extra)
    assert found.figure.value is None
    assert reason in (found.figure.unknown or "")
    assert math.isnan(found.p)


@pytest.mark.parametrize(
    ("exposed", "controls", "extra"),
    [
        (group(15, 20), CONTROLS, {}),
        (group(20, 5, seed=3), CONTROLS, {}),
        (group(40, 5), group(20, 5), {}),
        (group(40, 5), CONTROLS, {"matched_share": 0.5}),
        (group(40, 5), CONTROLS, {"smd_max": 0.2499}),
    ],
)
def test_at_the_edge_a_figure_is_told(
    exposed: Group, controls: Group, extra: dict[str, float]
) -> None:
    assert lift(exposed, controls, **extra).figure.value is not None


def test_an_upper_bound_at_the_largest_value_is_refused() -> None:
    values = np.arange(100.0)
    values[95:] = 500.0  # all the tail in one incident
    found = lift(Group(values, np.repeat(np.arange(20), 5)), CONTROLS)
    assert "largest shortfall seen" in (found.figure.unknown or "")


def test_a_p99_needs_five_hundred_parents() -> None:
    many = group(60, 40, 4)
    assert lift(group(50, 9), many, 0.99).figure.unknown
    assert "500 equally weighted" in (lift(group(50, 9), many, 0.99).figure.unknown or "")
    assert lift(group(100, 8), many, 0.99).figure.value is not None


def test_instead_of_a_refused_p95_there_are_the_p90_the_tail_and_the_mean() -> None:
    p90, tail, mean = tails.instead(group(16, 4), CONTROLS)
    assert p90.name == "p90"
    assert p90.figure.value is not None
    assert (tail.name, mean.name) == ("ES95", "mean")
    exposed = group(16, 4).shortfall_bps
    assert mean.figure.value == pytest.approx(exposed.mean() - CONTROLS.shortfall_bps.mean())
    assert mean.low < (mean.figure.value or 0.0) < mean.high
    (_, _, alone) = tails.instead(group(1, 40), CONTROLS)
    assert "One cluster only" in (alone.figure.unknown or "")


def test_a_mean_has_the_cluster_robust_interval_of_its_clusters_means() -> None:
    one = group(12, 7)
    means = one.shortfall_bps.reshape(12, 7).mean(axis=1)
    reach = stats.t.ppf(0.975, 11) * means.std(ddof=1) / np.sqrt(12)
    found = expected_shortfall(one, 0.0)
    assert found == pytest.approx((means.mean(), means.mean() - reach, means.mean() + reach))


def test_the_p_value_is_the_level_at_which_the_interval_touches_zero() -> None:
    terms = [(1.0, group(40, 5, scale=20.0).quantile(0.95)), (-1.0, CONTROLS.quantile(0.95))]
    p = p_value(lambda alpha: mover(terms, alpha))
    found = mover(terms, p)
    assert min(abs(found.low), abs(found.high)) < 1e-6
    assert p_value(lambda alpha: Contrast(0.0, -1.0, 1.0)) == 1.0


def test_a_change_of_lifts_is_a_difference_in_differences() -> None:
    after = group(40, 5, 5, 30.0).quantile(0.95), CONTROLS.quantile(0.95)
    before = group(40, 5, 6, 12.0).quantile(0.95), CONTROLS.quantile(0.95)
    found, p = tails.change(after, before)
    assert found.value == pytest.approx(after[0].value - before[0].value)
    assert found.low < found.value < found.high
    assert 0 < p < 1


# Expected shortfall and its parts


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.integers(-9, 9), st.integers(-9, 9)), min_size=1, max_size=40),
    st.sampled_from([0.0, 0.5, 0.9, 0.95]),
)
def test_contributions_sum_to_the_expected_shortfall_whatever_is_tied(
    parts: list[tuple[int, int]], p: float
) -> None:
    components = np.array(parts, float)
    one = Group(components.sum(axis=1), np.arange(len(parts)))
    found = tail_contributions(one, components, p)
    assert found.sum() == pytest.approx(expected_shortfall(one, p).value)
    shuffled = np.random.default_rng(1).permutation(len(parts))
    again = Group(one.shortfall_bps[shuffled], one.cluster)
    assert tail_contributions(again, components[shuffled], p) == pytest.approx(found)


def test_gaussian_contributions_are_tasches() -> None:
    """σ_k ρ_k φ(z)/(1-p)."""
    chance = np.random.default_rng(3)
    components = chance.normal(size=(400_000, 2)) * [3.0, 4.0]
    one = Group(components.sum(axis=1), np.arange(400_000))
    density = stats.norm.pdf(stats.norm.ppf(0.95)) / 0.05
    assert tail_contributions(one, components) == pytest.approx(
        [9 / 5 * density, 16 / 5 * density], rel=0.02
    )


# Permutation


def test_the_permutation_p_is_small_for_a_real_effect_and_level_for_none() -> None:
    chance = np.random.default_rng(5)
    blocks = np.repeat(np.arange(60), 5)
    stratum = np.repeat([0, 1], 30)
    exposed = np.concatenate([np.arange(8), np.arange(30, 38)])
    hit = np.isin(blocks, exposed)

    def p(shift: float) -> float:
        values = chance.normal(size=300) + hit * shift

        def difference(labels: Ints) -> float:
            return float(values[labels == 1].mean() - values[labels == 0].mean())

        return tails.permutation_p(values, blocks, exposed, stratum, difference, chance)

    assert p(2.0) == pytest.approx(0.001)
    assert np.mean([p(0.0) <= 0.2 for _ in range(60)]) == pytest.approx(0.2, abs=0.16)


def test_seeds_depend_on_tables_and_figure_alone() -> None:
    assert tails.seed("abc", "fetl") == tails.seed("abc", "fetl")
    assert len({tails.seed("abc", "fetl"), tails.seed("abc", "p99"), tails.seed("x", "fetl")}) == 3


# Bad weights, ties, one value


def test_identical_values_have_a_quantile_and_an_interval_of_no_width() -> None:
    one = Quantile(np.full(200, 3.0), None, np.arange(200) // 5, 0.95)
    assert (one.value, one.bounds()) == (3.0, (3.0, 3.0))
    assert one.at_maximum()


def test_all_weight_in_one_control_is_refused() -> None:
    weights = np.zeros(CONTROLS.shortfall_bps.size)
    weights[7] = 1.0
    found = lift(group(40, 5), replace(CONTROLS, weights=weights))
    assert "controls beyond the quantile" in (found.figure.unknown or "")


def test_weights_that_weigh_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match="weights must be above 0"):
        quantile(np.ones(3), 0.5, np.zeros(3))
    with pytest.raises(ValueError, match="no values"):
        quantile(np.empty(0), 0.5)


def test_a_quantile_with_whole_weights_is_that_of_the_values_repeated() -> None:
    """Between the middles of equal values Hazen's rule is flat, so only there it may differ."""
    values, times = np.array([1.0, 2.0, 5.0]), np.array([2.0, 1.0, 3.0])
    repeated = np.repeat(values, times.astype(int))
    assert quantile(values, 0.5, times, "inverse") == quantile(repeated, 0.5, rule="inverse")
    assert quantile(values, 1 / 6, times) == 1.0
    assert quantile(values, 5 / 12, times) == 2.0


# R's survey package


SCRIPT = """
suppressMessages(library(survey)); data(api)
d <- svydesign(id = ~dnum, weights = ~pw, data = apiclus1)
cat(apiclus1$api00, "\\n", apiclus1$dnum, "\\n")
for (q in c(600, 700, 780)) {
  apiclus1$low <- as.numeric(apiclus1$api00 <= q)
  d <- svydesign(id = ~dnum, weights = ~pw, data = apiclus1)
  m <- svymean(~low, d)
  s <- svyciprop(~low, d, method = "beta")
  cat(coef(m), SE(m), attr(s, "ci"), "\\n")
}
"""


@cache
def survey() -> list[list[float]]:
    """What R says of `apiclus1`, a public data set of the package."""
    install = ROOT / "tools" / "provision"
    subprocess.run([install, "system", "Rscript=r-cran-survey"], check=True)
    done = subprocess.run(["Rscript", "-e", SCRIPT], check=True, capture_output=True, text=True)
    return [[float(word) for word in line.split()] for line in done.stdout.splitlines() if line]


@pytest.mark.survey
def test_the_interval_of_a_proportion_is_that_of_rs_survey_package() -> None:
    values, district, *rows = survey()
    cluster = np.array(district, np.int64)
    for q, (share, se, low, high) in zip((600, 700, 780), rows, strict=True):
        scores = (np.array(values) <= q) - share
        sums = np.bincount(np.unique(cluster, return_inverse=True)[1], scores)
        k = sums.size
        variance = k / (k - 1) * float((sums**2).sum()) / len(values) ** 2
        assert np.sqrt(variance) == pytest.approx(se, rel=1e-6)
        found = beta_bounds(share, variance, len(values), k, 0.05)
        assert found == pytest.approx((low, high), rel=1e-6)


@pytest.mark.survey
def test_the_variance_behind_a_quantile_is_that_of_rs_survey_package() -> None:
    values, district, *_ = survey()
    one = Quantile(np.array(values), None, np.array(district, np.int64), 0.5)
    share = float((np.array(values) <= one.value).mean())
    assert share == pytest.approx(0.5, abs=0.01)
    low, high = one.bounds()
    # R: 555 to 717 by its own rule of quantiles.
    assert (low, high) == pytest.approx((555, 717), abs=3)
