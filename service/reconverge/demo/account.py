"""The account of an incident: every figure that the demo tells, taken from a run and nothing else.

Seconds count from the failure, on the recording's clock, whatever the speed it was played at.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from reconverge.core.messages.effects import Alert, Cap, Episode, State
from reconverge.core.messages.events import (
    Disconnect,
    GapFill,
    Logon,
    MassStatusBegin,
    MassStatusEnd,
    MassStatusRow,
    ProfileAck,
    ResendRequested,
    StreamEvent,
)
from reconverge.core.messages.units import ONE
from reconverge.core.orders import Order as KnownOrder
from reconverge.core.orders import Orders
from reconverge.demo.trace import Folded, Trace

_UNSAID: Final = frozenset({"unknown", "sent"})
"""States of a view in which the venue has said nothing of an order."""
_DISAGREEMENTS_MAX: Final = 1_000

Seconds = Callable[[int], float]
"""From a moment of the playing to seconds of the recording since the failure."""


class Unfinished(Exception):
    """The run holds no whole incident; the message says what is missing."""


@dataclass(frozen=True, slots=True)
class Order:
    """An order of which the socket gives a wrong idea."""

    order_id: str
    symbol: str
    qty: float
    """Quantity wrongly believed open, or open and not believed so."""
    notional: float


@dataclass(frozen=True, slots=True)
class Misled:
    """What a router that trusts the socket has wrong at the moment that it is back."""

    believed_not_working: tuple[Order, ...]
    working_not_believed: tuple[Order, ...]


@dataclass(frozen=True, slots=True)
class Replay:
    """What the venue's resend brought back, and what it could not."""

    requested: tuple[tuple[int, int | None], ...]
    """Ranges that we asked for."""
    missing: int
    """Numbers missing at the worst moment."""
    messages: int
    """Messages that came again and were news."""
    closed_s: float
    """When no number was missing any more."""


@dataclass(frozen=True, slots=True)
class Left:
    """An order on which the two views still disagree."""

    order: str
    symbol: str
    entry: str
    venue: str
    """What either view says of it: a state, and the open quantity."""
    in_flight: tuple[str, ...]
    """Requests about it without an answer."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The mass status that settled what no replay could."""

    left: tuple[Left, ...]
    """What the two views still disagreed on when it was asked for."""
    rows: int
    asked_s: float
    complete_s: float


@dataclass(frozen=True, slots=True)
class Step:
    """A state entered."""

    at_s: float
    state: State
    signal: str


@dataclass(frozen=True, slots=True)
class CapStep:
    """A cap published."""

    at_s: float
    cap: float
    instrument_cap: float
    """Of an instrument in no doubt."""
    confidence: float
    reason: str
    state: State


@dataclass(frozen=True, slots=True)
class Warned:
    """An alert."""

    at_s: float
    name: str
    detail: str


@dataclass(frozen=True, slots=True)
class Point:
    """Truth at one moment; a value holds until the next point."""

    at_s: float
    raw: float
    settled: float
    quantity: float
    """Live-set similarity in its three forms."""
    outstanding: int
    """Numbers missing, all sources."""


@dataclass(frozen=True, slots=True)
class Backlog:
    """How far all parents were behind their schedules."""

    peak: float
    peak_s: float
    end: float


@dataclass(frozen=True, slots=True)
class Account:
    """The incident in figures."""

    session: str
    policy: str
    """Id, version and content hash."""
    speed: float
    failure: str
    """What the engine said of it."""
    link_down_s: float
    diverged_s: float
    diverged_from_s: float
    fds_s: float
    """FDS: the failure, by its source's clock, to FAILOVER_DETECTED."""
    dark_s: float
    """The last proof of life on the path to FAILOVER_DETECTED."""
    reentry_s: float
    """FAILOVER_DETECTED to CONTROLLED_REENTRY."""
    sdl_s: float | None
    """SDL: confidence over its threshold to the acknowledgement of normal participation."""
    sdl_reentry_s: float | None
    """The same to the acknowledgement of the first cap of re-entry."""
    acknowledged_s: float | None
    """When the router applied the cap of its re-entry."""
    steps: tuple[Step, ...]
    caps: tuple[CapStep, ...]
    in_flight: tuple[str, ...]
    """Requests unanswered when the link went down."""
    misled: Misled
    replay: Replay
    snapshot: Snapshot | None
    alerts: tuple[Warned, ...]
    backlog: Backlog
    points: tuple[Point, ...]


