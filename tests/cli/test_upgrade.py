"""From core version 1 to 2 and back, on real Kafka: docs/upgrade.md tells what is seen here.

The old version is the wheel of the last commit of core version 1, built from this repository's own
history.
"""

import json
import os
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from reconverge.contract.examples import WRITTEN
from tests.cli.conftest import Run
from tests.cli.test_run import Process, publish, running
from tests.kafka.broker import KafkaCluster

pytestmark = pytest.mark.kafka
OLD = "7a3d3da"
"""The last commit of core version 1."""
ACCEPTED = ("--accept-core", "1")


@pytest.fixture(scope="module")
def old() -> Path:
    """The package of the old version, as its wheel holds it; built once and kept in the cache."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "reconverge/wheels"
    package = cache / OLD
    if not (package / "reconverge").exists():
        source = cache / f"{OLD}-source"
        source.mkdir(parents=True, exist_ok=True)
        archive = subprocess.run(["git", "archive", OLD], check=True, capture_output=True).stdout
        subprocess.run(["tar", "--extract", "--directory", source], check=True, input=archive)
        build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel"]
        subprocess.run(build, check=True, cwd=source, capture_output=True)
        (wheel,) = (source / "dist").glob("*.whl")
        with zipfile.ZipFile(wheel) as packed:
            packed.extractall(package)
    return package


def prepared(run: Run, kafka: KafkaCluster, prefix: str) -> None:
    env = {"RECONVERGE_BOOTSTRAP_SERVERS": kafka.bootstrap, "RECONVERGE_TOPIC_PREFIX": prefix}
    assert run("topics", "--create", "--partitions", 1, **env).returncode == 0


def expected(process: Process) -> int:
    """The next number that the service expects of the venue."""
    shown = json.loads(process.until("/status", '"DESK-A"'))["sessions"]["DESK-A"]
    number: int = shown["rwh"]["entry"]["next_expected"]
    return number


def served_by_old(kafka: KafkaCluster, prefix: str, old: Path, *, killed: bool) -> int:
    with running(prefix, kafka, package=old) as process:
        publish(kafka, prefix)
        process.until("/metrics", 'quarantined_records_total{disposition="malformed"')
        number = expected(process)
        if not killed:
            assert process.stop() == 0
    return number


@pytest.mark.parametrize("killed", [False, True])
def test_the_new_version_takes_over_what_it_is_told_to_accept(
    run: Run, kafka: KafkaCluster, old: Path, *, killed: bool
) -> None:
    prefix = f"upgrade-{killed}."
    prepared(run, kafka, prefix)
    number = served_by_old(kafka, prefix, old, killed=killed)
    with running(prefix, kafka) as process:
        process.until("/metrics", 'conditions_total{condition="core_unknown"}')
        assert process.get("/readyz")[0] == 503
    with running(prefix, kafka, *ACCEPTED) as process:
        assert expected(process) == number
        process.until("/metrics", 'conditions_total{condition="core_accepted"} 1.0')
        process.until("/readyz", '"ok":true')
    with running(prefix, kafka) as process:  # though the last one was killed: once is enough
        assert expected(process) == number
        assert process.stop() == 0
    env = {"RECONVERGE_BOOTSTRAP_SERVERS": kafka.bootstrap, "RECONVERGE_TOPIC_PREFIX": prefix}
    audited = run("audit", "--session", "DESK-A", **env)
    assert audited.returncode == 0, audited.stdout + audited.stderr


def test_the_old_version_takes_over_again_with_a_journal_of_its_own(
    run: Run, kafka: KafkaCluster, old: Path
) -> None:
    prefix = "rollback."
    prepared(run, kafka, prefix)
    number = served_by_old(kafka, prefix, old, killed=False)
    with running(prefix, kafka, *ACCEPTED) as process:
        assert expected(process) == number
        say_what_only_the_new_version_knows(kafka, prefix)
        assert process.stop() == 0
    with running(prefix, kafka, package=old) as process:
        process.until("/metrics", 'conditions_total{condition="core_unknown"}')
        assert process.get("/readyz")[0] == 503
    made_again(kafka, [prefix + name for name in ("journal", "snapshots", "caps", "shadow-caps")])
    prepared(run, kafka, prefix)
    with running(prefix, kafka, package=old) as process:
        assert expected(process) == number
        process.until("/metrics", 'quarantined_records_total{disposition="unsupported_type"')
        assert process.stop() == 0
    assert "unsupported_type" in dispositions(kafka, f"dlq.{prefix}order-entry")


def say_what_only_the_new_version_knows(kafka: KafkaCluster, prefix: str) -> None:
    now_ns = time.time_ns()
    fields = WRITTEN["unmodelled_request"] | {"event_ns": now_ns, "ingest_ns": now_ns, "seq": None}
    producer = Producer({"bootstrap.servers": kafka.bootstrap})
    producer.produce(f"{prefix}order-entry", json.dumps(fields).encode(), b"DESK-A")
    assert producer.flush(30) == 0


def made_again(kafka: KafkaCluster, topics: list[str]) -> None:
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
    for done in admin.delete_topics(topics).values():
        done.result(30)
    kafka.until(lambda: not set(topics) & set(admin.list_topics(timeout=10).topics), "deletion")


def dispositions(kafka: KafkaCluster, topic: str) -> set[str]:
    consumer = Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": "reader"})
    try:
        consumer.assign([TopicPartition(topic, 0, 0)])
        found: set[str] = set()
        while (record := consumer.poll(5)) is not None and not record.error():
            headers: dict[str, bytes] = dict(record.headers() or ())  # type: ignore[arg-type]
            found.add(headers["reconverge.disposition"].decode())
        return found
    finally:
        consumer.close()
