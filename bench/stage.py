"""Where the end-to-end figures are taken: real Kafka, its topics filled, and processes on it.

Input topics are shared by all that reads them; whatever a process writes goes to topics of its own,
so that each starts on an untouched partition.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Final, NamedTuple, Self

import orjson
from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    ConsumerGroupState,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient

from bench.traffic import Record
from reconverge.config.topics import INPUTS, QUARANTINE, TOPICS
from tests.kafka.broker import KafkaCluster

PATIENCE_S: Final = 60.0
"""Longer than anything here takes; past it something is broken."""
_POLL_S: Final = 0.1
_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")
_CONFIG: Final = {topic.name: topic.config for topic in TOPICS}


class Stage:
    """One broker, and places to run on it. A context manager."""

    def __init__(self) -> None:
        self._cluster = KafkaCluster()
        self._numbers = count()

    def __enter__(self) -> Self:
        self._cluster.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._cluster.__exit__()

    def topic(self, name: str) -> None:
        """A topic of one partition, whatever its records' age."""
        self._cluster.create_topic(name, config={"retention.ms": "-1"})

    def inputs(self) -> str:
        """New input topics, and theirs for quarantine; returns their prefix."""
        prefix = f"in{next(self._numbers)}."
        for name in INPUTS:
            self._cluster.create_topic(prefix + name, config=_CONFIG[name])
            self._cluster.create_topic(QUARANTINE + prefix + name)
        return prefix

    def place(self, inputs: str | None = None) -> "Place":
        """A partition nobody has served yet; it reads these inputs, or new ones."""
        prefix = f"out{next(self._numbers)}."
        for name, config in _CONFIG.items():
            if name not in INPUTS and not name.startswith(QUARANTINE):
                self._cluster.create_topic(prefix + name, config=config)
        return Place(self._cluster.bootstrap, inputs or self.inputs(), prefix)


class Place(NamedTuple):
    """One partition: where it reads and writes."""

    bootstrap: str
    inputs: str
    """Prefix of the input topics,"""
    outputs: str
    """and of all others."""

    def topic(self, name: str) -> str:
        """The Kafka name of a topic."""
        return (self.inputs if name in INPUTS else self.outputs) + name

    def service(self, **settings: str) -> "Process":
        """`reconverge run`, with settings of its own."""
        return self.process(_SERVICE, **settings)

    def process(self, command: list[str], **settings: str) -> "Process":
        """A process that reads the service's settings."""
        given = {
            "bootstrap_servers": self.bootstrap,
            "group_id": self.outputs,
            "topic_prefix": self.outputs,
            "topic_names": orjson.dumps({name: self.topic(name) for name in INPUTS}).decode(),
            "http_port": "0",
            "log_level": "warning",
            **settings,
        }
        variables = {f"RECONVERGE_{name.upper()}": value for name, value in given.items()}
        return Process(command, os.environ | variables)

    @contextmanager
    def reader(self, *names: str) -> Iterator["Reader"]:
        """Topics, from their start on."""
        consumer = Consumer({
            "bootstrap.servers": self.bootstrap, "group.id": "bench", "fetch.wait.max.ms": 50,
            "enable.auto.commit": False,
        })  # fmt: skip
        consumer.assign([TopicPartition(self.topic(name), 0, OFFSET_BEGINNING) for name in names])
        try:
            yield Reader(consumer)
        finally:
            consumer.close()

    @contextmanager
    def writer(self) -> Iterator["Writer"]:
        """The input topics."""
        writer = Writer(self)
        yield writer
        writer.flush()

    def await_members(self, amount: int) -> None:
        """Return once so many processes form the group."""
        admin = AdminClient({"bootstrap.servers": self.bootstrap})
        give_up_s = now_s() + PATIENCE_S
        while now_s() < give_up_s:
            with suppress(KafkaException):  # no coordinator yet
                group = admin.describe_consumer_groups([self.outputs])[self.outputs].result()
                if group.state == ConsumerGroupState.STABLE and len(group.members) == amount:
                    return
            time.sleep(_POLL_S)
        raise AssertionError(f"{amount} members did not come together")

    def fill(self, records: Iterable[Record]) -> None:
        """Write records; returns when the broker has them."""
        with self.writer() as writer:
            for record in records:
                writer.write(record, at_ms=record.at_ms)


_SERVICE: Final = [str(Path(sys.executable).with_name("reconverge")), "run"]


class Process:
    """A child, and what the kernel knows of it. A context manager that leaves none behind."""

    def __init__(self, command: list[str], environment: Mapping[str, str]) -> None:
        self._popen = subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        self._popen.communicate()

    def cpu_s(self) -> float:
        """Processor time of all its threads, in user mode and for it in the kernel. Seconds."""
        fields = self._read("stat").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S

    def resident_bytes(self) -> int:
        """Memory it holds."""
        return int(self._read("statm").split()[1]) * os.sysconf("SC_PAGESIZE")

    def _read(self, name: str) -> str:
        return Path(f"/proc/{self._popen.pid}/{name}").read_text()

    def leave(self) -> None:
        """SIGTERM: it is to stop in order."""
        self._popen.send_signal(signal.SIGTERM)

    def ended(self) -> bytes:
        """What it printed, once it has ended by itself, and well."""
        printed, _ = self._popen.communicate(timeout=PATIENCE_S)
        assert self._popen.returncode == 0, f"{self._popen.args!r}: {self._popen.returncode}"
        return printed

    def kill(self) -> None:
        """SIGKILL; no matter if it has ended."""
        self._popen.kill()
        self._popen.wait()


class Reader:
    """Follows topics."""

    def __init__(self, consumer: Consumer) -> None:
        self._consumer = consumer

    def poll(self, wait_s: float) -> Message | None:
        """The next record, if there is one in time."""
        message = self._consumer.poll(wait_s)
        assert message is None or message.error() is None, message.error()
        return message

    def await_keys(self, keys: Collection[bytes]) -> None:
        """Return once a record of each of these keys has come."""
        left = set(keys)
        while left:
            left.discard(self.next().key() or b"")

    def next(self) -> Message:
        """The next record."""
        message = self.poll(PATIENCE_S)
        assert message is not None, f"nothing came for {PATIENCE_S} s"
        return message


class Writer:
    """Writes input topics."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._producer = Producer({
            "bootstrap.servers": place.bootstrap, "linger.ms": 0, "acks": "all",
            "queue.buffering.max.messages": 1_000_000,
        })  # fmt: skip

    def write(self, record: Record, at_ms: int = 0) -> None:
        """Send without waiting, dated now unless told otherwise."""
        self._producer.produce(
            self._place.topic(record.topic),
            record.value,
            record.key,
            0,
            on_delivery=_delivered,
            timestamp=at_ms,
        )
        self._producer.poll(0)

    def flush(self) -> None:
        """Return when the broker has everything."""
        left = self._producer.flush(PATIENCE_S)
        assert left == 0, f"{left} records were not written"


def _delivered(error: KafkaError | None, _: Message) -> None:
    assert error is None, error


class Mark(NamedTuple):
    """A moment of a run."""

    events: int
    at_s: float
    cpu_s: float


class Speed(NamedTuple):
    """Between two moments."""

    events_per_s: float
    cpu_s_per_million: float

    @classmethod
    def between(cls, first: Mark, last: Mark) -> "Speed":
        events = last.events - first.events
        return cls(
            events / (last.at_s - first.at_s), (last.cpu_s - first.cpu_s) / events * 1_000_000
        )


def now_s() -> float:
    """A clock that all processes of the machine share. Seconds."""
    return time.monotonic()
