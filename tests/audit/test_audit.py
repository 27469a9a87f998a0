"""Audits of a service that has been through the incident, a bad record and a restart."""

import asyncio
import json
import time
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from reconverge.cli.auditing import auditing
from reconverge.cli.moments import parse
from reconverge.config.settings import Settings
from tests.audit.conftest import CLEAN, FORGED, PREFIX, Stage

pytestmark = pytest.mark.kafka


def report(stage: Stage, session: str, *args: object, code: int = 0) -> dict[str, Any]:
    done = stage.run("audit", "--session", session, "--json", *args)
    assert done.returncode == code, done.stdout + done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def test_what_was_published_is_proved_byte_for_byte(stage: Stage) -> None:
    """Across a restart: two epochs, a snapshot between them, one history."""
    told = report(stage, CLEAN, "--to", stage.end_ns)
    assert told["clean"]
    assert told["first"] is None
    for topic in ("caps", "transitions", "episodes", "alerts", "control-results"):
        held = [
            record
            for record in stage.published(topic, CLEAN)
            if json.loads(record.value)["event_ns"] <= told["to_ns"]
        ]
        assert told["found"][PREFIX + topic] == len(held) > 0
    assert told["derived"] == told["found"]
    epochs = {json.loads(cap.value)["epoch"] for cap in stage.published("caps", CLEAN)}
    assert len(epochs) == 2


def test_a_span_of_time_is_proved_alone(stage: Stage) -> None:
    whole = report(stage, CLEAN, "--to", stage.end_ns)
    after = report(stage, CLEAN, "--from", stage.restart_ns, "--to", stage.end_ns)
    before = report(stage, CLEAN, "--to", stage.restart_ns - 1)
    for topic, derived in whole["derived"].items():
        assert before["derived"].get(topic, 0) + after["derived"].get(topic, 0) == derived
    assert after["from_ns"] == stage.restart_ns
    assert 0 < after["batches"] < whole["batches"]


def test_a_live_session_is_proved_up_to_the_last_batch(stage: Stage) -> None:
    """Outputs on their way are not missing: nothing has vouched for them yet."""
    assert report(stage, CLEAN)["clean"]


class Tampered(NamedTuple):
    """A cap with another byte in it, at the end of the topic."""

    cap: dict[str, Any]
    derived: str
    offset: int


@pytest.fixture(scope="module")
def tampered(stage: Stage) -> Tampered:
    cap = stage.published("caps", FORGED)[3].value
    altered = json.loads(cap) | {"cap": 0.77}
    offset = stage.write("caps", FORGED, json.dumps(altered).encode())
    return Tampered(altered, cap.decode(), offset)


def test_an_altered_cap_is_found_and_explained(stage: Stage, tampered: Tampered) -> None:
    told = report(stage, FORGED, code=1)
    first = told["first"]
    assert (first["kind"], first["topic"]) == ("altered", f"{PREFIX}caps")
    assert first["identity"] == f"{tampered.cap['epoch']}/{tampered.cap['sequence']}"
    assert first["offset"] == tampered.offset
    assert first["fields"] == {"cap": [json.loads(tampered.derived)["cap"], 0.77]}
    assert first["derived"] == tampered.derived
    assert told["differences"] == 1
    assert report(stage, CLEAN)["clean"]


def test_a_transition_that_never_was_is_found(stage: Stage, tampered: Tampered) -> None:
    """The first difference by time is the one that is explained."""
    transition = json.loads(stage.published("transitions", FORGED)[0].value)
    forged = {"id": f"{FORGED}/t99", "event_ns": tampered.cap["event_ns"] - 1}
    stage.write("transitions", FORGED, json.dumps(transition | forged).encode())
    done = stage.run("audit", "--session", FORGED)
    assert done.returncode == 1
    assert f"{FORGED}/t99" in done.stdout
    assert "nothing journalled leads to it" in done.stdout
    assert report(stage, FORGED, code=1)["differences"] == 2


async def test_an_audit_beside_the_service_tells_a_mismatch(
    stage: Stage, tampered: Tampered
) -> None:
    told: asyncio.Queue[bool] = asyncio.Queue()
    settings = Settings(
        bootstrap_servers=stage.kafka.bootstrap, topic_prefix=PREFIX, audit_every_s=0.01
    )
    async with auditing(settings, lambda: [FORGED], told.put_nowait), asyncio.timeout(60):
        assert await told.get() is False


def test_the_service_audits_itself(stage: Stage) -> None:
    """Off the hot path, a session at a time; a mismatch is counted."""
    stage.process.until("/metrics", "reconverge_audit_sessions_total ")
    deadline = time.monotonic() + 60
    while _counted(stage, "sessions") == 0:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert _counted(stage, "mismatches") <= _counted(stage, "sessions")


def _counted(stage: Stage, what: str) -> float:
    metrics = stage.process.get("/metrics")[1]
    name = f"reconverge_audit_{what}_total "
    return float(next(line for line in metrics.splitlines() if line.startswith(name)).split()[1])


@pytest.mark.parametrize("command", ["audit", "explain", "export"])
def test_a_session_that_nobody_knows_is_an_error(
    stage: Stage, command: str, tmp_path: Path
) -> None:
    """A mistyped name must not pass for one that is proved."""
    session = f"{CLEAN}X"
    file = tmp_path / "incident.jsonl"
    more = {
        "audit": (),
        "explain": ("--at", stage.end_ns),
        "export": (file, "--from", stage.begin_ns, "--to", stage.end_ns),
    }[command]
    done = stage.run(command, "--session", session, *more)
    assert done.returncode == 1, done.stderr
    assert f"no session {session} is known" in done.stderr
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_not_there_is_named(stage: Stage, tmp_path: Path) -> None:
    file = tmp_path / "absent" / "incident.jsonl"
    span = ("--from", stage.begin_ns, "--to", stage.end_ns)
    done = stage.run("export", file, "--session", CLEAN, *span)
    assert done.returncode == 3
    assert str(file) in done.stderr
    assert "Kafka" not in done.stderr


def test_no_history_is_an_environment_that_failed(stage: Stage) -> None:
    done = stage.run("audit", "--session", CLEAN, "--topic-prefix", "absent.")
    assert done.returncode == 3
    assert "absent.journal" in done.stderr


@pytest.mark.parametrize(
    ("text", "at_ns"),
    [
        ("1767621600000000001", 1_767_621_600_000_000_001),
        ("2026-01-05T14:00:00Z", 1_767_621_600_000_000_000),
        ("2026-01-05T14:00", 1_767_621_600_000_000_000),
        ("2026-01-05T15:00:00.000000001+01:00", 1_767_621_600_000_000_001),
        ("2026-01-05T14:00:00.25", 1_767_621_600_250_000_000),
    ],
)
def test_times_are_iso_8601_or_nanoseconds(text: str, at_ns: int) -> None:
    assert parse(text) == at_ns


def test_what_is_no_time_is_wrong_usage(stage: Stage) -> None:
    assert stage.run("audit", "--session", CLEAN, "--from", "yesterday").returncode == 2
