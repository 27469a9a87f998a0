"""Truth beyond numbers and orders: the path, freshness, parents, parking, what is left."""

import pytest

from reconverge.core import parents
from reconverge.core.control.policy import parse
from reconverge.core.parents import Parent
from reconverge.core.partition import Partition
from reconverge.core.truth import Truth
from reconverge.core.venue import Limits
from tests.scenarios.transcript import Scenario
from tests.scenarios.words import SECOND_NS, START_NS

UNIT = 1_000_000_000
"""One share, in nanos."""


def told(script: str) -> Truth:
    """What is known of session S after a script."""
    return folded(script).sessions["S"].truth


def folded(script: str) -> Partition:
    scenario = Scenario()
    scenario.play(script)
    return scenario.partition


def failures(script: str) -> int:
    """Hard failures that a script amounts to."""
    scenario = Scenario()
    scenario.play(script)
    return sum(signal == "hard_failure" for _, signal in scenario.transitions)


# -- the path ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("script", "path_up"),
    [
        ("+0 entry> logon", None),
        ("+0 entry< logon", True),
        ("+0 entry< heartbeat #900", True),  # a cold start in the middle of the day
        ("+0 DC1< logon", None),
        ("+0 entry< logon\n+1 DC1< disconnect", True),
        ("+0 entry< logon\n+1 DC1< logout", True),
        ("+0 entry< logon\n+1 DC1< missed", True),
        ("+0 entry< logon\n+1 DC1< switched backup", True),
        ("+0 entry< logon\n+1 entry< disconnect", False),
        ("+0 entry< logon\n+1 entry< missed", None),
        ("+0 entry< logon\n+1 entry< missed\n+1 entry< heartbeat", True),
        ("+0 entry< logon\n+1 entry< heartbeat #1\n+1 entry< missed\n+1 entry< heartbeat", True),
        ("+0 entry< logon\n+1 entry< disconnect\n+1 entry< missed", False),
        ("+0 entry< logon\n+1 entry< disconnect\n+1 entry< heartbeat", False),  # a late one
        ("+0 entry< logon\n+1 entry< switched backup", None),
        ("+0 entry< logon\n+1 entry< switched backup clean", True),
        ("+0 entry< logon\n+1 entry< disconnect\n+1 entry< switched backup", False),
        ("+0 entry< logon\n+1 entry> logout\n+1 entry< logout", False),
    ],
)
def test_what_each_event_makes_of_the_path(script: str, path_up: bool | None) -> None:
    assert told(script).path.up is path_up


@pytest.mark.parametrize(
    ("script", "count"),
    [
        ("+1 entry< disconnect\n+1 entry< missed\n+1 entry< switched backup", 1),
        ("+1 entry< disconnect ; entry< logon ; entry< disconnect", 2),
        # a logon that is refused brings no path back
        ("+1 entry< disconnect\n+1 entry< logon #1\n+1 entry< disconnect", 1),
        ("+1 entry< disconnect\n+1 entry> logon\n+1 entry< disconnect", 1),
        # a violation leaves the path up: what takes it down is a failure of its own
        ("+1 entry< heartbeat #1\n+1 entry< disconnect", 2),
        ("+1 entry< heartbeat #1\n+0 entry< heartbeat #1", 2),
        ("+1 DC1< heartbeat #1\n+1 entry< disconnect", 1),
        # closed in order: nothing is left that could fail
        ("+1 entry> logout\n+1 entry< logout\n+1 entry< missed\n+1 entry< switched backup", 0),
        ("+1 entry< missed\n+1 entry< heartbeat\n+1 entry< missed", 2),
        ("+1 entry< logout", 1),
        ("+1 entry< logout\n+1 entry< disconnect", 1),
        ("+1 entry> logout\n+1 entry< logout\n+1 entry< disconnect", 0),
        ("+1 entry> logout\n+1 entry< logout\n+1 entry< logon\n+1 entry< logout", 1),
        ("+1 entry> logout\n+1 entry< disconnect", 1),  # never answered
        ("+1 entry< heartbeat #1", 1),
        ("+1 entry< heartbeat #1\n+1 entry< heartbeat\n+1 entry< heartbeat #1", 2),
    ],
)
def test_signs_of_one_failure_are_one_failure(script: str, count: int) -> None:
    assert failures("+0 entry+DC1< logon\n+0 entry< heartbeat\n" + script) == count


