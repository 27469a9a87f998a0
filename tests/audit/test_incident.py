"""An incident taken away and replayed, and what explains a cap in it."""

import json
from pathlib import Path
from typing import Any

import pytest

from reconverge.audit import Incident
from reconverge.cli import inputs
from reconverge.stream import CoreFolds
from tests.audit.conftest import CLEAN, MENDED, PREFIX, Stage

pytestmark = pytest.mark.kafka
OUTPUTS = ("caps", "transitions", "episodes", "alerts", "control-results")


def exported(stage: Stage, folder: Path, from_ns: int, to_ns: int) -> Path:
    file = folder / "incident.jsonl"
    done = stage.run("export", "--session", CLEAN, "--from", from_ns, "--to", to_ns, file)
    assert done.returncode == 0, done.stderr
    return file


def published(stage: Stage, from_ns: int, to_ns: int) -> dict[str, list[bytes]]:
    """What the topics hold of a span of time."""
    return {
        PREFIX + topic: [
            record.value
            for record in stage.published(topic, CLEAN)
            if from_ns <= json.loads(record.value)["event_ns"] <= to_ns
        ]
        for topic in OUTPUTS
    }


@pytest.mark.parametrize("whole", [True, False])
def test_a_replay_gives_the_very_bytes_that_were_published(
    stage: Stage, tmp_path: Path, whole: bool
) -> None:
    """From nothing, and from the state in the middle; epochs and all."""
    from_ns = stage.begin_ns if whole else (stage.begin_ns + stage.restart_ns) // 2
    file = exported(stage, tmp_path, from_ns, stage.end_ns)
    derived: dict[str, list[bytes]] = {PREFIX + topic: [] for topic in OUTPUTS}
    for step in Incident(file, CoreFolds(inputs.venues())).steps():
        assert step.exact
        for output in step.folded.outputs:
            assert output.key == CLEAN.encode()
            derived[output.topic].append(output.value)
    assert derived == published(stage, from_ns, stage.end_ns)

    done = stage.run("replay", file)
    assert done.returncode == 0, done.stderr
    *effects, summary = map(json.loads, done.stdout.splitlines())
    caps = [one for one in effects if one.pop("effect") == "cap"]
    said = [json.loads(value) for value in derived[f"{PREFIX}caps"]]
    assert caps == [{k: v for k, v in cap.items() if k != "type"} for cap in said]
    assert len({cap["epoch"] for cap in caps}) == 2
    assert list(summary["sessions"]) == [CLEAN]


def test_a_file_that_was_tampered_with_says_so(stage: Stage, tmp_path: Path) -> None:
    file = exported(stage, tmp_path, stage.begin_ns, stage.end_ns)
    lines = file.read_text().splitlines()
    place = next(i for i, line in enumerate(lines) if "disconnect" in line)
    batch = json.loads(lines[place]) | {"records": []}
    file.write_text("\n".join([*lines[:place], json.dumps(batch), *lines[place + 1 :]]))
    done = stage.run("replay", file)
    assert done.returncode == 1
    assert "other bytes than were published" in done.stderr
    file.write_text("\n".join([lines[0].replace('"core":"', '"core":"0.'), *lines[1:]]))
    assert stage.run("replay", file).returncode == 1
    assert stage.run("replay", file, "--at-end", 1).returncode == 2


def explained(stage: Stage, session: str, at_ns: int) -> dict[str, Any]:
    done = stage.run("explain", "--session", session, "--at", at_ns, "--json")
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def test_a_cap_is_explained_by_the_inputs_behind_it(stage: Stage) -> None:
    failed = next(
        json.loads(record.value)
        for record in stage.published("transitions", CLEAN)
        if json.loads(record.value)["to_state"] == "FAILOVER_DETECTED"
    )
    told = explained(stage, CLEAN, failed["event_ns"])
    assert told["cap"]["state"] == told["state"] == told["path"][-1]["state"]
    assert "hard_failure" in [step["signal"] for step in told["path"]]
    assert told["cap"]["publish_ns"] == failed["event_ns"]
    assert told["disagreeing"] == len(told["orders"]) > 0
    moved = told["state_moved"]
    assert moved["event"].startswith("disconnect")
    assert moved["topic"] == f"{PREFIX}order-entry"
    lines = {record.offset: record.value for record in stage.published("order-entry", CLEAN)}
    assert json.loads(lines[moved["offset"]])["type"] == "disconnect"
    for order in told["orders"]:
        assert order["entry_moved"] or order["venue_moved"]
        assert order["since_ns"] <= told["at_ns"]
    shown = stage.run("explain", "--session", CLEAN, "--at", failed["event_ns"])
    assert "FAILOVER_DETECTED: hard_failure" in shown.stdout


def test_a_gap_is_explained_by_the_message_behind_it(stage: Stage) -> None:
    told = explained(stage, MENDED, stage.end_ns)
    (entry,) = told["gaps"]
    assert entry["open_gaps"] == [[2, 2]]
    assert entry["moved"]["event"] == "heartbeat seq=3"
    assert told["components"]["freshness"]["value"] == 0


def test_before_the_session_there_is_nothing_to_explain(stage: Stage) -> None:
    done = stage.run("explain", "--session", CLEAN, "--at", stage.begin_ns - 10**9)
    assert done.returncode == 1
