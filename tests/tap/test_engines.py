"""Logs that real engines write now, of every FIX version, against an independent reading."""

from pathlib import Path

import pytest

from reconverge.core.messages.events import Disconnect, ExecutionReport, MassStatusRow, StreamEvent
from reconverge.tap import Identity, Log, Tap, Unreadable, read
from tests.engines.messages import Version
from tests.engines.reading import Line, Run, working
from tests.engines.record import VariantName, run_incident

pytestmark = pytest.mark.engines


def tapped(identity: Identity, *paths: Path) -> list[StreamEvent]:
    rejects: list[Unreadable] = []
    tap = Tap(identity, on_reject=rejects.append)
    logs = [Log(path) for path in paths]
    events = list(read(tap, logs))
    for log in logs:
        log.close()
    assert tap.counts.rejects == 0, rejects
    return events


def numbered(events: list[StreamEvent]) -> list[tuple[bool, int | None, bool]]:
    return [(e.outbound, e.seq, e.poss_dup) for e in events if e.seq is not None]


def in_the_log(lines: list[Line]) -> list[tuple[bool, int | None, bool]]:
    return [(line.ours, line.seq, line.poss_dup) for line in lines]


def still_open(events: list[StreamEvent]) -> set[str]:
    """Each order's last word, as ``tests.engines.reading.working`` has it of the raw fields."""
    last = {e.order_id: e for e in events if isinstance(e, ExecutionReport | MassStatusRow)}
    done = {"canceled", "rejected", "expired", "filled", "done_for_day"}
    return {
        str(order)
        for order, event in last.items()
        if event.leaves_qty != "0" and event.ord_status not in done
    }


@pytest.mark.parametrize(
    ("version", "variant"),
    [("4.2", "incident"), ("4.4", "in-session-reset"), ("5.0SP2", "possible-resend")],
)
def test_live_engines(tmp_path: Path, version: Version, variant: VariantName) -> None:
    run = Run(run_incident(tmp_path, fix_version=version, variant=variant, pace=0.1, steps=12))
    recording = run.recording
    entry = tapped(Identity("S1"), recording.entry_log, recording.entry_event_log)
    copy = tapped(Identity("S1", is_drop_copy=True), recording.drop_copy_log)
    assert numbered(entry) == in_the_log(run.entry)
    assert numbered(copy) == in_the_log(run.drop_copy)
    assert still_open(copy) == working(run.reports) == set(run.truth["working"])
    (disconnect,) = (event for event in entry if isinstance(event, Disconnect))
    assert abs(disconnect.event_ns - run.truth["times_ns"]["primary_killed"]) < 10**9
    resent = [event for event in entry if event.poss_resend]
    assert bool(resent) == (variant == "possible-resend")
