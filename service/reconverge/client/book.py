"""The newest cap of each session, and when it stops saying anything. No Kafka, no await.

Validity is counted on a monotonic clock from the moment of receipt: a wall clock that steps back
afterwards must not lengthen the life of a cap.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple

import msgspec

from reconverge.core.messages.effects import Cap, State
from reconverge.core.messages.events import ProfileAck

_CAPS: Final = msgspec.json.Decoder(Cap)

Clock = Callable[[], int]
"""Nanoseconds."""


@dataclass(frozen=True, slots=True)
class SafeCap:
    """What the router does on its own when it hears nothing valid. Expansion is frozen, always."""

    cap: float = 0.05
    """Share of normal participation."""
    participation_max: float = 0.05
    """Absolute participation never to be exceeded."""


class CapView(NamedTuple):
    """What a router may do in one session, or in one instrument of it, at this moment."""

    cap: float
    """Share of normal participation allowed, 0 to 1."""
    participation_max: float
    """Absolute participation never to be exceeded, 0 to 1."""
    catchup_multiple_max: float
    """Highest multiple of the normal rate to repay backlog at; 1 is no catching up."""
    freeze_expansion: bool
    """No expansion that needs exact knowledge of live orders."""
    safe: bool
    """True: nothing valid is known, and this is the router's own safe cap."""
    state: State | None
    """State of the session as the service last said; null when ``safe``."""
    epoch: int
    """With ``sequence``, the cap's identity: stamp both on child orders. 0 when ``safe``."""
    sequence: int

    def acknowledgement(self, session: str, now_ns: int) -> ProfileAck:
        """The event that tells the service which cap is applied from ``now_ns`` on (SDL)."""
        return ProfileAck(
            session=session,
            event_ns=now_ns,
            ingest_ns=now_ns,
            cap_epoch=self.epoch,
            cap_sequence=self.sequence,
        )


class _Entry:
    """The newest cap of a session, its views ready to hand out."""

    __slots__ = ("expires_ns", "key", "message", "symbols", "view")

    def __init__(self, cap: Cap, expires_ns: int) -> None:
        self.message = cap
        self.key = (cap.epoch, cap.sequence)
        self.expires_ns = expires_ns
        self.view = CapView(
            cap=cap.cap,
            participation_max=cap.participation_max,
            catchup_multiple_max=cap.catchup_multiple_max,
            freeze_expansion=cap.freeze_expansion,
            safe=False,
            state=cap.state,
            epoch=cap.epoch,
            sequence=cap.sequence,
        )
        self.symbols = {
            symbol: self.view._replace(cap=own.cap) for symbol, own in cap.symbols.items()
        }


class CapBook:
    """Keeps the highest (epoch, sequence) of each session; a lower epoch is a zombie's."""

    def __init__(
        self,
        safe: SafeCap | None = None,
        wall_ns: Clock = time.time_ns,
        monotonic_ns: Clock = time.monotonic_ns,
    ) -> None:
        safe = safe or SafeCap()
        self._safe = CapView(safe.cap, safe.participation_max, 1.0, True, True, None, 0, 0)  # noqa: FBT003 - in order
        self._wall_ns = wall_ns
        self._monotonic_ns = monotonic_ns
        self._entries: dict[str, _Entry] = {}
        self.unreadable = 0
        """Records that were no cap of this major version. What they said is not guessed."""

    def offer(self, raw: bytes | None) -> str | None:
        """Take one record of the caps topic. Returns the session if it is its newest cap.

        Never raises: an unreadable record is counted, and the session's cap lives on until its end.
        """
        if raw is None:  # the tombstone of a session that is no more; its cap expires by itself
            return None
        try:
            cap = _CAPS.decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            self.unreadable += 1
            return None
        known = self._entries.get(cap.session)
        if known is not None and (cap.epoch, cap.sequence) <= known.key:
            return None
        self._entries[cap.session] = _Entry(cap, self._monotonic_ns() + self._life_ns(cap))
        return cap.session

    def _life_ns(self, cap: Cap) -> int:
        """How long the cap still says something, by our clocks.

        Never longer than the service granted it, however far our wall clock is behind.
        """
        decided_ns = cap.event_ns if cap.publish_ns is None else cap.publish_ns
        granted_ns = cap.valid_until_ns - decided_ns
        return min(cap.valid_until_ns - self._wall_ns(), granted_ns)

    def cap(self, session: str, symbol: str | None = None) -> CapView:
        """What the router may do now. O(1), never raises, safe when nothing valid is known (S7)."""
        entry = self._entries.get(session)
        if entry is None or self._monotonic_ns() >= entry.expires_ns:
            return self._safe
        if symbol is None:
            return entry.view
        return entry.symbols.get(symbol, entry.view)

    def newest(self, session: str) -> Cap | None:
        """The service's last word on a session, expired or not: for people to see, not to obey."""
        entry = self._entries.get(session)
        return None if entry is None else entry.message

    def sessions(self) -> list[str]:
        """Sessions ever heard of, valid or not, in order of first appearance."""
        return list(self._entries)
