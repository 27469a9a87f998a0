"""What the engines say of their transport in event logs, sorted into the few things that matter
here.

Sources: QuickFIX 1.16 ``Session.cpp``, ``SocketConnection.cpp``, ``SocketInitiator.cpp``;
QuickFIX/J ``Session.java``; QuickFIX/n ``Session.cs``. What says nothing of the transport is not
listed.
"""

import re
from dataclasses import dataclass
from enum import Enum, auto


class Saying(Enum):
    """What an engine's note says of the transport."""

    CONNECTING = auto()  # a new connection: whatever was there before is gone
    HEARTBEAT_TIMEOUT = auto()
    CLOSED = auto()


@dataclass(frozen=True, slots=True)
class Statement:
    """One saying; ``host_port`` where a connection goes, ``reason`` in the engine's words."""

    saying: Saying
    reason: str | None = None
    host_port: str | None = None


_TIMEOUT = re.compile(r"Timed out waiting for heartbeat")
_CLOSED = re.compile(
    r"(?<!already )\b(?:(disconnecting)\b(?::\s*)?|(?=socket error\b))(.*)", re.IGNORECASE
)
_CONNECTING = re.compile(r"\bConnecting to (\S+) on port (\d+)|\bCreated session\b")
_SESSION_ID = re.compile(r"\bFIXT?\.\d\.\d:([^\s,>/]+)[^\s,>]*->([^\s,>/:]+)")


def statements(text: str) -> list[Statement]:
    """What one note says, in the order in which it happened."""
    said = []
    if _TIMEOUT.search(text):
        said.append(Statement(Saying.HEARTBEAT_TIMEOUT))
    if closed := _CLOSED.search(text):
        said.append(Statement(Saying.CLOSED, reason=_unwrapped(closed[2]) or None))
    if connecting := _CONNECTING.search(text):
        host_port = f"{connecting[1]}:{connecting[2]}" if connecting[1] else None
        said.append(Statement(Saying.CONNECTING, host_port=host_port))
    return said


def connects(text: str) -> bool:
    """Whether a note says that a connection is about to be made."""
    return _CONNECTING.search(text) is not None


def _unwrapped(text: str) -> str:
    """Without the bracket that closes a screen log's ``(...)``."""
    is_wrapped = text.count(")") > text.count("(")
    return text.removesuffix(")").strip() if is_wrapped else text.strip()


def session_id(text: str) -> tuple[str, str] | None:
    """Sender and target of the session that a note names as QuickFIX/J does, if it names one."""
    found = _SESSION_ID.search(text)
    return None if found is None else (found[1], found[2])
