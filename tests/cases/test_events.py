"""Inputs that were answered wrongly once (``events/``), each with its right answer.

Each stands for a kind of fault. Expectations are written by hand, from the rule that is cited.
"""

from functools import cache
from typing import Any, NamedTuple

import pytest
from msgspec.structs import replace

from reconverge.core.control import Policy, parse
from reconverge.core.messages.desk import Attestation, ParentOrder
from reconverge.core.messages.effects import Components
from reconverge.core.messages.events import Event
from reconverge.core.messages.units import decimal_text
from reconverge.core.venue import Venue
from tests.cases.checks import (
    Check,
    alerts,
    at_least,
    at_most,
    enters,
    every_cap,
    holds,
    instruments_at_least,
    never_in,
    no_alert,
)
from tests.cases.replayed import HERE, Replayed

UNSCATHED = every_cap("agreement stays", lambda cap: _agreed(cap.components) == 1, 11, 60)
FULL = 1.0


def _agreed(components: Components) -> float:
    return min(components.similarity, components.quantity, components.in_flight)


def views(order: str, executed: int, open_: int) -> Check:
    """Both views of an order have executed, and have open, so much."""

    def check(played: Replayed) -> None:
        found = played.partition.sessions["S"].truth.orders.find(order)
        assert found is not None
        for view in (found.entry, found.venue):
            assert (decimal_text(view.cum), decimal_text(view.open)) == (str(executed), str(open_))

    return check


def in_flight(count: int) -> Check:
    """So many requests are in flight at the end."""
    return holds(
        "in flight",
        lambda played: played.partition.sessions["S"].truth.orders.in_flight_total == count,
    )


def backlog(*quantities: str) -> Check:
    """What a parent was behind, as the first episode tells it, by its first points."""

    def check(played: Replayed) -> None:
        points = [point.qty for point in played.episodes[0].backlog]
        assert tuple(points[: len(quantities)]) == quantities, points

    return check


def refused(count: int) -> Check:
    """So many lines are set aside, and the others are folded."""

    def check(played: Replayed) -> None:
        assert len(played.refused) == count, played.refused
        assert played.caps

    return check


def first_episode(**fields: Any) -> Check:
    """The first episode says so."""

    def check(played: Replayed) -> None:
        episode = played.episodes[0]
        assert {name: getattr(episode, name) for name in fields} == fields

    return check


class Case(NamedTuple):
    """How a file is played, and what must come of it."""

    end_s: float
    checks: tuple[Check, ...]
    policy: dict[str, Any] = {}  # noqa: RUF012 - never changed
    venue: Venue | None = None


