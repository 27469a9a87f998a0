"""What one partition's history shows, as rows: who was asked, who said what, what was believed.

A ``Recorder`` watches a fold. Around each event it looks at the orders that the event names, so
that what the event *booked* and *changed* stands beside what it *said*; dedupe, busts, chains and
replays are the core's, and are not done again here. At the end of a batch it takes what was
published. Events that the core refuses leave no row: they are in the dead letters.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from operator import attrgetter
from typing import Any, Final, NamedTuple

from reconverge.core.messages import desk, effects, events
from reconverge.core.messages.effects import Published
from reconverge.core.messages.events import Event
from reconverge.core.messages.wire import BROADCAST, kind, plain
from reconverge.core.orders.index import Order
from reconverge.core.partition import Partition
from reconverge.core.session import Session
from reconverge.core.venue import Venue
from reconverge.stream import CoreFold, CoreFolds, Row
from reconverge.tables import TABLES

Cells = tuple[Any, ...]


class Stamp(NamedTuple):
    """The batch that rows belong to."""

    offset: int
    """Journal offset; a running number where there is no journal."""
    now_ns: int
    """The batch's time. Nanoseconds, UTC."""
    epoch: int
    core: str
    policy: str
    records: int
    """Input records folded."""
    refused: int
    lost: int


class Held(NamedTuple):
    """What the two views hold of an order at one moment. Nanos."""

    entry_open: int
    entry_cum: int
    venue_open: int
    venue_cum: int


NOTHING: Final = Held(0, 0, 0, 0)


def _held(order: Order) -> Held:
    entry, venue = order.entry, order.venue
    return Held(entry.open, entry.cum, venue.open, venue.cum)


class _Recorded(CoreFold):
    """A fold whose events are told to a recorder."""

    def __init__(self, fold: CoreFold, recorder: "Recorder") -> None:
        super().__init__(fold.partition, fold.given)
        self._recorder = recorder

    def apply(self, event: Event, now_ns: int) -> None:
        """See `Fold`."""
        before = _before(self.partition, event)
        super().apply(event, now_ns)
        self._recorder.record(self.partition, event, before)


class Recorder:
    """The rows of one partition since they were last taken."""

    def __init__(self) -> None:
        self.rows: dict[str, list[Cells]] = {}
        """By table, all but the batch's own first two columns; filled by ``batch``."""
        self._pending: list[tuple[str, Cells]] = []
        """Rows of the batch under way: their offset and time are not known yet."""

    # -- an event ---------------------------------------------------------------------------------

    def over(self, fold: CoreFold) -> CoreFold:
        """The same fold, watched."""
        return _Recorded(fold, self)

    def record(self, partition: Partition, event: Event, before: "Before | None") -> None:
        """An event was folded; ``before`` is what was known of its orders until then."""
        made = _MADE.get(type(event))
        if made is not None:
            self._add(made.table, event.session, made.cells(event))
        if type(event) is desk.ParentOrder:
            self._schedule(event)
        session = partition.sessions.get(event.session)
        if session is None or before is None:
            return
        self._believe(session, event, before)

    def _add(self, table: str, session: str | None, cells: Cells) -> None:
        self._pending.append((table, (session, *cells)))

    def _schedule(self, event: desk.ParentOrder) -> None:
        for place, point in enumerate(event.schedule):
            cells = (event.parent_id, place, point.at_ns, point.cum_qty)
            self._add("schedule", event.session, cells)

    def _believe(self, session: Session, event: Event, before: "Before") -> None:
        """The orders whose views the event changed, and what it booked."""
        held = before.held
        orders = {id(order): order for order in (*held, *_named(session, event))}.values()
        if type(event) is events.ExecutionReport and event.exec_type in _BOOKING:
            self._fill(session, event, before)
        for order in orders:
            now = _held(order)
            if now != held.get(order, NOTHING):
                identity = (order.name, order.order_id, _first(order.cl_ord_ids), order.parent_id)
                cells = (*identity, order.tally.symbol or None, order.rank, *now, event.event_ns)
                self._add("beliefs", event.session, cells)

    def _fill(self, session: Session, event: events.ExecutionReport, before: "Before") -> None:
        order = next(iter(_named(session, event)), None)
        if order is None:
            return
        was, now = before.held.get(order, NOTHING), _held(order)
        entry = event.channel is None
        booked = now.entry_cum - was.entry_cum if entry else now.venue_cum - was.venue_cum
        at_ns, basis = _moment(event)
        head = _FILL_HEAD(event)
        ids = (event.cl_ord_id, event.orig_cl_ord_id, event.order_id)
        what = (order.parent_id or event.parent_id, order.tally.symbol or event.symbol, event.side)
        tail = _FILL_TAIL(event)
        cells = (
            *head, order.name, event.exec_type, *ids, *what, event.exec_id, event.exec_ref_id,
            not before.told, booked, *tail, at_ns, basis,
        )  # fmt: skip
        self._add("fills", event.session, cells)

    # -- a batch ----------------------------------------------------------------------------------

    def batch(self, stamp: Stamp, previous: int | None, published: Iterable[Published]) -> None:
        """The batch under way is done: give its rows their place, and add what it published."""
        for effect in published:
            for table, cells in _PUBLISHED[type(effect)](effect, stamp.epoch):
                self._add(table, effect.session, cells)
        for position, (table, cells) in enumerate(self._pending):
            self.rows.setdefault(table, []).append((stamp.offset, position, stamp.now_ns, *cells))
        self._pending.clear()
        row = (
            stamp.offset, stamp.now_ns, previous, stamp.epoch, stamp.records, stamp.refused,
            stamp.lost, stamp.core, stamp.policy,
        )  # fmt: skip
        self.rows.setdefault("batches", []).append(row)

    def drop(self) -> None:
        """Forget the batch under way: it was written before."""
        self._pending.clear()

    def take(self) -> dict[str, list[Cells]]:
        """The rows so far, by table; none is left."""
        rows, self.rows = self.rows, {}
        return rows


