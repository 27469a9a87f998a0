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


def test_an_unknown_path_is_up_from_the_first_word_of_the_venue() -> None:
    up = told("+0 entry< logon\n+1 entry< missed\n+1 entry< new A 0/100")
    assert up.path.up
    assert not up.path.failed


# -- freshness -----------------------------------------------------------------------------------


def lag_ms(script: str) -> float:
    scenario = Scenario()
    scenario.play(script)
    summary = scenario.partition.sessions["S"].truth.summary(scenario.now_ns, 0)
    return summary.lag_ns / 1e6


@pytest.mark.parametrize(
    ("script", "lag"),
    [
        ("+0 entry+DC1< logon hb=2\n+1 tick", 0),
        ("+0 entry+DC1< logon hb=2\n+5 tick", 3_000),
        ("+0 entry+DC1< logon hb=2\n+5 entry< heartbeat", 3_000),
        ("+0 entry+DC1< logon hb=2\n+5 DC1< heartbeat", 3_000),
        ("+0 entry+DC1< logon hb=2\n+4 entry< disconnect\n+2 DC1< heartbeat", 0),
        ("+0 entry< logon hb=0\n+0 DC1< logon hb=2\n+2 tick", 0),  # no interval to go by
        ("+0 entry+DC1< logon\n+0 DC1< heartbeat ago=1.5\n+9 tick", 1_500),
        ("+0 entry+DC1< logon\n+9 DC1< logon #1 dup ago=9", 0),  # resent: no news
        ("+0 entry< logon\n+9 DC1< logon #1 dup ago=9", 0),  # nor is the first that is heard
        ("+0 entry+DC1< logon\n+9 DC1< heartbeat #7\n+2 tick", 2_000),
        ("+0 entry+DC1+DC2< logon hb=2\n+4 entry+DC1< heartbeat", 2_000),
        ("+0 entry+DC1+DC2< logon hb=2\n+4 entry+DC2< heartbeat", 2_000),
        ("+0 entry+DC1< logon hb=2\n+0 DC1< heartbeat seg=X\n+2 entry+DC1< heartbeat", 0),
        # a segment that began with the same batch is where the channel speaks from now on
        ("+0 entry+DC1< logon hb=2\n+0 DC1< heartbeat seg=X\n+2 entry< heartbeat", 2_000),
    ],
)  # fmt: skip
def test_the_lag_is_that_of_the_least_fresh_source(script: str, lag: float) -> None:
    assert lag_ms(script) == lag


def test_without_drop_copy_the_lag_is_infinite() -> None:
    assert lag_ms("+0 entry< logon") == float("inf")


def test_what_is_missing_or_lost_adds_up_over_the_sources() -> None:
    scenario = Scenario()
    scenario.play(
        "+0 entry+DC1+DC2< logon\n+1 entry< heartbeat #5\n+1 DC1< heartbeat #9\n"
        "+1 DC2< reset 4\n+1 DC2< heartbeat #6"
    )
    summary = scenario.partition.sessions["S"].truth.summary(scenario.now_ns, 0)
    assert (summary.outstanding, summary.unrecoverable) == (3 + 7 + 2, 2)
    assert summary.oldest_gap_ns == START_NS + SECOND_NS


def test_a_snapshot_whose_first_word_was_the_latest_heard_is_of_that_moment() -> None:
    """R17: doubt is dated by the latest event, which may be what begins the snapshot."""
    kept = told("+0 entry< logon\n+1 entry< mass-status R1 #9\n+1 entry< mass-end R1 0")
    begun_ns = START_NS + SECOND_NS
    found = [kept.summary(begun_ns + SECOND_NS, begun_ns + past).complete for past in (0, 1)]
    assert found == [True, False]


# -- parents -------------------------------------------------------------------------------------


def test_a_schedule_is_a_staircase() -> None:
    parent = Parent([10, 20], [5, 9], None)
    assert [parent.scheduled(at) for at in (9, 10, 19, 20, 99)] == [0, 5, 5, 9, 9]
    assert parent.rest(12) == (20, 4)
    assert Parent([], [], None).rest(12) == (12, 0)


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
    kept.parents.end("B")
    assert kept.parents.sigma_bps(157.0) == 90
    kept.parents.end("B")  # the desk may say so twice
    kept.parents.end("A")
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
