"""Episodes stay bounded, keep what matters, and their clocks say what they mean."""

import itertools
import random
from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from reconverge.core.control import episode
from reconverge.core.control.episode import EpisodeLog, Series
from reconverge.core.messages.effects import BacklogPoint, DecisionPoint, State


def log() -> EpisodeLog:
    """An episode that began at time 100."""
    return EpisodeLog("S/e1", 100, "hard_failure", "disconnect")


def walk(seed: int, length: int) -> list[int]:
    """A number that wanders: long lists are what hypothesis draws least."""
    rng = random.Random(seed)
    return list(itertools.accumulate(rng.randint(-9, 9) for _ in range(length)))


@given(st.integers(0, 10**9), st.integers(1, 1_000), st.integers(8, 40))
def test_a_series_stays_bounded_and_keeps_its_extremes_and_ends(
    seed: int, length: int, limit: int
) -> None:
    values = walk(seed, length)
    series = Series(key=1, limit=limit)
    for at_ns, value in enumerate(values):
        series.add([at_ns, value])
        assert len(series.points) <= limit
    kept = [value for _, value in series.points]
    assert min(kept) == min(values)
    assert max(kept) == max(values)
    assert (kept[0], kept[-1]) == (values[0], values[-1])
    times = [at_ns for at_ns, _ in series.points]
    assert times == sorted(set(times))


def test_a_full_series_keeps_the_lowest_and_highest_of_each_four_points_between_its_ends() -> None:
    series = Series(key=2, limit=13)
    for at_ns, value in enumerate((5, 3, 1, 2, 4, 9, 6, 8, 7, 1, 2, 3, 5)):
        series.add([at_ns, -value, value])
    assert len(series.points) == 13
    series.add([13, 0, 0])
    kept = [(at_ns, value) for at_ns, _, value in series.points]
    #                  3 1 2 4         9 6 8 7         1 2 3
    assert kept == [(0, 5), (2, 1), (4, 4), (5, 9), (6, 6), (9, 1), (11, 3), (12, 5), (13, 0)]


def test_a_point_that_differs_in_time_alone_says_nothing_new() -> None:
    series = Series(key=1)
    for at_ns, value in enumerate((5, 5, 6, 6, 5)):
        series.add([at_ns, value])
    assert series.points == [[0, 5], [2, 6], [4, 5]]


def test_the_links_downtime_adds_up_over_cycles_and_runs_while_it_is_down() -> None:
    kept = log()
    assert kept.current_link_down_ms(10**9) is None
    kept.link_up(50_000_000)  # it was never down
    kept.link_down(0)
    assert kept.current_link_down_ms(0) == 0
    kept.link_down(400_000_000)  # still the same downtime
    assert kept.current_link_down_ms(500_000_000) == 500
    kept.link_up(800_000_000)
    kept.link_down(2_000_000_000)
    assert kept.current_link_down_ms(2_100_000_000) == 900
    kept.link_up(1_900_000_000)  # a clock that steps back takes nothing away
    assert kept.current_link_down_ms(9_000_000_000) == 800


def test_divergence_runs_from_the_first_disagreement_to_the_end_of_the_latest() -> None:
    agreed = log()
    agreed.diverging(False, 0, 150)
    assert agreed.divergence_ns is None
    kept = log()
    kept.failed(90, 100, None, 100)
    kept.diverging(True, 40, 200)  # it began before the failure: counted from the failure
    assert kept.divergence_ns == 100
    kept.diverging(False, 0, 260)
    kept.diverging(False, 0, 500)
    assert kept.divergence_ns == 160
    kept.diverging(True, 600, 600)
    kept.diverging(False, 0, 700)
    assert kept.divergence_ns == 600


def test_a_silent_divergence_began_before_its_episode() -> None:
    kept = log()
    kept.diverging(True, 40, 100)
    kept.failed(150, 150, None, 150)
    kept.diverging(False, 0, 260)
    assert kept.divergence_ns == 220


