"""Raw FIX in real Kafka, through ``reconverge tap kafka``: one event stream, whatever dies."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Final

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.records_to_delete import RecordsToDelete

from reconverge.core.messages.wire import encode
from reconverge.tap.feed import Feed, Raw
from reconverge.tap.routing import Record, parse_routes
from tests.kafka.broker import KafkaCluster
from tests.tap.fixtext import START_NS, Sent, inn, out

pytestmark = pytest.mark.kafka

COMMAND: Final = (sys.executable, "-c", "from reconverge.cli import main; main()", "tap", "kafka")
ENTRIES: Final = tuple(f"DESK{n}" for n in range(5))
MAPPING: Final = f"""
[[rule]]
ours = {json.dumps(ENTRIES)}
session = "{{ours}}"
stream = "order-entry"

[[rule]]
ours = "DC"
session = "DESK0"
stream = "drop-copy"
channel = "DC1"
"""
ORDER: Final = ((55, "X"), (54, "1"), (38, "10"), (40, "2"), (44, "9.5"))
STREAMS: Final = ("order-entry", "drop-copy")
PARTITIONS: Final = 3
SESSION_MS: Final = 1_000  # how soon the group takes a process for dead
WAIT_S: Final = 60


class Place:
    """Topics of a test of their own, on a cluster shared by all."""

    def __init__(self, kafka: KafkaCluster, name: str, folder: Path) -> None:
        self.kafka = kafka
        self.prefix = f"{name}."
        self.raw = f"{name}.raw"
        self.mapping = folder / "mapping.toml"
        self.mapping.write_text(MAPPING)
        # The records are years old, and would be deleted at once.
        kafka.create_topic(self.raw, PARTITIONS, {"retention.ms": "-1"})
        for stream in STREAMS:
            kafka.create_topic(self.prefix + stream, PARTITIONS)
        kafka.create_topic(f"{self.prefix}tap-positions", 1, {"cleanup.policy": "compact"})

    @contextmanager
    def tap(self, *options: str) -> Iterator[subprocess.Popen[bytes]]:
        """The command, running; killed at the end if it still does."""
        settings = {
            "RECONVERGE_BOOTSTRAP_SERVERS": self.kafka.bootstrap,
            "RECONVERGE_TOPIC_PREFIX": self.prefix,
            "RECONVERGE_GROUP_ID": self.prefix,
            "RECONVERGE_SESSION_TIMEOUT_MS": str(SESSION_MS),
        }
        arguments = ("--from", self.raw, "--mapping", str(self.mapping), *options)
        process = subprocess.Popen(
            [*COMMAND, *arguments],
            env=os.environ | settings,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        with process:
            try:
                yield process
            finally:
                process.kill()

    async def write(self, talk: list[Sent]) -> None:
        """Raw messages, each of its session's partition."""
        producer = AIOKafkaProducer(**self.kafka.client())
        await producer.start()
        try:
            for m in talk:
                partition = hash_of(m.ours) % PARTITIONS
                at_ms = m.at_ns // 1_000_000
                await producer.send(self.raw, m.encode(), partition=partition, timestamp_ms=at_ms)
        finally:
            await producer.stop()

    def reader(self) -> AIOKafkaConsumer:
        """Reads all events from the beginning."""
        return AIOKafkaConsumer(**self.kafka.client(), auto_offset_reset="earliest")


def at_work(process: subprocess.Popen[bytes]) -> None:
    """Return once it has said that it reads a partition; then it obeys signals, too."""
    assert process.stderr is not None
    for line in process.stderr:
        if b"reading" in line:
            return
    raise AssertionError("it ended before it read anything")


def hash_of(name: str) -> int:
    return sum(name.encode())


def day(seed: int, messages: int) -> list[Sent]:
    """The messages of several sessions, mixed as time goes, with copies of what a producer sent
    again after it died.
    """
    random = Random(seed)
    talks = {name: conversation(name, messages) for name in (*ENTRIES, "DC")}
    sent, position = list[Sent](), dict.fromkeys(talks, 0)
    while any(position[name] < len(talk) for name, talk in talks.items()):
        name = random.choice([n for n, talk in talks.items() if position[n] < len(talk)])
        start, end = position[name], position[name] + random.randint(1, 8)
        if random.random() < 0.05:
            start = max(0, start - random.randint(1, 20))
        sent += talks[name][start:end]
        position[name] = end
    return sent


