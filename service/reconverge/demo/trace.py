"""What a run of the incident left behind: inputs, outputs, and readings of the truth between them.

The readings come from folding the inputs through the core, which is deterministic: the service
publishes caps and transitions; likeness, gaps and backlog at every moment between them are what the
same records make of them again.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from msgspec.structs import replace

from reconverge.client import CapBook
from reconverge.core.messages.effects import Cap, Effect
from reconverge.core.messages.events import Event
from reconverge.core.messages.wire import encode
from reconverge.core.partition import Partition
from reconverge.core.session import Session
from reconverge.demo.router import Router
from reconverge.demo.timeline import Timeline

Reply = Callable[[Cap], Event | None]
"""What comes back of a cap at once, if anything."""


class Folded(NamedTuple):
    """One event and when the core was told of it. Nanoseconds, UTC."""

    now_ns: int
    event: Event


class Reading(NamedTuple):
    """One session's truth at one moment."""

    now_ns: int
    raw: float
    settled: float
    quantity: float
    """Live-set similarity in its three forms."""
    outstanding: int
    """Numbers missing, all sources."""
    backlog: int
    """Scheduled minus executed quantity, all parents. Nanos."""
    diverged: bool
    """A gap is open, or orders have disagreed for longer than the in-flight grace."""


class Trace(NamedTuple):
    """One run of the incident. All times are those of ``timeline``'s playing."""

    session: str
    timeline: Timeline
    inputs: tuple[Folded, ...]
    effects: tuple[Effect, ...]
    """In the order of their topics, which is the order of time."""
    readings: tuple[Reading, ...]


class Fold:
    """The core over one session; deadlines between two events fire at their own time."""

    def __init__(self, session: str, reply: Reply | None = None) -> None:
        self._name = session
        self._reply = reply
        self._partition = Partition()
        self.inputs: list[Folded] = []
        self.effects: list[Effect] = []
        self.readings: list[Reading] = []

    @property
    def session(self) -> Session:
        """The session, once an event was about it."""
        return self._partition.sessions[self._name]

    def take(self, event: Event, now_ns: int) -> None:
        """Account for one event, and for the time that has passed before it."""
        while (deadline_ns := self._partition.next_deadline_ns) and deadline_ns <= now_ns:
            self._settle(deadline_ns)
        self._apply(event, now_ns)

    def _apply(self, event: Event, now_ns: int) -> None:
        self.inputs.append(Folded(now_ns, event))
        self._partition.apply(event, now_ns)
        self._settle(now_ns)

    def _settle(self, now_ns: int) -> None:
        effects = self._partition.settle(now_ns)
        self.effects += effects
        if self._name in self._partition.sessions:
            self.readings.append(_reading(self.session, now_ns))
        for effect in effects:
            if isinstance(effect, Cap) and self._reply and (event := self._reply(effect)):
                self._apply(event, now_ns)


def _reading(session: Session, now_ns: int) -> Reading:
    truth, watch = session.truth, session.control.watch
    outstanding, agreed = truth.sequences.outstanding, watch.agreement()
    return Reading(
        now_ns=now_ns,
        raw=truth.orders.total.similarity,
        settled=agreed.similarity,
        quantity=agreed.quantity,
        outstanding=outstanding,
        backlog=sum(backlog.qty for backlog in truth.backlogs(now_ns)),
        diverged=bool(outstanding or truth.sequences.unrecoverable or watch.disagreeing),
    )


def rehearse(session: str, timeline: Timeline, events: Iterable[Event]) -> Trace:
    """A run without Kafka: events are known as they are ingested, caps obeyed as they are made."""
    now_ns = 0
    book = CapBook(wall_ns=lambda: now_ns, monotonic_ns=lambda: now_ns)
    router = Router(session)

    def reply(cap: Cap) -> Event | None:
        nonlocal now_ns
        now_ns = cap.event_ns
        book.offer(encode(replace(cap, publish_ns=now_ns)))  # as the shell would
        return router.apply(book.cap(session), now_ns)

    fold = Fold(session, reply)
    for event in events:
        fold.take(event, event.ingest_ns)
    return _trace(session, timeline, fold, fold.effects)


def retrace(
    session: str, timeline: Timeline, inputs: Iterable[Folded], effects: Iterable[Effect]
) -> Trace:
    """A service's run: its inputs as the topics hold them, its effects as it published them."""
    fold = Fold(session)
    for now_ns, event in inputs:
        fold.take(event, now_ns)
    return _trace(session, timeline, fold, effects)


def _trace(session: str, timeline: Timeline, fold: Fold, effects: Iterable[Effect]) -> Trace:
    return Trace(session, timeline, tuple(fold.inputs), tuple(effects), tuple(fold.readings))
