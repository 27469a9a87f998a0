"""What a router is told: the view of a session at one moment, and why it is what it is."""

from dataclasses import dataclass, fields
from enum import StrEnum
from typing import NamedTuple, Protocol

from reconverge.core.messages.desk import ProfileAck
from reconverge.core.messages.effects import State


class Why(StrEnum):
    """Why a view is the router's own safe cap (docs/router.md, C7)."""

    NOT_CONNECTED = "not_connected"
    """Kafka does not answer. What it last said has ended."""
    NEVER_HEARD = "never_heard"
    """No cap of this session has come yet, or it was retired."""
    CLOSED = "closed"
    """The session logged out in order: silence is right."""
    CLOCK_BEHIND = "clock_behind"
    """Caps come from the future: this machine's clock is behind, or the service's is ahead."""
    CLOCK_AHEAD = "clock_ahead"
    """Live caps come past their end: this machine's clock is ahead, or the service's is behind."""
    EXPIRED = "expired"
    """The last cap has ended and none came after it."""


@dataclass(frozen=True, slots=True)
class SafeCap:
    """What the router does on its own when it hears nothing valid. Expansion is frozen, always.

    Raises ValueError when a share is not one.
    """

    cap: float = 0.05
    """Share of normal participation, 0 to 1."""
    participation_max: float = 0.05
    """Absolute participation never to be exceeded, 0 to 1."""

    def __post_init__(self) -> None:
        for field in fields(self):
            _check_share(field.name, getattr(self, field.name))


def _check_share(name: str, value: object) -> None:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not 0 <= float(value) <= 1:  # type: ignore[arg-type] # a number by now
        raise ValueError(
            f"SafeCap: {name}={value!r} is no share. Give a number from 0 to 1: 5 percent is 0.05"
        )


class CapView(NamedTuple):
    """What a router may do in one session, or in one instrument of it, at this moment."""

    session: str
    """Whose it is."""
    cap: float
    """Share of normal participation allowed, 0 to 1."""
    participation_max: float
    """Absolute participation never to be exceeded, 0 to 1."""
    catchup_multiple_max: float
    """Highest multiple of the normal rate to repay backlog at; 1 is no catching up."""
    freeze_expansion: bool
    """No expansion that needs exact knowledge of live orders."""
    why: Why | None
    """Why this is the router's own safe cap; null: it is the service's word."""
    state: State | None = None
    """State of the session as the service last said; null when ``safe``."""
    safe_mode: bool = False
    """Somebody latched the session; the figures are those of the safe mode already."""
    epoch: int = 0
    """With ``sequence``, the cap's identity: stamp both on child orders. 0 when ``safe``."""
    sequence: int = 0
    since: int = 0
    """Sequence of the first cap, in an unbroken row up to this one, that allowed just the same."""

    @property
    def safe(self) -> bool:
        """True: nothing valid is known, and this is the router's own safe cap."""
        return self.why is not None

    def participation(self, normal: float) -> float:
        """The participation allowed where ``normal`` would be usual; both are absolute, 0 to 1."""
        return min(normal * self.cap, self.participation_max)

    def acknowledgement(self, session: str, now_ns: int) -> ProfileAck:
        """The event that tells the service which cap is applied from ``now_ns`` on (SDL)."""
        return ProfileAck(
            session=session,
            event_ns=now_ns,
            ingest_ns=now_ns,
            cap_epoch=self.epoch,
            cap_sequence=self.sequence,
        )


class Change(NamedTuple):
    """A session's cap is another than before: a newer one came, or it ended."""

    session: str
    view: CapView
    """The session's view as it was then; instruments are looked up with ``caps.cap``."""


@dataclass(frozen=True, slots=True)
class Health:
    """How the following of the caps goes."""

    connected: bool
    """Kafka answers."""
    trouble: str | None
    """Why not, for a person; null while connected."""
    reconnects: int
    """Connections after the first."""
    record_age_s: float | None
    """Time since the last record of any session came; null before the first. Seconds."""
    lag: int | None
    """Records that are in the topic and not yet read; null while unknown."""
    skew_s: float | None
    """This machine's wall clock minus the service's, with the time on the way: the least of what
    the live caps of the last minute showed. Null without any. Seconds."""
    sessions: int
    """Sessions heard of."""
    records: int
    """Records read."""
    unreadable: int
    """Of these, not readable (docs/router.md, C2)."""
    dropped: int
    """Of these, not above what was known: repetitions, and a zombie's."""
    acknowledged: int
    """Acknowledgements that Kafka has."""
    unacknowledged: int
    """Acknowledgements on their way."""
    acknowledging: str | None
    """Why they are not getting there, for a person; null while they are."""


class Caps(Protocol):
    """What a router's code asks of ``CapSubscription``, ``ThreadedCaps`` and their fakes."""

    def cap(self, session: str, symbol: str | None = None) -> CapView:
        """What the router may do now. Never blocks, never raises."""

    def acknowledge(self, view: CapView) -> None:
        """Tell the service that this cap is applied. Never blocks, never raises."""

    @property
    def health(self) -> Health:
        """How the following of the caps goes."""
