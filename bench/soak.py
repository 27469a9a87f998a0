"""Memory of the service under a load without end: `python -m bench soak --seconds N`.

In the first half whatever is kept for a while reaches its bound (of each session's finished orders,
so many); the growth reported is that of the second.
"""

from collections.abc import Iterator
from itertools import chain
from statistics import linear_regression, median
from typing import Final, NamedTuple

from bench.report import Row, Target
from bench.stage import Place, Reader, Stage, Writer, now_s
from bench.traffic import Desk, records, trading
from reconverge.demo.recording import Input
from reconverge.stream.history.records import Batch, decode

_SESSIONS: Final = 2
_WORKING: Final = 1_000
_CHUNK: Final = 5_000
_AHEAD: Final = 10 * _CHUNK
"""Events written and not yet taken: the service never waits for us."""
_EVERY_S: Final = 1.0
_MIB: Final = 1 << 20


class Sample(NamedTuple):
    """The process at a moment."""

    at_s: float
    taken: int
    resident_mib: float


def measure(seconds: float) -> Iterator[Row]:
    """Growth in the second half, and what it was fed meanwhile."""
    with Stage() as stage:
        samples = _samples(stage.place(), seconds)
    late = samples[len(samples) // 2 :]
    at_s, taken, resident_mib = zip(*late, strict=True)
    slope = linear_regression(at_s, resident_mib).slope * 60
    yield Row("memory growth", "MiB a minute", (slope,), target=Target("at most", 1))
    yield Row("resident memory", "MiB", (median(resident_mib),))
    yield Row("fed", "events/s", ((taken[-1] - taken[0]) / (at_s[-1] - at_s[0]),))


def _samples(place: Place, seconds: float) -> list[Sample]:
    samples: list[Sample] = []
    with place.service() as process, place.writer() as writer, place.reader("journal") as journal:
        feed = _Feed(writer, journal)
        begun_s = now_s()
        while (at_s := now_s()) < begun_s + seconds:
            if len(samples) * _EVERY_S < at_s - begun_s:
                samples.append(Sample(at_s, feed.taken, process.resident_bytes() / _MIB))
            feed.go_on()
    return samples


class _Feed:
    """Keeps a backlog before the service, without end."""

    def __init__(self, writer: Writer, journal: Reader) -> None:
        self._writer = writer
        self._journal = journal
        self._stream = _trading()
        self._written = 0
        self.taken = 0

    def go_on(self) -> None:
        """Write a little, or see what was taken."""
        if self._written < self.taken + _AHEAD:
            for record in records(self._stream, _CHUNK):
                self._writer.write(record)
            self._written += _CHUNK
        message = self._journal.poll(_EVERY_S)
        batch = decode(message.value(), message.offset() or 0) if message else None
        if isinstance(batch, Batch):
            self.taken += sum(stretch.end - stretch.start for stretch in batch.taken.values())


def _trading() -> Iterator[Input]:
    desks = (trading(Desk(f"DESK-{number}"), _WORKING) for number in range(_SESSIONS))
    return chain.from_iterable(zip(*desks, strict=True))
