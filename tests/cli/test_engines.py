"""Real FIX engines, now: their logs through the tap, Kafka and the service, to their own truth."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Run
from tests.cli.test_run import DEADLINE_S, Process, running
from tests.engines.record import run_incident
from tests.kafka.broker import KafkaCluster

pytestmark = [pytest.mark.kafka, pytest.mark.engines]
SESSION = "FIRM-LIVE"
PREFIX = "engines."


def known(process: Process, numbers: dict[str, int]) -> dict[str, Any]:
    """What the service says of the session once it has seen every number of both streams."""
    deadline = time.monotonic() + DEADLINE_S
    while True:
        sessions: dict[str, Any] = json.loads(process.get("/status")[1])["sessions"]
        session: dict[str, Any] = sessions.get(SESSION, {"rwh": {}})
        seen = {source: of["next_expected"] for source, of in session["rwh"].items()}
        if seen == numbers:
            return session
        assert time.monotonic() < deadline, f"{seen} seen, {numbers} expected"


def test_the_service_knows_of_live_engines_what_they_know(
    run: Run, kafka: KafkaCluster, tmp_path: Path
) -> None:
    env = {"RECONVERGE_BOOTSTRAP_SERVERS": kafka.bootstrap, "RECONVERGE_TOPIC_PREFIX": PREFIX}
    assert run("topics", "--create", "--partitions", 1, **env).returncode == 0
    with running(PREFIX, kafka) as process:
        logs = run_incident(tmp_path / "logs", pace=0.1, steps=12)
        tap = ("tap", "fix-log", "--session", SESSION, "--comp-id", "FIRM", "--to-kafka")
        entry = (logs.entry_log, logs.entry_event_log, "--stream", "order-entry")
        drop_copy = (logs.drop_copy_log, "--stream", "drop-copy", "--channel", "DC1")
        assert run(*tap, *entry, **env).returncode == 0
        assert run(*tap, *drop_copy, **env).returncode == 0
        end = logs.truth["expected"]["end"]
        numbers = {
            "entry": end["order-entry"]["firm"]["target"],
            "DC1": end["drop-copy"]["firm"]["target"],
        }
        session = known(process, numbers)
        count = len(logs.truth["working"])
        assert session["working"] == {"both": count, "either": count}
        assert session["in_flight"] == 0
        assert all(not of["open_gaps"] for of in session["rwh"].values())
        assert process.stop() == 0