EVENTS: dict[str, Case] = {
    # R29 R39: an unanswered market order is ambiguous
    "unpriced_order_in_flight": Case(
        60, (enters("STATE_DIVERGED"), never_in("CONTROLLED_REENTRY"), at_most(0.5, 12))
    ),
    # R42: one of two market segments falls silent at once
    "concurrent_segment_falls_silent": Case(
        60, (alerts("source_silent", 1, "DC"), at_most(0.0, 7, 59))
    ),
    # DOMAIN 9: the witness is broken, the path is not; the disconnect is a failure of its own
    "witness_violation_then_disconnect": Case(
        45,
        (
            enters("STATE_DIVERGED", "FAILOVER_DETECTED"),
            never_in("CONTROLLED_REENTRY"),
            alerts("witness_violated"),
        ),
    ),
    # DOMAIN 10: the others keep trading
    "one_symbol_late_of_three": Case(30, (instruments_at_least(0.9, 12, 30, "S0"),)),
    "policy_names_an_untraded_symbol": Case(
        16,
        (
            every_cap("its policy's", lambda cap: cap.symbols["XYZ"].cap <= 0.2, 3, 16),
            every_cap("before its first order", lambda cap: cap.symbols["XYZ"].cap == 0.2, 3, 14),
            at_least(1.0, 11, 16),
        ),
    ),
    # R43 S9: refused at the edge or folded, never a traceback
    "tiny_sigma": Case(60, (holds("refused", lambda played: len(played.refused) == 1),)),
    "huge_cap_sequence": Case(60, (refused(1),)),
    "huge_heartbeat": Case(60, (refused(2),)),
    "huge_gaps_of_three_sources": Case(60, (refused(3),)),
    # R31 DOMAIN 9: drop copy has 990 of 1000 filled
    "lost_fills_silent": Case(
        30,
        (
            enters("STATE_DIVERGED"),
            at_most(0.05, 12),
            every_cap("frozen", lambda cap: cap.freeze_expansion, 13, 30),
            first_episode(cause="silent_divergence"),
        ),
    ),
    # DOMAIN 8: not unseen; retired by an attestation that names it, below
    "channel_heard_once": Case(60, (alerts("source_silent", 1, "DC2"),)),
    # DOMAIN 8: 30 s where none is stated
    "interval_unknown": Case(100, (at_least(FULL, 11, 100), no_alert("source_silent"))),
    # DOMAIN 8: clipped and flagged, recovery is not held up
    "one_future_event": Case(60, (alerts("clock_ahead_source", 1, "DC"), at_least(FULL, 30))),
    # DOMAIN 6: late is not wrong
    "drop_copy_600ms_late": Case(
        44,
        (
            every_cap("agreement", lambda cap: _agreed(cap.components) == 1, 13, 44),
            at_least(0.97, 13, 44),
            at_most(0.99, 14, 44),
        ),
    ),
    # DOMAIN 6: the second doubt has its own grace
    "doubt_changes_kind": Case(30, (at_least(0.85, 11, 30), never_in("STATE_DIVERGED"))),
    # DOMAIN 8: the cap dips, it does not go to 0
    "small_session": Case(30, (at_least(0.5, 11, 30), never_in("STATE_DIVERGED"))),
    "one_old_message": Case(40, (at_least(FULL, 11, 40),)),
    # DOMAIN 9: as in HEALTHY
    "reorder_in_stable": Case(
        60, (enters("STABLE"), holds("once", lambda p: "parity_lost" not in p.signals))
    ),
    # DOMAIN 9: nothing to prove: back by the dwells alone, at 36 s instead of at 54 s
    "idle_blip": Case(36, (enters("CONTROLLED_REENTRY", "STABLE"), at_least(FULL, 35, 36))),
    # DOMAIN 8
    "drop_copy_down_alone": Case(
        60,
        (
            alerts("source_silent", 1, "DC: disconnected"),
            every_cap("says why", lambda cap: cap.reason == "freshness", 14, 60),
        ),
    ),
    # R17: adopted by an attestation, below; without it, its doubt stays
    "order_only_on_drop_copy": Case(40, (enters("STATE_DIVERGED"), at_most(0.2, 15, 40))),
    # R41
    "pending_before_the_open": Case(60, (UNSCATHED, at_least(FULL, 11, 60))),
    # DOMAIN 9: with a cancel unanswered
    "probation_ends_ambiguous": Case(110, (enters("STABLE"), never_in("HEALTHY"))),
    # R40
    "cold_start": Case(
        23,
        (
            alerts("cold_start"),
            at_most(0.2, 0, 23),
            every_cap("says why", lambda cap: cap.reason == "cold_start", 3, 23),
        ),
    ),
    # TCA T20: a schedule whose only step is its end
    "two_point_schedule": Case(60, (alerts("one_step_schedule"), backlog())),
    "parent_id_again": Case(30, (backlog("100"),)),
    # R38
    "ack_after_fill": Case(40, (views("V", 40, 60),)),
    # R31: a drop copy of fills is compared in what it can say
    "fills_only_drop_copy": Case(
        20, (at_least(FULL, 11, 20),), venue=Venue(id="fills", drop_copy="fills_only")
    ),
    # R5
    "ioc_request_after_its_fill": Case(30, (in_flight(0), at_least(FULL, 11, 30))),
    "negative_quantity": Case(30, (refused(2), UNSCATHED)),
    # DOMAIN 11: a cap of the divergence ends no SDL
    "ack_of_a_diverged_cap": Case(30, (first_episode(sdl_ms=None, sdl_reentry_ms=None),)),
    # DOMAIN 11: 13 s to 16 s. With the default patience drop copy is only late.
    "divergence_before_the_episode": Case(
        20,
        (first_episode(divergence_ms=3000.0),),
        policy={"freshness": {"lag_hard_ms": 1_000}},
    ),
    # DOMAIN 10
    "guardrail_releases_safe_mode": Case(
        50, (refused(1), at_most(0.05, 13, 50), no_alert("safe_mode_off"))
    ),
}


@cache
def played(name: str) -> Replayed:
    """A file of ``events/``, once for all tests."""
    case = EVENTS[name]
    policy = parse(case.policy) if case.policy else Policy()
    return Replayed(HERE / "events" / f"{name}.jsonl", case.end_s, policy, case.venue)


@pytest.mark.parametrize("name", EVENTS)
def test_the_right_answer(name: str) -> None:
    for check in EVENTS[name].checks:
        check(played(name))


@pytest.mark.parametrize("name", EVENTS)
def test_what_was_folded_can_be_handed_over(name: str) -> None:
    found = played(name)
    later_ns = found.partition.now_ns + 7_000_000_000
    loaded = found.handed_over()
    assert list(loaded.dump()) == list(found.handed_over().dump())
    assert loaded.settle(later_ns) == found.handed_over().settle(later_ns)


def test_every_file_has_its_answer() -> None:
    assert {path.stem for path in (HERE / "events").glob("*.jsonl")} == set(EVENTS)


# -- the same inputs, mended as the product offers -------------------------------------------------


def test_a_channel_that_is_gone_is_retired_by_an_attestation_that_names_it() -> None:
    def retire(event: Event) -> Event:
        is_attestation = isinstance(event, Attestation)
        return replace(event, channels_retired=("DC2",)) if is_attestation else event

    mended = Replayed(HERE / "events" / "channel_heard_once.jsonl", 60, changed=retire)
    assert not mended.alerts("source_silent")
    at_least(FULL, 25, 60)(mended)


def test_a_linear_schedule_is_a_line() -> None:
    def line(event: Event) -> Event:
        is_parent = isinstance(event, ParentOrder)
        return replace(event, schedule_shape="linear") if is_parent else event

    mended = Replayed(HERE / "events" / "two_point_schedule.jsonl", 60, changed=line)
    assert not mended.alerts("one_step_schedule")
    points = [(p.at_ns - mended.start_ns, float(p.qty)) for p in mended.episodes[0].backlog]
    assert points[-1][1] > 100
    for at_ns, qty in points:
        assert qty == pytest.approx(min(1_000, (at_ns / 1e9 - 12) * 10), abs=1)
