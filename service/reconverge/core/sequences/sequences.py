"""All numberings of one session: which event moves which, what the session must know, the readings.

``numbering`` says what a message proves about its numbers. Here is decided whose numbers they are
(R14), what our own side does (requests, logons, logouts: R12, R13, R18), and what the peer says of
our numbers. docs/sequences.md explains both.

A possible-resend (PossResend) is numbered like any other message (R5): it carries a new number,
and only its content may have been seen. So no rule here looks at that flag; orders dedupe by
business id.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from reconverge.core.findings import Finding
from reconverge.core.messages.events import (
    Disconnect,
    GapFill,
    GapOpened,
    GatewaySwitched,
    HeartbeatMissed,
    Logon,
    Logout,
    RequestReject,
    ResendCompleted,
    ResendRejected,
    ResendRequested,
    SequenceReset,
    StreamEvent,
)
from reconverge.core.sequences.attempts import Attempts
from reconverge.core.sequences.numbering import Numbering
from reconverge.core.sequences.outbound import Outbound
from reconverge.core.sequences.watermark import COLD
from reconverge.core.venue import Limits, Venue

__all__ = ["SOURCES_MAX", "Sequences"]

SOURCES_MAX: Final = 256
"""Numberings of one session.

It has its own, a few drop-copy channels times market segments, and at CME one for each earlier
session identifier of the week; more means that an adapter invents them.
"""
RESEND_REQUEST: Final = "2"
"""FIX message type of a resend request, as a session reject names it (FIX 372)."""

Key = tuple[str | None, str | None]
Handler = Callable[[Any, Numbering, Any, int], bool]


def _least(times_ns: Iterable[int | None]) -> int | None:
    return min((at_ns for at_ns in times_ns if at_ns is not None), default=None)


def _numbered(numbering: Numbering, event: StreamEvent, now_ns: int) -> bool:
    return event.seq is None or numbering.number(event, event.seq, now_ns)


def _gap_opened(_: object, numbering: Numbering, event: GapOpened, now_ns: int) -> bool:
    numbering.gap_reported(max(event.from_seq, 1), event.to_seq, now_ns)
    return True


def _resend_rejected(_: object, numbering: Numbering, event: ResendRejected, now_ns: int) -> bool:
    accepted = _numbered(numbering, event, now_ns)
    if accepted:
        numbering.reject(event.reason, now_ns, unrecoverable=event.unrecoverable)
    return accepted


def _request_reject(_: object, numbering: Numbering, event: RequestReject, now_ns: int) -> bool:
    """A session reject (FIX 3) of a resend request is the generic form of refusing it."""
    accepted = _numbered(numbering, event, now_ns)
    if accepted and event.ref_msg_type == RESEND_REQUEST:
        numbering.reject(event.reason, now_ns, unrecoverable=False)
    return accepted


def _resend_completed(_: object, numbering: Numbering, __: ResendCompleted, now_ns: int) -> bool:
    numbering.answer_complete(now_ns)
    return True


def _gap_fill(_: object, numbering: Numbering, event: GapFill, now_ns: int) -> bool:
    return numbering.fill(event, event.seq, event.new_seq, now_ns)


def _sequence_reset(_: object, numbering: Numbering, event: SequenceReset, now_ns: int) -> bool:
    return numbering.reset(event.new_seq, now_ns, poss_dup=event.poss_dup)


def _sent_fill(_: object, outbound: Outbound, event: GapFill, __: int) -> None:
    outbound.sent(event.seq, event.new_seq - 1)


def _sent_reset(_: object, outbound: Outbound, event: SequenceReset, __: int) -> None:
    outbound.sent(0, event.new_seq - 1)  # a reset ignores its own number (R3)


class Sequences:
    """Every numbering that concerns one session, keyed (channel, segment).

    ``channel`` None is order entry.
    """

    __slots__ = (
        "_attempts", "_numberings", "_outbounds", "_policy_limits", "_sources_full", "findings",
        "limits", "venue",
    )  # fmt: skip

    def __init__(self, venue: Venue, limits: Limits | None = None) -> None:
        self.venue = venue
        self._policy_limits = Limits() if limits is None else limits
        self.limits = venue.tightened(self._policy_limits)
        """The policy's limits, or the venue's own where those are stricter (R18)."""
        self.findings: list[Finding] = []
        """What the session must know, in order; grows with each input, drained by the session."""
        self._numberings: dict[Key, Numbering] = {}
        """In order of first appearance; at most ``SOURCES_MAX``, none ever leaves."""
        self._outbounds: dict[Key, Outbound] = {}
        """Our own numbers; at most ``SOURCES_MAX``."""
        self._attempts: dict[str | None, Attempts] = {}
        """By channel, because a venue counts each connection; at most ``SOURCES_MAX``."""
        self._sources_full = False
        """A numbering was refused; once True, it stays."""

    # -- inputs --------------------------------------------------------------------------------

    def accept(self, event: StreamEvent, now_ns: int) -> bool:
        """Account for an event the venue sent.

        True: process its content; False: a duplicate, or refused.
        """
        key = event.channel, event.segment
        numbering = self._numberings.get(key) or self._open(key)
        if numbering is None:
            return True
        handle = _HANDLERS.get(type(event))
        if handle is not None:
            return handle(self, numbering, event, now_ns)
        seq: int | None = event.seq
        if seq is None:
            if numbering.frontier == COLD:  # a source without numbers is complete as it speaks
                numbering.last_event_ns = event.event_ns
            return True
        if seq == numbering.frontier and numbering.tail_ns is None:  # the usual case
            numbering.frontier = seq + 1
            numbering.last_event_ns = event.event_ns
            return True
        return numbering.number(event, seq, now_ns)

    def sent(self, event: StreamEvent, now_ns: int) -> None:
        """Account for an event of ours.

        Every outbound one belongs here: the peer may say it lacks some (FIX 789).
        """
        key = event.channel, event.segment
        outbound = self._outbounds.get(key) or self._outbound(key)
        seq: int | None = event.seq
        if seq is not None:
            outbound.sent(seq, seq)
        tell = _TELLERS.get(type(event))
        if tell is not None:
            tell(self, outbound, event, now_ns)

    def path_lost(self, channel: str | None, why: str) -> None:
        """A source's connection ended: its resends are released (R12) and that is flagged (R13)."""
        self._flag_failover(channel, why)
        for numbering in self._numberings.values():
            if numbering.channel == channel:
                numbering.release(why)
        for key, outbound in self._outbounds.items():
            if key[0] == channel:
                outbound.path_lost()

    def vouch(
        self, channel: str | None, segment: str | None, from_seq: int, to_seq: int, now_ns: int
    ) -> None:
        """An operator attests that the unseen numbers of a range do no harm (R17)."""
        numbering = self._numberings.get((channel, segment))
        if numbering is not None:
            numbering.vouch(from_seq, to_seq, now_ns)

    def snapshot_proven(self, since_ns: int, now_ns: int) -> None:
        """A complete snapshot begun at ``since_ns`` reflects what was unseen by then (R17)."""
        for numbering in self._numberings.values():
            numbering.snapshot(since_ns, now_ns)

    def expire(self, now_ns: int) -> None:
        """Release resends gone silent (R12); give up what is older than the venue replays (R8)."""
        for numbering in self._numberings.values():
            numbering.expire(now_ns)

    def set_limits(self, limits: Limits) -> None:
        """A policy takes effect. Deadlines already set stay as they are."""
        self._policy_limits = limits
        self.set_venue(self.venue)

    def set_venue(self, venue: Venue) -> None:
        """The session follows another venue profile from here on: its own bounds are in force where
        they are stricter than the policy's (R8, R18).
        """
        self.venue = venue
        self.limits = venue.tightened(self._policy_limits)
        for numbering in self._numberings.values():
            numbering.venue = venue
            numbering.limits = self.limits

    def attested(self) -> None:
        """An operator vouches for the whole session: no source is a cold start any more (R40)."""
        for numbering in self._numberings.values():
            numbering.cold = False

    # -- parts of the inputs -------------------------------------------------------------------

    def _numbering(self, key: Key) -> Numbering | None:
        return self._numberings.get(key) or self._open(key)

    def _open(self, key: Key) -> Numbering | None:
        if len(self._numberings) >= SOURCES_MAX:
            if not self._sources_full:
                self.findings.append(Finding("gaps_full", key[0], "too many numberings to track"))
            self._sources_full = True
            return None
        numbering = Numbering(key, self.venue, self.limits, self.findings)
        self._numberings[key] = numbering
        return numbering

    def _outbound(self, key: Key) -> Outbound:
        outbound = self._outbounds.get(key)
        if outbound is None:
            outbound = Outbound()
            if len(self._outbounds) < SOURCES_MAX:
                self._outbounds[key] = outbound
        return outbound

    def _attempt(self, channel: str | None, now_ns: int) -> None:
        limits = self.limits
        attempts = self._attempts.get(channel) or Attempts()
        if len(self._attempts) < SOURCES_MAX:
            self._attempts[channel] = attempts
        if attempts.add(now_ns, limits.attempts_window_ns, limits.attempts_max):
            seconds = limits.attempts_window_ns / 1e9
            detail = f"{limits.attempts_max} logons and resend requests in {seconds:g} s"
            self.findings.append(Finding("attempts_near_limit", channel, detail))

    def _flag_failover(self, channel: str | None, why: str) -> None:
        for numbering in self._numberings.values():
            if numbering.channel == channel and numbering.awaiting:
                numbering.note("failover_during_resend", why)

    # -- what we send that bears on the peer's answers ------------------------------------------

    def _sent_logon(self, outbound: Outbound, event: Logon, now_ns: int) -> None:
        self._attempt(event.channel, now_ns)
        outbound.logon(event)

    def _sent_logout(self, outbound: Outbound, event: Logout, _: int) -> None:
        outbound.logout_sent = outbound.seen = True
        self._flag_failover(event.channel, "we logged out")

    def _sent_request(self, _: Outbound, event: ResendRequested, now_ns: int) -> None:
        self._attempt(event.channel, now_ns)
        numbering = self._numbering((event.channel, event.segment))
        if numbering is not None:
            numbering.expire(now_ns)
            numbering.request(max(event.from_seq, 1), event.to_seq, now_ns, "requested")

    # -- what does more than use up its number -------------------------------------------------

    def _logon(self, numbering: Numbering, event: Logon, now_ns: int) -> bool:
        """R6, R14, R36: a logon may restart numbers, jump ahead, and say what the peer lacks."""
        seq = event.seq
        if event.poss_dup and seq is not None and seq < numbering.frontier:  # an old one, resent
            return numbering.number(event, seq, now_ns)
        outbound = self._outbound((event.channel, event.segment))
        unsaid = self._restarts_unsaid(numbering, outbound, event)
        restarts, asked = outbound.logon_answered(event)
        if not asked:  # ours was not seen, or the peer logs on by itself
            self._attempt(event.channel, now_ns)
        if restarts or unsaid:
            numbering.restart(now_ns, said=restarts)
        if unsaid and not restarts and outbound.seen:
            outbound.restarted()
            outbound.sent(1, 1)
        if not _numbered(numbering, event, now_ns):
            return False
        if event.next_expected is not None:
            self._next_expected(numbering, outbound, event, now_ns)
        return True

    def _restarts_unsaid(self, numbering: Numbering, outbound: Outbound, event: Logon) -> bool:
        """R36: a logon numbered one, without the flag, that is neither missing nor a resend."""
        if event.seq != 1 or event.poss_dup or numbering.frontier <= 1 or 1 in numbering.open:
            return False
        new_day = self.venue.begins_day(numbering.last_event_ns, event.event_ns)
        return outbound.begins_again(event.seq, new_day=new_day)

    def _next_expected(
        self, numbering: Numbering, outbound: Outbound, event: Logon, now_ns: int
    ) -> None:
        """Each side says what it expects (FIX 789) and is resent it without a request."""
        lacks = outbound.peer_expects(event.next_expected or 0)
        if lacks is None:
            detail = f"expects {event.next_expected}, we are at {outbound.next_seq}"
            self.findings.append(Finding("peer_ahead", event.channel, detail))
        elif lacks:
            self._peer_gap(event.channel, outbound)
        if event.seq is not None and 0 < outbound.expects < event.seq:
            numbering.request(outbound.expects, event.seq - 1, now_ns, "expected by our logon")
        outbound.expects = 0

    def _peer_gap(self, channel: str | None, outbound: Outbound) -> None:
        detail = f"{outbound.lacks_from}-{outbound.lacks_to} of ours not received"
        self.findings.append(Finding("peer_gap", channel, detail))

    def _logout(self, numbering: Numbering, event: Logout, now_ns: int) -> bool:
        accepted = _numbered(numbering, event, now_ns)
        if accepted:
            self._outbound((event.channel, event.segment)).logout_came = True
            self.path_lost(event.channel, "the peer logged out")
        return accepted

    def _path_break(
        self,
        numbering: Numbering,
        event: Disconnect | HeartbeatMissed | GatewaySwitched,
        now_ns: int,  # noqa: ARG002
    ) -> bool:
        self.path_lost(numbering.channel, event.type.replace("_", " "))
        return True

    def _peer_request(self, numbering: Numbering, event: ResendRequested, now_ns: int) -> bool:
        accepted = _numbered(numbering, event, now_ns)
        outbound = self._outbound((event.channel, event.segment))
        if accepted and outbound.peer_lacks(max(event.from_seq, 1), event.to_seq):
            self._peer_gap(event.channel, outbound)
        return accepted

    # -- readings ------------------------------------------------------------------------------

    def sources(self) -> Iterable[Numbering]:
        """Every numbering, in order of first appearance; each has the readings of its source."""
        return self._numberings.values()

    def get(self, channel: str | None, segment: str | None = None) -> Numbering | None:
        """One numbering; none before it was heard of."""
        return self._numberings.get((channel, segment))

    def has_hole(self, channel: str | None, segment: str | None, after: int, until: int) -> bool:
        """Whether a number between two of a source was never received."""
        numbering = self.get(channel, segment)
        return (
            numbering is not None and after + 1 < until and numbering.unseen(after + 1, until - 1)
        )

    @property
    def outstanding(self) -> int:
        """Numbers missing, all sources."""
        return sum(numbering.outstanding for numbering in self._numberings.values())

    @property
    def unrecoverable(self) -> int:
        """Numbers lost, all sources and epochs."""
        return sum(numbering.unrecoverable for numbering in self._numberings.values())

    @property
    def open_gap_count(self) -> int:
        """Missing ranges, all sources."""
        return sum(numbering.open_gap_count for numbering in self._numberings.values())

    @property
    def oldest_gap_ns(self) -> int | None:
        """When the oldest open gap was noticed; none without one."""
        return _least(numbering.oldest_gap_ns for numbering in self._numberings.values())

    @property
    def replayed_total(self) -> int:
        """Numbers recovered by replay, ever."""
        return sum(numbering.recovery.total for numbering in self._numberings.values())

    @property
    def awaiting(self) -> bool:
        """Whether any resend is under way."""
        return any(numbering.awaiting for numbering in self._numberings.values())

    @property
    def gaps_full(self) -> bool:
        """Whether a bound was reached: seen numbers may count as missing; the session parks."""
        return self._sources_full or any(n.gaps_full for n in self._numberings.values())

    @property
    def next_deadline_ns(self) -> int | None:
        """When ``expire`` has something to do; none: not before another event."""
        return _least(numbering.next_deadline_ns for numbering in self._numberings.values())

    def attempts(self, now_ns: int, channel: str | None = None) -> int:
        """Logons and resend requests of a channel within the window (R18)."""
        attempts = self._attempts.get(channel)
        return attempts.count(now_ns, self.limits.attempts_window_ns) if attempts else 0

    def peer_lacks(
        self, channel: str | None = None, segment: str | None = None
    ) -> tuple[int, int] | None:
        """Our numbers that the peer has not received, both ends included: they are ambiguous."""
        outbound = self._outbounds.get((channel, segment))
        if outbound is None or not outbound.lacks_from:
            return None
        return outbound.lacks_from, outbound.lacks_to

    def check(self) -> None:
        """Raise AssertionError where an invariant does not hold (``-O`` does not strip it)."""
        kept = max(len(self._numberings), len(self._outbounds), len(self._attempts))
        if kept > SOURCES_MAX:
            raise AssertionError("more sources are kept than the bound")
        for numbering in self._numberings.values():
            numbering.check()

    # -- handover ------------------------------------------------------------------------------

    def dump(self) -> Iterator[list[Any]]:
        """The whole state, findings apart, as rows of JSON values, each well below 256 KiB."""
        yield ["session", self._sources_full]
        for channel, attempts in self._attempts.items():
            yield ["attempts", channel, None, *attempts.dump()]
        for key, outbound in self._outbounds.items():
            yield ["outbound", *key, *outbound.dump()]
        for key, numbering in self._numberings.items():
            for kind, *row in numbering.dump():
                yield [kind, *key, *row]

    @classmethod
    def load(cls, rows: Iterable[list[Any]], venue: Venue) -> "Sequences":
        """Inverse of ``dump``, under the same venue; the policy sets its limits again."""
        sequences = cls(venue)
        for kind, *row in rows:
            if kind == "session":
                (sequences._sources_full,) = row
            else:
                sequences._load_row(kind, row[0], row[1], row[2:])
        return sequences

    def _load_row(
        self, kind: str, channel: str | None, segment: str | None, row: list[Any]
    ) -> None:
        if kind == "attempts":
            self._attempts[channel] = attempts = Attempts()
            attempts.load(row)
        elif kind == "outbound":
            self._outbound((channel, segment)).load(row)
        else:
            numbering = self._numbering((channel, segment))
            if numbering is not None:
                numbering.load_row(kind, row)


_HANDLERS: Final[dict[type, Handler]] = {
    Logon: Sequences._logon,
    Logout: Sequences._logout,
    Disconnect: Sequences._path_break,
    HeartbeatMissed: Sequences._path_break,
    GatewaySwitched: Sequences._path_break,
    GapOpened: _gap_opened,
    ResendRequested: Sequences._peer_request,
    ResendRejected: _resend_rejected,
    RequestReject: _request_reject,
    ResendCompleted: _resend_completed,
    GapFill: _gap_fill,
    SequenceReset: _sequence_reset,
}
"""What does more than use up its number. Disconnects, missed heartbeats, switches, reported gaps
and completions are observations of our side: a number on one of them is not the venue's."""
_TELLERS: Final[dict[type, Callable[[Any, Outbound, Any, int], None]]] = {
    Logon: Sequences._sent_logon,
    Logout: Sequences._sent_logout,
    ResendRequested: Sequences._sent_request,
    GapFill: _sent_fill,
    SequenceReset: _sent_reset,
}
"""What of ours says more than its number."""