class RecordedFolds(CoreFolds):
    """Makes folds that are watched by one recorder."""

    def __init__(self, venues: Mapping[str, Venue] | None, recorder: Recorder) -> None:
        super().__init__(venues)
        self._recorder = recorder

    def new(self) -> CoreFold:
        """See `Folds`."""
        return self._recorder.over(super().new())

    def load(self, rows: Iterable[Row]) -> CoreFold:
        """See `Folds`."""
        return self._recorder.over(super().load(rows))


# -- which orders an event is about ---------------------------------------------------------------


class Before(NamedTuple):
    """What was held of the orders an event may change, before it was applied."""

    held: dict[Order, Held]
    told: bool
    """The execution was known already, from either stream."""


_BOOKING: Final = frozenset({"trade", "trade_cancel", "trade_correct"})
_SINGLE: Final = frozenset({
    events.NewOrder, events.ReplaceRequest, events.CancelRequest, events.ExecutionReport,
    events.CancelReject, events.UnmodelledRequest,
})  # fmt: skip
"""Events that can change the orders they name, and no other."""
_SWEEPING: Final = frozenset({
    events.RequestReject, events.MassCancelReport, events.MassStatusEnd, events.NotApplied,
    events.Logon, desk.Attestation,
})  # fmt: skip
"""Events that can change any order: rare, so that all live ones are looked at."""
_ids: Final = attrgetter("order_id", "cl_ord_id", "orig_cl_ord_id")


def _before(partition: Partition, event: Event) -> Before | None:
    """None for an event that changes no order, or of a session not seen before."""
    session = partition.sessions.get(event.session)
    family = type(event)
    if session is None:
        return Before({}, told=False) if family in _SINGLE or family is _ROW else None
    if family in _SINGLE or (family is _ROW and session.truth.orders.snapshot_under_way):
        held = {order: _held(order) for order in _named(session, event)}
        return Before(held, told=_told(held, event))
    if family in _SWEEPING or family is _ROW:
        live = session.truth.orders.live()
        return Before({order: _held(order) for order in live}, told=False)
    return None


_ROW: Final = events.MassStatusRow
"""One that comes while its snapshot is under way changes its own order; else it may conclude it."""


def _named(session: Session, event: Any) -> list[Order]:
    """The orders that an event names, each once, the venue's id first."""
    if type(event) not in _SINGLE and type(event) is not _ROW:
        return []
    find = session.truth.orders.find
    named = (getattr(event, name, None) for name in ("order_id", "cl_ord_id", "orig_cl_ord_id"))
    found = (find(name) for name in named if name is not None)
    return list(dict.fromkeys(order for order in found if order is not None))


def _told(held: Iterable[Order], event: Any) -> bool:
    exec_id = getattr(event, "exec_id", None)
    if exec_id is None:
        return False
    views = (view for order in held for view in (order.entry, order.venue))
    return any(view.fills is not None and exec_id in view.fills for view in views)


def _moment(event: events.ExecutionReport) -> tuple[int | None, str]:
    """When a fill happened, and how that is known (T7)."""
    if event.transact_ns is not None:
        return event.transact_ns, "stated"
    if event.poss_dup or event.poss_resend:
        return None, "unknown"
    return event.event_ns, "derived"


def _first(ids: Sequence[str]) -> str | None:
    return ids[0] if ids else None


# -- rows made from messages ----------------------------------------------------------------------

_PLACE: Final = 4
"""Columns that come before those made here: offset, position, batch time, session."""


class Made(NamedTuple):
    """How an event becomes the cells of a table's row."""

    table: str
    cells: Callable[[Any], Cells]


def _reader(
    message: type[Any], names: Sequence[str], fixed: dict[str, Any]
) -> Callable[[Any], Cells]:
    """Reads columns that a message has by their names; the others are fixed, or unknown."""
    fields = set(message.__struct_fields__)
    own = [name for name in names if name in fields and name not in fixed]
    get = attrgetter(*own) if len(own) > 1 else lambda m, name=own[0]: (getattr(m, name),)
    places = [own.index(name) if name in own else -1 for name in names]
    rest = tuple(fixed.get(name) for name in names)
    if places == list(range(len(names))):
        return get

    def cells(event: Any) -> Cells:
        values = get(event)
        return tuple(
            values[place] if place >= 0 else constant
            for place, constant in zip(places, rest, strict=True)
        )

    return cells


