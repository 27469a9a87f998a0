"""Truth: what is known of one session, free of any policy.

Wires the rooms of truth together (sequences, orders) and keeps what lies between them: the path,
the snapshots under way, the parents. It decides nothing: whatever a policy may have to react to at
once is left in ``notices``, in order.
"""

import math
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from reconverge.core.findings import NoticeKind, SessionNotice
from reconverge.core.messages import events
from reconverge.core.messages.desk import Attestation, ParentOrder, SafeMode
from reconverge.core.messages.events import StreamEvent
from reconverge.core.messages.units import nanos
from reconverge.core.orders.orders import Orders
from reconverge.core.orders.snapshots import Snapshot
from reconverge.core.sequences.numbering import Numbering
from reconverge.core.sequences.sequences import Sequences
from reconverge.core.venue import Limits, Venue

PARENTS_MAX: Final = 100_000
"""Parents followed in one session. Beyond it the oldest goes: only its backlog is lost from sight.
"""


UNRESOLVED_MAX: Final = 20
"""Items of each kind named in ``unresolved``: enough to act on, small enough to publish."""


class SourceSummary(NamedTuple):
    """The numberings of a session, all sources taken together."""

    outstanding: int
    """Numbers missing."""
    unrecoverable: int
    """Numbers lost for good and not proven harmless."""
    oldest_gap_ns: int | None
    """When the oldest open gap was noticed."""
    lag_ns: float
    """Lag of the least fresh source beyond its heartbeat interval."""
    witnessed: bool
    """Any drop-copy channel has ever been heard: until then silence is not evidence (R29)."""
    complete: bool
    """Every drop-copy channel is complete past the moment asked about."""


class Parent:
    """A parent order and its target schedule; quantities in nanos."""

    __slots__ = ("at_ns", "cum_qty", "sigma_bps")

    def __init__(self, at_ns: list[int], cum_qty: list[int], sigma_bps: float | None) -> None:
        self.at_ns = at_ns
        self.cum_qty = cum_qty
        self.sigma_bps = sigma_bps

    def scheduled(self, now_ns: int) -> int:
        """Quantity meant to be executed by now, from the last point that has passed. Nanos."""
        i = bisect_right(self.at_ns, now_ns)
        return self.cum_qty[i - 1] if i else 0

    def rest(self, now_ns: int) -> tuple[int, int]:
        """When the schedule ends, and the quantity still to come on it by then. Nanos."""
        if not self.at_ns:
            return now_ns, 0
        return self.at_ns[-1], self.cum_qty[-1] - self.scheduled(now_ns)


class Backlog(NamedTuple):
    """What one parent is behind its schedule, and the pace it may be repaid beside."""

    parent_id: str
    qty: int
    """Nanos."""
    normal_per_s: float
    """Scheduled rate from now to the end of the schedule. Nanos per second."""
    horizon_s: float
    """Time left to the end of the schedule."""


