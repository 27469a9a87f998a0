"""Why a cap was what it was: the state behind it, and the inputs that last moved each part of it.

The past is folded again up to the moment asked about, with somebody watching: after each event of
the session, what it changed is laid to that event.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from reconverge.audit.outputs import parsed
from reconverge.audit.past import Past
from reconverge.core.control import confidence
from reconverge.core.messages.decode import Undecodable, decode
from reconverge.core.messages.effects import Cap, Effect, Transition
from reconverge.core.messages.events import Event
from reconverge.core.messages.wire import BROADCAST, plain
from reconverge.core.orders import Disagreement
from reconverge.core.partition import Partition
from reconverge.core.sequences import Numbering
from reconverge.core.session import Session
from reconverge.core.venue import Venue
from reconverge.stream import CoreFold, CoreFolds, Record, Replayed, Row

ORDERS_MAX: Final = 50
"""Disagreeing orders that are explained one by one; the others are counted."""
_TELLING: Final = (
    "channel", "seq", "outbound", "poss_dup", "cl_ord_id", "orig_cl_ord_id", "order_id",
    "exec_type", "ord_status", "exec_id", "last_qty", "cum_qty", "leaves_qty", "from_seq", "to_seq",
    "new_seq", "request_id", "reason", "on", "actor",
)  # fmt: skip
"""Fields that tell events apart at a glance."""


class Moved(NamedTuple):
    """What last moved something."""

    at_ns: int
    """Time of the batch. Nanoseconds, UTC."""
    topic: str | None = None
    """Topic and offset of the input; none where time alone moved it."""
    offset: int | None = None
    event: str = "time passed"
    """The event in one line."""


@dataclass(frozen=True, slots=True)
class Gaps:
    """The horizon of one source."""

    source: str
    next_expected: int
    open_gaps: list[tuple[int, int | None]]
    outstanding: int
    unrecoverable: int
    moved: Moved | None
    """What last changed them; none if nothing did within the history read."""
    heard: Moved | None
    """What was last heard of the source."""


@dataclass(frozen=True, slots=True)
class Doubt:
    """An order on which the views differ."""

    order: str
    symbol: str
    entry: str
    venue: str
    in_flight: tuple[str, ...]
    since_ns: int
    entry_moved: Moved | None
    venue_moved: Moved | None


@dataclass(frozen=True, slots=True)
class Explanation:
    """Everything behind the cap of a session at one moment."""

    session: str
    at_ns: int
    begin_ns: int
    """What happened up to then was not looked at; -1 if everything was."""
    journal: int
    """Journal offset of the last batch by then."""
    cap: Mapping[str, Any] | None
    """The cap in force, as published; none if none was."""
    expired: bool
    """It was no longer valid: the router was on its own."""
    state: str
    path: Sequence[Mapping[str, Any]]
    """How it got there: the transitions of the episode, oldest first."""
    state_moved: Moved | None
    """What last happened to the link, the latch or the parking."""
    confidence: float
    """As last weighed, at the batch named above; so are the components."""
    components: Mapping[str, tuple[float, Moved | None]]
    """Each with what last moved what it is made of."""
    binding: str | None
    gaps: Sequence[Gaps]
    orders: Sequence[Doubt]
    disagreeing: int
    """Orders that disagree in all."""
    parked: str | None
    safe_mode: bool
    policy: Mapping[str, Any]
    notices: Sequence[str]


class Watched(CoreFolds):
    """Folds whose events of one session are watched."""

    def __init__(self, venues: Mapping[str, Venue], session: str) -> None:
        super().__init__(venues)
        self.watch = Watch(session)

    def new(self) -> CoreFold:
        """See `Folds`."""
        return self.watch.over(super().new())

    def load(self, rows: Iterable[Row]) -> CoreFold:
        """See `Folds`."""
        return self.watch.over(super().load(rows))


Part = tuple[str, str]
"""Something that moves: a kind, and which of it."""


class _WatchedFold(CoreFold):
    """A fold whose calls are told to a watch."""

    def __init__(self, fold: CoreFold, watch: "Watch") -> None:
        super().__init__(fold.partition, fold.given)
        self._watch = watch

    def apply(self, event: Event, now_ns: int) -> None:
        """See `Fold`."""
        try:
            super().apply(event, now_ns)
        finally:
            self._watch.applied(self.partition, event)

    def settle(self, now_ns: int) -> list[Effect]:
        """See `Fold`."""
        effects = super().settle(now_ns)
        self._watch.weighed(self.partition)
        return effects


class Watch:
    """Keeps which input last moved each part of a session."""

    def __init__(self, session: str) -> None:
        self._name = session
        self._signs: dict[Part, Any] = {}
        self._pending: list[tuple[int | None, list[Part]]] = []
        """Since the last batch: which call of `apply` (none: the settling) moved what."""
        self._calls = 0
        self._moves = 0
        self.moved: dict[Part, tuple[int, Moved]] = {}
        """By part: the number of the move, to tell the newest of several, and the move."""

    def over(self, fold: CoreFold) -> CoreFold:
        """The same fold, watched."""
        known = fold.partition.sessions.get(self._name)
        self._signs = dict(_signs(known)) if known else {}
        return _WatchedFold(fold, self)

    def applied(self, partition: Partition, event: Event) -> None:
        """An event was folded, or refused."""
        self._calls += 1
        session = partition.sessions.get(self._name)
        if session is not None and event.session in (self._name, BROADCAST):
            self._look(session, self._calls - 1, _named(event))

    def weighed(self, partition: Partition) -> None:
        """A batch was settled."""
        session = partition.sessions.get(self._name)
        if session is not None:
            self._look(session, None, ())

    def _look(self, session: Session, call: int | None, named: Iterable[Part]) -> None:
        signs = dict(_signs(session))
        moved = [part for part, sign in signs.items() if self._signs.get(part) != sign]
        moved += named
        self._signs = signs
        if moved:
            self._pending.append((call, moved))

    def settled(self, replayed: Replayed, merged: Sequence[Record]) -> None:
        """A batch is through: its records are known now, and stand for the calls."""
        unread = {
            (refused.record.topic, refused.record.offset)
            for refused in replayed.folded.refused
            if refused.disposition not in ("rejected", "poison")
        }
        records = [record for record in merged if (record.topic, record.offset) not in unread]
        before = self._calls - len(records)  # the policies of a new owner
        for call, parts in self._pending:
            record = records[call - before] if call is not None and call >= before else None
            move = _move(replayed.batch.now_ns, record)
            for part in parts:
                self._moves += 1
                self.moved[part] = self._moves, move
        self._pending.clear()
        self._calls = 0

    def last(self, *parts: Part) -> Moved | None:
        """The newest move of any of these."""
        moves = [self.moved[part] for part in parts if part in self.moved]
        return max(moves, key=lambda move: move[0])[1] if moves else None


def _move(now_ns: int, record: Record | None) -> Moved:
    if record is None:
        return Moved(now_ns)
    return Moved(now_ns, record.topic, record.offset, _line(record.value))


def _line(value: bytes | None) -> str:
    try:
        event = decode(value or b"")
    except Undecodable as fault:
        return str(fault)
    told = [(name, getattr(event, name, None)) for name in _TELLING]
    shown = (
        name if held is True else f"{name}={held}"
        for name, held in told
        if held not in (None, False)
    )
    return " ".join([event.type, *shown])


def _signs(session: Session) -> Iterator[tuple[Part, Any]]:
    """What tells that a part has moved."""
    truth, total = session.truth, session.truth.orders.total
    yield ("session", "path"), (truth.path.up, truth.path.failed)
    yield ("session", "latches"), (truth.safe_mode, truth.parked)
    yield ("component", "similarity"), (total.both, total.union)
    yield ("component", "quantity"), (total.difference, total.sum_max)
    yield ("component", "in_flight"), (total.ambiguous_notional, total.in_flight)
    for source in truth.sequences.sources():
        name = _source(source)
        yield ("gaps", name), (source.open_gaps(), source.unrecoverable)
        yield ("heard", name), truth.sources.heard_ns(source.channel, source.segment)


def _named(event: Event) -> Iterator[Part]:
    """The orders an event names, in the view that it speaks for."""
    view = "venue" if getattr(event, "channel", None) else "entry"
    for field in ("order_id", "cl_ord_id", "orig_cl_ord_id"):
        name = getattr(event, field, None)
        if name is not None:
            yield view, name


def _source(source: Numbering) -> str:
    channel = source.channel or "entry"
    return channel if source.segment is None else f"{channel}/{source.segment}"


async def explain(past: Past, watch: Watch, session: str, at_ns: int) -> Explanation:
    """Fold a past opened with `Watched` folds up to a moment, and explain the session there.

    Raises `Unheard` when the session was not known by then, and what `Past.batches` raises.
    """
    cap: bytes | None = None
    path: list[Mapping[str, Any]] = []
    journal = -1
    async for replayed in past.batches():
        watch.settled(replayed, past.history.ledger.merged(replayed.stretches))
        journal = replayed.offset
        for effect, output in zip(replayed.folded.effects, replayed.folded.outputs, strict=True):
            if effect.session != session:
                continue
            if isinstance(effect, Cap):
                cap = output.value
            elif isinstance(effect, Transition):
                path.append(_step(effect))
    known = past.session(session)
    if known is None:
        raise past.unheard(session)
    episode = known.control.episode
    if episode is not None:  # it remembers what lies before the history read
        path = [_entered(*step) for step in episode.path]
    return _explained(past, watch, known, at_ns, (journal, cap, path))


def _step(effect: Transition) -> Mapping[str, Any]:
    return {"state": effect.to_state.value, "at_ns": effect.event_ns, "signal": effect.signal}


def _explained(
    past: Past,
    watch: Watch,
    session: Session,
    at_ns: int,
    seen: tuple[int, bytes | None, Sequence[Mapping[str, Any]]],
) -> Explanation:
    journal, cap, path = seen
    truth, control = session.truth, session.control
    trust = confidence(control.read(session.now_ns), control.policy)
    published = parsed(cap) if cap else None
    doubts = truth.orders.disagreements(ORDERS_MAX)
    return Explanation(
        session=truth.session,
        at_ns=at_ns,
        begin_ns=past.begin_ns,
        journal=journal,
        cap=published,
        expired=published is None or published["valid_until_ns"] <= at_ns,
        state=control.machine.state.value,
        path=path,
        state_moved=watch.last(("session", "path"), ("session", "latches")),
        confidence=trust.value,
        components={
            name: (value, _component_moved(watch, session, name))
            for name, value in plain(trust.components).items()
        },
        binding=trust.binding,
        gaps=[_gaps(watch, source) for source in truth.sequences.sources()],
        orders=[_doubt(watch, session, row) for row in doubts],
        disagreeing=truth.orders.total.disagreeing,
        parked=truth.parked,
        safe_mode=truth.safe_mode,
        policy=plain(control.policy.ref),
        notices=past.conditions.told,
    )


def _entered(state: str, at_ns: int, signal: str, *_: object) -> Mapping[str, Any]:
    return {"state": state, "at_ns": at_ns, "signal": signal}


def _component_moved(watch: Watch, session: Session, component: str) -> Moved | None:
    sources = list(session.truth.sequences.sources())
    if component == "replay":
        return watch.last(*(("gaps", _source(source)) for source in sources))
    if component == "freshness":
        heard = session.truth.sources.heard_ns
        copies = [source for source in sources if source.channel is not None]
        stalest = min(copies, key=lambda each: heard(each.channel, each.segment), default=None)
        return watch.last(("heard", _source(stalest))) if stalest else None
    return watch.last(("component", component))


def _gaps(watch: Watch, source: Numbering) -> Gaps:
    name = _source(source)
    return Gaps(
        name,
        source.next_expected,
        source.open_gaps(),
        source.outstanding,
        source.unrecoverable,
        watch.last(("gaps", name)),
        watch.last(("heard", name)),
    )


def _doubt(watch: Watch, session: Session, row: Disagreement) -> Doubt:
    order = session.truth.orders.find(row.order)
    ids = (
        {row.order}
        if order is None
        else {*order.cl_ord_ids, *order.former_ids, order.order_id or row.order}
    )
    return Doubt(
        *row,
        entry_moved=watch.last(*(("entry", name) for name in sorted(ids))),
        venue_moved=watch.last(*(("venue", name) for name in sorted(ids))),
    )
