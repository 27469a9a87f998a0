"""The recorded incident as events: its FIX logs read by the tap, and a schedule for its parents."""

import tomllib
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from importlib.resources import as_file, files
from itertools import pairwise
from operator import attrgetter
from pathlib import Path
from typing import Final, NamedTuple, cast

from reconverge.core.control import Policy, parse
from reconverge.core.messages.desk import SchedulePoint
from reconverge.core.messages.events import (
    Disconnect,
    Event,
    NewOrder,
    OrderStreamEvent,
    ParentOrder,
    PolicyChange,
    StreamEvent,
)
from reconverge.core.messages.units import ONE, decimal_text
from reconverge.core.orders import Orders
from reconverge.demo.timeline import Timeline, quicker
from reconverge.tap import Identity, Log, Tap, Unreadable, read

SESSION: Final = "DESK-A"
CHANNEL: Final = "DC"
_OURS: Final = "FIRM"
_SECOND_NS: Final = 1_000_000_000


class Input(NamedTuple):
    """One event on its way to an input topic."""

    topic: str
    """The topic, as ``reconverge.config.topics`` names it."""
    event: Event


class Recording(NamedTuple):
    """The incident, in the order in which a live tap would have said it."""

    inputs: tuple[Input, ...]
    begin_ns: int
    end_ns: int
    """Ingest times of the first and last message. Nanoseconds, UTC."""
    rejects: tuple[Unreadable, ...]
    """Lines the tap did not take as they are, each with the reason."""


def load(folder: Path | None = None) -> Recording:
    """The recording in a folder; the one that comes with the package if none is given."""
    if folder is None:
        with as_file(files(__package__).joinpath("incident")) as packaged:
            return load(packaged)
    rejects: list[Unreadable] = []
    entry = Identity(SESSION)
    copy = Identity(SESSION, is_drop_copy=True, channel=CHANNEL)
    said = [
        *_tapped(entry, rejects, folder / "entry.log", folder / "entry.event.log"),
        *_tapped(copy, rejects, folder / "drop-copy.log"),
    ]
    said.sort(key=attrgetter("ingest_ns"))
    streams = [_input(event) for event in said]
    begin_ns, end_ns = said[0].ingest_ns, said[-1].ingest_ns
    parents = [Input("parents", parent) for parent in _parents(said, begin_ns, end_ns)]
    return Recording((*parents, *streams), begin_ns, end_ns, tuple(rejects))


def _tapped(identity: Identity, rejects: list[Unreadable], *paths: Path) -> Iterator[StreamEvent]:
    tap = Tap(identity, ours=_OURS, on_reject=rejects.append)
    with ExitStack() as stack:
        yield from read(tap, [stack.enter_context(Log(path)) for path in paths])


def _input(event: StreamEvent) -> Input:
    topic = "order-entry" if event.channel is None else "drop-copy"
    return Input(topic, cast("OrderStreamEvent", event))


def _parents(said: Iterable[StreamEvent], begin_ns: int, end_ns: int) -> Iterator[ParentOrder]:
    """The demo desk's schedules: FIX carries parents' ids and nothing more of them.

    Until the failure each parent is on schedule at an even pace; from there to the end it is meant
    to execute, evenly too, the rest of what the recording executes of it. So its backlog is what
    the incident held up.
    """
    orders = Orders()
    first: dict[str, NewOrder] = {}
    failed_ns, before = end_ns, dict[str, int]()
    for event in said:
        if isinstance(event, Disconnect) and event.channel is None:
            failed_ns, before = event.ingest_ns, dict(orders.parent_executed)
        orders.apply(event, event.ingest_ns)
        if isinstance(event, NewOrder) and event.parent_id is not None:
            first.setdefault(event.parent_id, event)
    for parent_id, total in orders.parent_executed.items():
        child = first[parent_id]
        corners = (child.ingest_ns, 0), (failed_ns, before.get(parent_id, 0)), (end_ns, total)
        yield ParentOrder(
            session=SESSION,
            event_ns=begin_ns,
            ingest_ns=begin_ns,
            parent_id=parent_id,
            symbol=child.symbol,
            side=child.side,
            qty=decimal_text(total),
            schedule=tuple(_schedule(corners)),
        )


def _schedule(corners: Iterable[tuple[int, int]]) -> Iterator[SchedulePoint]:
    """Points of a broken line through (time, nanos), each second and in whole shares."""
    for (begin_ns, begun), (end_ns, done) in pairwise(corners):
        for at_ns in range(begin_ns + _SECOND_NS, end_ns, _SECOND_NS):
            executed = begun + (done - begun) * (at_ns - begin_ns) // (end_ns - begin_ns)
            yield SchedulePoint(at_ns=at_ns, cum_qty=str(executed // ONE))
        if end_ns > begin_ns:
            yield SchedulePoint(at_ns=end_ns, cum_qty=decimal_text(done))


def played(recording: Recording, timeline: Timeline, policy: Policy) -> Iterator[Input]:
    """The recording laid onto another time, under a policy that waits accordingly."""
    begin_ns = timeline.played(recording.begin_ns)
    change = PolicyChange(
        session=SESSION,
        event_ns=begin_ns,
        ingest_ns=begin_ns,
        policy=quicker(policy, timeline.speed).model_dump(mode="json"),
        actor="demo",
    )
    yield Input("controls", change)
    for topic, event in recording.inputs:
        yield Input(topic, timeline.event(event))


def demo_policy() -> Policy:
    """The policy the demo runs under, as ``policy.toml`` has it."""
    return parse(tomllib.loads(files(__package__).joinpath("policy.toml").read_text("utf-8")))