class Truth:
    """One session's truth."""

    __slots__ = (
        "_logout_sent", "_sigma_bps", "_watch_path", "delays_ns", "event_ns", "failed", "notices",
        "orders", "parents", "parked", "path_up", "recoveries", "recovery_failures",
        "restarted_ns", "safe_mode", "sequences", "session", "snapshot_event_ns", "venue", "venues",
    )  # fmt: skip

    def __init__(self, session: str, venues: Mapping[str, Venue]) -> None:
        self.session = session
        self.venues = venues
        self.venue: str | None = None
        """Name of the venue profile, once a logon named one."""
        self.sequences = Sequences(Venue())
        self.orders = Orders()
        self.parents: dict[str, Parent] = {}
        self.notices: list[SessionNotice] = []
        """Left for control since it last looked."""
        self.delays_ns: dict[str, int] = {}
        """How old the latest news of each drop-copy channel was when it came; resent messages are
        no news. Nanoseconds."""
        self.restarted_ns: dict[str, int] = {}
        """When the numbers of a drop-copy channel last restarted: what it told at the end of the
        former ones may never have been heard, and nobody will say (R14). Event time."""
        self.event_ns = 0
        """Latest event time seen. Nanoseconds, UTC."""
        self.path_up: bool | None = None
        """The order-entry path: up, down, or not known until the venue is next heard."""
        self.failed = False
        """A hard failure that the path has not recovered from: what follows is part of it."""
        self.recoveries = 0
        """Snapshots begun and attestations, ever."""
        self.recovery_failures = 0
        """Resends rejected, timed out or released, ever."""
        self.snapshot_event_ns = -1
        """Event time at which the latest complete snapshot began."""
        self.safe_mode = False
        """The latch of the safe mode (operator or guardrail)."""
        self.parked: str | None = None
        """Why this session's truth cannot be trusted at all, until a snapshot or an operator says
        so.
        """
        self._logout_sent = False
        self._watch_path = True
        self._sigma_bps: float | None = None

    # -- inputs ---------------------------------------------------------------------------------

    def apply(self, event: StreamEvent, now_ns: int) -> None:  # noqa: C901 - a call costs more
        """Account for one event of the order streams. Ingestion never depends on the path (R34)."""
        sequences, orders, event_ns = self.sequences, self.orders, event.event_ns
        if event_ns > self.event_ns:
            self.event_ns = event_ns
        if event.outbound:
            sequences.sent(event, now_ns)
            processed = True
        else:
            processed = sequences.accept(event, now_ns)
            channel = event.channel
            if channel is None:
                if self._watch_path:
                    self._heard(event)
            elif not event.poss_dup:
                self.delays_ns[channel] = now_ns - event_ns
        if sequences.findings:
            self._weigh(event_ns)
        if not processed:
            return
        orders.apply(event, now_ns)
        if orders.findings:
            self._report(event_ns)
        if orders.snapshot_completed is not None:
            self._proven(orders.snapshot_completed, event_ns, now_ns)
        handle = _SESSION_EVENTS.get(type(event))
        if handle is not None:
            handle(self, event)

    def expire(self, now_ns: int) -> None:
        """What time alone does to truth: resends time out, gaps leave the venue's window."""
        self.sequences.expire(now_ns)
        if self.sequences.findings:
            self._weigh(self.event_ns)

    def park(self, reason: str) -> None:
        """Stop trusting this truth: the cap goes to the floor until truth is proven anew."""
        if self.parked is None:
            self.parked = reason
            self._note("parked", reason, self.event_ns)

    def _unpark(self, why: str) -> None:
        if self.parked is not None:
            self.parked = None
            self._note("unparked", why, self.event_ns)

    def _note(self, kind: NoticeKind, detail: str, event_ns: int) -> None:
        self.notices.append(SessionNotice(kind, detail, event_ns))

    def _weigh(self, event_ns: int) -> None:
        """Take what the sequences found into truth, and leave it for control."""
        for kind, channel, detail in self.sequences.findings:
            source = channel or "entry"
            self._note(kind, f"{source}: {detail}", event_ns)
            if kind in _FAILS:
                self.recovery_failures += 1
            elif kind == "numbers_restarted" and channel is not None:
                self.restarted_ns[channel] = event_ns
            elif kind == "sequence_violation":
                self._fail("sequence violation", f"{source}: {detail}", event_ns)
            elif kind == "gaps_full":
                self.park(f"{source}: {detail}")
        self.sequences.findings.clear()

    # -- the path -------------------------------------------------------------------------------

    def _heard(self, event: StreamEvent) -> None:
        """A message from the venue on the entry path, while the path is not simply up."""
        if type(event) in _PATH_EVENTS:
            return
        if self.path_up is None:
            self._up(event.event_ns)
        elif self.path_up:
            self.failed = self._watch_path = False

    def _up(self, event_ns: int) -> None:
        """The path works again. S8: that changes nothing but this flag."""
        self.path_up = True
        self.failed = self._watch_path = self._logout_sent = False
        self._note("path_up", "", event_ns)

    def _down(self, event_ns: int, *, path_up: bool | None) -> None:
        if self.path_up is True:
            self._note("path_down", "", event_ns)
        self.path_up = path_up

    def _fail(self, cause: str, detail: str, event_ns: int) -> None:
        """A hard failure, unless it is only the next sign of one already known."""
        if not self.failed:
            self.failed = self._watch_path = True
            self._note("hard_failure", f"{cause}: {detail}" if detail else cause, event_ns)

    def _logon(self, event: events.Logon) -> None:
        if event.channel is not None or event.outbound:
            return
        if event.venue is not None and event.venue != self.venue:
            self._follow_venue(event.venue, event.event_ns)
        self._up(event.event_ns)

    def _follow_venue(self, name: str, event_ns: int) -> None:
        venue = self.venues.get(name)
        if venue is None:
            self._note("unknown_venue", f"no profile named {name}; the former stays", event_ns)
            return
        self.venue = name
        self.sequences.set_venue(venue)
        self._note("venue_followed", name, event_ns)

    def _logout(self, event: events.Logout) -> None:
        if event.channel is not None:
            return
        if event.outbound:
            self._logout_sent = True
            return
        expected = self._logout_sent
        self._down(event.event_ns, path_up=False)
        if not expected:
            self._fail("unexpected logout", event.reason or "", event.event_ns)

    def _disconnect(self, event: events.Disconnect) -> None:
        if event.channel is not None:
            return
        clean = self.path_up is False and not self.failed
        self._down(event.event_ns, path_up=False)
        if not clean:
            self._fail("disconnect", event.reason or "", event.event_ns)

    def _heartbeat_missed(self, event: events.HeartbeatMissed) -> None:
        if event.channel is None:
            self._down(event.event_ns, path_up=None if self.path_up else self.path_up)
            self._fail("heartbeat missed", "", event.event_ns)

    def _gateway_switched(self, event: events.GatewaySwitched) -> None:
        if event.channel is not None or event.clean:
            return
        if self.path_up:
            self._down(event.event_ns, path_up=None)
        self._fail("gateway switched without clean logout", event.gateway or "", event.event_ns)

    # -- snapshots, attestations, the desk ------------------------------------------------------

    def _snapshot_begun(self, _: events.MassStatusBegin) -> None:
        self.recoveries += 1

    def _proven(self, snapshot: Snapshot, event_ns: int, now_ns: int) -> None:
        """A complete snapshot of the venue's orders: the other way to convergence (R17)."""
        if snapshot.symbol is not None:
            return  # of one instrument only: it proves nothing of the session's numbers
        self.snapshot_event_ns = max(self.snapshot_event_ns, snapshot.event_ns)
        self.sequences.snapshot_proven(snapshot.now_ns, now_ns)
        self._weigh(event_ns)
        self._unpark("complete snapshot")

    def _report(self, event_ns: int) -> None:
        """Leave what the orders found for control."""
        for kind, order, detail in self.orders.findings:
            self._note(kind, f"{order}: {detail}", event_ns)
        self.orders.findings.clear()

    def attest(self, event: Attestation, now_ns: int) -> None:
        """An operator vouches for what no replay can prove (R17)."""
        if event.from_seq is None or event.to_seq is None:
            self.restarted_ns.clear()  # without a range it is for the whole session
        else:
            self.sequences.vouch(event.channel, event.segment, event.from_seq, event.to_seq, now_ns)
        self.orders.attested(event.orders_not_working, now_ns)
        self._report(event.event_ns)
        self.recoveries += 1
        self._weigh(event.event_ns)
        self._unpark("attested")
        self._note("attested", f"{event.actor}: {event.reason}", event.event_ns)

    def set_safe_mode(self, event: SafeMode) -> None:
        """The latch is set or released."""
        if event.on != self.safe_mode:
            self.safe_mode = event.on
            kind: NoticeKind = "safe_mode_on" if event.on else "safe_mode_off"
            self._note(kind, f"{event.actor}: {event.reason}", event.event_ns)

    def set_parent(self, event: ParentOrder) -> None:
        """A parent and its schedule; a later one with its id replaces it."""
        self._sigma_bps = None
        self.parents.pop(event.parent_id, None)
        if len(self.parents) >= PARENTS_MAX:
            del self.parents[next(iter(self.parents))]
        at_ns = [point.at_ns for point in event.schedule]
        cum_qty = [nanos(point.cum_qty) for point in event.schedule]
        self.parents[event.parent_id] = Parent(at_ns, cum_qty, event.sigma_bps)

    def end_parent(self, parent_id: str) -> None:
        """A parent ended: nothing is scheduled any more."""
        self._sigma_bps = None
        self.parents.pop(parent_id, None)

    def set_limits(self, limits: Limits) -> None:
        """What bounds truth: patience with resends, the budget of attempts."""
        self.sequences.set_limits(limits)

    # -- readings -------------------------------------------------------------------------------

    def summary(self, now_ns: int, past_event_ns: int) -> SourceSummary:
        """One pass over the numberings: what is missing, and how fresh and complete each source is.

        A drop-copy channel lags by its silence beyond its heartbeat interval, by how old its latest
        news was when it came, or by the age of its oldest hole; the entry path, while up, by its
        silence alone, where its heartbeat is known. A channel speaks through the numbering it was
        last heard on: earlier segments fall silent for good. Without drop copy the lag is infinite,
        and only a snapshot can be complete past a moment.
        """
        outstanding = unrecoverable = 0
        oldest_gap_ns: int | None = None
        latest: dict[str | None, Numbering] = {}
        for source in self.sequences.sources():
            if not source.is_whole or source.past:
                outstanding += source.outstanding
                unrecoverable += source.unrecoverable
                opened_ns = source.oldest_gap_ns
                if opened_ns is not None and (oldest_gap_ns is None or opened_ns < oldest_gap_ns):
                    oldest_gap_ns = opened_ns
            known = latest.get(source.channel)
            if known is None or source.last_heard_ns >= known.last_heard_ns:
                latest[source.channel] = source
        entry = latest.pop(None, None)
        lag_ns = 0.0 if latest else math.inf
        complete = bool(latest) or self.snapshot_event_ns >= past_event_ns
        for channel, source in latest.items():
            complete = complete and self._is_complete(source, past_event_ns)
            opened_ns = source.oldest_gap_ns
            hole_ns = 0 if opened_ns is None else now_ns - opened_ns
            delay_ns = self.delays_ns.get(channel or "", 0)
            lag_ns = max(lag_ns, _silence_ns(source, now_ns), hole_ns, delay_ns)
        if entry is not None and self.path_up and entry.heartbeat_ms:
            lag_ns = max(lag_ns, _silence_ns(entry, now_ns))
        witnessed = bool(latest)
        return SourceSummary(outstanding, unrecoverable, oldest_gap_ns, lag_ns, witnessed, complete)

    def _is_complete(self, source: Numbering, past_event_ns: int) -> bool:
        """Has a drop-copy channel told all there was up to past a moment?

        With numbers that restarted since then, only a snapshot begun later shows it (R17).
        """
        restarted_ns = self.restarted_ns.get(source.channel or "", -1)
        cut = restarted_ns > past_event_ns and restarted_ns > self.snapshot_event_ns
        return source.complete_up_to_ns > past_event_ns and not cut

    def diverged_since_ns(self, now_ns: int) -> int:
        """When the oldest disagreement or gap that still holds began. Nanoseconds, UTC."""
        candidates = (self.orders.oldest_disagreement_ns, self.sequences.oldest_gap_ns)
        return min((at for at in candidates if at is not None), default=now_ns)

    def backlogs(self, now_ns: int) -> Iterator[Backlog]:
        """Scheduled minus executed quantity of each parent, not below 0."""
        executed = self.orders.parent_executed
        for parent_id, parent in self.parents.items():
            scheduled = parent.scheduled(now_ns)
            end_ns, rest = parent.rest(now_ns)
            horizon_s = max(0, end_ns - now_ns) / 1e9
            rate = rest / horizon_s if horizon_s else 0.0
            owed = max(0, scheduled - executed.get(parent_id, 0))
            yield Backlog(parent_id, owed, rate, horizon_s)

    def sigma_bps(self, default: float) -> float:
        """Daily volatility of the wildest parent: the limit must suit every one of them."""
        if self._sigma_bps is None:
            known = [p.sigma_bps for p in self.parents.values() if p.sigma_bps is not None]
            self._sigma_bps = max(known, default=0.0)
        return self._sigma_bps or default

    def unresolved(self) -> Iterator[str]:
        """What is still open, for a person to read; the first few of each kind."""
        for source in self.sequences.sources():
            name = source.channel or "entry"
            for first, last in source.open_gaps()[:UNRESOLVED_MAX]:
                yield f"{name}: {first}-{'' if last is None else last} missing"
            if source.unrecoverable:
                yield f"{name}: {source.unrecoverable} unrecoverable"
        for row in self.orders.disagreements(UNRESOLVED_MAX):
            yield str(row)

    # -- persistence ------------------------------------------------------------------------------

    def dump(self) -> Iterator[list[Any]]:
        """The whole truth as rows of JSON values; ``load`` restores it."""
        yield ["truth", {name: getattr(self, name) for name in _PLAIN}]
        for parent_id, parent in self.parents.items():
            yield ["parent", parent_id, parent.at_ns, parent.cum_qty, parent.sigma_bps]
        for row in self.sequences.dump():
            yield ["sequences", *row]
        for row in self.orders.dump():
            yield ["orders", *row]

    @classmethod
    def load(cls, session: str, venues: Mapping[str, Venue], rows: Iterable[list[Any]]) -> "Truth":
        """The truth that was dumped, with the venue profiles it is to follow."""
        truth = cls(session, venues)
        room: dict[str, list[list[Any]]] = {
            "truth": [],
            "parent": [],
            "sequences": [],
            "orders": [],
        }
        for name, *row in rows:
            room[name].append(row)
        for name, value in room["truth"][0][0].items():
            setattr(truth, name, value)
        for parent_id, at_ns, cum_qty, sigma_bps in room["parent"]:
            truth.parents[parent_id] = Parent(at_ns, cum_qty, sigma_bps)
        venue = venues.get(truth.venue or "", Venue())
        truth.sequences = Sequences.load(room["sequences"], venue)
        truth.orders = Orders.load(room["orders"])
        return truth


