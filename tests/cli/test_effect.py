"""The operator's commands beside a service: they end when it has said what became of them."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reconverge.config.topics import TOPICS
from reconverge.core.messages.events import ExecutionReport, Logon
from reconverge.core.messages.wire import encode
from tests.cli.conftest import Done, Run
from tests.cli.test_run import Process
from tests.embedded import Embedded

WHY = ("--actor", "j.doe", "--reason", "drill")
IDLE, BUSY = "EQ-1", "EQ-2"
"""Sessions without and with a working order."""


class Served:
    """A service on an embedded broker that knows two sessions."""

    def __init__(self, process: Process, broker: Embedded) -> None:
        self.process = process
        self.broker = broker

    def status(self, session: str) -> dict[str, Any]:
        return dict(json.loads(self.process.get("/status")[1])["sessions"].get(session, {}))


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    broker = Embedded()
    broker.touch(*(topic.name for topic in TOPICS))
    env = {name: value for name, value in os.environ.items() if not name.startswith("RECONVERGE_")}
    env |= {
        "RECONVERGE_BOOTSTRAP_SERVERS": broker.address,
        "RECONVERGE_HTTP_PORT": "0",
        "RECONVERGE_FETCH_WAIT_MS": "20",
    }
    command = [sys.executable, "-m", "reconverge.cli", "run"]
    with subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True) as child:
        try:
            process = Process(child)
            process.until("/readyz", '"ok":true')
            for session in (IDLE, BUSY):
                send(broker, Logon(session=session, seq=1, event_ns=0, ingest_ns=0))
            order: dict[str, Any] = {"exec_type": "new", "ord_status": "new", "order_qty": "5"}
            order |= {"order_id": "V15", "leaves_qty": "5", "cum_qty": "0", "exec_id": "E1"}
            send(broker, ExecutionReport(session=BUSY, seq=2, event_ns=0, ingest_ns=0, **order))
            process.until("/status", BUSY)
            process.until("/status", '"either":1')
            yield Served(process, broker)
        finally:
            child.kill()


def send(broker: Embedded, event: Any) -> None:
    now_ns = time.time_ns()
    fields = json.loads(encode(event)) | {"event_ns": now_ns, "ingest_ns": now_ns}
    broker.send("order-entry", json.dumps(fields).encode(), event.session.encode())


def act(run: Run, served: Served, *args: object) -> Done:
    return run(*args, *WHY[: 2 if args[0] == "policy" else 4],
               RECONVERGE_BOOTSTRAP_SERVERS=served.broker.address)  # fmt: skip


def test_it_is_in_effect_when_the_command_ends(run: Run, served: Served) -> None:
    for latch, wanted in (("on", True), ("off", False)):
        for who in (BUSY, "*"):
            done = act(run, served, "safe-mode", latch, "--session", who)
            assert done.returncode == 0, done.stderr
            assert "in effect" in done.stdout
            assert served.status(BUSY)["safe_mode"] is wanted


def test_each_partition_answers_a_broadcast(run: Run, served: Served) -> None:
    done = act(run, served, "safe-mode", "off", "--session", "*", "--json")
    results = json.loads(done.stdout)["results"]
    assert [each["partition"] for each in results] == [0, 1, 2, 3]
    assert {each["result"] for each in results} == {"applied"}


def test_a_refusal_is_told_once_with_its_reason(run: Run, served: Served) -> None:
    done = act(run, served, "policy", "apply", "--retire-shadow", "strict")
    assert done.returncode == 1
    assert done.stderr == "refused, and nothing changed: no shadow is called strict\n"


def test_a_session_with_a_working_order_is_not_retired(run: Run, served: Served) -> None:
    done = act(run, served, "session", "retire", BUSY, "--json")
    assert done.returncode == 1
    assert "1 orders of EQ-2 work" in done.stderr
    [result] = json.loads(done.stdout)["results"]
    assert result["result"] == "refused"
    assert served.status(BUSY)


@pytest.mark.parametrize(
    "command", ["safe-mode on --session EQ-11", "attest --session EQ-11", "session retire EQ-11"]
)
def test_a_mistyped_session_is_refused_with_the_nearest(
    run: Run, served: Served, command: str
) -> None:
    done = act(run, served, *command.split())
    assert done.returncode == 1
    assert "EQ-1" in done.stderr.removeprefix("no session EQ-11")
    assert not served.status("EQ-11")


def test_a_mistyped_order_is_refused_with_the_nearest(run: Run, served: Served) -> None:
    orders = ("attest", "--session", BUSY, "--order", "V15", "--order")
    done = act(run, served, *orders, "V16")
    assert done.returncode == 1
    assert "no order goes by V16; the nearest that work: V15" in done.stderr
    assert served.status(BUSY)["working"]["either"] == 1, "nor is the other order attested"
    assert act(run, served, *orders, "V16", "--unknown").returncode == 0
    assert served.status(BUSY)["working"]["either"] == 0


def test_a_retired_session_is_known_no_longer(run: Run, served: Served) -> None:
    done = act(run, served, "session", "retire", IDLE)
    assert done.returncode == 0, done.stderr
    assert not served.status(IDLE)
    again = act(run, served, "session", "retire", IDLE)
    assert again.returncode == 1
    assert f"no session {IDLE} is known" in again.stderr


def test_without_a_service_it_says_that_nothing_is_known_yet(run: Run, served: Served) -> None:
    """The process is stopped, not ended: it answers when it goes on."""
    served.process.child.send_signal(signal.SIGSTOP)
    try:
        done = act(run, served, "safe-mode", "on", "--session", BUSY)
    finally:
        served.process.child.send_signal(signal.SIGCONT)
    assert done.returncode == 1
    assert "it does when the service is back" in done.stderr
    served.process.until("/status", '"safe_mode":true')


def test_the_topic_of_results_is_needed_only_to_wait(
    run: Run, embedded: Embedded, tmp_path: Path
) -> None:
    embedded.touch("controls")
    args = ("safe-mode", "on", "--session", "*", *WHY, "--bootstrap-servers", embedded.address)
    done = run(*args)
    assert done.returncode == 3
    assert "no topic control-results" in done.stderr
    assert run(*args, "--no-wait").returncode == 0
