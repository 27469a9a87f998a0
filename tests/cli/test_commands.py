"""The commands that need no broker: help, version, schema, policy, topics."""

import json
from pathlib import Path

import pytest

import reconverge
from reconverge import cli
from reconverge.core.control import Policy
from tests.cli.conftest import Run

COMMANDS = ("run", "replay", "watch", "schema", "topics", "doctor", "safe-mode", "attest")
POLICY = """
id = "desk"
version = 2
[recovery]
reentry_confidence = 0.95
[cap.ceiling]
controlled_reentry = 0.8
"""
WRONG = """
recovery.exit_confidence = 0.95
cap = {floor = 7, validity_ms = 2000}
scope.symbols = [1]
freshness.lag_soft_ms = "x"
"""


def test_version(run: Run) -> None:
    done = run("--version")
    assert (done.returncode, done.stdout) == (0, f"{reconverge.__version__}\n")


def test_help_names_every_command_and_the_exit_codes(run: Run) -> None:
    told = run("--help").stdout
    for command in (*COMMANDS, "tap", "policy"):
        assert command in told
    assert "Exit codes: 0 done" in told


@pytest.mark.parametrize("command", COMMANDS)
def test_each_commands_help_has_an_example(run: Run, command: str) -> None:
    done = run(command, "--help")
    assert done.returncode == 0
    assert f"reconverge {command}" in done.stdout


@pytest.mark.parametrize("args", [["nonsense"], ["replay"], ["replay", "absent.jsonl"], ["policy"]])
def test_wrong_usage_is_exit_code_2(run: Run, args: list[str]) -> None:
    assert run(*args).returncode == 2


@pytest.mark.parametrize("command", ["topics", "doctor", "watch", "run"])
def test_wrong_settings_are_exit_code_2_and_all_named(run: Run, command: str) -> None:
    done = run(command, RECONVERGE_HTTP_PORT="x", RECONVERGE_SECURITY_PROTOCOL="TELNET")
    assert done.returncode == 2
    assert "RECONVERGE_HTTP_PORT: " in done.stderr
    assert "RECONVERGE_SECURITY_PROTOCOL: " in done.stderr
    assert "Traceback" not in done.stderr


