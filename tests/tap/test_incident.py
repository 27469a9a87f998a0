"""The recorded failover between real engines: read without a reject, and telling what happened."""

import json
from pathlib import Path
from typing import Any

import pytest

from reconverge import demo
from reconverge.core.messages.events import (
    Disconnect,
    ExecutionReport,
    GapFill,
    Logon,
    MassStatusEnd,
    MassStatusRow,
    NewOrder,
    StreamEvent,
)
from reconverge.tap import Identity, Log, Tap, Unreadable, read

INCIDENT = Path(demo.__file__).parent / "incident"


def tapped(identity: Identity, *names: str, ours: str | None = None) -> list[StreamEvent]:
    rejects: list[Unreadable] = []
    tap = Tap(identity, ours=ours, on_reject=rejects.append)
    logs = [Log(INCIDENT / name) for name in names]
    events = list(read(tap, logs))
    for log in logs:
        log.close()
    assert tap.counts.rejects == 0
    assert tap.counts.other_sessions == {}
    # The firm sent one order with a side that FIX does not know, to see it rejected.
    assert [each.reason for each in rejects if "Side (54) Z" not in each.reason] == []
    return events


@pytest.fixture(scope="module")
def truth() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((INCIDENT / "truth.json").read_text())
    return loaded


@pytest.fixture(scope="module")
def entry() -> list[StreamEvent]:
    return tapped(Identity("S1"), "entry.log", "entry.event.log")


@pytest.fixture(scope="module")
def copy() -> list[StreamEvent]:
    return tapped(Identity("S1", is_drop_copy=True, channel="DC"), "drop-copy.log")


def reports(events: list[StreamEvent]) -> list[ExecutionReport]:
    return [event for event in events if isinstance(event, ExecutionReport)]


def test_drop_copy_has_every_fill_of_the_venue(
    copy: list[StreamEvent], truth: dict[str, Any]
) -> None:
    fills = {event.exec_id for event in reports(copy) if event.exec_type == "trade"}
    assert fills == {fill["exec_id"] for fill in truth["fills"]}


def test_the_last_word_on_each_order_is_the_venues(
    copy: list[StreamEvent], truth: dict[str, Any]
) -> None:
    """R20, R28: done for the day has quantity open and works no more."""
    last = {event.order_id: event for event in reports(copy)}
    working = (
        str(order)
        for order, event in last.items()
        if event.leaves_qty != "0" and event.ord_status != "done_for_day"
    )
    assert sorted(working) == truth["working"]


def test_the_entry_stream_lacks_what_the_replay_left_out(
    entry: list[StreamEvent], copy: list[StreamEvent], truth: dict[str, Any]
) -> None:
    heard = {event.exec_id for event in reports(entry)}
    lost = {event.exec_id for event in reports(copy)} - heard
    assert set(truth["lost_exec_ids"]) <= lost
    never = {event.cl_ord_id for event in entry if isinstance(event, NewOrder)}
    assert set(truth["requests_never_arrived"]) <= never


def test_the_link_dies_once_and_the_engine_says_when(
    entry: list[StreamEvent], truth: dict[str, Any]
) -> None:
    (disconnect,) = (event for event in entry if isinstance(event, Disconnect))
    assert str(disconnect.reason).startswith("Socket Error")
    assert abs(disconnect.event_ns - truth["times_ns"]["primary_killed"]) < 10**9
    logon = next(
        event
        for event in entry[entry.index(disconnect) :]
        if isinstance(event, Logon) and not event.outbound
    )
    assert 0 < logon.ingest_ns - disconnect.ingest_ns < 5 * 10**9
    assert logon.seq is not None
    assert logon.seq > 1  # too high: connected, not recovered (R6)


def test_the_replay_is_marked_and_fills_gaps_both_ways(entry: list[StreamEvent]) -> None:
    assert any(event.poss_dup for event in reports(entry))
    fills = [event for event in entry if isinstance(event, GapFill)]
    assert {event.outbound for event in fills} == {True, False}
    for event in reports(entry):
        assert event.event_ns <= event.ingest_ns


def test_the_snapshot_is_complete(entry: list[StreamEvent]) -> None:
    """R33."""
    (end,) = (event for event in entry if isinstance(event, MassStatusEnd))
    assert not end.failed
    assert end.rows_total == sum(isinstance(event, MassStatusRow) for event in entry)


def test_without_the_event_log_the_disconnect_is_inferred() -> None:
    (disconnect,) = (e for e in tapped(Identity("S1"), "entry.log") if isinstance(e, Disconnect))
    assert str(disconnect.reason).startswith("inferred")


def test_parents_and_persistence_come_through(entry: list[StreamEvent]) -> None:
    sent = [event for event in entry if isinstance(event, NewOrder)]
    assert all(event.parent_id for event in sent)
    assert {event.persistent for event in sent} == {True, False}


def test_the_numbers_end_where_the_engines_say(
    entry: list[StreamEvent], copy: list[StreamEvent], truth: dict[str, Any]
) -> None:
    """R14: each stream, and each direction of it, counts for itself."""
    for events, stream in ((entry, "order-entry"), (copy, "drop-copy")):
        engine = truth["expected"]["end"][stream]["firm"]
        for outbound, following in ((True, engine["sender"]), (False, engine["target"])):
            fresh = [e.seq for e in events if e.outbound is outbound and not e.poss_dup and e.seq]
            assert fresh == sorted(fresh)
            assert fresh[-1] + 1 == following