def account(trace: Trace) -> Account:
    """Everything there is to tell of a run. Raises ``Unfinished`` while its episode is open."""
    episode = _closed(trace)
    down, up = _socket(trace.inputs)
    failed_ns = trace.inputs[down].now_ns
    at_s = _since(trace, failed_ns)
    ours = trace.timeline.recorded_s
    policy = episode.policy
    caps = [effect for effect in trace.effects if isinstance(effect, Cap)]
    return Account(
        session=trace.session,
        policy=f"{policy.id} v{policy.version} ({policy.hash})",
        speed=trace.timeline.speed,
        failure=episode.cause_detail,
        link_down_s=ours(episode.link_down_ms or 0),
        diverged_s=ours(episode.divergence_ms or 0),
        diverged_from_s=at_s(_diverged_ns(trace, episode)),
        fds_s=ours(episode.fds_ms or 0),
        dark_s=ours(episode.dark_ms or 0),
        reentry_s=ours(episode.reentry_processing_ms or 0),
        sdl_s=None if episode.sdl_ms is None else ours(episode.sdl_ms),
        sdl_reentry_s=None if episode.sdl_reentry_ms is None else ours(episode.sdl_reentry_ms),
        acknowledged_s=_acknowledged_s(trace.inputs, caps, at_s),
        steps=tuple(Step(at_s(step.at_ns), step.state, step.signal) for step in episode.path),
        caps=tuple(
            CapStep(at_s(c.event_ns), c.cap, c.instrument_cap or 0, c.confidence, c.reason, c.state)
            for c in caps
        ),
        in_flight=_in_flight(trace.inputs[:down]),
        misled=_misled(trace.inputs, up),
        replay=_replay(trace, at_s),
        snapshot=_snapshot(trace.inputs, at_s),
        alerts=tuple(
            Warned(at_s(effect.event_ns), effect.name, effect.detail)
            for effect in trace.effects
            if isinstance(effect, Alert)
        ),
        backlog=_backlog(trace, failed_ns, at_s),
        points=tuple(
            Point(at_s(r.now_ns), r.raw, r.settled, r.quantity, r.outstanding)
            for r in trace.readings
        ),
    )


# -- the incident's own moments -------------------------------------------------------------------


def _closed(trace: Trace) -> Episode:
    episodes = [effect for effect in trace.effects if isinstance(effect, Episode)]
    for episode in episodes:
        if episode.status == "closed":
            return episode
    last = f"it is at {episodes[-1].path[-1].state}" if episodes else "none began"
    raise Unfinished(f"no episode closed: {last}")


def _socket(inputs: Iterable[Folded]) -> tuple[int, int]:
    """Where the order-entry link goes down, and where the venue's logon says that it is back."""
    down = None
    for place, (_, event) in enumerate(inputs):
        if isinstance(event, Disconnect) and event.channel is None:
            down = place
        elif down and isinstance(event, Logon) and not (event.outbound or event.channel):
            return down, place
    raise Unfinished("the link did not go down and come back")


def _since(trace: Trace, failure_ns: int) -> Seconds:
    zero_ns = trace.timeline.recorded(failure_ns)
    return lambda now_ns: (trace.timeline.recorded(now_ns) - zero_ns) / 1e9


def _diverged_ns(trace: Trace, episode: Episode) -> int:
    for reading in trace.readings:
        if reading.diverged and reading.now_ns >= episode.start_ns:
            return reading.now_ns
    return episode.start_ns


def _acknowledged_s(inputs: Iterable[Folded], caps: Iterable[Cap], at_s: Seconds) -> float | None:
    wanted = next((c.sequence for c in caps if c.state is State.CONTROLLED_REENTRY), None)
    for now_ns, event in inputs:
        if wanted and isinstance(event, ProfileAck) and event.cap_sequence >= wanted:
            return at_s(now_ns)
    return None


