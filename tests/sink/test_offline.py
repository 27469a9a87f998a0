"""Tables without Kafka, from events and from an incident: what they say, by hand."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from reconverge.sink import Store, check, read
from reconverge.tables import TABLES
from tests.cli.conftest import Run
from tests.cli.test_replay import DROP_COPY, ENTRY, write

CASES = Path(__file__).parents[1] / "cases" / "events"

MINIMUM: dict[str, tuple[str, ...]] = {
    "parent and child ids": ("requests.parent_id", "requests.cl_ord_id", "fills.parent_id"),
    "symbol, side, quantity, price": (
        "requests.symbol", "requests.side", "requests.qty", "requests.price",
    ),
    "decision and send times": ("requests.decision_ns", "requests.event_ns"),
    "ack times of both streams": ("reports.event_ns", "reports.channel", "reports.exec_type"),
    "reject times": ("reports.kind", "reports.reason", "reports.event_ns"),
    "cancel times": ("reports.exec_type", "reports.ord_status", "reports.event_ns"),
    "fill times of both streams": ("fills.at_ns", "fills.batch_ns", "fills.channel"),
    "session, gateway": ("requests.session", "requests.gateway"),
    "cycle": ("transitions.cycle", "episodes.cycles"),
    "sequence numbers": ("requests.seq", "reports.seq"),
    "replay and gap-fill markers": (
        "reports.poss_dup", "reports.poss_resend", "session_events.kind", "session_events.new_seq",
    ),
    "confidence and cap at decision": (
        "requests.confidence", "requests.cap_epoch", "requests.cap_sequence", "caps.cap",
    ),
    "episode start and end": ("episodes.start_ns", "episodes.end_ns"),
    "sequence-gap trajectory": ("episodes.gaps",),
    "LSS series": ("episodes.similarity",),
    "backlog against schedule": ("episodes.backlog", "schedule.cum_qty"),
}  # fmt: skip


def rows(folder: Path, table: str) -> list[dict[str, Any]]:
    return read(Store(str(folder)), table)


@pytest.mark.parametrize("what", MINIMUM)
def test_what_a_child_order_and_an_episode_must_say_has_its_columns(what: str) -> None:
    for place in MINIMUM[what]:
        table, _, column = place.partition(".")
        assert column in TABLES[table].names
        (meaning,) = (c.meaning for c in TABLES[table].columns if c.name == column)
        assert meaning


def test_who_knew_what_when(run: Run, tmp_path: Path) -> None:
    """Two orders, both streams, a disconnect; ids, numbers and times are those of the events."""
    files = [write(tmp_path / "entry", ENTRY), write(tmp_path / "dc", DROP_COPY)]
    assert run("replay", *map(str, files), "--tables", str(tmp_path / "tables")).returncode == 0
    folder = tmp_path / "tables"
    requests = rows(folder, "requests")
    assert [(r["kind"], r["cl_ord_id"], r["qty"], r["seq"]) for r in requests] == [
        ("new", "C1", Decimal(100), 2),
        ("new", "C2", Decimal(100), 3),
    ]
    reports = rows(folder, "reports")
    told = [e for e in [*ENTRY, *DROP_COPY] if e["type"] == "execution_report"]
    assert len(reports) == len(told)
    assert {(r["cl_ord_id"], r["channel"], r["event_ns"]) for r in reports} == {
        (e["cl_ord_id"], e.get("channel"), e["event_ns"]) for e in told
    }
    kinds = [row["kind"] for row in rows(folder, "session_events")]
    assert kinds.count("gap_fill") == 1
    assert "disconnect" in kinds
    beliefs = {(b["order"], b["entry_open"], b["venue_open"]) for b in rows(folder, "beliefs")}
    assert ("V-C1", Decimal(100), Decimal(100)) in beliefs
    assert [t["signal"] for t in rows(folder, "transitions")][:1] == ["hard_failure"]
    assert check(Store(str(folder))).whole


def test_a_fill_told_twice_is_booked_once_in_each_view(run: Run, tmp_path: Path) -> None:
    """`older_fill`: what each stream says is a row; what it booked beside it, exactly."""
    run("replay", str(CASES / "ack_after_fill.jsonl"), "--tables", str(tmp_path))
    fills = rows(tmp_path, "fills")
    assert [(f["channel"] is None, f["booked_qty"], f["first_word"]) for f in fills] == [
        (True, Decimal(40), True),
        (False, Decimal(40), False),
    ] or [(f["channel"] is None, f["booked_qty"], f["first_word"]) for f in fills] == [
        (False, Decimal(40), True),
        (True, Decimal(40), False),
    ]


def test_the_same_events_give_the_same_bytes(run: Run, tmp_path: Path) -> None:
    case = str(CASES / "one_symbol_late_of_three.jsonl")
    for name in ("one", "two"):
        run("replay", case, "--tables", str(tmp_path / name))
    one, two = (
        {
            str(path.relative_to(tmp_path / name)): path.read_bytes()
            for path in (tmp_path / name).rglob("*.parquet")
        }
        for name in ("one", "two")
    )
    assert one == two
    assert one


def test_episodes_are_listed_and_shown(run: Run, tmp_path: Path) -> None:
    run("replay", str(CASES / "lost_fills_silent.jsonl"), "--tables", str(tmp_path))
    listed = run("episodes", "list", "--tables", str(tmp_path), "--json")
    (episode,) = map(json.loads, listed.stdout.splitlines())
    assert (episode["episode_id"], episode["cause"]) == ("S/e1", "silent_divergence")
    shown = json.loads(run("episodes", "show", "S/e1", "--tables", str(tmp_path), "--json").stdout)
    assert shown["path"][0]["state"] == "STATE_DIVERGED"
    missing = run("episodes", "show", "S/e7", "--tables", str(tmp_path))
    assert missing.returncode == 1
    assert "S/e1" in missing.stderr


def test_a_folder_that_is_not_there_and_a_file_that_is_corrupt(run: Run, tmp_path: Path) -> None:
    assert run("episodes", "list", "--tables", str(tmp_path / "none")).returncode == 3
    run("replay", str(CASES / "idle_blip.jsonl"), "--tables", str(tmp_path))
    (path, *_) = (tmp_path / "caps").rglob("*.parquet")
    path.write_bytes(b"not Parquet")
    done = run("sink", "check", str(tmp_path))
    assert done.returncode == 1
    assert path.name in done.stdout
