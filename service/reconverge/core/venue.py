"""What a venue bounds and promises about numbers and replay, as data: the model of
``venues/*.toml`` and its parser.

Each setting of a profile is a table of a value and the source of that value, so that a number
nobody published cannot pass for a fact: without a ``value`` the default below applies, and
``source`` says why. Files are read elsewhere.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

SECOND_NS: Final = 1_000_000_000
HOUR_NS: Final = 3_600 * SECOND_NS

DAY_S: Final = 24 * 3_600
GapFillScope = Literal["request_bounded", "unbounded"]
Numberings = Literal["concurrent", "successive"]
DropCopyKind = Literal["full", "fills_only", "none"]
Count = Annotated[int, Field(ge=1)]
NanosecondSpan = Annotated[int, Field(ge=1)]


class Limits(NamedTuple):
    """What a desk's policy says of truth, which knows no policy: how patient to be."""

    resend_timeout_ns: int = 30 * SECOND_NS
    """Silence of an answer after which its range is released (R12)."""
    attempts_max: int = 4
    """Logons and resend requests in the window that raise the alert (R18)."""
    attempts_window_ns: int = 60 * SECOND_NS
    channels: tuple[str, ...] = ()
    """Drop-copy channels that are required; empty: those heard since their last logout."""
    heartbeat_tolerance: float = 1.2
    """Silence allowed, in heartbeat intervals: FIX's "reasonable transmission time"."""
    heartbeat_default_ns: int = 30 * SECOND_NS
    """Heartbeat interval where neither the logon nor the venue's profile states one."""
    event_clip_ns: int = SECOND_NS
    """An event time further ahead of its arrival is taken as the arrival."""
    lag_hard_ns: int = 5 * SECOND_NS
    """How long the lateness of a channel is remembered, and the age from which a word that drop
    copy owes counts in any case (DOMAIN §6)."""


class Venue(BaseModel):
    """One venue's rules of numbering and replay.

    The defaults are those of an unknown FIX counterparty.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    id: str = Field(default="default", min_length=1, description="Name of the profile.")
    title: str = Field(default="Unknown venue", description="The venue and protocol, for people.")
    replay_range_max: Count | None = Field(
        default=2_500, description="Numbers one resend answer may hold; none: no bound. R8."
    )
    retained_max: Count | None = Field(
        default=None, description="Newest numbers the venue keeps for replay; none: no bound. R17."
    )
    window_ns: NanosecondSpan | None = Field(
        default=48 * HOUR_NS,
        description="Age beyond which nothing is replayed; none: no bound. R8.",
    )
    in_flight_max: Annotated[int, Field(ge=1, le=16)] = Field(
        default=1, description="Resend requests of one numbering answered at a time. R8."
    )
    gap_fill_scope: GapFillScope = Field(
        default="request_bounded", description="How far a gap fill is believed. R11."
    )
    resend_timeout_ns: NanosecondSpan = Field(
        default=30 * SECOND_NS, description="Silence that ends a resend. R12."
    )
    attempts_max: Count = Field(
        default=4, description="Logons and resend requests in the window that raise the alert. R18."
    )
    attempts_window_ns: NanosecondSpan = Field(
        default=60 * SECOND_NS, description="Window in which attempts are counted. R18."
    )
    heartbeat_ms: Count | None = Field(
        default=None,
        description="Heartbeat interval where the protocol fixes it; none: agreed at logon.",
    )
    numberings: Numberings = Field(
        default="concurrent",
        description="Several numberings of one channel: all must be alive and complete (market"
        " segments), or only the last counts (session identifiers). R42.",
    )
    stamp_resolution_ns: Annotated[int, Field(ge=0)] = Field(
        default=0, description="Resolution of the venue's event times; no lag is finer."
    )
    drop_copy: DropCopyKind = Field(
        default="full",
        description="What drop copy tells: every report, fills only, or nothing. R31.",
    )
    daily_start_s: Annotated[int, Field(ge=0, lt=DAY_S)] | None = Field(
        default=None,
        description="Second of the UTC day at which the venue's numbers restart; none: not fixed."
        " R36.",
    )
    purges_daily: bool = Field(
        default=False,
        description="No order survives the restart of the numbers (no good-till-cancel). R40.",
    )
    notes: tuple[str, ...] = Field(
        default=(), description="What an adapter and an operator must know of its numbers besides."
    )
    sources: Mapping[str, str] = Field(
        default_factory=dict, description="Where each setting was published, by name."
    )

    def tightened(self, limits: Limits) -> Limits:
        """A policy's limits, with the venue's own where it states stricter ones (R18).

        A default of this class is no statement of the venue's.
        """
        stated = self.model_fields_set
        if "resend_timeout_ns" in stated:
            patience_ns = min(limits.resend_timeout_ns, self.resend_timeout_ns)
            limits = limits._replace(resend_timeout_ns=patience_ns)
        if "attempts_max" in stated:
            limits = limits._replace(attempts_max=min(limits.attempts_max, self.attempts_max))
        if "attempts_window_ns" in stated:
            window_ns = max(limits.attempts_window_ns, self.attempts_window_ns)
            limits = limits._replace(attempts_window_ns=window_ns)
        return limits

    def begins_day(self, before_ns: int, now_ns: int) -> bool:
        """Whether the venue's day began between two event times, the later one included (R36)."""
        if self.daily_start_s is None:
            return False
        start_ns, day_ns = self.daily_start_s * SECOND_NS, DAY_S * SECOND_NS
        return (before_ns - start_ns) // day_ns < (now_ns - start_ns) // day_ns


class Setting(BaseModel):
    """One setting of a profile file: a value, no bound, or neither (the default), and why."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    value: bool | int | str | None = None
    unbounded: bool = False
    source: str = Field(min_length=1)


class Profile(BaseModel):
    """A profile file as it is written."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    title: str
    notes: tuple[str, ...] = ()
    settings: Mapping[str, Setting]


def parse_venue(document: Mapping[str, Any]) -> Venue:
    """The profile in a parsed TOML document.

    Raises ``pydantic.ValidationError`` naming every wrong key at once.
    """
    profile = Profile.model_validate(document)
    values = {
        name: setting.value
        for name, setting in profile.settings.items()
        if setting.value is not None or setting.unbounded
    }
    sources = {name: setting.source for name, setting in profile.settings.items()}
    head = {"id": profile.id, "title": profile.title, "notes": profile.notes}
    return Venue.model_validate({**values, **head, "sources": sources})