def _backlog(trace: Trace, failure_ns: int, at_s: Seconds) -> Backlog:
    readings = [r for r in trace.readings if r.now_ns >= failure_ns]
    peak = max(readings, key=lambda r: r.backlog)
    return Backlog(peak.backlog / ONE, at_s(peak.now_ns), readings[-1].backlog / ONE)


# -- what recovered it ----------------------------------------------------------------------------


def _replay(trace: Trace, at_s: Seconds) -> Replay:
    entry = [e for _, e in trace.inputs if isinstance(e, StreamEvent) and e.channel is None]
    asked = [e for e in entry if isinstance(e, ResendRequested) and e.outbound]
    again = {e.seq for e in entry if e.poss_dup and not (e.outbound or isinstance(e, GapFill))}
    known = {e.seq for e in entry if not (e.poss_dup or e.outbound)}
    gaps = [reading for reading in trace.readings if reading.outstanding]
    if not gaps:
        raise Unfinished("no message was ever missing")
    closed_ns = next(r.now_ns for r in trace.readings if r.now_ns > gaps[-1].now_ns)
    return Replay(
        requested=tuple((e.from_seq, e.to_seq) for e in asked),
        missing=max(reading.outstanding for reading in gaps),
        messages=len(again - known),
        closed_s=at_s(closed_ns),
    )


def _snapshot(inputs: Sequence[Folded], at_s: Seconds) -> Snapshot | None:
    asked = next((i for i, (_, e) in enumerate(inputs) if isinstance(e, MassStatusBegin)), None)
    ended = next((f for f in inputs if isinstance(f.event, MassStatusEnd)), None)
    if asked is None or ended is None:
        return None
    orders = _told(inputs[:asked])
    return Snapshot(
        left=tuple(
            Left(row.order, row.symbol, row.entry, row.venue, row.in_flight)
            for row in orders.disagreements(_DISAGREEMENTS_MAX)
        ),
        rows=sum(isinstance(f.event, MassStatusRow) for f in inputs),
        asked_s=at_s(inputs[asked].now_ns),
        complete_s=at_s(ended.now_ns),
    )


# -- what the socket hides ------------------------------------------------------------------------


def _told(inputs: Iterable[Folded]) -> Orders:
    """The orders as these inputs tell them, in the order in which they were heard."""
    orders = Orders()
    for now_ns, event in inputs:
        if isinstance(event, StreamEvent):
            orders.apply(event, now_ns)
    return orders


def _in_hindsight(inputs: Iterable[Folded], now_ns: int) -> Orders:
    """The orders as everything that had happened by a moment has them, whenever it was told.

    A resent message bears the time at which the venue first sent it: that is what tells, later, how
    things stood.
    """
    happened = [f.event for f in inputs if isinstance(f.event, StreamEvent)]
    orders = Orders()
    for event in sorted(happened, key=lambda event: event.event_ns):
        if event.event_ns <= now_ns:
            orders.apply(event, event.event_ns)
    return orders


def _in_flight(inputs: Iterable[Folded]) -> tuple[str, ...]:
    rows = _told(inputs).disagreements(_DISAGREEMENTS_MAX)
    return tuple(sorted(request for row in rows for request in row.in_flight))


def _misled(inputs: Sequence[Folded], up: int) -> Misled:
    """Compare what the order-entry stream has told by then with what was so by then."""
    told, truth = _told(inputs[:up]), _in_hindsight(inputs, inputs[up].now_ns)
    believed, worked = told.working(venue=False), set(_worked(truth))
    wrong = [told.find(name) for name in believed if name not in worked]
    unknown = [truth.find(name) for name in sorted(worked - set(believed))]
    return Misled(
        tuple(_order(order, order.entry.open) for order in wrong if order),
        tuple(_order(order, order.venue.open) for order in unknown if order),
    )


def _worked(truth: Orders) -> Iterator[str]:
    """Orders that worked: some account of them says so, and none says that they ended."""
    for name in dict.fromkeys(truth.working(venue=True) + truth.working(venue=False)):
        order = truth.find(name)
        if order and all(
            view.open for view in (order.entry, order.venue) if view.state not in _UNSAID
        ):
            yield name


def _order(order: KnownOrder, open_qty: int) -> Order:
    qty = open_qty / ONE
    return Order(order.name, order.tally.symbol, qty, qty * order.price / ONE)
