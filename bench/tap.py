"""Raw FIX in Kafka through `tap kafka`, against the floor: reading, checking and splitting alone.

Both read the same topic of one partition, each in a process of its own; the tap besides translates,
publishes and writes its position down. What is counted begins at a tenth of the messages.
"""

import json
import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from confluent_kafka import Producer

from bench.report import Row, interleaved
from bench.stage import Mark, Place, Speed, Stage, now_s

MESSAGES: Final = 60_000
ROUNDS: Final = 3
_RAW: Final = "raw"
_DESKS: Final = tuple(f"DESK{n}" for n in range(8))
_MARKS: Final = ("MARK-0", "MARK-1")
"""CompIDs whose first message marks a tenth of the topic, and its end."""
_COMMAND: Final = (
    sys.executable, "-c", "from reconverge.cli import main; main()", "tap", "kafka", "--from", _RAW,
)  # fmt: skip


def measure() -> Iterator[Row]:
    """Messages a second, and processor seconds a million messages."""
    with Stage() as stage, TemporaryDirectory() as folder:
        mapping = Path(folder) / "mapping.toml"
        ours = json.dumps([*_DESKS, *_MARKS])
        mapping.write_text(
            f'[[rule]]\nours = {ours}\nsession = "{{ours}}"\nstream = "order-entry"\n'
        )
        place = stage.place()
        stage.topic(_RAW)
        _fill(place)
        _floor(place)  # warms the broker's JVM
        found = interleaved({
            "floor": lambda: _floor(place),
            "tap": lambda: _tapped(stage.place(), mapping),
        }, ROUNDS)  # fmt: skip
    floor_per_s, floor_cpu = zip(*found["floor"], strict=True)
    per_s, cpu = zip(*found["tap"], strict=True)
    yield Row("raw FIX", "messages/s", per_s, "floor", floor_per_s)
    yield Row("raw FIX", "CPU s a million", cpu, "floor", floor_cpu)


def _fill(place: Place) -> None:
    producer = Producer({"bootstrap.servers": place.bootstrap, "linger.ms": 50})
    for number, value in enumerate(_messages(MESSAGES)):
        if number == MESSAGES // 10:
            producer.produce(_RAW, _encoded(_MARKS[0], "VENUE", "0", 1, ""), partition=0)
        producer.produce(_RAW, value, partition=0)
        producer.poll(0)
    producer.produce(_RAW, _encoded(_MARKS[1], "VENUE", "0", 1, ""), partition=0)
    producer.flush()


def _messages(total: int) -> Iterator[bytes]:
    """Orders and their fills, session by session."""
    seqs = {desk: count(1) for desk in _DESKS}
    for number in range(total // 2):
        desk = _DESKS[number % len(_DESKS)]
        seq = next(seqs[desk])
        order = f"11={desk}-{seq}\x0155=ACME\x0154=1\x0138=100\x0140=2\x0144=10.5\x01"
        yield _encoded(desk, desk, "D", seq, order + "59=0\x0160=20260302-14:30:00.000\x01")
        fill = f"37=V{number}\x0117=X{number}\x01150=F\x0139=2\x01{order}32=100\x0131=10.5\x01"
        rest = "14=100\x01151=0\x016=10.5\x0160=20260302-14:30:00.000\x01"
        yield _encoded(desk, "VENUE", "8", seq, fill + rest)


def _encoded(ours: str, sender: str, msg_type: str, seq: int, body: str) -> bytes:
    target = "VENUE" if sender == ours else ours
    head = f"35={msg_type}\x0134={seq}\x0149={sender}\x0152={_stamp(seq)}\x0156={target}\x01{body}"
    text = f"8=FIX.4.4\x019={len(head)}\x01{head}"
    return f"{text}10={sum(text.encode()) % 256:03d}\x01".encode()


def _stamp(seq: int) -> str:
    return f"20260302-14:{seq // 60_000 % 60:02d}:{seq // 1_000 % 60:02d}.{seq % 1_000:03d}"


def _tapped(place: Place, mapping: Path) -> Speed:
    moments = []
    command = [*_COMMAND, "--mapping", str(mapping)]
    with place.process(command) as process, place.reader("order-entry") as events:
        for mark in _MARKS:
            events.await_keys({mark.encode()})
            moments.append((now_s(), process.cpu_s()))
    counted = (MESSAGES // 10, MESSAGES)
    first, last = (Mark(n, *moment) for n, moment in zip(counted, moments, strict=True))
    return Speed.between(first, last)


def _floor(place: Place) -> Speed:
    command = [sys.executable, "-m", "bench.raw_floor", _RAW, str(MESSAGES)]
    with place.process(command) as process:
        first, last = json.loads(process.ended())
    return Speed.between(Mark(*first), Mark(*last))
