"""The newest cap of each session, and when it stops saying anything. No Kafka, no await.

This is the rule of docs/router.md; clauses are cited as C1 to C8.
"""

import time
from collections.abc import Callable
from heapq import heappop, heappush
from typing import Final, NamedTuple

import msgspec

from reconverge.client.record import CapRecord, read
from reconverge.client.view import CapView, SafeCap, Why
from reconverge.core.messages.effects import Cap

_GRANT_NS_MAX: Final = 600 * 1_000_000_000
"""The longest validity that a policy may grant (C5)."""
_PACE_NS: Final = 1_000_000_000
"""Live caps that come past their end for this long mean that the clock is ahead (C7)."""

_view: Final = tuple.__new__
"""A view from all its fields in order: a third of the time that its own constructor takes."""

Clock = Callable[[], int]
"""Nanoseconds."""


class _Anchor(NamedTuple):
    """A cap that came past its end, from which pace is measured (C7)."""

    publish_ns: int
    received_ns: int


class _Life(NamedTuple):
    """How long a cap counts from its receipt, and what is wrong with a clock if it does not."""

    life_ns: int
    grant_ns: int
    clock: Why | None = None
    anchor: _Anchor | None = None


class _Entry:
    """What is kept of a session. Never changed once others can see it, so any thread may look."""

    __slots__ = (
        "after",
        "key",
        "life",
        "life_ns",
        "other",
        "raw",
        "received_ns",
        "record",
        "symbols",
        "view",
    )

    def __init__(self, record: CapRecord, raw: bytes, received_ns: int, life: _Life) -> None:
        self.record: CapRecord | None = record
        self.raw = raw
        self.key = (record.epoch, record.sequence)
        self.received_ns = received_ns
        self.life = life
        self.life_ns = life.life_ns
        self.after = Why.CLOSED if record.reason == "closed" else Why.EXPIRED

    def show(self, record: CapRecord, known: "_Entry | None") -> None:
        """Get the views ready to be handed out."""
        rest = (
            record.participation_max,
            record.catchup_multiple_max,
            record.freeze_expansion,
            None,
            record.state,
            record.safe_mode,
            record.epoch,
            record.sequence,
            record.sequence if known is None else known.since(record),
        )
        self.view = _view(CapView, (record.session, record.cap, *rest))
        self.other, self.symbols = self.view, {}
        if record.instrument_cap is not None:
            self.other = _view(CapView, (record.session, record.instrument_cap, *rest))
        for symbol, entry in record.symbols.items():
            self.symbols[symbol] = _view(CapView, (record.session, entry.cap, *rest))

    def since(self, successor: CapRecord) -> int:
        """Where the unbroken row of caps begins that allow what the successor does."""
        epoch, sequence = self.key
        if (
            self.record is not None
            and (successor.epoch, successor.sequence) == (epoch, sequence + 1)
            and successor.allows_as(self.record)
        ):
            return self.view.since
        return successor.sequence

    def why(self, lived_ns: int) -> Why:
        """Why it does not count any more, so long after its receipt (C7)."""
        if self.after is Why.EXPIRED and self.life.clock and lived_ns < self.life.grant_ns:
            return self.life.clock
        return self.after

    def retired(self) -> "_Entry":
        """What is left after a tombstone: the epoch, as a floor (C4)."""
        left = _Entry.__new__(_Entry)
        left.record, left.raw, left.key = None, b"", (self.key[0], 0)
        left.received_ns, left.life, left.life_ns = self.received_ns, _Life(0, 0), 0
        left.after = Why.NEVER_HEARD
        return left


