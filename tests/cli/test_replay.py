"""`replay`: the fold without Kafka, deterministic to the byte, and honest about what it skips."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconverge.cli.replay import fold, summary
from reconverge.core.messages.effects import Effect
from reconverge.core.messages.wire import plain
from reconverge.core.partition import Partition
from reconverge.stream import CoreFold
from tests.cli.conftest import Run

T0 = 1_767_621_600_000_000_000
MS = 1_000_000


def event(kind: str, at_ms: float, **fields: Any) -> dict[str, Any]:
    at_ns = T0 + int(at_ms * MS)
    return {"type": kind, "session": "A", "event_ns": at_ns, "ingest_ns": at_ns, **fields}


def order(at_ms: float, seq: int, name: str) -> dict[str, Any]:
    return event(
        "new_order", at_ms, seq=seq, outbound=True, cl_ord_id=name, symbol="ACME", side="buy",
        qty="100", price="10",
    )  # fmt: skip


def report(at_ms: float, seq: int, name: str, channel: str | None, **fields: Any) -> dict[str, Any]:
    return event(
        "execution_report", at_ms, seq=seq, channel=channel, cl_ord_id=name, order_id=f"V-{name}",
        exec_type="new", ord_status="new", symbol="ACME", side="buy", order_qty="100", price="10",
        cum_qty="0", leaves_qty="100", **fields,
    )  # fmt: skip


ENTRY = [
    event("logon", 0, seq=1, reset_numbers=True, heartbeat_ms=30_000),
    order(100, 2, "C1"),
    report(105, 2, "C1", None),
    order(200, 3, "C2"),
    report(205, 3, "C2", None),
    event("disconnect", 900, reason="killed"),
    event("logon", 1_900, seq=9),
    event("resend_requested", 1_901, seq=10, outbound=True, from_seq=4),
    event("gap_fill", 1_950, seq=4, poss_dup=True, new_seq=7),
]
DROP_COPY = [
    event("logon", 0, seq=1, channel="DC1", heartbeat_ms=1_000),
    report(104, 2, "C1", "DC1"),
    report(204, 3, "C2", "DC1"),
    *(event("heartbeat", 400 + 1_000 * i, seq=4 + i, channel="DC1") for i in range(6)),
]


def write(path: Path, events: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(one) + "\n" for one in events))
    return path


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    return write(tmp_path / "entry.jsonl", ENTRY), write(tmp_path / "dc.jsonl", DROP_COPY)


def effects(stdout: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stdout.splitlines()]


def test_effects_in_order_then_the_summary(run: Run, files: tuple[Path, Path]) -> None:
    done = run("replay", *files)
    assert done.returncode == 0, done.stderr
    *told, last = effects(done.stdout)
    assert {one["effect"] for one in told} >= {"cap", "transition", "episode"}
    assert all("type" not in one for one in told)
    times = [one["event_ns"] for one in told]
    assert times == sorted(times)
    assert set(last) == {"effect", "sessions", "malformed"}
    assert last["malformed"] == 0
    session = last["sessions"]["A"]
    assert set(session) == {"state", "cap", "confidence", "lss", "rwh", "working"}
    assert session["rwh"]["entry"] == {
        "next_expected": 7,
        "open_gaps": [[7, 8]],
        "outstanding": 2,
        "unrecoverable": 0,
    }
    assert session["rwh"]["DC1"]["open_gaps"] == []
    assert session["working"] == {"entry": ["V-C1", "V-C2"], "venue": ["V-C1", "V-C2"]}
    assert session["lss"] == {"raw": 1.0, "settled": 1.0, "quantity": 1.0}


def test_the_end_of_a_gap_is_null_while_unknown(run: Run, tmp_path: Path) -> None:
    events = [*ENTRY[:3], event("gap_opened", 300, from_seq=3)]
    done = run("replay", write(tmp_path / "e.jsonl", events))
    horizon = effects(done.stdout)[-1]["sessions"]["A"]["rwh"]["entry"]
    assert horizon["open_gaps"] == [[3, None]]


def test_the_same_files_give_the_same_bytes_whatever_the_hash_seed(
    run_process: Run, files: tuple[Path, Path]
) -> None:
    outputs = {
        run_process("replay", *files, PYTHONHASHSEED=seed).stdout for seed in ("1", "2", "random")
    }
    assert len(outputs) == 1


def test_lines_that_cannot_be_read_are_told_counted_and_passed(
    run: Run, files: tuple[Path, Path], tmp_path: Path
) -> None:
    clean = effects(run("replay", *files).stdout)
    entry, dc = files
    lines = entry.read_text().splitlines()
    lines[2:2] = ["not json", "", '{"type":"quote"}', json.dumps(ENTRY[0] | {"v": 7})]
    entry.write_text("\n".join(lines))  # and no line end at the end
    done = run("replay", entry, dc)
    assert done.returncode == 1
    assert [line.split(": ")[:2] for line in done.stderr.splitlines()] == [
        [f"{entry}:3", "malformed"],
        [f"{entry}:5", "unsupported_type"],
        [f"{entry}:6", "unsupported_version"],
    ]
    *told, last = effects(done.stdout)
    assert [*told, last | {"malformed": 0}] == clean
    assert last["malformed"] == 3


def test_what_the_core_rejects_is_told_and_counted_too(run: Run, tmp_path: Path) -> None:
    change = event("policy_change", 300, policy={"cap": {"floor": 0.9}}, actor="me")
    done = run("replay", write(tmp_path / "e.jsonl", [*ENTRY[:3], change]))
    assert done.returncode == 1
    assert "e.jsonl:4: rejected: policy refused: cap.floor" in done.stderr
    assert effects(done.stdout)[-1]["malformed"] == 1


def test_a_pipe_is_read_once_and_whole(run: Run, files: tuple[Path, Path], tmp_path: Path) -> None:
    entry, dc = files
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with ThreadPoolExecutor(1) as pool:
        pool.submit(pipe.write_bytes, entry.read_bytes())
        assert run("replay", pipe, dc).stdout == run("replay", entry, dc).stdout


def test_an_end_before_the_last_event_is_told_and_changes_nothing(
    run: Run, files: tuple[Path, Path]
) -> None:
    done = run("replay", *files, "--at-end", T0)
    assert (done.returncode, done.stdout) == (0, run("replay", *files).stdout)
    assert "--at-end" in done.stderr


def test_time_runs_on_to_the_end_that_is_given(run: Run, files: tuple[Path, Path]) -> None:
    end_ns = T0 + 60_000 * MS
    shorter = effects(run("replay", *files).stdout)
    longer = effects(run("replay", *files, "--at-end", end_ns).stdout)
    assert longer[: len(shorter) - 1] == shorter[:-1]
    assert shorter[-2]["event_ns"] < longer[-2]["event_ns"] <= end_ns
    # S7: with no fresh input the cap decays to its floor.
    assert longer[-1]["sessions"]["A"]["cap"] == 0.0
    assert longer[-1]["sessions"]["A"]["confidence"] == 0.0


def test_a_policy_file_decides(run: Run, files: tuple[Path, Path], tmp_path: Path) -> None:
    policy = tmp_path / "desk.toml"
    policy.write_text('id = "desk"\nversion = 3\n[cap.ceiling]\nhealthy = 1.0\n')
    caps = [e for e in effects(run("replay", *files, "--policy", policy).stdout) if "policy" in e]
    assert {(one["policy"]["id"], one["policy"]["version"]) for one in caps} == {("desk", 3)}


def test_a_policy_that_contradicts_itself_is_refused_before_anything(
    run: Run, files: tuple[Path, Path], tmp_path: Path
) -> None:
    policy = tmp_path / "bad.toml"
    policy.write_text("[recovery]\nexit_confidence = 0.95\n[cap]\nvalidity_ms = 1500\n")
    done = run("replay", *files, "--policy", policy)
    assert done.returncode == 2
    assert done.stdout == ""
    assert f"{policy}: recovery.exit_confidence:" in done.stderr
    assert f"{policy}: cap.validity_ms:" in done.stderr


def test_a_reader_that_stops_early_is_no_error(files: tuple[Path, Path]) -> None:
    args = ["replay", *map(str, files), "--at-end", str(T0 + 3_600_000 * MS)]
    command = [sys.executable, "-c", "from reconverge.cli import main; main()", *args]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline()
        process.stdout.close()  # an hour of heartbeats is more than a pipe holds
        assert process.stderr.read() == b""
        assert process.wait(60) == 0


def told_by(files: list[Path]) -> list[dict[str, Any]]:
    out: list[dict[str, Any]] = []
    folded = CoreFold(Partition())

    def settled(_: int, effects: Sequence[Effect], *__: int) -> None:
        for effect in effects:
            fields = plain(effect)
            out.append({"effect": fields.pop("type"), **fields})

    fold(folded, files, settled, lambda *fault: pytest.fail(str(fault)))
    return [*out, summary(folded.partition, 0)]


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_split_into_files_gives_the_same_effects(data: st.DataObject, tmp_path: Path) -> None:
    """Each stream cut anywhere into successive files: time merges them into the same order."""
    whole = told_by([write(tmp_path / "e", ENTRY), write(tmp_path / "d", DROP_COPY)])
    pieces = []
    for name, events in (("e", ENTRY), ("d", DROP_COPY)):
        cuts = sorted(data.draw(st.sets(st.integers(1, len(events) - 1), max_size=4)))
        for i, (start, end) in enumerate(zip([0, *cuts], [*cuts, len(events)], strict=True)):
            pieces.append(write(tmp_path / f"{name}{i}", events[start:end]))
    assert told_by(pieces) == whole


def test_a_time_that_steps_back_within_a_file_keeps_the_files_order(tmp_path: Path) -> None:
    """A clock correction at the tap: the line stays after its predecessor, at the later time."""
    late = [dict(one) for one in ENTRY]
    late[3]["ingest_ns"] = T0
    told = told_by([write(tmp_path / "e", late)])
    assert told[-1]["sessions"]["A"]["working"]["entry"] == ["V-C1", "V-C2"]
    times = [one["event_ns"] for one in told[:-1]]
    assert times == sorted(times)
