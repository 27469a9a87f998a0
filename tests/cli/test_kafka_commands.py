"""The commands that talk to a broker: embedded where that is enough, real Kafka where it is not."""

import io
import json
import signal
import subprocess
import sys
import time
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace
from rich.console import Console

from reconverge.cli import watch
from reconverge.cli.doctor import check_replication, check_retention
from reconverge.config.settings import Settings
from reconverge.config.topics import INPUTS, TOPICS
from reconverge.contract.examples import EXAMPLES, WRITTEN
from reconverge.core.messages.effects import Cap, State
from reconverge.core.messages.wire import encode
from tests.cli.conftest import Done, Run
from tests.embedded import Embedded
from tests.kafka.broker import KafkaCluster

CAP = msgspec.convert(WRITTEN["cap"], Cap)
NOWHERE = "127.0.0.1:1"


def checks(done: Done) -> dict[str, Any]:
    return {check["name"]: check for check in json.loads(done.stdout)["checks"]}


def doctor(run: Run, address: str, **env: str) -> dict[str, Any]:
    return checks(run("doctor", "--json", RECONVERGE_BOOTSTRAP_SERVERS=address, **env))


@pytest.mark.parametrize("command", ["topics --create", "watch --once"])
def test_no_broker_is_exit_code_3_and_one_clear_line(run: Run, command: str) -> None:
    done = run(*command.split(), "--bootstrap-servers", NOWHERE)
    assert done.returncode == 3
    assert done.stderr.count("\n") == 1
    assert NOWHERE in done.stderr


def test_a_cluster_without_a_controller_is_told_as_such(run: Run, embedded: Embedded) -> None:
    done = run("topics", "--create", "--bootstrap-servers", embedded.address)
    assert done.returncode == 3
    assert "no controller" in done.stderr
    embedded.touch(*(topic.name for topic in TOPICS))
    done = run("topics", "--create", "--json", "--bootstrap-servers", embedded.address)
    assert done.returncode == 0, "nothing is missing: nobody need create anything"


def test_doctor_finds_no_broker_and_says_what_to_do(run: Run) -> None:
    done = run("doctor", "--json", "--bootstrap-servers", NOWHERE)
    assert done.returncode == 1
    found = checks(done)
    assert found["policy"]["verdict"] == "ok"
    assert found["broker"]["verdict"] == "failed"
    assert "connection refused" in found["broker"]["found"]
    assert "RECONVERGE_BOOTSTRAP_SERVERS" in found["broker"]["remedy"]


@pytest.mark.parametrize("command", ["doctor", "topics --create", "dlq list", "audit --session S"])
def test_a_host_that_has_no_address_is_told_as_such(run: Run, command: str) -> None:
    done = run(*command.split(), "--bootstrap-servers", "kafka.invalid:9092")
    assert done.returncode == (1 if command == "doctor" else 3)
    assert "kafka.invalid: no such host" in done.stdout + done.stderr


def test_doctor_tells_replication_and_retention_that_lose_data() -> None:
    settings = Settings()
    ok = {"order-entry": 3, "caps": 3}
    verdicts = [
        check_replication(ok, {"order-entry": 2, "caps": 2}),
        check_replication(ok, {"order-entry": 1, "caps": 2}),
        check_replication(ok, {"order-entry": 3, "caps": 2}),
        check_replication(ok | {"caps": 1}, {"order-entry": 2, "caps": 1}),
        check_replication(ok | {"caps": 1}, {"order-entry": 2, "caps": 2}),
    ]
    assert [check.verdict for check in verdicts] == ["ok", *["warning"] * 3, "failed"]
    day_ms = 24 * 3_600_000
    for inputs, journal, verdict in ((7, 14, "ok"), (2, 14, "warning"), (7, 7, "warning")):
        kept = dict.fromkeys(INPUTS, inputs * day_ms) | {"journal": journal * day_ms}
        assert check_retention(settings, kept).verdict == verdict
    assert check_retention(settings, dict.fromkeys([*INPUTS, "journal"], -1)).verdict == "ok"


def test_doctor_finds_missing_topics(run: Run, embedded: Embedded) -> None:
    found = doctor(run, embedded.address)
    assert found["broker"]["verdict"] == "ok"
    assert found["topics"]["verdict"] == "failed"
    assert found["topics"]["remedy"] == "reconverge topics --create"
    assert found["clocks"]["verdict"] == "skipped"


