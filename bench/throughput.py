"""The service end to end on one partition of real Kafka, against the floor: decoding alone.

Both read the same backlog through the same consumer options, each in a process of its own. What is
counted begins at a tenth of it, so that starting up is no part of the figure.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator
from typing import Final

from bench.report import Row, Target, interleaved
from bench.stage import Mark, Place, Process, Speed, Stage, now_s
from bench.traffic import Record, recorded, records
from reconverge.core.messages.events import Heartbeat
from reconverge.demo.recording import Input

EVENTS: Final = 200_000
ROUNDS: Final = 3
_AGE_NS: Final = 3_600_000_000_000
"""How old the backlog is: older than it is long, for Kafka takes nothing from the future."""
START: Final = frozenset({b"MARK-0"})
END: Final = frozenset({b"MARK-1", b"MARK-2"})
"""Sessions whose first event, and so whose first cap, marks a place in the backlog."""


def measure() -> Iterator[Row]:
    """Events a second, and processor seconds a million events."""
    found = beside("floor", lambda _, full: floor(full))
    floor_per_s, floor_cpu = zip(*found["floor"], strict=True)
    per_s, cpu = zip(*found["service"], strict=True)
    target = Target("at least", 0.5, of="ratio")
    yield Row("end to end", "events/s", per_s, "floor", floor_per_s, target)
    yield Row("end to end", "CPU s a million", cpu, "floor", floor_cpu, Target("at most", 12))


def beside(name: str, other: Callable[[Stage, Place], Speed]) -> dict[str, tuple[Speed, ...]]:
    """How fast the service works the backlog off, and in turn with it something else."""
    with Stage() as stage:
        full = stage.place()
        full.fill(backlog())
        floor(full)  # warms the broker's JVM
        return interleaved({
            name: lambda: other(stage, full),
            "service": lambda: drained(place := stage.place(full.inputs), place.service()),
        }, ROUNDS)  # fmt: skip


def backlog() -> list[Record]:
    """The recorded incident over and over, an hour ago; marked at a tenth and at its end."""
    made = records(recorded(time.time_ns() - _AGE_NS), EVENTS)
    tenth = len(made) // 10
    made.insert(tenth, _mark("order-entry", b"MARK-0", made[tenth].at_ms))
    return [*made, *end_marks(made[-1].at_ms)]


def end_marks(at_ms: int) -> list[Record]:
    """What is to follow a backlog, for `END` to tell that all of it was folded."""
    return [_mark("order-entry", b"MARK-1", at_ms), _mark("drop-copy", b"MARK-2", at_ms)]


def _mark(topic: str, session: bytes, at_ms: int) -> Record:
    at_ns = at_ms * 1_000_000
    event = Heartbeat(session=session.decode(), event_ns=at_ns, ingest_ns=at_ns)
    return records(iter([Input(topic, event)]), 1)[0]


def drained(place: Place, started: Process) -> Speed:
    """How fast a service works the backlog off."""
    moments = []
    with started as process, place.reader("caps") as caps:
        for marks in (START, END):
            caps.await_keys(marks)
            moments.append((now_s(), process.cpu_s()))
    counted = (EVENTS // 10, EVENTS)
    first, last = (Mark(n, *moment) for n, moment in zip(counted, moments, strict=True))
    return Speed.between(first, last)


def floor(place: Place) -> Speed:
    """How fast the floor does."""
    with place.process([sys.executable, "-m", "bench.floor", str(EVENTS)]) as process:
        first, last = json.loads(process.ended())
    return Speed.between(Mark(*first), Mark(*last))
