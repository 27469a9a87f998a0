"""One source: order entry or a drop-copy channel, and what was heard of it when (DOMAIN §8)."""

import math
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from reconverge.core.messages.events import Logon, Logout, StreamEvent
from reconverge.core.venue import Limits, Venue

OFFSET_BUCKET_NS: Final = 60_000_000_000
"""The smallest age is kept for each minute, so that the oldest can be forgotten."""
OFFSET_BUCKETS: Final = 5
"""Minutes over which the smallest age stands for the distance of two clocks (DOMAIN §8)."""
OFFSET_WINDOW_NS: Final = OFFSET_BUCKET_NS * OFFSET_BUCKETS
NEVER: Final = -1
"""In place of a time: it has not happened. Before any time, so that comparisons hold."""

_PULSE: Final = (
    "heard_ns", "newer_ns", "newest_event_ns", "newest_heard_ns", "age_ns", "low_ns",
    "low_until_ns", "lows",
)  # fmt: skip


class Pulse:
    """What was heard of one numbering of a source, by the core's clock unless said."""

    __slots__ = _PULSE

    def __init__(self) -> None:
        self.heard_ns = NEVER
        """When it last said anything; never falls."""
        self.newer_ns = NEVER
        """When it last said something newer: a resent message shows that it is alive, but it is not
        newer. At most ``heard_ns``; never falls."""
        self.newest_event_ns = NEVER
        """Event time of its newest event, by its own clock. Rises, or starts again when nothing as
        new was heard for ``OFFSET_WINDOW_NS``: then its clock was set back."""
        self.newest_heard_ns = NEVER
        """When that event was heard; at most ``newer_ns``."""
        self.age_ns = 0
        """How old that event was when it was heard; below 0 where its clock is ahead of ours."""
        self.low_ns = 0
        """The smallest such age in the present minute: at most ``age_ns``."""
        self.low_until_ns = NEVER
        """When the present minute ends."""
        self.lows: list[list[int]] = []
        """The smallest age of each former minute: [end of the minute, age]. At most
        ``OFFSET_BUCKETS``."""

    def newer(self, event_ns: int, now_ns: int) -> None:
        """It said something newer, of this event time. ``Sources.heard`` has the usual case."""
        self.newer_ns = now_ns
        if event_ns < self.newest_event_ns:
            if now_ns - self.newest_heard_ns < OFFSET_WINDOW_NS:
                return  # an old message, or a clock set back: its age shows nothing
            self.lows.clear()
            self.low_until_ns = NEVER
        self.newest_event_ns, self.newest_heard_ns = event_ns, now_ns
        self.age_ns = age_ns = now_ns - event_ns
        if now_ns >= self.low_until_ns:
            self._next_minute(age_ns, now_ns)
        elif age_ns < self.low_ns:
            self.low_ns = age_ns

    def _next_minute(self, age_ns: int, now_ns: int) -> None:
        if self.low_until_ns != NEVER:
            self.lows = [*self.lows[1 - OFFSET_BUCKETS :], [self.low_until_ns, self.low_ns]]
        self.low_ns, self.low_until_ns = age_ns, now_ns + OFFSET_BUCKET_NS

    def late_ns(self, now_ns: int) -> int:
        """How much older its newest event was, when heard, than the smallest age of late."""
        low_ns = self.low_ns
        if self.lows:
            oldest_ns = now_ns - OFFSET_WINDOW_NS
            for until_ns, age_ns in self.lows:
                if until_ns > oldest_ns and age_ns < low_ns:
                    low_ns = age_ns
        return self.age_ns - low_ns

    def dump(self) -> list[Any]:
        """Its state as JSON values, in the order of ``_PULSE``."""
        return [getattr(self, name) for name in _PULSE]

    @classmethod
    def load(cls, row: list[Any]) -> "Pulse":
        """Inverse of ``dump``."""
        pulse = cls()
        for name, value in zip(_PULSE, row, strict=True):
            setattr(pulse, name, value)
        return pulse


class SourceReading(NamedTuple):
    """One required source at one moment. Times are the core's."""

    channel: str | None
    """None: order entry."""
    lag_ns: float
    """How far its news is behind; infinite where it was never heard."""
    covered_ns: int
    """Up to when it has had its chance to speak: its last newer word, less its lateness; NEVER
    where it was never heard."""
    heard_ns: int
    """When it last said anything; NEVER where it was never heard."""
    down: bool
    """It disconnected or missed a heartbeat, and has not been heard since."""