def test_doctor_is_content_with_everything_in_place(run: Run, embedded: Embedded) -> None:
    embedded.touch(*(topic.name for topic in TOPICS))
    embedded.send("order-entry", b"{}")
    done = run("doctor", "--json", "--bootstrap-servers", embedded.address)
    assert done.returncode == 0
    verdicts = {name: check["verdict"] for name, check in checks(done).items()}
    assert verdicts == {
        "policy": "ok",
        "broker": "ok",
        "topics": "ok",
        "partitions": "ok",
        "compaction": "skipped",  # this broker does not tell
        "replication": "skipped",
        "retention": "skipped",
        "clocks": "ok",
    }


def test_doctor_finds_a_clock_that_is_ahead(run: Run, embedded: Embedded) -> None:
    embedded.touch(*(topic.name for topic in TOPICS))
    embedded.send("order-entry", b"{}", timestamp_ms=int(time.time() * 1_000) + 60_000)
    found = doctor(run, embedded.address)
    assert found["clocks"]["verdict"] == "failed"
    assert "NTP" in found["clocks"]["remedy"]


def test_doctor_finds_a_policy_that_contradicts_itself(
    run: Run, embedded: Embedded, tmp_path: Any
) -> None:
    (tmp_path / "bad.toml").write_text("[cap]\nvalidity_ms = 2000\n")
    found = doctor(run, embedded.address, RECONVERGE_POLICY_FILE="bad.toml")
    assert found["policy"]["verdict"] == "failed"
    assert "cap.validity_ms" in found["policy"]["found"]


def test_watch_shows_each_session_once(run: Run, embedded: Embedded) -> None:
    now_ns = time.time_ns()
    for session, validity_s in (("DESK-A", 60), ("DESK-B", -1)):
        cap = replace(
            EXAMPLES["cap"],
            session=session,
            publish_ns=now_ns - 2_000_000_000,
            valid_until_ns=now_ns + validity_s * 1_000_000_000,
        )
        embedded.send("caps", encode(cap), session.encode())
    done = run("watch", "--once", "--json", "--bootstrap-servers", embedded.address)
    assert done.returncode == 0, done.stderr
    b, a = (json.loads(line) for line in done.stdout.splitlines())  # worst first
    assert (a["session"], a["valid"], a["state"]) == ("DESK-A", True, "FAILOVER_DETECTED")
    assert (b["session"], b["valid"]) == ("DESK-B", False)
    assert a["lss"] is None  # no service process answers
    one = run("watch", "--once", "--session", "DESK-A", "--bootstrap-servers", embedded.address)
    assert "1 session: 1 FAILOVER_DETECTED" in one.stdout
    assert "DESK-B" not in one.stdout
    healthy = run("watch", "--once", "--state", "healthy", "--bootstrap-servers", embedded.address)
    assert "0 sessions" in healthy.stdout
    shown = run("watch", "--once", "--bootstrap-servers", embedded.address).stdout
    assert "2 sessions: 2 FAILOVER_DETECTED, 1 without a valid cap" in shown
    assert "FAILOVER_DETECTED" in shown
    assert "expired" in shown


@pytest.mark.kafka
def test_topics_are_created_with_equal_partitions_and_only_once(
    run: Run, kafka: KafkaCluster
) -> None:
    env = {"RECONVERGE_BOOTSTRAP_SERVERS": kafka.bootstrap, "RECONVERGE_TOPIC_PREFIX": "made."}
    made = json.loads(run("topics", "--create", "--partitions", 3, "--json", **env).stdout)
    assert made["equal"]
    # What is not keyed by session (marks, the tap's positions) has partitions of its own.
    own = {f"made.{topic.name}" for topic in TOPICS if topic.partitions is not None}
    assert {t["partitions"] for t in made["topics"] if t["name"] not in own} == {3}
    assert all(topic["created"] for topic in made["topics"])
    again = json.loads(run("topics", "--create", "--json", **env).stdout)
    assert {t["partitions"] for t in again["topics"] if t["name"] not in own} == {3}
    assert not any(topic["created"] for topic in again["topics"])
    found = checks(run("doctor", "--json", **env))
    assert found["compaction"]["verdict"] == "ok"
    assert found["partitions"]["verdict"] == "ok"
    assert found["retention"]["verdict"] == "ok"
    assert found["replication"]["verdict"] == "warning"
    assert "one replica alone" in found["replication"]["found"]


