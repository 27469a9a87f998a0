"""Inputs on which a plausible reading of the rules is unsafe or stuck (``traps/``).

Every file once gave, or would have given, a cap that a wrong belief held up, or a session that
never came back. The bounds are written by hand, from the incident that each file stands for; the
fault starts at 20 s.
"""

from collections.abc import Callable
from functools import cache

import pytest

from tests.cases.replayed import HERE, Replayed

Check = Callable[[Replayed], None]
END_S = 60.0


def at_most(cap: float, from_s: float, to_s: float = END_S) -> Check:
    """The cap in force is so low from one second to another."""

    def check(played: Replayed) -> None:
        highest = max(played.between(from_s, to_s), key=lambda each: each.cap)
        assert highest.cap <= cap, f"{highest.cap} at {played.second(highest):.3f} s"

    return check


def never_rises(from_s: float, to_s: float = END_S) -> Check:
    """No cap in force is above the one before."""

    def check(played: Replayed) -> None:
        caps = [cap.cap for cap in played.between(from_s, to_s)]
        assert caps == sorted(caps, reverse=True)

    return check


def never_in(*states: str) -> Check:
    """None of these states is entered."""
    return lambda played: _none(set(states) & set(played.states))


def _none(found: set[str]) -> None:
    assert not found


def enters(*states: str) -> Check:
    """These states are entered, in this order, whatever is in between."""

    def check(played: Replayed) -> None:
        entered = iter(played.states)
        assert all(state in entered for state in states), played.states

    return check


def fails_once(played: Replayed) -> None:
    """One hard failure, one cycle."""
    assert played.signals.count("hard_failure") == 1
    assert [episode.cycles for episode in played.episodes] == [1]


TRAPS: dict[str, tuple[Check, ...]] = {
    # the gateway hangs with its link up: heartbeats every 30 s, orders go unanswered
    "entry_hung": (at_most(0.5, 26),),
    # drop copy tells 20 fills, order entry is silent
    "fills_on_drop_copy_only": (at_most(0.05, 22),),
    # a drop copy that beats every 30 s loses fills
    "drop_copy_loses_fills": (at_most(0.7, 22, 26), at_most(0.05, 26)),
    # a lost fill of 9,000; the order is replaced every 300 ms: no replace restarts that doubt
    "replace_storm": (at_most(0.05, 22),),
    # both feeds die in REPLAY_SYNCING
    "both_die_while_syncing": (never_rises(20.3),),
    # drop copy's clock steps back an hour, and it loses fills
    "drop_copy_clock_back": (at_most(0.05, 25),),
    # thirty failed reconnects of one outage
    "reconnects_fail": (fails_once, enters("CONTROLLED_REENTRY", "STABLE")),
}


@cache
def played(name: str) -> Replayed:
    """A file of ``traps/``, once for all tests."""
    return Replayed(HERE / "traps" / f"{name}.jsonl", END_S)


@pytest.mark.parametrize("name", TRAPS)
def test_the_cap_is_bounded_and_the_session_comes_back(name: str) -> None:
    for check in TRAPS[name]:
        check(played(name))