def test_fds_is_detection_taken_once_with_dark_time_and_time_to_reentry_beside() -> None:
    silent = log()
    silent.entered(State.CONTROLLED_REENTRY, "parity_proven", 310)
    fields = silent.fields(310)
    clocks = ("failed_event_ns", "fds_ms", "fds_processing_ms", "dark_ms", "reentry_ms")
    assert [fields[name] for name in clocks] == [None] * 5
    kept = log()
    kept.failed(90, 95, 60, 100)
    kept.failed(200, 205, 150, 210)  # the next cycle: the clocks run from the first
    kept.entered(State.CONTROLLED_REENTRY, "parity_proven", 315)
    kept.entered(State.CONTROLLED_REENTRY, "parity_proven", 910)
    fields = kept.fields(900)
    assert fields["failed_event_ns"] == 90
    assert (fields["fds_ms"], fields["fds_processing_ms"]) == (0.000010, 0.000005)
    assert (fields["dark_ms"], fields["fds_clock_ahead"]) == (0.000040, False)
    assert (fields["reentry_ms"], fields["reentry_processing_ms"]) == (0.000225, 0.000215)
    assert fields["cycles"] == 2


def test_two_clocks_are_told_apart_a_negative_skew_is_none_and_flagged() -> None:
    kept = log()
    kept.failed(900, 900, None, 100)
    kept.entered(State.CONTROLLED_REENTRY, "parity_proven", 300)
    fields = kept.fields(0)
    assert (fields["fds_ms"], fields["fds_clock_ahead"]) == (0.0, True)
    assert (fields["fds_processing_ms"], fields["dark_ms"]) == (0.0, None)
    assert (fields["reentry_ms"], fields["reentry_processing_ms"]) == (0.0, 0.0002)


def test_clocks_count_from_time_zero_too_and_may_be_nothing() -> None:
    kept = log()
    kept.failed(0, 0, 0, 0)
    kept.entered(State.CONTROLLED_REENTRY, "parity_proven", 0)
    fields = kept.fields(0)
    assert [fields[n] for n in ("fds_ms", "dark_ms", "reentry_ms")] == [0.0, 0.0, 0.0]


def test_sdl_runs_from_the_latest_crossing_to_the_acknowledgement_of_normal_participation() -> None:
    kept = log()
    kept.acknowledged(9, 100)  # the threshold was not crossed
    kept.confident(True, 200)
    kept.confident(False, 250)
    kept.confident(True, 300)
    kept.confident(True, 350)
    kept.acknowledged(9, 360)  # nothing is awaited before re-entry
    kept.reentry_cap_sequence = 7
    kept.capped(7, normal=False)
    kept.acknowledged(6, 400)  # a cap of the divergence
    assert (kept.sdl_reentry_ns, kept.sdl_ns) == (None, None)
    kept.acknowledged(7, 450)
    assert kept.sdl_reentry_ns == 150
    assert kept.sdl_ns is None
    kept.capped(8, normal=True)
    kept.capped(9, normal=True)
    kept.acknowledged(7, 500)
    assert kept.sdl_ns is None
    kept.acknowledged(8, 600)
    kept.acknowledged(9, 900)
    clocks = kept.fields(0)
    assert (clocks["sdl_reentry_ms"], clocks["sdl_ms"]) == (0.00015, 0.0003)


def test_a_reentry_that_was_lost_is_not_acknowledged_afterwards() -> None:
    kept = log()
    kept.confident(True, 300)
    kept.reentry_cap_sequence = 7
    kept.capped(8, normal=True)
    kept.capped(9, normal=False)
    kept.entered(State.STATE_DIVERGED, "parity_lost", 310)
    kept.acknowledged(9, 400)
    assert (kept.sdl_reentry_ns, kept.sdl_ns) == (None, None)


def test_what_does_not_fit_is_counted_and_said() -> None:
    kept = log()
    for i in range(episode.PATH_MAX + 3):
        kept.entered(State.FAILOVER_DETECTED, "hard_failure", i)
    for i in range(episode.DECISIONS_MAX + 2):
        kept.decided([i, f"C{i}", None, None, 0.5])
    for i in range(episode.ATTESTATIONS_MAX + 2):
        kept.attested(f"jo: {i}")
    assert kept.dropped() == (
        "3 steps of the path not kept", "2 decisions not kept", "2 attestations not kept",
    )  # fmt: skip
    fields = kept.fields(0)
    assert [len(fields[name]) for name in ("path", "decisions", "attestations")] == [
        episode.PATH_MAX, episode.DECISIONS_MAX, episode.ATTESTATIONS_MAX,
    ]  # fmt: skip
    half = episode.PATH_MAX // 2  # the first and the latest half
    steps = [step.at_ns for step in fields["path"]]
    assert steps == [*range(half), *range(half + 3, episode.PATH_MAX + 3)]