@pytest.mark.kafka
def test_unequal_topics_are_found_by_topics_and_doctor(run: Run, kafka: KafkaCluster) -> None:
    env = {"RECONVERGE_TOPIC_PREFIX": "uneven."}
    kafka.create_topic("uneven.caps", 2)
    kafka.create_topic("uneven.parents", 5)
    done = run("topics", "--create", "--bootstrap-servers", kafka.bootstrap, **env)
    assert done.returncode == 1
    found = doctor(run, kafka.bootstrap, **env)
    assert found["partitions"]["verdict"] == "failed"
    assert "uneven.caps 2" in found["partitions"]["found"]
    assert found["compaction"]["verdict"] == "warning"


@pytest.mark.kafka
def test_more_partitions_than_the_topics_have_are_refused(run: Run, kafka: KafkaCluster) -> None:
    kafka.create_topic("fixed.caps", 2)
    args = ("topics", "--create", "--partitions", 4, "--bootstrap-servers", kafka.bootstrap)
    done = run(*args, RECONVERGE_TOPIC_PREFIX="fixed.")
    assert done.returncode == 3
    assert "existing topics have 2" in done.stderr


def one_row(session: str, state: State, cap: float, *, valid: bool = True) -> dict[str, Any]:
    fields: dict[str, Any] = {"session": session, "state": state, "cap": cap, "publish_ns": 10**9}
    return watch.row(replace(CAP, **fields), valid, 2 * 10**9, None)


def test_a_thousand_sessions_fit_a_small_terminal_the_worst_of_them() -> None:
    shown = [one_row(f"EQ-{n:04}", State.HEALTHY, 1.0) for n in range(997)]
    shown += [
        one_row("EQ-A", State.STATE_DIVERGED, 0.0),
        one_row("EQ-B", State.HEALTHY, 1.0, valid=False),
        one_row("EQ-C", State.STATE_DIVERGED, 0.1),
    ]
    shown.sort(key=watch.badness)
    for width, columns in ((80, 6), (120, 9)):
        console = Console(width=width, record=True, file=io.StringIO())
        assert len(watch.table(shown, width).columns) == columns
        console.print(watch.view(shown, None, (width, 24), caught=True))
        lines = console.export_text().splitlines()
        assert len(lines) <= 24
        assert lines[0].startswith("1,000 sessions: 2 STATE_DIVERGED, 998 HEALTHY, 1 without")
        assert [line.split()[0] for line in lines[2:5]] == ["EQ-B", "EQ-A", "EQ-C"]
        assert "expired" in lines[2]
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(watch.view(shown, None, (80, 24), caught=False))
    told = console.export_text()
    assert "catching up" in told
    assert "expired" not in told


def test_watch_tells_every_change_and_without_a_terminal_too(embedded: Embedded) -> None:
    """Twenty caps at once are twenty lines, not the newest twenty times."""
    embedded.touch("caps")
    embedded.send("caps", encode(live(1)))
    command = [sys.executable, "-c", "from reconverge.cli import main; main()", "watch"]
    args = ["--session", "DESK-A", "--bootstrap-servers", embedded.address]
    for more in (["--json"], []):
        with subprocess.Popen([*command, *args, *more], stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            first = child.stdout.readline()
            base = 100 if more else 200
            for sequence in range(base, base + 20):
                embedded.producer.produce("caps", encode(live(sequence)), b"DESK-A")
            assert embedded.producer.flush(10) == 0
            if more:
                told = [json.loads(child.stdout.readline())["sequence"] for _ in range(20)]
                assert told == list(range(base, base + 20))
            else:
                assert "1 session" in first
                lines = [child.stdout.readline() for _ in range(22)][2:]
                assert all("DESK-A FAILOVER_DETECTED cap 0.05" in line for line in lines)
            child.send_signal(signal.SIGINT)
            assert child.wait(30) == 0


def live(sequence: int) -> Cap:
    now_ns = time.time_ns()
    times = {"publish_ns": now_ns, "valid_until_ns": now_ns + 60 * 10**9}
    return replace(CAP, sequence=sequence, **times)


def test_watch_follows_changes_until_interrupted(embedded: Embedded) -> None:
    embedded.touch("caps")
    command = [sys.executable, "-c", "from reconverge.cli import main; main()"]
    args = ["watch", "--json", "--bootstrap-servers", embedded.address]
    with subprocess.Popen([*command, *args], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for sequence in (1, 2):
            update = {"sequence": sequence, "cap": sequence / 10}
            cap = replace(EXAMPLES["cap"], **update)
            embedded.send("caps", encode(cap))
            shown = json.loads(process.stdout.readline())
            assert (shown["sequence"], shown["cap"]) == (sequence, sequence / 10)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
