"""Strata and their coarsening, incidents and exposure, each at its edges (T14-T19, T53-T56)."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconverge.tca import strata, windows
from reconverge.tca.arrays import Ints
from reconverge.tca.fifo import Steps
from reconverge.tca.strata import (
    UNKNOWN,
    UNMATCHED,
    binned,
    eligible,
    half_octaves,
    match,
    terciles,
)
from reconverge.tca.windows import BORN_INSIDE, EXPOSED, OUTSIDE, TOUCHED, Exposure, exposure


def array(*values: int) -> Ints:
    return np.array(values, np.int64)


def keys(size: int, **given_: list[int]) -> dict[str, Ints]:
    """All keys equal, but for those given."""
    return {key: array(*given_.get(key, [0] * size)) for key in strata.KEYS}


def test_bins_are_closed_on_the_left_and_unknown_is_a_class() -> None:
    values = np.array([0.0, 0.499, 0.5, 3.99, 4.0, 1e9, np.nan, -0.1])
    assert binned(values, strata.SPREAD_BPS).tolist() == [0, 0, 1, 3, 4, 4, UNKNOWN, UNKNOWN]


def test_durations_are_binned_by_half_octaves() -> None:
    seconds = np.array([1.0, 1.4143, 2.0, 600.0, 0.0, np.nan])
    assert half_octaves(seconds).tolist() == [0, 1, 2, 18, UNKNOWN, UNKNOWN]


def test_terciles_are_those_of_the_bucket() -> None:
    values = np.array([1.0, 2.0, 3.0, 10.0, 20.0, 30.0, np.nan])
    assert terciles(values, array(0, 0, 0, 1, 1, 1, 1)).tolist() == [0, 1, 2, 0, 1, 2, UNKNOWN]


def test_one_control_is_enough_where_nothing_was_coarsened() -> None:
    found = match(keys(1), keys(1))
    assert (found.level.tolist(), found.weights.tolist(), found.share) == ([0], [1.0], 1.0)


@pytest.mark.parametrize(
    ("other", "level"),
    [
        ({"side": 1}, 1),
        ({"side": 1, "time_of_day": 3}, 2),  # the same two hours
        ({"vol": 2}, 3),
        ({"vol": 2, "side": 1, "time_of_day": 1}, 3),
        ({"spread": 1}, 4),  # both below a basis point
    ],
)
def test_keys_are_given_up_in_a_fixed_order(other: dict[str, int], level: int) -> None:
    controls = keys(5, **{key: [value] * 5 for key, value in other.items()})
    assert match(keys(1), controls).level.tolist() == [level]
    four = {key: column[:4] for key, column in controls.items()}
    assert match(keys(1), four).level.tolist() == [UNMATCHED]


@pytest.mark.parametrize(
    "other", [{"time_of_day": 4}, {"spread": 2}, {"duration": 1}, {"bucket": 1}, {"urgency": 1}]
)
def test_what_is_never_given_up_leaves_a_parent_unmatched(other: dict[str, int]) -> None:
    controls = keys(9, **{key: [value] * 9 for key, value in other.items()})
    found = match(keys(2), controls)
    assert found.level.tolist() == [UNMATCHED] * 2
    assert (found.share, found.strata, found.weights.sum()) == (0.0, 0, 0.0)


def test_unknown_is_matched_with_unknown() -> None:
    controls = keys(3, spread=[UNKNOWN, 1, UNKNOWN])
    found = match(keys(1, spread=[UNKNOWN]), controls)
    assert found.weights.tolist() == [1.0, 0.0, 1.0]


def test_without_controls_or_exposed_nobody_is_matched() -> None:
    assert match(keys(2), keys(0)).level.tolist() == [UNMATCHED] * 2
    empty = match(keys(0), keys(2))
    assert (empty.share, empty.weights.tolist()) == (0.0, [0.0, 0.0])


def test_groups_with_other_keys_are_refused() -> None:
    with pytest.raises(ValueError, match="other keys"):
        match(keys(1), {"side": array(0)})


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 999), st.integers(1, 30), st.integers(1, 60))
def test_weights_make_the_controls_of_each_stratum_count_as_its_exposed(
    seed: int, exposed: int, controls: int
) -> None:
    """Against counting by hand, stratum by stratum and level by level."""
    chance = np.random.default_rng(seed)
    groups = [
        {key: chance.integers(0, 2 if key != "time_of_day" else 6, size) for key in strata.KEYS}
        for size in (exposed, controls)
    ]
    found = match(groups[0], groups[1])
    ladders = [strata.levels(group) for group in groups]
    wanted = np.zeros(controls)
    for i in range(exposed):
        for level, (mine, theirs) in enumerate(zip(*ladders, strict=True)):
            same = np.all([theirs[key] == mine[key][i] for key in mine], axis=0)
            if same.sum() >= (5 if level else 1):
                assert found.level[i] == level
                wanted += same / same.sum()
                break
        else:
            assert found.level[i] == UNMATCHED
    if wanted.any():
        wanted *= (wanted > 0).sum() / wanted.sum()
    assert found.weights == pytest.approx(wanted)


def test_the_pool_of_controls_is_untouched_recent_and_elsewhere() -> None:
    age = np.array([0.0, 60.0, 61.0, -1.0, 5.0, 5.0])
    touched = np.array([False, False, False, False, True, False])
    spill = np.array([False, False, False, False, False, True])
    assert eligible(touched, age, spill).tolist() == [True, True, False, False, False, False]


# Incidents and exposure


def test_episodes_that_overlap_through_others_are_one_incident() -> None:
    begin, end = array(50, 0, 8, 20, 0), array(60, 10, 21, 30, 5)
    venue = array(0, 0, 0, 0, 1)
    assert windows.incidents(begin, end, venue).tolist() == [2, 0, 0, 0, 1]
    assert windows.incidents(begin, end, venue * 0).tolist() == [1, 0, 0, 0, 0]
    touching = windows.incidents(array(0, 10, 21), array(10, 20, 30), array(0, 0, 0))
    assert touching.tolist() == [0, 0, 1]
    assert windows.incidents(array(), array(), array()).size == 0


def test_a_long_episode_holds_all_that_began_in_it() -> None:
    assert windows.incidents(array(0, 1, 50), array(100, 2, 60), array(0, 0, 0)).tolist() == [0] * 3


WINDOWS = windows.windows(1000, 2000, 3000, 9000)
DUE = Steps(array(999, 1000, 1999, 2000), array(1, 2, 4, 8))


@pytest.mark.parametrize(
    ("live", "schedule", "open_qty", "expected"),
    [
        ((0, 9000), DUE, 0, Exposure(EXPOSED, 6 / 20)),
        ((0, 9000), Steps(array(999, 2000), array(1, 1)), 0, Exposure(TOUCHED, 0.0)),
        ((0, 9000), Steps(array(999, 2000), array(1, 1)), 1, Exposure(EXPOSED, 0.0)),
        ((999, 9000), DUE, 0, Exposure(EXPOSED, 6 / 20)),
        ((1000, 9000), DUE, 5, Exposure(BORN_INSIDE, 0.0)),
        ((1999, 9000), DUE, 0, Exposure(BORN_INSIDE, 0.0)),
        ((2000, 9000), DUE, 0, Exposure(OUTSIDE, 0.0)),
        ((0, 1000), DUE, 0, Exposure(OUTSIDE, 0.0)),
        ((0, 1001), DUE, 0, Exposure(EXPOSED, 6 / 20)),
    ],
)
def test_exposure_is_what_was_intended_before_the_failure(
    live: tuple[int, int], schedule: Steps, open_qty: int, expected: Exposure
) -> None:
    assert exposure(live, schedule, 20, open_qty, WINDOWS) == expected


def test_windows_end_with_observation_where_an_episode_did_not() -> None:
    assert windows.windows(1000, None, None, 9000)[1:] == (1000, 9000, 9000)
    assert WINDOWS.pre_ns == 1000 - 900 * 10**9
    assert WINDOWS.recovery_end(2500, 9000) == 3000
    assert WINDOWS.recovery_end(4000, 9000) == 4000
    assert WINDOWS.recovery_end(4000, 3500) == 3500


def test_a_parent_in_two_incidents_belongs_to_the_first() -> None:
    found = windows.membership(
        array(7, 4), array(200, 100), [0.25, 0.5], array(1, 2), np.array([False, True])
    )
    assert found == (4, 0.75, 2, True)
    with pytest.raises(ValueError, match="exposed to nothing"):
        windows.membership(array(), array(), [], array(), np.array([], bool))


def test_what_began_too_late_has_not_had_time_to_be_slow() -> None:
    assert windows.mature(array(0, 40, 41), 100, 60).tolist() == [True, True, False]
