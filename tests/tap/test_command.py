"""``reconverge tap fix-log`` as a person runs it."""

import json
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Consumer
from typer.testing import CliRunner, Result

from reconverge.cli.tap import app
from tests.embedded import Embedded
from tests.tap.fixtext import FORMATS, inn, out
from tests.tap.golden import CASES, LOGS

COMMAND = (sys.executable, "-c", "from reconverge.cli import main; main()", "tap", "fix-log")
PLAIN = FORMATS["QuickFIX C++"]
OPTIONS = ("--session", "S1", "--stream", "order-entry")
TALK = (out("A", 1, (108, "30")), inn("A", 1, (108, "30"), at_ms=1))


def run(*arguments: str | Path) -> Result:
    """In this process, which is quick."""
    return CliRunner().invoke(app, ["fix-log", *map(str, arguments)], env={"COLUMNS": "200"})


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "FIX.4.4-DESK-VENUE.messages.current.log"
    path.write_bytes(b"".join(map(PLAIN, TALK)))
    return path


def test_every_option_reaches_the_tap() -> None:
    case = next(case for case in CASES if case.name == "fix50sp2-quickfixn-drop-copy")
    done = run(
        *(LOGS / name for name in case.files),
        *("--session", "S1", "--stream", "drop-copy", "--channel", "DC1", "--comp-id", "DESK"),
    )
    assert (done.exit_code, done.stdout) == (0, case.expected.read_text())
    case = next(case for case in CASES if case.name == "fix42-quickfix-cpp")
    paths = ("--gateway", "10.0.0.1:5001=primary", "--gateway", "10.0.0.2:5001=backup")
    done = run(*(LOGS / name for name in case.files), *OPTIONS, *paths)
    assert (done.exit_code, done.stdout) == (0, case.expected.read_text())


def test_what_cannot_be_read_is_kept_and_shows_in_the_exit_code(tmp_path: Path) -> None:
    kept = tmp_path / "rejects"
    options = ("--utc-offset", "+01:00", "--peer", "VENUE", "--gateway", "primary")
    done = run(LOGS / "app.log", *OPTIONS, *options, "--rejects", kept, "--json-summary")
    assert done.exit_code == 1
    summary = json.loads(done.stderr)
    assert summary["rejects"] == 3
    assert summary["messages"] == 5
    assert summary["degraded"] == {"tag 150 left out": 1}
    assert summary["other_sessions"] == {"DESK->OTHER": 1, "OTHER->DESK": 1}
    text = kept.read_bytes()
    for each in summary["first_rejects"]:
        assert f"# {each['at']}: {each['reason']}\n".encode() in text
    source = (LOGS / "app.log").read_bytes()
    for line in text.splitlines():
        assert line.startswith(b"#") or line in source


def test_only_the_first_rejects_are_shown(log: Path) -> None:
    log.write_bytes(b"".join(map(PLAIN, TALK)) + b"what?\n" * 25)
    done = run(log, *OPTIONS)
    assert done.exit_code == 1
    assert done.stderr.count("what?") == 10
    assert "... and 15 more" in done.stderr


def test_a_reject_is_one_line_each_and_cannot_steer_the_terminal(tmp_path: Path) -> None:
    rubbish = tmp_path / ("long" * 40)
    rubbish.write_bytes(b"\x1b[2J\x00 rubbish\n")
    done = CliRunner().invoke(
        app, ["fix-log", str(rubbish), *OPTIONS, "--comp-id", "DESK"], env={"COLUMNS": "60"}
    )
    assert f"{rubbish}:1: neither a FIX message nor an engine's note\n" in done.stderr
    assert "\x1b" not in done.stderr
    assert "\x00" not in done.stderr


@pytest.mark.parametrize("option", ["--session", "--channel", "--gateway", "--venue"])
@pytest.mark.parametrize("name", ["", "x" * 257])
def test_a_name_the_contract_does_not_allow_is_wrong_usage(
    log: Path, option: str, name: str
) -> None:
    done = run(log, *OPTIONS, option, name)
    assert (done.exit_code, done.stdout) == (2, "")
    assert option in done.stderr


def test_the_rejects_file_may_not_be_one_of_the_logs(log: Path) -> None:
    before = log.read_bytes()
    assert run(log, *OPTIONS, "--rejects", log).exit_code == 2
    assert log.read_bytes() == before


def test_what_of_ours_cannot_be_held_is_told(log: Path) -> None:
    body = ((11, "c"), (55, "X"), (54, "7"), (38, "1"))
    log.write_bytes(b"".join(map(PLAIN, (*TALK, out("D", 2, *body, at_ms=2)))))
    done = run(log, *OPTIONS)
    assert done.exit_code == 0
    assert "in flight, of unknown size: Side (54) 7 has no direction" in done.stderr


def test_people_get_a_summary_they_can_read() -> None:
    done = run(LOGS / "app.log", *OPTIONS, "--utc-offset", "+01:00", "--peer", "VENUE")
    assert "lines that could not be read" in done.stderr
    assert "ExecType Z is not known; OrdStatus (39) must do" in done.stderr


