"""The service end to end on one partition of real Kafka, against the floor: decoding alone.

Both read the same backlog through the same consumer options, each in a process of its own. What is
counted begins at a tenth of it, so that starting up is no part of the figure.
"""

import json
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Final

from bench.report import Row, Target, interleaved
from bench.stage import Mark, Place, Process, Speed, Stage, now_s
from bench.traffic import recorded, records
from reconverge.stream.records import Batch, decode

EVENTS: Final = 200_000
ROUNDS: Final = 3
_AGE_NS: Final = 3_600_000_000_000
"""How old the backlog is: older than it is long, for Kafka takes nothing from the future."""


def measure() -> Iterator[Row]:
    """Events a second, and processor seconds a million events."""
    with Stage() as stage:
        backlog = stage.place()
        backlog.fill(records(recorded(time.time_ns() - _AGE_NS), EVENTS))
        found = interleaved({
            "floor": lambda: _floor(backlog),
            "service": lambda: drained(place := stage.place(backlog.inputs), place.service()),
        }, ROUNDS)  # fmt: skip
    floor, service = zip(*found["floor"], strict=True), zip(*found["service"], strict=True)
    (floor_per_s, floor_cpu), (service_per_s, service_cpu) = floor, service
    yield Row(
        "end to end", "events/s", service_per_s, "floor", floor_per_s,
        Target("at least", 0.5, of="ratio"),
    )  # fmt: skip
    yield Row(
        "end to end", "CPU s a million", service_cpu, "floor", floor_cpu, Target("at most", 12)
    )


def drained(place: Place, started: AbstractContextManager[Process], events: int = EVENTS) -> Speed:
    """How fast a service works a backlog off, as its journal tells."""
    taken, marks = 0, list[Mark]()
    with started as process, place.reader("journal") as journal:
        for goal in (events // 10, events):
            while taken < goal:
                message = journal.next()
                record = decode(message.value(), message.offset() or 0)
                if isinstance(record, Batch):
                    taken += sum(stretch.end - stretch.start for stretch in record.taken.values())
            marks.append(Mark(taken, now_s(), process.cpu_s()))
    return Speed.between(*marks)


def _floor(place: Place) -> Speed:
    with place.process([sys.executable, "-m", "bench.floor", str(EVENTS)]) as process:
        first, last = json.loads(process.ended())
    return Speed.between(Mark(*first), Mark(*last))