@pytest.mark.parametrize("script", ["+0 entry< logout", "+0 entry< disconnect"])
def test_a_failure_may_be_the_first_that_is_heard(script: str) -> None:
    assert failures(script) == 1


@pytest.mark.parametrize(
    ("script", "link", "closed"),
    [
        ("+0 DC1< logon", "unknown", False),
        ("+0 entry< logon", "up", False),
        ("+0 entry< logon\n+1 entry< missed", "unknown", False),
        ("+0 entry< logon\n+1 entry< disconnect", "down", False),
        ("+0 entry< logon\n+1 entry> logout\n+1 entry< logout", "closed", True),
        ("+0 entry< logon\n+1 entry> logout\n+1 entry< disconnect", "down", False),
        ("+0 entry< logon\n+1 entry> new A\n+1 entry> logout\n+1 entry< logout", "closed", False),
        ("+0 entry< logon\n+1 entry> logout\n+1 entry< logout\n+1 entry< logon", "up", False),
    ],
)
def test_a_link_is_closed_by_two_logouts_a_session_with_nothing_in_flight(
    script: str, link: str, closed: bool
) -> None:
    truth = told(script)
    assert (truth.path.link, truth.closed) == (link, closed)


def test_further_signs_of_a_failure_look_up_the_requests_in_flight_anew() -> None:
    """Sent while the path was down: in flight too."""
    script = "+0 entry+DC1< logon\n+1 entry< disconnect\n+0.1 entry> new A"
    found = [
        folded(text).sessions["S"].control.in_flight_at_failure
        for text in (script, script + "\n+0.1 entry< disconnect")
    ]
    assert found == [False, True]


def test_an_unknown_path_is_up_from_the_first_word_of_the_venue() -> None:
    up = told("+0 entry< logon\n+1 entry< missed\n+1 entry< new A 0/100")
    assert up.path.up
    assert not up.path.failed


# -- parents -------------------------------------------------------------------------------------


def test_a_schedule_is_a_staircase() -> None:
    parent = Parent([10, 20], [5, 9], None, linear=False, executed_before=0)
    assert [parent.scheduled(at) for at in (9, 10, 19, 20, 99)] == [0, 5, 5, 9, 9]
    assert parent.rest(12) == (20, 4)
    assert Parent([], [], None, linear=False, executed_before=0).rest(12) == (12, 0)


def test_a_line_comes_due_evenly_between_its_points() -> None:
    parent = Parent([10, 20, 40], [4, 10, 10], None, linear=True, executed_before=0)
    assert [parent.scheduled(at) for at in (9, 10, 15, 19, 20, 30, 40, 99)] == [
        0, 4, 7, 9, 10, 10, 10, 10,
    ]  # fmt: skip
    assert parent.rest(15) == (40, 3)


@pytest.mark.parametrize(
    ("schedule", "flagged"),
    [
        ("0:0 60:10", True),
        ("60:10", True),
        ("0:0 30:0 60:10", True),
        ("30:5 60:10", False),
        ("0:10", False),  # all at once, now
        ("60:0", False),
        ("", False),
        ("0:0 60:10 schedule_shape=linear", False),
    ],
)
def test_a_schedule_whose_only_step_is_its_end_is_flagged(schedule: str, flagged: bool) -> None:
    """TCA T20: a step at the end means that nothing is late before; a line may be meant."""
    scenario = Scenario()
    scenario.play(f"+0 entry< logon\n+1 parents parent P 10 {schedule}")
    names = [getattr(effect, "name", "") for effect in scenario.effects]
    assert ("one_step_schedule" in names) is flagged


