"""Logs of other people's engines that were once read wrongly (``fix/``), from the line to what the
core makes of it: what works, what is in flight, what is said. The answers are written by hand.
"""

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Final

import pytest

from reconverge.core.messages.units import nanos
from reconverge.core.messages.wire import encode
from reconverge.tap.pipeline import Tap, UnknownDirectionError
from reconverge.tap.run import read
from reconverge.tap.source import Log
from reconverge.tap.translate import Identity
from tests.cases.replayed import HERE, Replayed

FIX: Final = HERE / "fix"


@dataclass(frozen=True)
class Case:
    """What a log comes to: open and executed quantity of each order that works, by view."""

    entry: dict[str, tuple[str, str]] = field(default_factory=dict)
    venue: dict[str, tuple[str, str]] = field(default_factory=dict)
    state: str = "HEALTHY"
    drop_copy: bool = False
    degraded: dict[str, int] = field(default_factory=dict)
    unmodelled: int = 0


SIXTY = {"V1": ("60", "40")}
CASES: Final[dict[str, Case]] = {
    # R37: both are in flight when the link dies
    "multileg_in_flight": Case(state="STATE_DIVERGED", unmodelled=1),
    "cash_quantity_in_flight": Case(state="STATE_DIVERGED", unmodelled=1),
    "plain_order_in_flight_control": Case(state="STATE_DIVERGED"),
    "report_inside_xml": Case(venue=SIXTY, drop_copy=True),
    # R38: an older fill told again lowers nothing
    "older_fill_control": Case(entry={"V1": ("40", "60")}),
    "older_fill_repeated": Case(entry={"V1": ("40", "60")}),
    # R35: an end must be said, and leaves of nothing are none
    "leaves_zero_on_pending_new": Case(entry=SIXTY),
    "leaves_zero_filler": Case(entry=SIXTY),
    # R19
    "noisy_last_price": Case(entry=SIXTY, degraded={"tag 31 rounded": 1}),
    "no_exec_type": Case(entry={"D777": ("100", "0")}),
    "latin1_on_the_wire": Case(entry=SIXTY),
    "delimiter_u0001": Case(entry=SIXTY),
    # R36
    "restart_without_the_flag": Case(entry={"V2": ("70", "30")}),
    "restart_with_the_flag_control": Case(entry={"V2": ("70", "30")}),
}


@cache
def tapped(name: str, ours: str | None = "US") -> tuple[Tap, tuple[bytes, ...]]:
    """A log through the tap, and its events as lines."""
    case = CASES.get(name, Case())
    identity = Identity("S", is_drop_copy=case.drop_copy, channel="DC" if case.drop_copy else None)
    tap = Tap(identity, ours=ours, on_reject=lambda _: None)
    with Log(FIX / f"{name}.log") as log:
        return tap, tuple(encode(event) for event in read(tap, [log]))


def played(name: str, folder: Path) -> Replayed:
    """What the core makes of a log's events."""
    events = folder / "events.jsonl"
    events.write_bytes(b"\n".join(tapped(name)[1]))
    return Replayed(events, 0)


@pytest.mark.parametrize("name", CASES)
def test_a_log_comes_to_what_happened(name: str, tmp_path: Path) -> None:
    case, (tap, _), made = CASES[name], tapped(name), played(name, tmp_path)
    assert (tap.counts.rejects, tap.counts.set_aside) == (0, 0)
    assert (tap.counts.degraded, tap.counts.unmodelled) == (case.degraded, case.unmodelled)
    (session,) = made.partition.sessions.values()
    orders = session.truth.orders
    for venue, expected in ((False, case.entry), (True, case.venue)):
        assert set(orders.working(venue=venue)) == set(expected)
        for order_id, (open_, executed) in expected.items():
            order = orders.find(order_id)
            assert order is not None
            view = order.venue if venue else order.entry
            assert (view.open, view.cum) == (nanos(open_), nanos(executed))
    assert (made.states or ["HEALTHY"])[-1] == case.state


@pytest.mark.parametrize("name", ["multileg_in_flight", "cash_quantity_in_flight"])
def test_a_request_of_unknown_size_is_ambiguous(name: str, tmp_path: Path) -> None:
    """R37."""
    assert "ambiguity" in played(name, tmp_path).signals


def test_a_logon_that_cannot_be_read_ends_the_guess() -> None:
    """Else the acceptor's answer would be taken for the first logon, and all turned round."""
    with pytest.raises(
        UnknownDirectionError, match=r"masked_logon\.log:1 cannot be read.*--comp-id"
    ):
        tapped("masked_logon", None)


def test_every_log_is_used() -> None:
    assert {path.stem for path in FIX.glob("*.log")} == {*CASES, "masked_logon"}