def test_backlogs_are_followed_from_when_they_are_first_owed_for_so_many_parents() -> None:
    kept = log()
    kept.owing("early", [100, 0, 0])
    assert not kept.backlog
    for i in range(episode.BACKLOG_PARENTS_MAX + 1):
        kept.owing(f"P{i}", [200, 5, 0])
    kept.owing("P0", [300, 0, 0])
    assert len(kept.backlog) == episode.BACKLOG_PARENTS_MAX
    assert kept.backlog["P0"].points == [[200, 5, 0], [300, 0, 0]]


def test_the_record_tells_of_decisions_and_backlogs_what_was_known_of_them() -> None:
    kept = log()
    kept.decided([130, "C1", "P1", 4, 0.2])
    kept.owing("P1", [130, 50_000_000_000, 10_000_000_000])
    fields = kept.fields(0)
    assert fields["decisions"] == (
        DecisionPoint(at_ns=130, cl_ord_id="C1", parent_id="P1", cap_sequence=4, cap=0.2),
    )
    assert fields["backlog"] == (
        BacklogPoint(at_ns=130, parent_id="P1", qty="50", shortfall_qty="10"),
    )


def test_long_trajectories_keep_the_most_that_was_missing_and_the_least_that_agreed() -> None:
    kept = log()
    for at_ns, value in enumerate(walk(5, 4 * episode.SERIES_MAX)):
        kept.gaps.add([at_ns, 500 + value, at_ns])
        kept.similarity.add([at_ns, 0.5, 0.5 + value / 1_000, at_ns / 10_000])
    values = walk(5, 4 * episode.SERIES_MAX)
    fields = kept.fields(0)
    missing = [point.outstanding for point in fields["gaps"]]
    agreed = [point.settled for point in fields["similarity"]]
    assert len(missing) <= episode.SERIES_MAX
    assert (min(missing), max(missing)) == (500 + min(values), 500 + max(values))
    assert (min(agreed), max(agreed)) == (
        0.5 + min(values) / 1_000, 0.5 + max(values) / 1_000,
    )  # fmt: skip


def test_a_backlog_stays_bounded_and_keeps_its_worst_through_a_handover() -> None:
    kept = log()
    owed = [100 + value for value in walk(3, 4 * episode.BACKLOG_POINTS_MAX)]
    for i, behind in enumerate(owed):
        kept.owing("P", [200 + i, behind, i % 7])
        points = kept.backlog["P"].points
        assert len(points) <= episode.BACKLOG_POINTS_MAX
        assert max(qty for _, qty, _ in points) == max(owed[: i + 1])
        if i == len(owed) // 2:
            kept = EpisodeLog.load(_through_json(kept.dump()))


def test_dump_and_load_keep_everything() -> None:
    kept = log()
    kept.failed(90, 95, 60, 100)
    kept.link_down(90)
    kept.entered(State.FAILOVER_DETECTED, "hard_failure", 100)
    kept.diverging(True, 100, 120)
    kept.gaps.add([120, 3, 0])
    kept.similarity.add([120, 0.5, 1.0, 1.0])
    kept.decided([130, "C1", "P1", 4, 0.2])
    kept.owing("P1", [130, 50, 10])
    kept.attested("jo: seen")
    loaded = EpisodeLog.load(_through_json(kept.dump()))
    assert loaded.dump() == kept.dump()
    assert loaded.fields(500) == kept.fields(500)
    loaded.owing("P1", [140, 60, 10])
    assert len(loaded.backlog["P1"].points) == 2


def _through_json(dumped: dict[str, Any]) -> dict[str, Any]:
    loaded: dict[str, Any] = orjson.loads(orjson.dumps(dumped))
    return loaded
