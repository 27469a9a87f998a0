"""What is measured on: the recorded incident again and again, and ordinary trading without one.

Both are endless and deterministic. Every session has its own numbers and ids, which go on from one
repetition to the next, so that a repetition is another incident of a longer day.
"""

import heapq
from collections.abc import Iterator
from functools import cache
from itertools import count, islice
from typing import Any, Final, NamedTuple

from msgspec.structs import asdict, replace

from reconverge.core.messages.desk import ParentDone, ParentOrder
from reconverge.core.messages.events import Event, ExecutionReport, Logon, NewOrder, StreamEvent
from reconverge.core.messages.wire import encode
from reconverge.demo.recording import Input, Recording, load
from reconverge.demo.timeline import Timeline

SESSIONS: Final = 8
"""Sessions that a desk runs on one partition."""
BEGIN_NS: Final = 1_800_000_000 * 1_000_000_000
"""Where time begins for what is folded without Kafka."""
_STRIDE: Final = 1_000_003
"""A prime, so that in steps of it every order comes up."""
_PAUSE_NS: Final = 1_000_000_000
_IDS: Final = frozenset({
    "cl_ord_id", "orig_cl_ord_id", "order_id", "exec_id", "exec_ref_id", "parent_id", "request_id",
    "ref_id",
})  # fmt: skip
_OWN_NUMBERS: Final = frozenset({"seq", "new_seq"})
_PEER_NUMBERS: Final = frozenset({"from_seq", "to_seq", "next_expected", "ref_seq"})
"""Numbers in the numbering of the side that a message is sent to."""


class Record(NamedTuple):
    """An event as Kafka carries it."""

    topic: str
    key: bytes
    value: bytes
    at_ms: int