def _silence_ns(source: Numbering, now_ns: int) -> int:
    """How long a source has been silent beyond its heartbeat interval."""
    return now_ns - source.last_heard_ns - (source.heartbeat_ms or 0) * 1_000_000


_PLAIN: Final = (
    "_logout_sent", "_watch_path", "delays_ns", "event_ns", "failed", "parked", "path_up",
    "recoveries", "recovery_failures", "restarted_ns", "safe_mode", "snapshot_event_ns", "venue",
)  # fmt: skip

_SESSION_EVENTS: Final[dict[type, Callable[[Truth, Any], None]]] = {
    events.Logon: Truth._logon,
    events.Logout: Truth._logout,
    events.Disconnect: Truth._disconnect,
    events.HeartbeatMissed: Truth._heartbeat_missed,
    events.GatewaySwitched: Truth._gateway_switched,
    events.MassStatusBegin: Truth._snapshot_begun,
}
"""What moves the path, or begins a recovery."""
_PATH_EVENTS: Final = frozenset({
    events.Logon, events.Logout, events.Disconnect, events.HeartbeatMissed, events.GatewaySwitched,
})  # fmt: skip
"""Events that say of the path themselves what it is."""

_FAILS: Final = frozenset({"resend_rejected", "resend_timed_out", "resend_released"})
"""Findings that mean a recovery came to nothing (R12)."""
