"""What message logs do not say: that the transport died, or that the counterparty fell silent.

An engine's event log says both, with the moment, and is believed. Without one they are inferred,
and their reason says so. Of anything inferred ``event_ns`` is when it happened as nearly as the log
tells, ``ingest_ns`` when a reader of the live log would have known.
"""

from typing import Any, Final

from reconverge.core.messages.events import (
    Disconnect,
    GatewaySwitched,
    Heartbeat,
    HeartbeatMissed,
    Logon,
    Logout,
    StreamEvent,
)
from reconverge.tap.engine import Saying, Statement
from reconverge.tap.fields import Envelope

SILENCE_TENTHS: Final = 24
"""Inbound silence of 2.4 heartbeat intervals means a dead path: QuickFIX's rule
(``SessionState::timedOut``)."""
_LOGON_AGAIN: Final = "inferred: logon again without a completed logout"
_CONNECTS_AGAIN: Final = "inferred: the engine connects again"
_NS_PER_MS: Final = 1_000_000


class Link:
    """One session's transport, as far as its logs show it."""

    def __init__(self) -> None:
        self._marks: Envelope = {}  # session, gateway and channel of the newest message
        self._open: bool | None = None  # None before anything was seen
        self._unanswered: bool | None = None  # direction (outbound) of a logon not yet answered
        self._logouts: set[bool] = set()  # directions in which a logout went since the logon
        self._heartbeat_ns = 0
        self._heard_ns = 0  # newest inbound message
        self._seen_ns = 0  # newest line
        self._silent = False  # already said so
        self._engine_speaks = False
        self._shows_heartbeats = False  # QuickFIX/J can leave them out of its logs

    def dump(self) -> dict[str, Any]:
        """Its state as JSON values; ``load`` restores it."""
        return vars(self) | {"_logouts": sorted(self._logouts)}

    def load(self, state: dict[str, Any]) -> None:
        """Inverse of ``dump``."""
        for name in vars(self):
            setattr(self, name, state[name])
        self._logouts = set(self._logouts)

    def before(self, event: StreamEvent, marks: Envelope, at_ns: int) -> list[StreamEvent]:
        """What must have happened before a message that the log shows; then takes it in."""
        inferred = self.tick(at_ns)
        if isinstance(event, Logon):
            if self._is_new_connection(event):
                inferred += self._died(at_ns, _LOGON_AGAIN)
            inferred += self._switched(event, marks, at_ns)
        self._marks = marks
        self._note(event)
        self._seen_ns = max(self._seen_ns, at_ns)
        if not event.outbound:
            self._heard_ns, self._silent = self._seen_ns, False
        return inferred

    def stated(self, statement: Statement, at_ns: int) -> list[StreamEvent]:
        """What an engine's own words add."""
        self._engine_speaks = True
        if not self._marks:
            return []
        match statement.saying:
            case Saying.HEARTBEAT_TIMEOUT:
                return self._missed(at_ns)
            case Saying.CLOSED:
                return self._closed(at_ns, at_ns, statement.reason)
            case Saying.CONNECTING:
                return self._died(at_ns, _CONNECTS_AGAIN)

    def tick(self, now_ns: int) -> list[StreamEvent]:
        """Whether the counterparty has been silent too long by ``now_ns``."""
        due_ns = self._heard_ns + self._heartbeat_ns * SILENCE_TENTHS // 10
        is_watched = self._shows_heartbeats and not self._engine_speaks and self._heartbeat_ns > 0
        if not is_watched or self._unanswered is not None or now_ns < due_ns:
            return []
        return self._missed(due_ns)

    def _is_new_connection(self, logon: Logon) -> bool:
        """Whether a logon opens a transport while the one before seems open.

        Not if it answers, and not if it resets numbers within the session: without an engine's word
        that looks the same as a reconnect, and is taken for one, because a failure missed is worse
        than one too many.
        """
        is_answer = self._unanswered is not None and self._unanswered is not logon.outbound
        return not is_answer and not (logon.reset_numbers and self._engine_speaks)

    @property
    def _is_logged_out(self) -> bool:
        return len(self._logouts) == 2

    def _note(self, event: StreamEvent) -> None:
        match event:
            case Logon():
                is_answer = self._unanswered is not None and self._unanswered is not event.outbound
                self._open, self._unanswered = True, None if is_answer else event.outbound
                self._logouts.clear()
                if event.heartbeat_ms is not None:
                    self._heartbeat_ns = event.heartbeat_ms * _NS_PER_MS
            case Logout():
                self._logouts.add(event.outbound)
            case Heartbeat():
                self._shows_heartbeats = True
        if self._open is None:
            self._open = True  # the log begins within a session

    def _died(self, ingest_ns: int, reason: str) -> list[StreamEvent]:
        """The transport is gone without a word: at the earliest after the newest line."""
        if self._is_logged_out:
            self._open = False  # a clean end needs no inference
        return self._closed(self._seen_ns, ingest_ns, reason)

    def _closed(self, event_ns: int, ingest_ns: int, reason: str | None) -> list[StreamEvent]:
        if not self._open:
            return []
        self._open, self._unanswered = False, None
        return [Disconnect(**self._marks, event_ns=event_ns, ingest_ns=ingest_ns, reason=reason)]

    def _switched(self, logon: Logon, marks: Envelope, at_ns: int) -> list[StreamEvent]:
        """A logon over another gateway; drop copy's own paths are none of the session's."""
        before = self._marks.get("gateway")
        if before in {None, marks["gateway"]} or logon.channel is not None:
            return []
        return [
            GatewaySwitched(**marks, event_ns=at_ns, ingest_ns=at_ns, clean=self._is_logged_out)
        ]

    def _missed(self, at_ns: int) -> list[StreamEvent]:
        if self._silent or not self._open or self._is_logged_out:
            return []
        self._silent = True
        return [HeartbeatMissed(**self._marks, event_ns=at_ns, ingest_ns=at_ns)]
