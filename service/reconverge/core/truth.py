"""Truth: what is known of one session, free of any policy.

Wires the rooms of truth together (sequences, orders) and keeps what lies between them: the path,
the snapshots under way, the parents. It decides nothing: whatever a policy may have to react to at
once is left in ``notices``, in order.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from msgspec import structs

from reconverge.core.findings import NoticeKind, SessionNotice
from reconverge.core.messages.desk import Attestation, ParentOrder, SafeMode
from reconverge.core.messages.events import Logon, MassStatusBegin, OtherMessage, StreamEvent
from reconverge.core.orders import Orders, Snapshot
from reconverge.core.parents import Backlog, Parents
from reconverge.core.path import PATH_EVENTS, LinkState, Path
from reconverge.core.sequences import Sequences
from reconverge.core.source import NEVER
from reconverge.core.sources import SPECIAL, Moment, Sources, SourceSummary, summarize
from reconverge.core.venue import Limits, Venue

UNRESOLVED_MAX: Final = 20
"""Items of each kind named in ``unresolved``: enough to act on, small enough to publish."""


class Truth:
    """One session's truth."""

    __slots__ = (
        "_clip_ns", "event_ns", "limits", "notices", "orders", "parents", "parked", "path",
        "recoveries", "recovery_failures", "safe_mode", "sequences", "session", "set_aside",
        "set_aside_ns", "snapshot_ns", "sources", "venue", "venues",
    )  # fmt: skip

    def __init__(self, session: str, venues: Mapping[str, Venue]) -> None:
        self.session = session
        self.venues = venues
        self.venue: str | None = None
        """Name of the venue profile, once a logon named one."""
        self.sequences = Sequences(Venue())
        self.orders = Orders()
        self.orders.watch_numbers(self.sequences.has_hole)
        self.sources = Sources()
        self.parents = Parents()
        self.notices: list[SessionNotice] = []
        """Left for control since it last looked, in order. Shared with ``path``."""
        self.path = Path(self.notices)
        self.event_ns = 0
        """Latest event time seen; never falls. Nanoseconds, UTC."""
        self.recoveries = 0
        """Snapshots begun and attestations, ever; never falls."""
        self.recovery_failures = 0
        """Resends rejected, timed out or released, ever; never falls."""
        self.snapshot_ns = NEVER
        """When the latest complete snapshot of the whole session began, by the core's clock; NEVER
        before the first."""
        self.set_aside = 0
        """Messages of which neither the order nor the content is known, since the last snapshot or
        attestation (R19). No replay can bring their content."""
        self.set_aside_ns = NEVER
        """When the last of them came: only a snapshot begun later reflects all of them."""
        self.limits = Limits()
        """What the policy in force says of truth."""
        self._clip_ns = self.limits.event_clip_ns
        self.safe_mode = False
        """The latch of the safe mode (operator or guardrail)."""
        self.parked: str | None = None
        """Why this session's truth cannot be trusted at all, until a snapshot or an operator says
        so.
        """

    # -- inputs ---------------------------------------------------------------------------------

    def apply(  # noqa: C901, PLR0912 - a call costs more
        self, event: StreamEvent, now_ns: int
    ) -> None:
        """Account for one event of the order streams. Ingestion never depends on the path (R34)."""
        if event.event_ns - now_ns > self._clip_ns:
            event = self._clipped(event, now_ns)
        elif self.sources.ahead:
            self.sources.clock_right(event)
        sequences, orders, event_ns = self.sequences, self.orders, event.event_ns
        special = type(event) in _SESSION_EVENTS
        if event_ns > self.event_ns:
            self.event_ns = event_ns
        if event.outbound:
            sequences.sent(event, now_ns)
            if event.channel is not None:
                self.sources.sent(event)
            processed = True
        else:
            processed = sequences.accept(event, now_ns)
            self.sources.heard(event, now_ns, processed, special)
            if self.path.up is None and event.channel is None:
                self.path.heard(event)
        if sequences.findings:
            self._weigh(event_ns, now_ns)
        if not processed:
            return
        orders.apply(event, now_ns)
        if orders.echo_ns is not None and event.channel is not None:
            self.sources.echoed(event.channel, now_ns - orders.echo_ns, now_ns)
        if orders.findings:
            self._report(event_ns)
        if orders.snapshot_completed is not None:
            self._proven(orders.snapshot_completed, event_ns, now_ns)
        if special:
            self._follow(event, now_ns)

    def _clipped(self, event: StreamEvent, now_ns: int) -> StreamEvent:
        """An event time too far ahead of its arrival is taken as the arrival (DOMAIN §8)."""
        sender = self.sources.clock_ahead(event)
        if sender is not None:
            ahead_s = (event.event_ns - now_ns) / 1e9
            self._note("clock_ahead_source", f"{sender}: {ahead_s:.3f} s ahead", now_ns)
        return structs.replace(event, event_ns=now_ns)

    def _follow(self, event: StreamEvent, now_ns: int) -> None:
        """An event that moves the path, or begins a recovery."""
        if type(event) is MassStatusBegin:
            self.recoveries += 1
        elif type(event) is OtherMessage:
            self._set_aside(event, now_ns)
        elif event.channel is None:
            if type(event) is Logon and not event.outbound:
                self._follow_venue(event)
            noticed = len(self.notices)
            self.path.follow(event)
            self._mark_failures(noticed)

    def _set_aside(self, event: OtherMessage, now_ns: int) -> None:
        """R19: received is not understood. Orders doubt what it names; here is what names none."""
        if event.set_aside is None:
            return
        number = "" if event.seq is None else f" {event.seq}"
        detail = f"{event.channel or 'entry'}: {event.msg_type}{number}: {event.set_aside}"
        self._note("content_set_aside", detail, event.event_ns)
        if event.order_id is None and event.cl_ord_id is None and event.orig_cl_ord_id is None:
            self.set_aside += 1
            self.set_aside_ns = now_ns

    def _follow_venue(self, logon: Logon) -> None:
        name = logon.venue
        if name is None or name == self.venue:
            return
        venue = self.venues.get(name)
        if venue is None:
            detail = f"no profile named {name}; the former stays"
            self._note("unknown_venue", detail, logon.event_ns)
            return
        self.venue = name
        self.sequences.set_venue(venue)
        self.orders.set_fills_only(fills_only=venue.drop_copy == "fills_only")
        self._note("venue_followed", name, logon.event_ns)

    def expire(self, now_ns: int) -> None:
        """What time alone does to truth: resends time out, gaps leave the venue's window."""
        self.sequences.expire(now_ns)
        if self.sequences.findings:
            self._weigh(self.event_ns, now_ns)

    def park(self, reason: str) -> None:
        """Stop trusting this truth: the cap goes to the floor until truth is proven anew."""
        if self.parked is None:
            self.parked = reason
            self._note("parked", reason, self.event_ns)

    def _unpark(self, why: str) -> None:
        if self.parked is not None:
            self.parked = None
            self._note("unparked", why, self.event_ns)

    def _mark_failures(self, since: int) -> None:
        """Notices from a place on may tell of a failure of the path: what is unanswered now is what
        recovery must account for.
        """
        if any(notice.kind in _FAILURES for notice in self.notices[since:]):
            self.orders.mark_failure()

    def _note(self, kind: NoticeKind, detail: str, event_ns: int) -> None:
        self.notices.append(SessionNotice(kind, detail, event_ns))

    def _weigh(self, event_ns: int, now_ns: int) -> None:
        """Take what the sequences found into truth, and leave it for control."""
        for kind, channel, detail in self.sequences.findings:
            source = channel or "entry"
            self._note(kind, f"{source}: {detail}", event_ns)
            if kind in _FAILS:
                self.recovery_failures += 1
            elif kind == "numbers_restarted":
                self.sources.restarted(channel, now_ns)
            elif kind == "sequence_violation" and channel is None:
                self.path.fail("sequence violation", f"{source}: {detail}", event_ns)
                self._mark_failures(-1)
            elif kind == "sequence_violation":
                self.sources.violations += 1  # it breaks the witness, not the path (DOMAIN §9)
                self._note("witness_violated", f"{source}: {detail}", event_ns)
            elif kind == "gaps_full":
                self.park(f"{source}: {detail}")
        self.sequences.findings.clear()

    def _report(self, event_ns: int) -> None:
        """Leave what the orders found for control."""
        for kind, order, detail in self.orders.findings:
            self._note(kind, f"{order}: {detail}", event_ns)
        self.orders.findings.clear()

    # -- snapshots, attestations, the desk ------------------------------------------------------

    def _proven(self, snapshot: Snapshot, event_ns: int, now_ns: int) -> None:
        """A complete snapshot of the venue's orders: the other way to convergence (R17)."""
        if snapshot.symbol is not None:
            return  # of one instrument only: it proves nothing of the session's numbers
        self.snapshot_ns = max(self.snapshot_ns, snapshot.now_ns)
        if snapshot.now_ns > self.set_aside_ns:
            self.set_aside = 0
        self.sequences.snapshot_proven(snapshot.now_ns, now_ns)
        self._excuse_drop_copy(snapshot.now_ns, now_ns, whole=True)
        self._weigh(event_ns, now_ns)
        self._unpark("complete snapshot")

    def _excuse_drop_copy(self, told_by_ns: int, now_ns: int, *, whole: bool) -> None:
        """What drop copy would have told in numbers now proven harmless, or (``whole``: all of the
        session is proven) in a numbering that ended, it can tell no more (R17).
        """
        excused = {each.about for each in self.sequences.findings if each.kind == "range_excused"}
        if excused <= {None}:
            if not whole:
                return
            told_by_ns = min(told_by_ns, self.sources.drop_copy_restarted_ns)
        self.orders.excuse_drop_copy(told_by_ns, now_ns)

    def attest(self, event: Attestation, now_ns: int) -> None:
        """An operator vouches for what no replay can prove (R17).

        One that names nothing is for the whole session, as it stands.
        """
        whole = not _names_something(event)
        if event.from_seq is not None and event.to_seq is not None:
            self.sequences.vouch(event.channel, event.segment, event.from_seq, event.to_seq, now_ns)
        self._excuse_drop_copy(now_ns, now_ns, whole=whole)
        for channel in event.channels_retired:
            if not self.sources.retire(channel):
                self._note("unknown_channel_attested", channel, event.event_ns)
        self.orders.attested(event.orders_not_working, now_ns)
        self.orders.adopt(event.orders_adopted, now_ns)
        self._report(event.event_ns)
        self.recoveries += 1
        self._weigh(event.event_ns, now_ns)
        if whole:
            self._vouched()
        self._note("attested", f"{event.actor}: {event.reason}", event.event_ns)

    def _vouched(self) -> None:
        """The whole session is as it stands, up to now."""
        self._unpark("attested")
        self.set_aside = 0
        self.sources.vouched()
        self.sequences.attested()

    def set_safe_mode(self, event: SafeMode) -> None:
        """The latch is set or released."""
        if event.on != self.safe_mode:
            self.safe_mode = event.on
            kind: NoticeKind = "safe_mode_on" if event.on else "safe_mode_off"
            self._note(kind, f"{event.actor}: {event.reason}", event.event_ns)

    def set_parent(self, event: ParentOrder) -> None:
        """A parent and its schedule; a later one with its id replaces it."""
        parent = self.parents.set(event, self.orders.parent_executed)
        if parent.is_one_step(event.event_ns):
            self._note("one_step_schedule", event.parent_id, event.event_ns)

    def end_parent(self, parent_id: str) -> None:
        """A parent ended; one stated later under its id is another parent."""
        self.parents.end(parent_id, self.orders.parent_executed)

    def set_limits(self, limits: Limits) -> None:
        """What a policy sets of the bounds of truth: patience with resends, attempts allowed."""
        self.limits = limits
        self._clip_ns = limits.event_clip_ns
        self.sequences.set_limits(limits)

    # -- readings -------------------------------------------------------------------------------

    def summary(self, now_ns: int, past_ns: int) -> SourceSummary:
        """What is missing, how fresh each source is, and whether drop copy is complete past a
        moment (the core's time).
        """
        moment = Moment(
            now_ns=now_ns,
            past_ns=past_ns,
            snapshot_ns=self.snapshot_ns,
            path_up=self.path.up is True,
            owed_ns=self.orders.oldest_owed_ns,
            set_aside=self.set_aside,
        )
        sequences = self.sequences
        return summarize(self.sources, sequences.sources(), moment, sequences.venue, self.limits)

    @property
    def closed(self) -> bool:
        """Both sides logged out in order, and no request is in flight: closed, not failed."""
        return self.path.link is LinkState.CLOSED and not self.orders.in_flight_total

    def diverged_since_ns(self, now_ns: int) -> int:
        """When the oldest disagreement or gap that still holds began. Nanoseconds, UTC."""
        candidates = (self.orders.oldest_disagreement_ns, self.sequences.oldest_gap_ns)
        return min((at for at in candidates if at is not None), default=now_ns)

    def backlogs(self, now_ns: int) -> Iterator[Backlog]:
        """What each parent is behind its schedule."""
        return self.parents.backlogs(now_ns, self.orders.parent_executed)

    def unresolved(self) -> Iterator[str]:
        """What is still open, for a person to read; the first few of each kind."""
        for source in self.sequences.sources():
            name = source.channel or "entry"
            for first, last in source.open_gaps()[:UNRESOLVED_MAX]:
                yield f"{name}: {first}-{'' if last is None else last} missing"
            if source.unrecoverable:
                yield f"{name}: {source.unrecoverable} unrecoverable"
            if source.refused:
                yield f"{name}: {source.refused} refused for their number"
        if self.set_aside:
            yield f"{self.set_aside} set aside that name no order"
        for row in self.orders.disagreements(UNRESOLVED_MAX):
            yield str(row)

    # -- persistence ------------------------------------------------------------------------------

    def dump(self) -> Iterator[list[Any]]:
        """The whole truth as rows of JSON values; ``load`` restores it."""
        path = self.path
        own = {name: getattr(self, name) for name in _PLAIN}
        yield ["truth", own, [path.up, path.failed, path.logout_sent, path.gateway]]
        for row in self.sources.dump():
            yield ["source", *row]
        for row in self.parents.dump():
            yield ["parent", *row]
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
            "source": [],
            "parent": [],
            "sequences": [],
            "orders": [],
        }
        for name, *row in rows:
            room[name].append(row)
        own, path = room["truth"][0]
        for name in _PLAIN:
            setattr(truth, name, own[name])
        truth.path.up, truth.path.failed, truth.path.logout_sent, truth.path.gateway = path
        truth.sources.load(room["source"])
        for row in room["parent"]:
            truth.parents.load_row(row)
        venue = venues.get(truth.venue or "", Venue())
        truth.sequences = Sequences.load(room["sequences"], venue)
        truth.orders = Orders.load(room["orders"])
        truth.orders.watch_numbers(truth.sequences.has_hole)
        truth.orders.set_fills_only(fills_only=venue.drop_copy == "fills_only")
        return truth


def _names_something(event: Attestation) -> bool:
    named = event.orders_not_working or event.orders_adopted or event.channels_retired
    return event.from_seq is not None or bool(named)


_PLAIN: Final = (
    "event_ns", "parked", "recoveries", "recovery_failures", "safe_mode", "set_aside",
    "set_aside_ns", "snapshot_ns", "venue",
)  # fmt: skip

_SESSION_EVENTS: Final = PATH_EVENTS | SPECIAL | {MassStatusBegin, OtherMessage}
"""Events that say something of the session, beside what they say of numbers and orders."""

_FAILURES: Final = frozenset({"hard_failure", "failure_repeated"})
"""Notices of a failure of the path, or of one more sign of it."""

_FAILS: Final = frozenset({"resend_rejected", "resend_timed_out", "resend_released"})
"""Findings that mean a recovery came to nothing (R12)."""
