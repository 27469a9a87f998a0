"""The order-entry path of a session: whether it works, and what failed on it (DOMAIN §9).

Only signs of the path itself move it. Order events are truth whatever the path is (R34), and a path
that comes back changes nothing but this state (S8).
"""

from collections.abc import Callable
from enum import StrEnum
from typing import Any, Final

from reconverge.core.findings import NoticeKind, SessionNotice
from reconverge.core.messages.events import (
    Disconnect,
    GatewaySwitched,
    HeartbeatMissed,
    Logon,
    Logout,
    StreamEvent,
)


class LinkState(StrEnum):
    """What the order-entry path is."""

    UNKNOWN = "unknown"
    """Not known until the venue is next heard: at first, after a missed heartbeat or a switch."""
    UP = "up"
    DOWN = "down"
    """It failed, and has not come back."""
    CLOSED = "closed"
    """Both sides logged out in order."""


class Path:
    """The order-entry path of one session."""

    __slots__ = ("failed", "gateway", "logout_sent", "notices", "up")

    def __init__(self, notices: list[SessionNotice]) -> None:
        self.notices = notices
        """What control has to react to, in order; shared with the session's truth."""
        self.up: bool | None = None
        """Up, down, or (None) not known until the venue is next heard."""
        self.failed = False
        """The path is not up because of a hard failure; never True while it is up. Further signs of
        it are part of the same failure."""
        self.gateway: str | None = None
        """What the path was last said to run over; none where no source says so."""
        self.logout_sent = False
        """Our logout is out: the venue's logout is expected. Until the path is up again."""

    @property
    def link(self) -> LinkState:
        """The state of the path in one word."""
        if self.up is None:
            return LinkState.UNKNOWN
        if self.up:
            return LinkState.UP
        return LinkState.DOWN if self.failed else LinkState.CLOSED

    def heard(self, event: StreamEvent) -> None:
        """The venue said something on the path: if it was not known whether it works, it does."""
        if self.up is None and type(event) not in PATH_EVENTS:
            self._rise(event.event_ns)

    def fail(self, cause: str, detail: str, event_ns: int) -> None:
        """A hard failure: an edge of its own, unless the path is already down from one. Then it is
        one more sign of that failure, and only requests sent since are in flight too.
        """
        said = f"{cause}: {detail}" if detail else cause
        self._note("failure_repeated" if self.failed else "hard_failure", said, event_ns)
        self.failed = self.up is not True

    def follow(self, event: StreamEvent) -> None:
        """A session event of order entry: what it makes of the path."""
        if event.gateway is not None:
            self.gateway = event.gateway
        handle = _HANDLERS.get(type(event))
        if handle is not None:
            handle(self, event)

    def _note(self, kind: NoticeKind, detail: str, event_ns: int) -> None:
        self.notices.append(SessionNotice(kind, detail, event_ns))

    def _rise(self, event_ns: int) -> None:
        self.up = True
        self.failed = self.logout_sent = False
        self._note("path_up", "", event_ns)

    def _fall(self, event_ns: int, *, up: bool | None) -> None:
        if self.up is True:
            self._note("path_down", "", event_ns)
        self.up = up

    def _lose(self, cause: str, detail: str | None, event_ns: int, *, up: bool | None) -> None:
        """The path is lost, unless both sides had left it in order."""
        if self.link is not LinkState.CLOSED:
            self._fall(event_ns, up=up)
            self.fail(cause, detail or "", event_ns)

    def _logon(self, event: Logon) -> None:
        if not event.outbound:
            self._rise(event.event_ns)

    def _logout(self, event: Logout) -> None:
        if event.outbound:
            self.logout_sent = True
            return
        if self.logout_sent:
            self._fall(event.event_ns, up=False)
        else:
            self._lose("unexpected logout", event.reason, event.event_ns, up=False)

    def _disconnect(self, event: Disconnect) -> None:
        self._lose("disconnect", event.reason, event.event_ns, up=False)

    def _heartbeat_missed(self, event: HeartbeatMissed) -> None:
        up = None if self.up else self.up
        self._lose("heartbeat missed", None, event.event_ns, up=up)

    def _gateway_switched(self, event: GatewaySwitched) -> None:
        if not event.clean:
            up = None if self.up else self.up
            cause = "gateway switched without clean logout"
            self._lose(cause, event.gateway, event.event_ns, up=up)


_HANDLERS: Final[dict[type, Callable[[Path, Any], None]]] = {
    Logon: Path._logon,
    Logout: Path._logout,
    Disconnect: Path._disconnect,
    HeartbeatMissed: Path._heartbeat_missed,
    GatewaySwitched: Path._gateway_switched,
}
PATH_EVENTS: Final = frozenset(_HANDLERS)
"""Events that say of the path itself what it is; no other proves that it is up or down."""