def conversation(ours: str, messages: int) -> list[Sent]:
    """One session's day: logons, orders and their answers, a silence, a reconnect."""
    talk = [
        Sent("A", 1, ((108, "30"),), True, START_NS, ours=ours),
        Sent("A", 1, ((108, "30"),), False, START_NS + 1_000_000, ours=ours),
    ]
    for n in range(2, messages // 2 + 2):
        at_ms = n * 10 if n < messages // 4 else n * 10 + 90_000  # a heartbeat is missed between
        order = ((11, f"{ours}-{n}"), *ORDER)
        fill = ((37, f"V{n}"), (17, f"x{n}"), *order, (150, "F"), (39, "2"), (32, "10"), (31, "9"))
        talk.append(out("D", n, *order, at_ms=at_ms, ours=ours))
        talk.append(inn("8" if n % 5 else "0", n, *fill, at_ms=at_ms + 3, ours=ours))
    return talk


def expected(talk: list[Sent]) -> dict[str, list[bytes]]:
    """The events of each session and stream, as one process that never dies gives them."""
    found: dict[str, list[bytes]] = {}
    routes = parse_routes({"rule": [
        {"ours": list(ENTRIES), "session": "{ours}", "stream": "order-entry"},
        {"ours": "DC", "session": "DESK0", "stream": "drop-copy", "channel": "DC1"},
    ]})  # fmt: skip
    feed = Feed("one", routes, lambda _: None)
    for offset, m in enumerate(talk):
        raw = Raw(offset, m.at_ns // 1_000_000, m.encode(), Record("raw", {}, None))
        for stream, event in feed.events(raw):
            found.setdefault(f"{stream}/{event.session}", []).append(encode(event))
    return found


async def stored(place: Place) -> dict[str, list[bytes]]:
    """What the output topics have, by session and stream."""
    reader = place.reader()
    await reader.start()
    found: dict[str, list[bytes]] = {}
    try:
        for stream in STREAMS:
            topic = place.prefix + stream
            places = [TopicPartition(topic, p) for p in range(PARTITIONS)]
            reader.assign(places)
            for at, end in (await reader.end_offsets(places)).items():
                reader.seek(at, 0)
                while await reader.position(at) < end:
                    for record in (await reader.getmany(at, timeout_ms=500)).get(at, []):
                        key = f"{stream}/{(record.key or b'').decode()}"
                        found.setdefault(key, []).append(record.value or b"")
    finally:
        await reader.stop()
    return found


async def until(place: Place, count: int) -> None:
    """Return once so many events are in the output topics."""
    reader = place.reader()
    await reader.start()
    try:
        places = [TopicPartition(place.prefix + s, p) for s in STREAMS for p in range(PARTITIONS)]
        reader.assign(places)
        seen = 0
        while seen < count:
            fetched = await reader.getmany(timeout_ms=1_000, max_records=50)
            seen += sum(map(len, fetched.values()))
    finally:
        await reader.stop()


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
async def test_killed_at_random_it_gives_one_event_stream(
    kafka: KafkaCluster, tmp_path: Path, seed: int
) -> None:
    """SIGKILL at any moment, again and again: none is missing, none is there twice, in order."""
    place, random = Place(kafka, f"killed{seed}", tmp_path), Random(seed)
    talk = day(seed, 1_500)
    whole = expected(talk)
    total = sum(map(len, whole.values()))
    await place.write(talk)
    kills = sorted(random.sample(range(1, total), 6))
    for count in kills:
        with place.tap() as process:
            await until(place, count)
            process.kill()
    with place.tap() as process:
        at_work(process)  # the last one killed may have left nothing to do
        await until(place, total)
        process.terminate()
        assert process.wait(WAIT_S) == 0
    assert await stored(place) == whole


@pytest.mark.slow
async def test_two_processes_share_the_partitions_and_one_may_die(
    kafka: KafkaCluster, tmp_path: Path
) -> None:
    place, talk = Place(kafka, "shared", tmp_path), day(7, 1_000)
    whole = expected(talk)
    total = sum(map(len, whole.values()))
    half = len(talk) // 2
    with place.tap() as first, place.tap() as second:
        await place.write(talk[:half])
        await until(place, total // 3)
        first.kill()
        await place.write(talk[half:])
        await until(place, total)
        second.terminate()
        assert second.wait(WAIT_S) == 0
    assert await stored(place) == whole


@pytest.mark.slow
async def test_a_process_that_was_stopped_publishes_nothing_that_another_did(
    kafka: KafkaCluster, tmp_path: Path
) -> None:
    """Woken after the group took it for dead, it is a member like any other."""
    place, talk = Place(kafka, "woken", tmp_path), day(5, 600)
    whole = expected(talk)
    total = sum(map(len, whole.values()))
    third = len(talk) // 3
    with place.tap() as first:
        await place.write(talk[:third])
        # Stopped between two writes: one in the middle of a write may write it once more (docs).
        await until(place, sum(map(len, expected(talk[:third]).values())))
        first.send_signal(signal.SIGSTOP)
        await place.write(talk[third : 2 * third])
        with place.tap() as second:
            await until(place, sum(map(len, expected(talk[: 2 * third]).values())))
            first.send_signal(signal.SIGCONT)
            await place.write(talk[2 * third :])
            await until(place, total)
            for process in (first, second):
                process.terminate()
                assert process.wait(WAIT_S) == 0
    assert await stored(place) == whole


async def test_records_that_were_deleted_unread_are_told(
    kafka: KafkaCluster, tmp_path: Path
) -> None:
    place, talk = Place(kafka, "deleted", tmp_path), day(6, 40)
    part = len(talk) // 3
    await place.write(talk[:part])
    with place.tap() as process:
        await until(place, sum(map(len, expected(talk[:part]).values())))
        process.terminate()
        assert process.wait(WAIT_S) == 0
    await place.write(talk[part : 2 * part])
    await forget(place)
    await place.write(talk[2 * part :])
    before = sum(map(len, (await stored(place)).values()))
    with place.tap() as process:
        await until(place, before + 1)
        process.terminate()
        _, told = process.communicate(timeout=WAIT_S)
    assert process.returncode == 0
    assert b"records were deleted before they were read" in told


async def forget(place: Place) -> None:
    """All raw records so far are gone, as retention would have it."""
    reader = place.reader()
    await reader.start()
    ends = await reader.end_offsets([TopicPartition(place.raw, p) for p in range(PARTITIONS)])
    await reader.stop()
    admin = AIOKafkaAdminClient(**place.kafka.client())
    await admin.start()
    await admin.delete_records({at: RecordsToDelete(before_offset=end) for at, end in ends.items()})
    await admin.close()


async def test_stopped_in_order_it_goes_on_where_it_was(
    kafka: KafkaCluster, tmp_path: Path
) -> None:
    place, talk = Place(kafka, "stopped", tmp_path), day(3, 60)
    whole = expected(talk)
    for part in (talk[: len(talk) // 2], talk[len(talk) // 2 :]):
        await place.write(part)
        with place.tap() as process:
            position = sum(map(len, (await stored(place)).values()))
            await until(place, position + 1)
            await until(place, sum(map(len, expected(talk[: talk.index(part[-1]) + 1]).values())))
            process.terminate()
            assert process.wait(WAIT_S) == 0
    assert await stored(place) == whole


async def test_the_mapping_is_tried_on_a_sample(kafka: KafkaCluster, tmp_path: Path) -> None:
    place = Place(kafka, "checked", tmp_path)
    await place.write(day(4, 20))
    with place.tap("--check") as process:
        said, told = process.communicate(timeout=WAIT_S)
    assert (process.returncode, told) == (0, b"")
    assert b"events of DESK0 drop-copy DC1 (DC)" in said
    assert await stored(place) == {}
    await place.write([inn("0", 1, ours="STRANGER"), inn("0", 9, ours="DESK0")])
    place.mapping.write_text(MAPPING + MAPPING.replace("DESK", "NOBODY"))
    with place.tap("--check", "--sample", "5") as process:
        _, told = process.communicate(timeout=WAIT_S)
    assert process.returncode == 1
    assert b"VENUE->STRANGER: no rule fits" in told
    assert b"rule 3: nothing in the sample fits it" in told


async def test_a_session_in_two_partitions_is_refused(kafka: KafkaCluster, tmp_path: Path) -> None:
    place = Place(kafka, "scattered", tmp_path)
    producer = AIOKafkaProducer(**kafka.client())
    await producer.start()
    for n, partition in ((1, 0), (2, 1)):
        await producer.send_and_wait(
            place.raw, inn("0", n, ours="DESK0").encode(), partition=partition
        )
    await producer.stop()
    with place.tap() as process:
        _, told = process.communicate(timeout=WAIT_S)
    assert process.returncode == 2
    assert b"key the raw records by session" in told
    with place.tap("--check") as process:
        _, told = process.communicate(timeout=WAIT_S)
    assert process.returncode == 1
    assert b"key the raw records by session" in told


async def test_a_topic_that_is_not_there_is_told(kafka: KafkaCluster, tmp_path: Path) -> None:
    place = Place(kafka, "missing", tmp_path)
    place.raw = "nowhere"
    with place.tap() as process:
        _, told = process.communicate(timeout=WAIT_S)
    assert process.returncode == 2
    assert b"no such topic: nowhere" in told
