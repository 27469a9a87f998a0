"""What one session looks like from outside at one moment: read from the core, changing nothing."""

from dataclasses import asdict, dataclass
from typing import Any, Final

_S: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """The replay watermark horizon of one source (DOMAIN §7)."""

    next_expected: int
    """The lowest number not yet seen nor proven empty."""
    open_gaps: list[tuple[int, int | None]]
    """Missing numbers, both ends inclusive; the end is null while unknown."""
    outstanding: int
    unrecoverable: int
    silence_s: float | None
    """Time since the source last spoke; none if it never did."""


@dataclass(frozen=True, slots=True)
class SessionStatus:
    """One session, as metrics and the status page tell it."""

    session: str
    state: str
    cap: float
    catchup_multiple_max: float
    freeze_expansion: bool
    safe_mode: bool
    parked: bool
    parked_reason: str | None
    confidence: float
    components: dict[str, float]
    binding: str | None
    """The component that binds; null when all are 1."""
    lss: dict[str, float]
    """Live-set similarity: raw, settled, quantity."""
    working: dict[str, int]
    """Orders working in each view."""
    in_flight: int
    rwh: dict[str, SourceStatus]
    """By source: `entry` or the drop-copy channel."""
    oldest_gap_s: float
    divergence_s: float
    symbol_caps: int
    policy: dict[str, Any]
    episode_id: str | None
    event_ns: int
    """Latest event time seen."""


def as_json(status: SessionStatus) -> dict[str, Any]:
    """The status as JSON-able data."""
    return asdict(status)