class CapBook:
    """Keeps the highest (epoch, sequence) of each session; a lower epoch is a zombie's (C3).

    One thread offers records; any thread may ask for caps meanwhile.
    """

    def __init__(
        self,
        safe: SafeCap | None = None,
        wall_ns: Clock = time.time_ns,
        monotonic_ns: Clock = time.monotonic_ns,
    ) -> None:
        self.connected = True
        """Whether news can come (C8); whoever brings them says so."""
        self.unreadable = 0
        """Records that were no cap of this major version (C2). What they said is not guessed."""
        self.dropped = 0
        """Records that were not above what was known (C3)."""
        safe = safe or SafeCap()
        self._safe = (float(safe.cap), float(safe.participation_max), 1.0, True)
        self.wall_ns = wall_ns
        """This machine's clock, to be compared with the service's."""
        self.monotonic_ns = monotonic_ns
        """The clock on which lives are counted."""
        self._entries: dict[str, _Entry] = {}
        self._ends: list[tuple[int, str]] = []
        self._awaited: dict[str, int] = {}

    def offer(self, raw: bytes | None, key: bytes | None = None) -> str | None:
        """Take one record of the caps topic. Returns the session whose cap it changed.

        Never raises: an unreadable record is counted, and the session's cap lives on until its end.
        """
        if raw is None:
            return self._bury(key)
        record = read(raw)
        if record is None:
            self.unreadable += 1
            return None
        known = self._entries.get(record.session)
        if known is not None and (record.epoch, record.sequence) <= known.key:
            self.dropped += 1
            return None
        self._keep(record, raw, known)
        return record.session

    def _keep(self, record: CapRecord, raw: bytes, known: _Entry | None) -> None:
        now_ns = self.monotonic_ns()
        life = self._life(record, now_ns, known)
        entry = _Entry(record, raw, now_ns, life)
        entry.show(record, known)
        self._entries[record.session] = entry
        if life.life_ns:
            self._await_end(record.session, now_ns + life.life_ns)

    def _bury(self, key: bytes | None) -> str | None:
        session = (key or b"").decode(errors="replace")
        known = self._entries.get(session)
        if known is None:
            return None
        self._entries[session] = known.retired()
        return session

    def _life(self, record: CapRecord, now_ns: int, known: _Entry | None) -> _Life:
        """C5, and what C7 says of the clock."""
        publish_ns, end_ns = record.publish_ns, record.valid_until_ns
        if publish_ns is None or publish_ns >= end_ns:
            return _Life(0, 0)
        grant_ns = min(end_ns - publish_ns, _GRANT_NS_MAX)
        wall_ns = self.wall_ns()
        if publish_ns - wall_ns >= grant_ns:
            return _Life(0, grant_ns, Why.CLOCK_BEHIND)
        life_ns = min(end_ns - wall_ns, grant_ns)
        if life_ns > 0:
            return _Life(life_ns, grant_ns)
        anchor = known.life.anchor if known else None
        if anchor and publish_ns - anchor.publish_ns <= 2 * (now_ns - anchor.received_ns):
            ahead = now_ns - anchor.received_ns >= _PACE_NS
            return _Life(0, grant_ns, Why.CLOCK_AHEAD if ahead else None, anchor)
        return _Life(0, grant_ns, None, _Anchor(publish_ns, now_ns))

    def cap(self, session: str, symbol: str | None = None) -> CapView:
        """What the router may do now. O(1), never raises, safe when nothing valid is known (S7)."""
        entry = self._entries.get(session)
        if entry is None:
            return self._own(session, Why.NEVER_HEARD)
        lived_ns = self.monotonic_ns() - entry.received_ns
        if lived_ns < entry.life_ns:
            if symbol is None:
                return entry.view
            return entry.symbols.get(symbol, entry.other)
        return self._own(session, entry.why(lived_ns))

    def _own(self, session: str, why: Why) -> CapView:
        if not self.connected:
            why = Why.NOT_CONNECTED
        return _view(CapView, (session, *self._safe, why, None, False, 0, 0, 0))

    def newest(self, session: str) -> Cap | None:
        """The service's last word on a session, expired or not: for people to see, not to obey."""
        entry = self._entries.get(session)
        if entry is None or entry.record is None:
            return None
        try:
            return msgspec.json.decode(entry.raw, type=Cap)
        except msgspec.DecodeError:  # a field that only people read is not as we know it
            return None

    def publish_ns(self, session: str) -> int | None:
        """When the service published the session's newest cap; null if it did not say."""
        record = self._entries[session].record
        return None if record is None else record.publish_ns

    def sessions(self) -> list[str]:
        """Sessions ever heard of, valid or not, in order of first appearance."""
        return list(self._entries)

    def ended(self) -> list[str]:
        """Sessions whose cap has ended, none newer having come, since this was last asked."""
        now_ns = self.monotonic_ns()
        found = []
        while self._ends and self._ends[0][0] <= now_ns:
            at_ns, session = heappop(self._ends)
            if self._awaited.get(session) != at_ns:
                continue  # an earlier end came to be awaited meanwhile
            del self._awaited[session]
            entry = self._entries[session]
            if not entry.life_ns:
                continue  # what came last had no life, and that was told when it came
            end_ns = entry.received_ns + entry.life_ns
            if end_ns <= now_ns:
                found.append(session)
            else:
                self._await_end(session, end_ns)
        return found

    def _await_end(self, session: str, end_ns: int) -> None:
        """One end is awaited a session: a later one only once that has been reached."""
        awaited_ns = self._awaited.get(session)
        if awaited_ns is None or end_ns < awaited_ns:
            self._awaited[session] = end_ns
            heappush(self._ends, (end_ns, session))