def records(inputs: Iterator[Input], amount: int) -> list[Record]:
    """The first events of a stream, encoded as the tap does."""
    return [
        Record(topic, event.session.encode(), encode(event), event.ingest_ns // 1_000_000)
        for topic, event in islice(inputs, amount)
    ]


# The recorded incident.


def recorded(begin_ns: int = BEGIN_NS, sessions: int = SESSIONS) -> Iterator[Input]:
    """The incident in several sessions at once, each at another point of it, over and over."""
    recording = _recording()
    span_ns = recording.end_ns - recording.begin_ns + _PAUSE_NS
    streams = (
        _repeated(recording, f"DESK-{number}", begin_ns + number * span_ns // sessions, span_ns)
        for number in range(sessions)
    )
    return heapq.merge(*streams, key=_ingest_ns)


@cache
def _recording() -> Recording:
    return load()


def _ingest_ns(given: Input) -> int:
    return given.event.ingest_ns


def _repeated(recording: Recording, session: str, begin_ns: int, span_ns: int) -> Iterator[Input]:
    used = _numbers_used(recording)
    for generation in count():
        timeline = Timeline(recording.begin_ns, begin_ns + generation * span_ns)
        for topic, event in recording.inputs:
            changed = {"session": session, **_renamed(event, generation)}
            if isinstance(event, StreamEvent):
                changed |= _renumbered(event, generation, used)
            yield Input(topic, timeline.event(replace(event, **changed)))
        yield from _parents_done(recording, session, timeline, generation)


def _parents_done(
    recording: Recording, session: str, timeline: Timeline, generation: int
) -> Iterator[Input]:
    """A day's parents do not pile up: those of one repetition end with it."""
    at_ns = timeline.played(recording.end_ns)
    for topic, event in recording.inputs:
        if isinstance(event, ParentOrder):
            yield Input(
                topic,
                ParentDone(
                    session=session,
                    event_ns=at_ns,
                    ingest_ns=at_ns,
                    parent_id=_renamed(event, generation)["parent_id"],
                ),
            )


def _numbers_used(recording: Recording) -> dict[tuple[str | None, bool], int]:
    """The last number of each numbering: by channel, and whether it is ours."""
    used: dict[tuple[str | None, bool], int] = {}
    for _, event in recording.inputs:
        if isinstance(event, StreamEvent) and event.seq is not None:
            key = (event.channel, event.outbound)
            used[key] = max(used.get(key, 0), event.seq)
    return used


def _renamed(event: Event, generation: int) -> dict[str, Any]:
    return {
        name: f"{value}.{generation}"
        for name, value in asdict(event).items()
        if name in _IDS and value not in (None, "NONE")
    }


def _renumbered(
    event: StreamEvent, generation: int, used: dict[tuple[str | None, bool], int]
) -> dict[str, Any]:
    own = generation * used[event.channel, event.outbound]
    peer = generation * used[event.channel, not event.outbound]
    return {
        name: value + (own if name in _OWN_NUMBERS else peer)
        for name, value in asdict(event).items()
        if name in _OWN_NUMBERS | _PEER_NUMBERS and value is not None
    }


# Ordinary trading.


class Desk:
    """One session that trades without incident, seen on the entry path and on drop copy.

    Orders are numbered from 0; ids have twelve characters. `now_ns` is the time of the next event.
    """

    def __init__(self, session: str, now_ns: int = BEGIN_NS, step_ns: int = 500_000) -> None:
        self.session = session
        self.now_ns = now_ns
        self._step_ns = step_ns
        self._ours = self._theirs = self._copies = 0
        self._executions = 0

    def logon(self) -> Iterator[Input]:
        """Both connections come up."""
        for outbound in (True, False):
            yield self._input(Logon, channel=None, outbound=outbound, heartbeat_ms=30_000)
        yield self._input(Logon, channel="DC", outbound=False, heartbeat_ms=30_000)

    def accept(self, number: int) -> Iterator[Input]:
        """An order is sent, and acknowledged on both streams: from now on it works."""
        terms = {"symbol": f"SYM{number % 20}", "side": "buy"}
        yield self._input(
            NewOrder, channel=None, outbound=True, cl_ord_id=f"C{number:011}", qty="100",
            price="10.25", **terms,
        )  # fmt: skip
        yield from self._reports(
            number, "new", order_qty="100", price="10.25", leaves_qty="100", cum_qty="0", **terms
        )

    def fill(self, number: int) -> Iterator[Input]:
        """An order is filled and done, on both streams."""
        yield from self._reports(
            number, "filled", exec_type="trade", last_qty="100", last_px="10.25", leaves_qty="0",
            cum_qty="100",
        )  # fmt: skip

    def _reports(self, number: int, status: str, **fields: str) -> Iterator[Input]:
        self._executions += 1
        common: dict[str, Any] = {
            "exec_type": status,
            "ord_status": status,
            "cl_ord_id": f"C{number:011}",
            "order_id": f"V{number:011}",
            "exec_id": f"X{self._executions:011}",
            **fields,
        }
        yield self._input(ExecutionReport, channel=None, outbound=False, **common)
        yield self._input(ExecutionReport, channel="DC", outbound=False, **common)

    def _input(
        self, kind: type[StreamEvent], *, channel: str | None, outbound: bool, **fields: Any
    ) -> Input:
        if channel is not None:
            seq = self._copies = self._copies + 1
        elif outbound:
            seq = self._ours = self._ours + 1
        else:
            seq = self._theirs = self._theirs + 1
        self.now_ns += self._step_ns
        event: Any = kind(
            session=self.session, event_ns=self.now_ns, ingest_ns=self.now_ns, channel=channel,
            outbound=outbound, seq=seq, **fields,
        )  # fmt: skip
        return Input("order-entry" if channel is None else "drop-copy", event)


def trading(desk: Desk, working: int) -> Iterator[Input]:
    """A session comes up and lets so many orders work; then each new one follows a fill."""
    yield from desk.logon()
    for number in range(working):
        yield from desk.accept(number)
    yield from traded(desk, working)


def traded(desk: Desk, working: int) -> Iterator[Input]:
    """One order filled and another sent, over and over, from orders 0 to `working` working.

    Those filled are spread over all that work, far from one another.
    """
    numbers = list(range(working))
    for turn in count():
        slot = turn * _STRIDE % working
        yield from desk.fill(numbers[slot])
        numbers[slot] = working + turn
        yield from desk.accept(working + turn)
