"""From an event to the cap it changes at 2,000 events a second, against a bare echo.

Beside it, what the same echo takes once it waits for a durable write before it answers: nothing
that journals before it publishes through the same client will be much quicker than that.

A few sessions whose safe mode is switched on and off, each switch changing a cap at once, among
others that trade. Each event is sent at its own moment, late or not, and the clock of a switch
starts at the moment it was meant to be sent, so that a stall counts for all that it delays.
"""

import sys
import time
from collections.abc import Iterator
from itertools import chain, count
from statistics import quantiles
from typing import Final, NamedTuple

import orjson
from confluent_kafka import Message

from bench.report import Row, Target, interleaved
from bench.stage import Place, Process, Reader, Stage, now_s
from bench.traffic import SESSIONS, Desk, Record, records, trading
from reconverge.core.messages.desk import SafeMode
from reconverge.demo.recording import Input

RATE_PER_S: Final = 2_000
ROUNDS: Final = 3
_SECONDS: Final = 10
_WARM_UP: Final = 3
"""Rounds that do not count: a broker's JVM answers in a tenth of the time once it has compiled the
paths that small acknowledged writes take, and a broker in use has."""
_WORKING: Final = 100
"""Orders that each session works."""
_PROBES_PER_S: Final = 100
_PROBED: Final = 100
"""Sessions that are switched, in turn: each once a second, so that no two switches of one meet."""

Switch = tuple[bytes, bool]
"""A session, and whether its safe mode is on."""


class Latency(NamedTuple):
    """Of one round. Milliseconds."""

    p50: float
    p99: float


def measure() -> Iterator[Row]:
    """Median and 99th percentile."""
    with Stage() as stage:
        for _ in range(_WARM_UP):
            _round(place := stage.place(), place.service())
        found = interleaved({
            "echo": lambda: _round(place := stage.place(), place.process(_ECHO)),
            "journalled": lambda: _round(
                place := stage.place(), place.process([*_ECHO, "journalled"])
            ),
            "service": lambda: _round(place := stage.place(), place.service()),
        }, ROUNDS)  # fmt: skip
    for name in Latency._fields:
        echo, journalled, service = (
            tuple(getattr(latency, name) for latency in found[who])
            for who in ("echo", "journalled", "service")
        )
        target = Target("at most", 2, of="ratio")
        yield Row(f"event to cap at {RATE_PER_S:,}/s, {name}", "ms", service, "echo", echo, target)
        yield Row(f"a journalled echo, {name}", "ms", journalled, "echo", echo)


_ECHO: Final = [sys.executable, "-m", "bench.echo"]


def _round(place: Place, started: Process) -> Latency:
    ordinary, switches = _ordinary(), _switches()
    opening = records(ordinary, SESSIONS * (3 + 3 * _WORKING)) + records(switches, _PROBED)
    going_on = _woven(
        records(ordinary, _SECONDS * (RATE_PER_S - _PROBES_PER_S)),
        records(switches, _SECONDS * _PROBES_PER_S),
    )
    with started, place.writer() as writer, place.reader("caps") as caps:
        meter = _Meter(caps)
        for record in opening:
            meter.sends(record, now_s())
            writer.write(record)
        meter.finish()
        begun_s = now_s()
        for number, record in enumerate(going_on):
            due_s = begun_s + number / RATE_PER_S
            meter.wait(due_s)
            meter.sends(record, due_s)
            writer.write(record)
        meter.finish()
    percentiles = quantiles(meter.took_ms[_PROBED:], n=100)
    return Latency(percentiles[49], percentiles[98])


class _Meter:
    """Knows which switches were sent and how long each answer took."""

    def __init__(self, caps: Reader) -> None:
        self._caps = caps
        self._due_s: dict[Switch, float] = {}
        self.took_ms: list[float] = []

    def sends(self, record: Record, due_s: float) -> None:
        """A record goes out that was due at this moment."""
        switch = _switch(record.key, record.value)
        if switch is not None:
            self._due_s.setdefault(switch, due_s)

    def wait(self, until_s: float) -> None:
        """Look at what arrives, when it arrives."""
        while (left_s := until_s - now_s()) > 0:
            self._see(self._caps.poll(left_s))

    def finish(self) -> None:
        """Return when everything sent is answered."""
        while self._due_s:
            self._see(self._caps.next())

    def _see(self, message: Message | None) -> None:
        switch = _switch(message.key(), message.value()) if message else None
        if switch in self._due_s:
            self.took_ms.append((now_s() - self._due_s.pop(switch)) * 1_000)


def _switch(key: bytes | None, value: bytes | None) -> Switch | None:
    """What a switch, or the cap that obeys it, is about; None for any other record."""
    document = orjson.loads(value or b"{}")
    on = document.get("on", document.get("safe_mode"))
    return None if on is None else (key or b"", on)


def _ordinary() -> Iterator[Input]:
    """Sessions that trade, an event of each in turn."""
    desks = [trading(Desk(f"DESK-{number}"), _WORKING) for number in range(SESSIONS)]
    return chain.from_iterable(zip(*desks, strict=True))


def _switches() -> Iterator[Input]:
    """Each session switched on in turn, then each off, and so on."""
    for number in count():
        now_ns = time.time_ns()
        event = SafeMode(
            session=f"PROBE-{number % _PROBED}",
            event_ns=now_ns,
            ingest_ns=now_ns,
            on=number // _PROBED % 2 == 0,
            actor="bench",
            reason="to see how soon it is obeyed",
        )
        yield Input("controls", event)


def _woven(ordinary: list[Record], switches: list[Record]) -> list[Record]:
    """The switches evenly among the others."""
    every = len(ordinary) // len(switches)
    woven = []
    for number, switch in enumerate(switches):
        woven += [switch, *ordinary[number * every : (number + 1) * every]]
    return woven