def test_altered_messages_are_refused_or_loudly_taken(log: Path) -> None:
    text = log.read_bytes()
    log.write_bytes(text + PLAIN(inn("0", 2, (58, "secret"), at_ms=2)).replace(b"secret", b"***"))
    done = run(log, *OPTIONS)
    assert done.exit_code == 1
    assert "--lenient reads it all the same" in done.stderr
    done = run(log, *OPTIONS, "--lenient")
    assert done.exit_code == 0
    assert "BodyLength (9) and CheckSum (10) do not fit" in done.stderr
    assert "it proves nothing" in done.stderr
    summary = json.loads(run(log, *OPTIONS, "--lenient", "--json-summary").stderr)
    assert summary["lenient"] == {"BodyLength (9) and CheckSum (10) do not fit": 1}


def test_a_content_set_aside_shows_in_the_exit_code(log: Path) -> None:
    log.write_bytes(log.read_bytes() + PLAIN(inn("8", 2, (37, "V1"), at_ms=2)))
    done = run(log, *OPTIONS)
    assert done.exit_code == 1
    assert "number seen, content set aside: neither ExecType (150) nor OrdStatus" in done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["order_id"] == "V1"


def test_a_field_left_out_is_told_with_its_line(log: Path) -> None:
    fill = ((37, "V"), (17, "x"), (150, "F"), (39, "1"), (32, "1"), (31, "1.0048899999999998"))
    log.write_bytes(log.read_bytes() + PLAIN(inn("8", 2, *fill, at_ms=2)))
    done = run(log, *OPTIONS)
    assert done.exit_code == 0
    assert "tag 31 rounded, first at" in done.stderr


@pytest.mark.parametrize("option", [("--comp-id", "DESC"), ("--comp-id", "DESK", "--peer", "V")])
def test_a_name_that_yields_nothing_is_wrong_usage(log: Path, option: tuple[str, ...]) -> None:
    done = run(log, *OPTIONS, *option)
    assert (done.exit_code, done.stdout) == (2, "")
    assert "DESK->VENUE, VENUE->DESK" in " ".join(done.stderr.replace("│", " ").split())


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "--comp-id"),
        (("--comp-id", "DESK", "--utc-offset", "CET"), "--utc-offset"),
        (("--stream", "both"), "--stream"),
        (("--comp-id", "DESK", "--to-kafka", "--bootstrap-servers", ""), "BOOTSTRAP"),
    ],
)
def test_wrong_usage(tmp_path: Path, arguments: tuple[str, ...], told: str) -> None:
    path = tmp_path / "some.log"
    path.write_bytes(PLAIN(inn("0", 7)))
    done = run(path, *OPTIONS, *arguments)
    assert done.exit_code == 2
    assert told in done.stderr


def test_a_file_that_is_not_there_is_wrong_usage() -> None:
    assert run("nowhere.log", *OPTIONS).exit_code == 2


def test_a_broker_that_is_not_there_is_told_once(log: Path) -> None:
    done = run(log, *OPTIONS, "--to-kafka", "--bootstrap-servers", "127.0.0.1:1")
    assert done.exit_code == 3
    assert done.stderr.count("Unable to bootstrap") == 1
    assert "Traceback" not in done.stderr


def test_a_reader_that_has_had_enough_is_no_failure(log: Path) -> None:
    log.write_bytes(b"".join(PLAIN(inn("0", seq)) for seq in range(1, 5_000)))
    with subprocess.Popen(
        [*COMMAND, str(log), *OPTIONS], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        told = process.stderr.read()
        assert (process.wait(60), b"Traceback" in told) == (0, False)


@pytest.fixture
def following(log: Path) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [*COMMAND, str(log), *OPTIONS, "--follow", "--json-summary"],
        bufsize=0,  # or select() would not see lines that were read ahead
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    with process:
        yield process
        process.kill()


def line(process: subprocess.Popen[bytes]) -> dict[str, object]:
    """The next event; fails rather than wait for ever."""
    assert process.stdout is not None
    assert select.select([process.stdout], [], [], 30)[0]
    event: dict[str, object] = json.loads(process.stdout.readline())
    return event


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_following_ends_cleanly(
    log: Path, following: subprocess.Popen[bytes], ending: signal.Signals
) -> None:
    assert [line(following)["type"] for _ in range(2)] == ["logon", "logon"]
    with log.open("ab") as file:
        file.write(PLAIN(inn("B", 2, at_ms=9)))
    assert line(following)["seq"] == 2
    log.rename(log.with_suffix(".1"))
    log.write_bytes(PLAIN(inn("B", 3, at_ms=12)))
    assert line(following)["seq"] == 3
    following.send_signal(ending)
    left, told = following.communicate(timeout=30)
    assert (following.returncode, left) == (0, b"")
    assert json.loads(told)["messages"] == 4


def test_to_kafka_and_again(log: Path) -> None:
    """R4: publishing the same log a second time publishes nothing."""
    broker = Embedded()
    broker.touch("order-entry")
    kafka = ("--to-kafka", "--bootstrap-servers", broker.address)
    for _ in range(2):
        assert run(log, *OPTIONS, *kafka).exit_code == 0
    with log.open("ab") as file:
        file.write(PLAIN(inn("0", 2, at_ms=9)))
    done = run(log, *OPTIONS, *kafka)
    assert "1  events published" in done.stderr
    consumer = Consumer(
        {"bootstrap.servers": broker.address, "group.id": "t", "auto.offset.reset": "earliest"}
    )
    consumer.subscribe(["order-entry"])
    records = consumer.consume(3, timeout=30)
    consumer.close()
    assert [json.loads(r.value() or b"")["type"] for r in records] == ["logon"] * 2 + ["heartbeat"]
    assert {r.key() for r in records} == {b"S1"}