def test_an_id_used_again_after_its_parent_ended_is_another_parent() -> None:
    script = (
        "+0 entry+DC1< logon\n+0 parents parent P 100 0:0 1:100\n"
        "+0 entry> new A 150 parent=P\n+1 entry< trade A 60 60/40\n"
    )
    restated = "+1 parents parent P 100 0:100\n"
    ended = "+1 parents done P\n"
    owed = {
        name: [backlog.qty // UNIT for backlog in told(text).backlogs(START_NS + 9 * SECOND_NS)]
        for name, text in {
            "": script,
            "restated": script + restated,
            "ended": script + ended,
            "again": script + ended + restated,
            "again and restated": script + ended + restated + restated,
            "late fill": script + ended + "+0 entry< trade A 20 80/20\n" + restated,
        }.items()
    }
    assert owed == {
        "": [40], "restated": [40], "ended": [], "again": [100], "again and restated": [100],
        "late fill": [100],
    }  # fmt: skip


@pytest.mark.source
def test_the_oldest_parent_goes_when_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parents, "PARENTS_MAX", 2)
    script = "+0 entry< logon\n" + "".join(f"+0 parents parent {p} 10 0:10\n" for p in "ABAC")
    assert list(told(script).parents.by_id) == ["A", "C"]  # A came again after B


def test_the_wildest_parent_bounds_the_catch_up() -> None:
    kept = told(
        "+0 parents parent A 10 0:10 sigma_bps=90\n+0 parents parent B 10 0:10 sigma_bps=210\n"
        "+0 parents parent C 10 0:10"
    )
    assert kept.parents.sigma_bps(157.0) == 210
    kept.end_parent("B")
    assert kept.parents.sigma_bps(157.0) == 90
    kept.end_parent("B")  # the desk may say so twice
    kept.end_parent("A")
    assert kept.parents.sigma_bps(157.0) == 157


def test_backlog_is_scheduled_less_executed_and_never_negative() -> None:
    kept = told(
        "+0 entry+DC1< logon\n+0 parents parent P 300 10:100 20:300\n"
        "+0 parents parent Q 40 10:40\n"
        "+0 entry> new A 150 parent=P\n+1 entry< trade A 150 150/0"
    )
    found = [kept.backlogs(START_NS + s * SECOND_NS) for s in (5, 12, 21)]
    assert [(b.parent_id, b.qty, b.normal_per_s, b.horizon_s) for seen in found for b in seen] == [
        ("P", 0, 20 * UNIT, 15), ("Q", 0, 8 * UNIT, 5),
        ("P", 0, 25 * UNIT, 8), ("Q", 40 * UNIT, 0, 0),
        ("P", 150 * UNIT, 0, 0), ("Q", 40 * UNIT, 0, 0),
    ]  # fmt: skip


# -- parking and what is left --------------------------------------------------------------------


@pytest.mark.source
def test_numbers_that_cannot_be_told_apart_any_more_park_the_session(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("reconverge.core.sequences.gaps.GAPS_MAX", 3)
    every_other = "".join(f"+0 entry< heartbeat #{2 * n}\n" for n in range(2, 8))
    parked = told("+0 entry+DC1< logon\n" + every_other).parked
    assert parked is not None
    assert parked.startswith("entry: ")


def test_a_snapshot_of_one_instrument_proves_nothing_of_the_session() -> None:
    script = "+0 entry+DC1< logon\n+0 park lost\n"
    script += "+1 entry< mass-status R1{}\n+0 entry< mass-end R1 0"
    assert told(script.format(" sym=ACME")).parked == "lost"
    assert told(script.format("")).parked is None


def test_what_is_left_open_is_named() -> None:
    kept = told(
        "+0 entry+DC1< logon\n+0 entry> new A\n+0 DC1< new A 0/100\n"
        "+0 DC1< reset 9\n+0 entry< heartbeat #5\n+0 entry< gap 9-"
    )
    assert list(kept.unresolved()) == [
        "entry: 2-4 missing",
        "entry: 6- missing",
        "DC1: 6 unrecoverable",
        "VA ACME: entry sent 0, venue open 100, in flight: new A",
    ]


def test_a_policy_bounds_resends_and_attempts() -> None:
    """R12, R18."""
    kept = Truth("S", {})
    replay = {"resend_timeout_ms": 5_000, "attempts_max": 3, "attempts_window_ms": 7_000}
    kept.set_limits(parse({"replay": replay}).limits)
    assert kept.sequences.limits == Limits(5 * SECOND_NS, 3, 7 * SECOND_NS)


def test_only_a_change_of_the_latch_is_told() -> None:
    scenario = Scenario()
    scenario.play("+0 entry< logon\n" + "+0 control safe-mode on jo why\n" * 2)
    assert sum(effect.type == "alert" for effect in scenario.effects) == 1
