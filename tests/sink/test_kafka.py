"""The sink on a real Kafka and an object store: killed at random, it loses and doubles nothing."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from random import Random
from typing import Any

import boto3
import pytest
from confluent_kafka import Producer
from moto.server import ThreadedMotoServer

from reconverge.cli.history import partition_of
from reconverge.sink import Store, check, read
from tests.cli.conftest import Run
from tests.cli.test_run import running
from tests.kafka.broker import KafkaCluster

pytestmark = pytest.mark.kafka
PREFIX = "tables."
PARTITIONS = 2
SESSIONS = tuple(f"S{n}" for n in range(8))
EVENTS = 130_000
"""More than a window holds in one partition, so that full ones are written while it is killed."""


def produce(kafka: KafkaCluster) -> None:
    producer = Producer(
        {"bootstrap.servers": kafka.bootstrap, "queue.buffering.max.messages": 500_000}
    )
    now_ns = time.time_ns()
    for n in range(EVENTS):
        session = SESSIONS[0] if n % 10 else SESSIONS[n // 10 % len(SESSIONS)]
        at_ns = now_ns + n * 1_000
        event: dict[str, Any] = {"type": "heartbeat", "session": session}
        event |= {"event_ns": at_ns, "ingest_ns": at_ns}
        producer.produce(
            f"{PREFIX}order-entry",
            json.dumps(event),
            session,
            partition_of(session, PARTITIONS),
        )
        producer.poll(0)
    quote = {"type": "quote", "symbol": "ACME", "bid": "41.36", "ask": "41.38", "event_ns": now_ns}
    for value in (json.dumps(quote).encode(), b"garbage"):
        producer.produce(f"{PREFIX}marks", value, "ACME", 0)
    assert producer.flush(60) == 0


@pytest.fixture(scope="module")
def served(kafka: KafkaCluster) -> KafkaCluster:
    """A service has folded the events, and has left."""
    settings = {"RECONVERGE_BOOTSTRAP_SERVERS": kafka.bootstrap, "RECONVERGE_TOPIC_PREFIX": PREFIX}
    made = [sys.executable, "-m", "reconverge.cli", "topics", "--create", "--partitions"]
    subprocess.run([*made, str(PARTITIONS)], check=True, env=os.environ | settings)
    produce(kafka)
    with running(PREFIX, kafka) as service:
        deadline = time.monotonic() + 120
        while folded(service.get("/metrics")[1]) < EVENTS:
            assert time.monotonic() < deadline
            time.sleep(0.2)
        assert service.stop() == 0
    return kafka


def folded(metrics: str) -> float:
    """Input records that the service has taken."""
    lines = [line for line in metrics.splitlines() if line.startswith("reconverge_records_total")]
    return sum(float(line.rpartition(" ")[2]) for line in lines)


def start(kafka: KafkaCluster, folder: object, **env: str) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "reconverge.cli", "sink", "--to", str(folder)]
    names = ["--bootstrap-servers", kafka.bootstrap, "--topic-prefix", PREFIX]
    return subprocess.Popen([*command, *names], env=os.environ | env)


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*.parquet"))
        if not path.stem.endswith("open")
    }


def test_killed_at_random_it_writes_the_same_bytes(served: KafkaCluster, tmp_path: Path) -> None:
    once, killed = tmp_path / "once", tmp_path / "killed"
    assert start(served, once).wait(300) == 0
    random = Random(7)
    for _ in range(4):
        process = start(served, killed)
        try:
            process.wait(random.uniform(2, 12))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
        process.wait(30)
    assert start(served, killed).wait(300) == 0
    assert contents(once)
    assert contents(killed) == contents(once)
    for folder in (once, killed):
        verdict = check(Store(str(folder)))
        assert verdict.whole, verdict.gaps
        assert verdict.rows["session_events"] == EVENTS
        marks = read(Store(str(folder)), "marks")
        assert [row["kind"] for row in marks] == ["quote", None]
        assert len(read(Store(str(folder)), "quotes")) == 1


def test_an_object_store_holds_the_same_tables(
    served: KafkaCluster, tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One PUT an object; no object is ever half there."""
    server = ThreadedMotoServer("127.0.0.1", 0)
    server.start()
    try:
        host, port = server.get_host_and_port()
        keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
        for name, value in keys.items():
            monkeypatch.setenv(name, value)
        address = f"http://{host}:{port}"
        client = boto3.client("s3", endpoint_url=address, region_name="us-east-1")
        client.create_bucket(Bucket="tables")
        uri = f"s3://tables/history?endpoint_override={host}:{port}&scheme=http&region=us-east-1"
        assert start(served, uri, **keys).wait(300) == 0
        local = tmp_path / "local"
        assert start(served, local).wait(300) == 0
        for table in ("batches", "session_events", "quotes"):
            assert read(Store(uri), table) == read(Store(str(local)), table)
        assert run("sink", "check", uri).returncode == 0
    finally:
        server.stop()
