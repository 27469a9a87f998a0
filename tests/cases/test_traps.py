"""Inputs on which a plausible reading of the rules is unsafe or stuck (``traps/``).

Every file once gave, or would have given, a cap that a wrong belief held up, or a session that
never came back. The bounds are written by hand, from the incident that each file stands for; the
fault starts at 20 s.
"""

from functools import cache

import pytest

from reconverge.core.venue import Venue
from tests.cases.checks import (
    Check,
    alerts,
    at_least,
    at_most,
    enters,
    every_cap,
    never_in,
    never_rises,
)
from tests.cases.replayed import HERE, Replayed


def fails_once(played: Replayed) -> None:
    """One hard failure, one cycle."""
    assert played.signals.count("hard_failure") == 1
    assert played.episodes[0].cycles == 1


TRAPS: dict[str, tuple[float, tuple[Check, ...]]] = {
    # the gateway hangs with its link up: heartbeats every 30 s, orders go unanswered
    "entry_hung": (60, (at_most(0.5, 26),)),
    # drop copy tells 20 fills, order entry is silent
    "fills_on_drop_copy_only": (60, (at_most(0.05, 22),)),
    # a drop copy that beats every 30 s loses fills
    "drop_copy_loses_fills": (60, (at_most(0.7, 22), at_most(0.05, 26))),
    # a lost fill of 9,000; the order is replaced every 300 ms: no replace restarts that doubt
    "replace_storm": (60, (at_most(0.05, 22),)),
    # both feeds die in REPLAY_SYNCING
    "both_die_while_syncing": (60, (never_rises(20.3), never_in("CONTROLLED_REENTRY"))),
    # a replay stalls at 990 of 1000 (from 24.4 s on), and drop copy shows 20 fills
    "replay_stalls": (60, (never_rises(25.4), never_in("CONTROLLED_REENTRY"))),
    # drop copy's clock steps back an hour, and it loses fills
    "drop_copy_clock_back": (60, (at_most(0.05, 25),)),
    # five market orders of 200 are unanswered at the failure, and stay so
    "unpriced_lost_of_200": (90, (never_in("CONTROLLED_REENTRY"), at_most(0.5, 20, 90))),
    # immediate fills that a live drop copy never tells
    "ioc_fills_never_on_drop_copy": (
        60,
        (at_most(0.2, 24), alerts("executed_differs", 4, "VT"), enters("STATE_DIVERGED")),
    ),
    # a cancel that is answered after 700 ms, every 8 s
    "slow_cancels": (100, (enters("STABLE", "HEALTHY"), at_least(0.9, 35, 100))),
    # event times in whole seconds, which a profile says
    "coarse_stamps": (
        79,
        (
            every_cap("no lag", lambda cap: cap.components.freshness == 1, 1, 79),
            enters("STABLE"),
        ),
    ),
    # thirty failed reconnects of one outage
    "reconnects_fail": (90, (fails_once, enters("CONTROLLED_REENTRY", "STABLE"))),
}
VENUES = {"coarse_stamps": Venue(id="coarse", stamp_resolution_ns=1_000_000_000)}


@cache
def played(name: str) -> Replayed:
    """A file of ``traps/``, once for all tests."""
    return Replayed(HERE / "traps" / f"{name}.jsonl", TRAPS[name][0], venue=VENUES.get(name))


@pytest.mark.parametrize("name", TRAPS)
def test_the_cap_is_bounded_and_the_session_comes_back(name: str) -> None:
    for check in TRAPS[name][1]:
        check(played(name))


def test_every_trap_has_its_bounds() -> None:
    assert {path.stem for path in (HERE / "traps").glob("*.jsonl")} == set(TRAPS)
