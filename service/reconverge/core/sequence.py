"""All numberings of one session: which event moves which, what the session must know of it, and the readings.

Rules R1-R18 (docs/sequences.md). The numbers themselves are ``core.watermark``'s; here is who owns them (R14), what
our own side does (requests, logons, logouts: R12, R13, R18) and what the peer says of our numbers.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from reconverge.core.events import (
    Disconnect,
    GapFill,
    GapOpened,
    GatewaySwitched,
    HeartbeatMissed,
    Logon,
    Logout,
    ResendCompleted,
    ResendRejected,
    ResendRequested,
    SequenceReset,
    StreamEvent,
)
from reconverge.core.outbound import Outbound
from reconverge.core.resend import Attempts
from reconverge.core.venue import Limits, Venue
from reconverge.core.watermark import Finding, Kind, Numbering

__all__ = ["SOURCES_MAX", "Finding", "Kind", "Sequences"]

SOURCES_MAX: Final = 256
"""Numberings of one session. A session has its own, a few drop-copy channels, and at CME one for each earlier session
identifier of the week; more means that an adapter invents them."""

Key = tuple[str | None, str | None]


class Sequences:
    """Every numbering that concerns one session, keyed (channel, segment); ``channel`` None is order entry."""

    __slots__ = (
        "_attempts",
        "_numberings",
        "_outbound",
        "findings",
        "limits",
        "sources_full",
        "venue",
    )

    def __init__(self, venue: Venue, limits: Limits | None = None) -> None:
        self.venue = venue
        self.limits = venue.limits if limits is None else limits
        self.findings: list[Finding] = []
        self.sources_full = False
        self._numberings: dict[Key, Numbering] = {}
        self._outbound: dict[Key, Outbound] = {}
        self._attempts = Attempts()

    # -- inputs --------------------------------------------------------------------------------

    def accept(self, event: StreamEvent, now_ns: int) -> bool:
        """Account for an event the venue sent. True: process its content; False: a duplicate, or refused."""
        key = (event.channel, event.segment)
        numbering = self._numberings.get(key)
        if numbering is None:
            numbering = self._open(key)
            if numbering is None:
                return True
        numbering.last_heard_ns = now_ns
        handle = _ACCEPT.get(type(event))
        if handle is not None:
            return handle(self, numbering, event, now_ns)
        seq = event.seq
        if seq is None:
            return True
        if seq == numbering.frontier and numbering.tail_ns is None:
            numbering.frontier = seq + 1
            numbering.last_event_ns = event.event_ns
            return True
        return numbering.number(event, seq, now_ns)

    def sent(self, event: StreamEvent, now_ns: int) -> None:
        """Account for an event of ours: every outbound one, for the peer's view of our numbers."""
        outbound = self._ours((event.channel, event.segment))
        kind = type(event)
        if kind is Logon:
            self._attempt(event.channel, now_ns)
            outbound.logon(event)  # type: ignore[arg-type]
            return
        outbound.sent(event)
        if kind is ResendRequested:
            self._request(event, now_ns)  # type: ignore[arg-type]
        elif kind is Logout:
            self._flag_failover(event.channel, "we logged out")

    def path_lost(self, now_ns: int, channel: str | None = None, why: str = "path lost") -> None:
        """The connection of a source ended: what was being resent on it is released (R12), and flagged (R13)."""
        self._flag_failover(channel, why)
        for numbering in self._of_channel(channel):
            numbering.release("resend_released", why)
        for key, outbound in self._outbound.items():
            if key[0] == channel:
                outbound.lost_path()

    def vouch(
        self, channel: str | None, segment: str | None, from_seq: int, to_seq: int, now_ns: int
    ) -> None:
        """An operator attests that the unseen numbers of a range do no harm (R17)."""
        numbering = self._numberings.get((channel, segment))
        if numbering is not None:
            numbering.excuse(from_seq, to_seq, now_ns)

    def snapshot_proven(self, since_ns: int, now_ns: int) -> None:
        """A complete snapshot of the venue's orders began at ``since_ns``: it reflects all that was lost by then (R17)."""
        for numbering in self._numberings.values():
            numbering.excuse_before(since_ns, now_ns)

    def expire(self, now_ns: int) -> None:
        """Release silent resends (R12); give up what is older than the venue replays (R8)."""
        for numbering in self._numberings.values():
            numbering.expire(now_ns)

    def set_limits(self, limits: Limits) -> None:
        """A policy takes effect. Deadlines already running keep their length."""
        self.limits = limits
        for numbering in self._numberings.values():
            numbering.limits = limits

    # -- parts of the inputs -------------------------------------------------------------------

    def _open(self, key: Key) -> Numbering | None:
        if len(self._numberings) >= SOURCES_MAX:
            if not self.sources_full:
                self.findings.append(Finding("gaps_full", key[0], "too many numberings to track"))
            self.sources_full = True
            return None
        numbering = Numbering(*key, self.venue, self.limits, self.findings)
        self._numberings[key] = numbering
        return numbering

    def _ours(self, key: Key) -> Outbound:
        outbound = self._outbound.get(key)
        if outbound is None:
            outbound = Outbound()
            if len(self._outbound) < SOURCES_MAX:
                self._outbound[key] = outbound
        return outbound

    def _of_channel(self, channel: str | None) -> Iterator[Numbering]:
        return (n for n in self._numberings.values() if n.channel == channel)

    def _attempt(self, channel: str | None, now_ns: int) -> None:
        limits = self.limits
        if self._attempts.add(now_ns, limits.attempts_window_ns, limits.attempts_max):
            detail = f"{limits.attempts_max} logons and resend requests in {limits.attempts_window_ns} ns"
            self.findings.append(Finding("attempts_near_limit", channel, detail))

    def _request(self, event: ResendRequested, now_ns: int) -> None:
        self._attempt(event.channel, now_ns)
        key = (event.channel, event.segment)
        numbering = self._numberings.get(key) or self._open(key)
        if numbering is not None:
            numbering.expire(now_ns)
            numbering.request(event.from_seq, event.to_seq, now_ns)

    def _flag_failover(self, channel: str | None, why: str) -> None:
        for numbering in self._of_channel(channel):
            if numbering.awaiting:
                numbering.note("failover_during_resend", why)

    def _numbered(self, numbering: Numbering, event: StreamEvent, now_ns: int) -> bool:
        return event.seq is None or numbering.number(event, event.seq, now_ns)

    def _accept_logon(self, numbering: Numbering, event: Logon, now_ns: int) -> bool:
        repeat = event.poss_dup and event.seq is not None and event.seq < numbering.frontier
        if not repeat:
            outbound = self._ours((event.channel, event.segment))
            restarts, asked = outbound.answered(event)
            if not asked:
                self._attempt(event.channel, now_ns)
            if restarts:
                numbering.restart(now_ns)
                if not asked:
                    outbound.restarted()
        if not self._numbered(numbering, event, now_ns):
            return False
        numbering.heartbeat_ms = event.heartbeat_ms or numbering.heartbeat_ms
        if event.next_expected is not None:
            self._peer_expects(event, event.next_expected)
        return True

    def _peer_expects(self, event: Logon, next_seq: int) -> None:
        outbound = self._ours((event.channel, event.segment))
        if outbound.next_seq and next_seq > outbound.next_seq:
            detail = f"peer expects {next_seq} of ours, we are at {outbound.next_seq}"
            self.findings.append(Finding("peer_ahead", event.channel, detail))
        elif outbound.peer_lacks(next_seq, outbound.before_logon):
            self._tell_peer_gap(event.channel, outbound)

    def _tell_peer_gap(self, channel: str | None, outbound: Outbound) -> None:
        detail = f"{outbound.lacks_from}-{outbound.lacks_to} of ours not received"
        self.findings.append(Finding("peer_gap", channel, detail))

    def _accept_logout(self, numbering: Numbering, event: Logout, now_ns: int) -> bool:
        accepted = self._numbered(numbering, event, now_ns)
        if accepted:
            self.path_lost(now_ns, event.channel, "peer logged out")
        return accepted

    def _accept_break(self, numbering: Numbering, event: StreamEvent, now_ns: int) -> bool:
        self.path_lost(now_ns, numbering.channel, event.type.replace("_", " "))  # type: ignore[attr-defined]
        return True

    def _accept_gap_opened(self, numbering: Numbering, event: GapOpened, now_ns: int) -> bool:
        numbering.declare_missing(event.from_seq, event.to_seq, now_ns)
        return True

    def _accept_peer_request(
        self, numbering: Numbering, event: ResendRequested, now_ns: int
    ) -> bool:
        accepted = self._numbered(numbering, event, now_ns)
        outbound = self._ours((event.channel, event.segment))
        if accepted and outbound.peer_lacks(max(event.from_seq, 1), event.to_seq):
            self._tell_peer_gap(event.channel, outbound)
        return accepted

    def _accept_rejection(self, numbering: Numbering, event: ResendRejected, now_ns: int) -> bool:
        accepted = self._numbered(numbering, event, now_ns)
        if accepted:
            numbering.reject(now_ns, unrecoverable=event.unrecoverable, reason=event.reason)
        return accepted

    def _accept_completion(self, numbering: Numbering, _: ResendCompleted, now_ns: int) -> bool:
        numbering.answer_complete(now_ns)
        return True

    def _accept_gap_fill(self, numbering: Numbering, event: GapFill, now_ns: int) -> bool:
        return numbering.fill(event, event.seq, event.new_seq, now_ns)

    def _accept_reset(self, numbering: Numbering, event: SequenceReset, now_ns: int) -> bool:
        return numbering.reset(event.new_seq, poss_dup=event.poss_dup, now_ns=now_ns)

    # -- readings ------------------------------------------------------------------------------

    def sources(self) -> Iterable[Numbering]:
        """Every numbering, in order of first appearance; the readings of each are its own."""
        return self._numberings.values()

    def get(self, channel: str | None, segment: str | None = None) -> Numbering | None:
        """One numbering."""
        return self._numberings.get((channel, segment))

    @property
    def outstanding(self) -> int:
        """Numbers missing, all sources."""
        return sum(n.outstanding for n in self._numberings.values())

    @property
    def unrecoverable(self) -> int:
        """Numbers lost, all sources and epochs."""
        return sum(n.unrecoverable for n in self._numberings.values())

    @property
    def open_gap_count(self) -> int:
        """Missing ranges, all sources."""
        return sum(n.open_gap_count for n in self._numberings.values())

    @property
    def oldest_gap_ns(self) -> int | None:
        """When the oldest open gap was noticed; none without one."""
        opened = (n.oldest_gap_ns for n in self._numberings.values())
        return min((at for at in opened if at is not None), default=None)

    @property
    def replayed_total(self) -> int:
        """Numbers recovered by replay, ever."""
        return sum(n.replayed for n in self._numberings.values())

    @property
    def awaiting(self) -> bool:
        """Whether any resend is under way."""
        return any(n.awaiting for n in self._numberings.values())

    @property
    def gaps_full(self) -> bool:
        """Whether a bound was reached, so that the readings err on the side of missing."""
        return self.sources_full or any(n.gaps_full for n in self._numberings.values())

    @property
    def next_deadline_ns(self) -> int | None:
        """When ``expire`` has something to do; none: not before another event."""
        deadlines = (n.next_deadline_ns for n in self._numberings.values())
        return min((at for at in deadlines if at is not None), default=None)

    def attempts(self, now_ns: int) -> int:
        """Logons and resend requests within the window (R18)."""
        return self._attempts.count(now_ns, self.limits.attempts_window_ns)

    def peer_lacks(
        self, channel: str | None = None, segment: str | None = None
    ) -> tuple[int, int] | None:
        """Our numbers that the peer says it has not received, inclusive: requests among them are ambiguous."""
        outbound = self._outbound.get((channel, segment))
        if outbound is None or not outbound.lacks_from:
            return None
        return outbound.lacks_from, outbound.lacks_to

    # -- handover ------------------------------------------------------------------------------

    def dump(self) -> Iterator[list[Any]]:
        """The whole state as rows of JSON values, each well below 256 KiB; undrained findings excluded."""
        yield ["session", self.sources_full, self._attempts.warned, list(self._attempts.at_ns)]
        for (channel, segment), outbound in self._outbound.items():
            yield ["outbound", channel, segment, *outbound.dump()]
        for (channel, segment), numbering in self._numberings.items():
            for row in numbering.dump():
                yield [row[0], channel, segment, *row[1:]]

    @classmethod
    def load(
        cls, rows: Iterable[list[Any]], venue: Venue, limits: Limits | None = None
    ) -> "Sequences":
        """Inverse of ``dump`` under the same venue and limits."""
        sequences = cls(venue, limits)
        for kind, *row in rows:
            if kind == "session":
                sequences.sources_full, sequences._attempts.warned, at_ns = row
                sequences._attempts.at_ns.extend(at_ns)
            elif kind == "outbound":
                sequences._outbound[row[0], row[1]] = Outbound.load(row[2:])
            else:
                numbering = sequences._numberings.get((row[0], row[1])) or sequences._open(
                    (row[0], row[1])
                )
                assert numbering is not None
                numbering.load_row(kind, row[2:])
        return sequences


_Handler = Callable[[Sequences, Numbering, Any, int], bool]
_ACCEPT: Final[dict[type, _Handler]] = {
    Logon: Sequences._accept_logon,
    Logout: Sequences._accept_logout,
    Disconnect: Sequences._accept_break,
    HeartbeatMissed: Sequences._accept_break,
    GatewaySwitched: Sequences._accept_break,
    GapOpened: Sequences._accept_gap_opened,
    ResendRequested: Sequences._accept_peer_request,
    ResendRejected: Sequences._accept_rejection,
    ResendCompleted: Sequences._accept_completion,
    GapFill: Sequences._accept_gap_fill,
    SequenceReset: Sequences._accept_reset,
}
"""What does more than use up its number. Disconnects, missed heartbeats, switches and gaps are observations of our
side: a number on them is not the venue's."""