def test_schema_writes_checks_and_mends(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "schemas"
    assert run("schema", "--check", folder).returncode == 1
    assert run("schema", folder).returncode == 0
    assert run("schema", "--check", folder).returncode == 0
    (folder / "events" / "heartbeat.json").write_text("{}")
    stale = run("schema", "--check", folder)
    assert stale.returncode == 1
    assert stale.stdout.strip() == str(folder / "events" / "heartbeat.json")


def test_a_folder_that_cannot_be_written_is_exit_code_3(run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = run("schema", tmp_path / "file" / "schemas")
    assert done.returncode == 3
    assert "file/schemas" in done.stderr


def test_a_policy_that_holds_together(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "desk.toml"
    file.write_text(POLICY)
    assert "desk version 2 holds together" in run("policy", "check", file).stdout
    found = json.loads(run("policy", "check", file, "--json").stdout)
    assert found["problems"] == []
    assert found["policy"]["id"] == "desk"


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("colour = 1\n[cap]\nfloor = 7\n", {"colour", "cap.floor"}),
        (
            "[recovery]\nexit_confidence = 0.95\n[cap]\nvalidity_ms = 2000\n",
            {"recovery.exit_confidence", "cap.validity_ms"},
        ),
        ("colour = 1\n[cap]\nvalidity_ms = 2000\n", {"colour", "cap.validity_ms"}),
        (
            WRONG,
            {"recovery.exit_confidence", "cap.floor", "cap.validity_ms", "scope.symbols.0"}
            | {"freshness.lag_soft_ms"},
        ),
        ("[cap\n", {"(file)"}),
    ],
    ids=[
        "unknown and wrong",
        "contradictions",
        "unknown and contradiction",
        "wrong and contradiction",
        "no TOML",
    ],
)
def test_a_policy_that_does_not_has_every_problem_named(
    run: Run, tmp_path: Path, text: str, keys: set[str]
) -> None:
    file = tmp_path / "bad.toml"
    file.write_text(text)
    done = run("policy", "check", file)
    assert done.returncode == 1
    for key in keys:
        assert f"{file}: {key}: " in done.stderr
    found = json.loads(run("policy", "check", file, "--json").stdout)
    assert {problem["key"] for problem in found["problems"]} == keys


def test_policies_are_compared_in_words(run: Run, tmp_path: Path) -> None:
    before, after = tmp_path / "a.toml", tmp_path / "b.toml"
    before.write_text("")
    after.write_text(POLICY)
    changes = {
        c["key"]: c for c in json.loads(run("policy", "diff", before, after, "--json").stdout)
    }
    assert changes["recovery.reentry_confidence"]["direction"] == "tighter"
    assert (
        changes["cap.ceiling.controlled_reentry"]["before"]
        == Policy().cap.ceiling.controlled_reentry
    )
    assert "tighter" in run("policy", "diff", before, after).stdout
    assert "no difference" in run("policy", "diff", after, after).stdout


def test_topics_are_printed_without_a_broker(run: Run) -> None:
    done = run("topics", "--json", RECONVERGE_TOPIC_PREFIX="desk1.")
    topics = {topic["name"]: topic for topic in json.loads(done.stdout)["topics"]}
    assert topics["desk1.caps"]["config"]["cleanup.policy"] == "compact"
    assert topics["desk1.order-entry"]["role"] == "input"
    assert "dlq.desk1.order-entry" in topics
    assert "desk1.journal" in run("topics", RECONVERGE_TOPIC_PREFIX="desk1.").stdout
    assert "desk2.journal" in run("topics", "--topic-prefix", "desk2.").stdout


@pytest.mark.parametrize(
    "servers", ["http://kafka:9092", "kafka:9092,SASL_SSL://b:9093", "kafka", "kafka:x", "k:70000"]
)
def test_a_broker_is_no_url_but_host_and_port(run: Run, servers: str) -> None:
    done = run("watch", "--once", "--bootstrap-servers", servers)
    assert done.returncode == 2
    assert "RECONVERGE_BOOTSTRAP_SERVERS" in done.stderr
    assert repr(servers.rpartition(",")[2]) in done.stderr


@pytest.mark.parametrize("command", cli.COMMANDS)
def test_the_help_of_all_says_what_the_help_of_each_begins_with(run: Run, command: str) -> None:
    _, told = cli.COMMANDS[command]
    shown = " ".join(run(command, "--help").stdout.split())
    assert told in shown or told.replace("`", "") in shown  # a group's is shown as it is written
    assert told.split()[0] in run("--help").stdout


def test_the_help_of_all_imports_none(run_process: Run) -> None:
    done = run_process("--help", PYTHONPROFILEIMPORTTIME="1")
    assert done.returncode == 0
    assert "<bool>" not in done.stdout
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "typer" in imported
    assert not imported & {"aiokafka", "pydantic", "aiohttp", "pyarrow"}


@pytest.mark.parametrize("command", cli.COMMANDS)
def test_a_flag_shows_no_type(run: Run, command: str) -> None:
    told = run(command, "--help").stdout
    assert not {"<bool>", "<str>", "<int>", "<float>"} & set(told.split())


def test_a_file_at_fault_is_named_and_not_kafka(run: Run, tmp_path: Path) -> None:
    unreadable = tmp_path / "password"
    unreadable.write_bytes(b"\xff\xfe")
    done = run(
        "topics", "--create",
        RECONVERGE_SECURITY_PROTOCOL="SASL_PLAINTEXT", RECONVERGE_SASL_USERNAME="me",
        RECONVERGE_SASL_PASSWORD_FILE=str(unreadable),
    )  # fmt: skip
    assert done.returncode == 2
    assert str(unreadable) in done.stderr
    assert "Kafka" not in done.stderr