def _made(
    table: str, *messages: type[Any], kinds: dict[type[Any], str] | None = None
) -> Iterator[tuple[type[Any], Made]]:
    names = TABLES[table].names[_PLACE:]
    for message in messages:
        fixed = {"kind": (kinds or {}).get(message, kind(message))} if "kind" in names else {}
        yield message, Made(table, _reader(message, names, fixed))


def _control(event: Any) -> Cells:
    fields = plain(event)
    return (
        event.event_ns, event.type, event.actor, fields.get("reason"), fields.get("role"),
        fields.get("evidence"), fields.get("on"), fields,
    )  # fmt: skip


_REQUESTS: Final[dict[type[Any], str]] = {
    events.NewOrder: "new", events.ReplaceRequest: "replace", events.CancelRequest: "cancel",
    events.MassCancelRequest: "mass_cancel", events.UnmodelledRequest: "unmodelled",
}  # fmt: skip
_REPORTS: Final = (
    events.ExecutionReport, events.MassStatusRow, events.CancelReject, events.RequestReject,
)  # fmt: skip
_SESSION: Final = (
    events.Logon, events.Logout, events.Disconnect, events.Heartbeat, events.HeartbeatMissed,
    events.OtherMessage, events.GapOpened, events.ResendRequested, events.ResendRejected,
    events.ResendCompleted, events.GapFill, events.SequenceReset, events.GatewaySwitched,
    events.NotApplied, events.MassCancelReport, events.MassStatusBegin, events.MassStatusEnd,
)  # fmt: skip
_CONTROLS: Final = (desk.SafeMode, desk.Attestation, desk.PolicyChange, desk.RetireSession)

_MADE: Final[dict[type[Any], Made]] = dict([
    *_made("requests", *_REQUESTS, kinds=_REQUESTS),
    *_made("reports", *_REPORTS),
    *_made("session_events", *_SESSION),
    *_made("parents", desk.ParentOrder),
    *_made("parent_ends", desk.ParentDone),
    *_made("acks", desk.ProfileAck),
    *((message, Made("controls", _control)) for message in _CONTROLS),
])  # fmt: skip

_HEARD_NAMES: Final = TABLES["fills"].names[_PLACE : TABLES["fills"].names.index("order")]
_FILL_HEAD: Final = _reader(events.ExecutionReport, _HEARD_NAMES, {})
_FILL_TAIL: Final = _reader(
    events.ExecutionReport,
    ("last_qty", "last_px", "mid", "spread", "fee", "liquidity", "transact_ns"),
    {},
)


# -- rows made from what was published ------------------------------------------------------------


def _cap(cap: effects.Cap, epoch: int) -> Iterator[tuple[str, Cells]]:
    own = getattr(cap, "instrument_cap", None)
    rows: list[tuple[str | None, float, float]] = [(None, cap.cap, cap.confidence)]
    rows += [(symbol, each.cap, each.confidence) for symbol, each in cap.symbols.items()]
    for symbol, value, confidence in rows:
        yield (
            "caps",
            (
                symbol, epoch, cap.sequence, cap.state.value, value, own, confidence,
                cap.catchup_multiple_max, cap.participation_max, plain(cap.components), cap.reason,
                cap.cause, cap.freeze_expansion, cap.safe_mode, cap.policy.id, cap.policy.hash,
                cap.episode_id, cap.policy.version, cap.valid_until_ns,
            ),
        )  # fmt: skip


def _flat(table: str) -> Callable[[Any, int], Iterator[tuple[str, Cells]]]:
    """Of an effect, the columns that carry its fields' names, and the policy's parts."""
    names = TABLES[table].names[_PLACE:]

    def rows(effect: Any, _: int) -> Iterator[tuple[str, Cells]]:
        fields = plain(effect)
        for part, value in (fields.get("policy") or {}).items():
            fields[f"policy_{part}"] = value
        yield table, tuple(fields.get(name) for name in names)

    return rows


def _retired(effect: effects.Retired, _: int) -> Iterator[tuple[str, Cells]]:
    yield (
        "controls",
        (effect.event_ns, effect.type, effect.actor, effect.reason, None, None, None, None),
    )


def _nothing(_: Published, __: int) -> Iterator[tuple[str, Cells]]:
    """What a shadow would have done is not history; what was refused is among the refused."""
    return iter(())


_PUBLISHED: Final[dict[type[Any], Callable[[Any, int], Iterator[tuple[str, Cells]]]]] = {
    effects.Cap: _cap,
    effects.ShadowCap: _nothing,
    effects.Transition: _flat("transitions"),
    effects.Episode: _flat("episodes"),
    effects.Alert: _flat("alerts"),
    effects.Retired: _retired,
    effects.ControlApplied: _nothing,
    effects.ControlRefused: _nothing,
}

__all__ = ["BROADCAST", "RecordedFolds", "Recorder", "Stamp"]