class Source:
    """Order entry or one drop-copy channel."""

    __slots__ = (
        "allowance_ns", "down", "heartbeat_ms", "lateness_at_ns", "lateness_ns", "logout_sent",
        "ours_seen", "pulses", "restarted_ns", "retired",
    )  # fmt: skip

    def __init__(self) -> None:
        self.pulses: dict[str | None, Pulse] = {}
        """By segment, in order of first appearance; none ever leaves."""
        self.heartbeat_ms = 0
        """Heartbeat interval as its last logon stated it; 0: none was stated."""
        self.allowance_ns = NEVER
        """Silence that is no lag; NEVER while it must be worked out anew. Derived."""
        self.down = False
        """It disconnected or missed a heartbeat, and has not been heard since."""
        self.retired = ""
        """``logout`` after an orderly logout, ``attested`` when an operator said that it is gone,
        empty otherwise. Until its next word."""
        self.lateness_ns = 0
        """How long after order entry its last live word of the same fact came."""
        self.lateness_at_ns = NEVER
        """When that word came."""
        self.restarted_ns = NEVER
        """When its numbers last restarted: what it told at the end of the former ones may never
        have been heard, and nobody will say (R14). NEVER once an operator vouched for that."""
        self.ours_seen = False
        """A message of ours to it was seen; some logs hold the venue's side only."""
        self.logout_sent = False
        """Our logout is out. Until it logs on again."""

    def follow(self, event: StreamEvent) -> None:
        """A newer word brings a channel back; a logon and a logout say more.

        An orderly logout retires it. Where our side is never seen, any is orderly.
        """
        self.retired = ""
        if type(event) is Logon:
            self.heartbeat_ms = event.heartbeat_ms or self.heartbeat_ms
            self.allowance_ns = NEVER
            self.logout_sent = False
        elif type(event) is Logout:
            if self.logout_sent or not self.ours_seen:
                self.retired = "logout"
            else:
                self.down = True

    def pulse(self, segment: str | None) -> Pulse | None:
        """Of one numbering; None before it was heard."""
        return self.pulses.get(segment)

    def _voices(self, channel: str | None, venue: Venue) -> Iterable[Pulse]:
        """The numberings that must be alive: all, or the last that said something newer (R42).

        Order entry is one connection, so its freshest numbering speaks for it.
        """
        pulses = self.pulses.values()
        if len(pulses) < 2 or (channel is not None and venue.numberings == "concurrent"):
            return pulses
        return [max(reversed(list(pulses)), key=_newer_ns)]

    def reading(
        self, channel: str | None, now_ns: int, owed_ns: int, venue: Venue, limits: Limits
    ) -> SourceReading:
        """What it is at one moment (DOMAIN §8). ``owed_ns``: age of the oldest word it owes."""
        lateness_ns = 0
        if self.lateness_ns and now_ns - self.lateness_at_ns <= limits.lag_hard_ns:
            lateness_ns = self.lateness_ns
        lag_ns, covered_ns = max(lateness_ns, owed_ns), now_ns
        allowance_ns = 0 if self.down else self._allowance(venue, limits)
        for pulse in self._voices(channel, venue):
            if pulse.newer_ns < 0:
                return SourceReading(channel, math.inf, NEVER, self.heard_ns, self.down)
            late_ns = pulse.late_ns(now_ns)
            silence_ns = max(now_ns - pulse.newer_ns - allowance_ns, 0)
            lag_ns = max(lag_ns, silence_ns + max(late_ns - venue.stamp_resolution_ns, 0))
            covered_ns = min(covered_ns, pulse.newer_ns - max(lateness_ns, late_ns))
        if not self.pulses:
            return SourceReading(channel, math.inf, NEVER, NEVER, self.down)
        return SourceReading(channel, lag_ns, covered_ns, self.heard_ns, self.down)

    def _allowance(self, venue: Venue, limits: Limits) -> int:
        """Silence that is no lag: the heartbeat interval of the logon, else of the venue's profile,
        else of the policy, and FIX's reasonable transmission time.
        """
        if self.allowance_ns < 0:
            interval_ms = self.heartbeat_ms or venue.heartbeat_ms
            interval_ns = interval_ms * 1_000_000 if interval_ms else limits.heartbeat_default_ns
            self.allowance_ns = round(interval_ns * limits.heartbeat_tolerance)
        return self.allowance_ns

    @property
    def heard_ns(self) -> int:
        """When it last said anything; NEVER before."""
        heard_ns = NEVER
        for pulse in self.pulses.values():
            heard_ns = max(heard_ns, pulse.heard_ns)
        return heard_ns

    def dump(self) -> list[Any]:
        """Its state as JSON values, in the order of ``_PLAIN``, then its pulses."""
        pulses = [[segment, *pulse.dump()] for segment, pulse in self.pulses.items()]
        return [*(getattr(self, name) for name in _PLAIN), pulses]

    @classmethod
    def load(cls, row: list[Any]) -> "Source":
        """Inverse of ``dump``."""
        source = cls()
        *values, pulses = row
        for name, value in zip(_PLAIN, values, strict=True):
            setattr(source, name, value)
        for segment, *fields in pulses:
            source.pulses[segment] = Pulse.load(fields)
        return source


_PLAIN: Final = (
    "heartbeat_ms", "down", "retired", "lateness_ns", "lateness_at_ns", "restarted_ns",
    "ours_seen", "logout_sent",
)  # fmt: skip


def _newer_ns(pulse: Pulse) -> int:
    return pulse.newer_ns
