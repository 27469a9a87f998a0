"""`run` as a process of its own on real Kafka: what it serves, what it logs, how it ends."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from confluent_kafka import Producer

from reconverge.contract.examples import EXAMPLES, WRITTEN
from reconverge.core.messages.events import StreamEvent
from reconverge.ops.catalogue import PREFIX
from tests.cli.conftest import Run
from tests.kafka.broker import KafkaCluster

pytestmark = pytest.mark.kafka
DEADLINE_S = 60


class Process:
    """A running service; its log is JSON lines on standard error."""

    def __init__(self, child: "subprocess.Popen[str]") -> None:
        self.child = child
        self.logged: list[dict[str, Any]] = []
        self.url = self._await_log("serving")["http"]

    def _await_log(self, event: str) -> dict[str, Any]:
        assert self.child.stderr is not None
        for line in self.child.stderr:
            self.logged.append(json.loads(line))
            if self.logged[-1]["event"] == event:
                return self.logged[-1]
        raise AssertionError(f"it ended without logging {event}: {self.logged}")

    def get(self, page: str) -> tuple[int, str]:
        try:
            with urlopen(f"{self.url}{page}", timeout=5) as response:
                return response.status, response.read().decode()
        except HTTPError as error:
            return error.code, error.read().decode()

    def until(self, page: str, wanted: str) -> str:
        """The page once it shows this text."""
        deadline = time.monotonic() + DEADLINE_S
        while wanted not in (text := self.get(page)[1]):
            assert time.monotonic() < deadline, f"{page} never showed {wanted}: {text}"
        return text

    def stop(self) -> int:
        self.child.send_signal(signal.SIGTERM)
        self._await_log("stopped")
        return self.child.wait(DEADLINE_S)


@contextmanager
def running(
    prefix: str, kafka: KafkaCluster, *args: str, package: Path | None = None
) -> Iterator[Process]:
    """A process of the service; of another version where its package is given."""
    command = [sys.executable, "-c", "from reconverge.cli import main; main()", "run", *args]
    env = os.environ | {
        "RECONVERGE_BOOTSTRAP_SERVERS": kafka.bootstrap,
        "RECONVERGE_TOPIC_PREFIX": prefix,
        "RECONVERGE_GROUP_ID": prefix,
        "RECONVERGE_HTTP_PORT": "0",
    }
    if package is not None:
        env["PYTHONPATH"] = str(package)
    with subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True) as child:
        try:
            yield Process(child)
        finally:
            child.kill()


def publish(kafka: KafkaCluster, prefix: str) -> None:
    """The order events of the published examples, as of now, and a line of garbage."""
    producer = Producer({"bootstrap.servers": kafka.bootstrap})
    for event in EXAMPLES.values():
        if isinstance(event, StreamEvent):
            now_ns = time.time_ns()
            topic = "drop-copy" if event.channel else "order-entry"
            fields = WRITTEN[event.type] | {"event_ns": now_ns, "ingest_ns": now_ns}
            producer.produce(prefix + topic, json.dumps(fields).encode(), b"DESK-A")
    producer.produce(f"{prefix}order-entry", b"garbage", b"DESK-A")
    assert producer.flush(30) == 0


def test_it_serves_what_it_makes_of_the_inputs_and_stops_in_order(
    run: Run, kafka: KafkaCluster
) -> None:
    prefix = "serving."
    env = {"RECONVERGE_BOOTSTRAP_SERVERS": kafka.bootstrap, "RECONVERGE_TOPIC_PREFIX": prefix}
    assert run("topics", "--create", "--partitions", 2, **env).returncode == 0
    with running(prefix, kafka) as process:
        publish(kafka, prefix)
        session = json.loads(process.until("/status", '"DESK-A"'))["sessions"]["DESK-A"]
        assert session["state"] == "STATE_DIVERGED"
        assert session["rwh"]["entry"]["unrecoverable"] > 0
        metrics = process.until("/metrics", "quarantined_records_total{")
        assert f'{PREFIX}session_state{{session="DESK-A",state="STATE_DIVERGED"}} 1.0' in metrics
        process.until("/readyz", '"ok":true')
        assert process.get("/healthz")[0] == 200
        watched = run("watch", "--once", "--json", "--http", process.url, **env)
        shown = json.loads(watched.stdout)
        assert shown["valid"]
        assert shown["lss"] == session["lss"]
        assert process.stop() == 0
    with running(prefix, kafka) as process:  # and resumes where it was
        again = json.loads(process.until("/status", '"DESK-A"'))["sessions"]["DESK-A"]
        assert again["rwh"]["entry"]["next_expected"] == session["rwh"]["entry"]["next_expected"]
        assert process.stop() == 0


def test_missing_topics_end_it_with_the_remedy(run_process: Run, kafka: KafkaCluster) -> None:
    done = run_process(
        "run",
        RECONVERGE_BOOTSTRAP_SERVERS=kafka.bootstrap,
        RECONVERGE_TOPIC_PREFIX="absent.",
        RECONVERGE_HTTP_PORT="0",
    )
    assert done.returncode == 3
    last = done.stderr.splitlines()[-1]
    assert "topic_missing" in last
    assert "reconverge doctor" in last


def test_no_broker_ends_it(run_process: Run) -> None:
    done = run_process("run", RECONVERGE_BOOTSTRAP_SERVERS="127.0.0.1:1", RECONVERGE_HTTP_PORT="0")
    assert done.returncode == 3
    assert "Traceback" not in done.stderr


def test_a_taken_port_ends_it(run: Run, run_process: Run, kafka: KafkaCluster) -> None:
    env = {"RECONVERGE_BOOTSTRAP_SERVERS": kafka.bootstrap, "RECONVERGE_TOPIC_PREFIX": "port."}
    assert run("topics", "--create", "--partitions", 1, **env).returncode == 0
    with running("port.", kafka) as process:
        port = process.url.rpartition(":")[2]
        done = run_process("run", **env, RECONVERGE_HTTP_PORT=port)
        assert done.returncode == 3
        assert port in done.stderr.splitlines()[-1]
        assert process.stop() == 0
