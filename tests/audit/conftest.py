"""The recorded incident, served on real Kafka with a restart in its middle, for all tests here.

Three sessions live through it or beside it: one that stays as it was published, one whose
published records are tampered with, and one with a record that is set aside and mended.
"""

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, NamedTuple

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from msgspec.structs import replace
from typer.testing import CliRunner

from reconverge.cli import app
from reconverge.cli.history import partition_of
from reconverge.core.messages.events import StreamEvent
from reconverge.core.messages.wire import Message, encode
from reconverge.demo.recording import Recording, demo_policy, load, played
from reconverge.demo.timeline import Timeline
from tests.cli.conftest import Done
from tests.cli.test_run import Process, running
from tests.kafka.broker import KafkaCluster

PREFIX = "proved."
PARTITIONS = 2
CLEAN, FORGED, MENDED = "DESK-A", "DESK-B", "DESK-C"
SPEED = 8


class Published(NamedTuple):
    """One record as Kafka holds it."""

    offset: int
    value: bytes
    headers: dict[str, Any]


class Stage:
    """A service at work on a cluster, and the command line beside it."""

    def __init__(self, kafka: KafkaCluster) -> None:
        self.kafka = kafka
        self.producer = Producer({"bootstrap.servers": kafka.bootstrap, "log_level": 0})
        self.process: Process
        self.begin_ns = self.restart_ns = self.end_ns = self.last_ns = 0
        self.refused_offset = -1

    def run(self, *args: object, stdin: str | bytes | None = None) -> Done:
        env = {
            "RECONVERGE_BOOTSTRAP_SERVERS": self.kafka.bootstrap,
            "RECONVERGE_TOPIC_PREFIX": PREFIX,
            "COLUMNS": "200",
        }
        result = CliRunner().invoke(app, list(map(str, args)), input=stdin, env=env)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Done(result.exit_code, result.stdout, result.stderr)

    def write(self, topic: str, session: str, value: bytes) -> int:
        """One record, acknowledged; its offset."""
        offsets: list[int | None] = []
        self.producer.produce(
            PREFIX + topic,
            value,
            session,
            partition_of(session, PARTITIONS),
            on_delivery=lambda _, message: offsets.append(message.offset()),
        )
        assert self.producer.flush(30) == 0
        assert offsets[0] is not None
        return offsets[0]

    def published(self, topic: str, session: str) -> list[Published]:
        """Every record of a session in a topic."""
        consumer = Consumer({"bootstrap.servers": self.kafka.bootstrap, "group.id": "none"})
        where = TopicPartition(PREFIX + topic, partition_of(session, PARTITIONS), 0)
        _, end = consumer.get_watermark_offsets(where)
        consumer.assign([where])
        found: list[Published] = []
        offset = 0
        while offset < end:
            message = consumer.poll(10)
            assert message is not None
            at, value = message.offset(), message.value()
            assert at is not None
            offset = at + 1
            if message.key() == session.encode():
                assert isinstance(value, bytes)
                found.append(Published(at, value, dict(message.headers() or [])))
        consumer.close()
        return found

    def status(self, session: str) -> dict[str, Any]:
        shown = json.loads(self.process.get("/status")[1])["sessions"]
        return dict(shown.get(session, {}))

    def until(self, session: str, field: str, wanted: object) -> dict[str, Any]:
        """The session's status once a field has this value."""
        deadline = time.monotonic() + 30
        while (status := self.status(session)).get(field) != wanted:
            assert time.monotonic() < deadline, status
            time.sleep(0.02)
        return status


def event(kind: str, session: str, **fields: Any) -> dict[str, Any]:
    now_ns = time.time_ns()
    return {"type": kind, "session": session, "event_ns": now_ns, "ingest_ns": now_ns, **fields}


def report(session: str, seq: int, **fields: Any) -> dict[str, Any]:
    return event(
        "execution_report", session, seq=seq, cl_ord_id="C1", order_id="V1", exec_type="new",
        ord_status="new", symbol="ACME", side="buy", order_qty="100", price="10", leaves_qty="100",
        **fields,
    )  # fmt: skip


def play(stage: Stage, recording: Recording, sessions: tuple[str, ...], half: str) -> None:
    """Half of the incident, paced, to each session."""
    timeline = Timeline(recording.begin_ns, stage.begin_ns, SPEED)
    inputs = list(played(recording, timeline, demo_policy()))
    middle = len(inputs) // 2
    for topic, one in inputs[:middle] if half == "first" else inputs[middle:]:
        time.sleep(max(0, one.ingest_ns - time.time_ns()) / 1e9)
        for session in sessions:
            stage.producer.produce(
                PREFIX + topic,
                encoded(replace(one, session=session)),
                session,
                partition_of(session, PARTITIONS),
            )
        stage.producer.poll(0)
    assert stage.producer.flush(30) == 0
    stage.last_ns = max(one.event_ns for _, one in inputs if isinstance(one, StreamEvent))


def encoded(message: Message) -> bytes:
    return encode(message)


def mishap(stage: Stage) -> None:
    """A session whose second message cannot be read: its quantity is a number."""
    lines = [event("logon", MENDED, seq=1), report(MENDED, 2, cum_qty=0)]
    for line in [*lines, event("heartbeat", MENDED, seq=3)]:
        offset = stage.write("order-entry", MENDED, json.dumps(line).encode())
        if line["type"] == "execution_report":
            stage.refused_offset = offset
    stage.write("order-entry", CLEAN, b"\xff garbage")


@pytest.fixture(scope="package")
def stage(kafka: KafkaCluster) -> Iterator[Stage]:
    """The incident has happened, and the service is still at work."""
    stage, recording = Stage(kafka), load()
    assert stage.run("topics", "--create", "--partitions", PARTITIONS).returncode == 0
    with ExitStack() as first:
        stage.process = first.enter_context(running(PREFIX, kafka))
        stage.process.until("/readyz", '"ok":true')
        stage.begin_ns = time.time_ns()
        play(stage, recording, (CLEAN, FORGED), "first")
        mishap(stage)
        assert stage.process.stop() == 0
    stage.restart_ns = time.time_ns()
    with running(PREFIX, kafka, "--audit-every", "5") as stage.process:
        stage.process.until("/readyz", '"ok":true')
        play(stage, recording, (CLEAN, FORGED), "second")
        for session in (CLEAN, FORGED):
            stage.until(session, "event_ns", stage.last_ns)
        stage.end_ns = time.time_ns()
        yield stage
        assert stage.process.stop() == 0
