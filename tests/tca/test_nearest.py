"""The most similar controls, against MatchIt (X2), statsmodels and by hand (T57, T58)."""

import numpy as np
import pytest
import statsmodels.api as sm

from reconverge.tca.arrays import Floats
from reconverge.tca.nearest import (
    NOBODY,
    logit_propensity,
    mahalanobis,
    nearest,
    outside_support,
    within_caliper,
)
from tests.tca.lalonde import both, column, treated

NAMES = ("age", "educ", "married", "nodegree", "re74", "re75")


def covariates(group: int, *, every_race: bool) -> Floats:
    race = both("race")[group]
    dummies = [np.equal(race, i).astype(float) for i in range(3 if every_race else 2)]
    return np.column_stack([*(both(name)[group] for name in NAMES), *dummies])


@pytest.mark.parametrize("every_race", [True, False])
def test_nearest_by_mahalanobis_with_replacement_is_matchits(every_race: bool) -> None:
    """X2; a dummy that the others determine changes nothing."""
    groups = [covariates(group, every_race=every_race) for group in (0, 1)]
    chosen = nearest(mahalanobis(*groups), 1, replace=True)[:, 0]
    printed = {"age": 25.5405, "educ": 10.4270, "married": 0.1784, "re74": 1788.6941,
               "re75": 1087.7420}  # fmt: skip
    found = [both(name)[1][chosen].mean() for name in printed]
    assert found == pytest.approx(list(printed.values()), abs=5.1e-5)
    smd = {"age": 0.0385, "educ": -0.0403, "married": 0.0276, "re74": 0.0628, "re75": 0.1380}
    for name, value in smd.items():
        exposed, controls = both(name)
        deviation = exposed.std(ddof=1)
        if name == "married":
            deviation = np.sqrt(exposed.mean() * (1 - exposed.mean()))
        assert (exposed.mean() - controls[chosen].mean()) / deviation == pytest.approx(
            value, abs=6e-5
        )


def test_without_replacement_the_farthest_chooses_first_and_each_serves_once() -> None:
    distance = np.array([[1.0, 2.0, 9.0], [5.0, 7.0, 8.0]])
    assert nearest(distance, 1).tolist() == [[1], [0]]
    assert nearest(distance, 2).tolist() == [[1, 2], [0, NOBODY]]
    assert nearest(distance, 2, replace=True).tolist() == [[0, 1], [0, 1]]


def test_forbidden_pairs_are_nobodys() -> None:
    distance = np.array([[np.inf, np.inf], [np.inf, 1.0]])
    assert nearest(distance, 1).tolist() == [[NOBODY], [1]]
    assert nearest(np.empty((2, 0)), 1).tolist() == [[NOBODY], [NOBODY]]


def test_a_caliper_forbids_pairs_of_other_propensity() -> None:
    exposed, controls = np.array([0.0, 1.0]), np.array([0.1, 2.0])
    found = within_caliper(np.ones((2, 2)), exposed, controls)
    assert found.tolist() == [[1.0, np.inf], [np.inf, np.inf]]


def test_the_propensity_is_statsmodels_logit() -> None:
    x = np.column_stack([column(name) for name in NAMES])
    exposed = treated()
    found = logit_propensity(x, exposed)
    model = sm.Logit(exposed.astype(float), sm.add_constant((x - x.mean(0)) / x.std(0)))
    assert found == pytest.approx(model.fit(disp=0).fittedvalues, abs=1e-6)
    assert outside_support(found[exposed], found[~exposed]).mean() < 0.05


def test_exposed_parents_unlike_any_control_are_told() -> None:
    controls = np.arange(1000.0)
    assert outside_support(np.array([4.9, 5.1, 993.9, 994.1]), controls).tolist() == [
        True, False, False, True,
    ]  # fmt: skip
