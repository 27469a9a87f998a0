"""How fresh and how complete each source of a session is (DOMAIN §8).

A source is order entry or one drop-copy channel. Numbers and gaps belong to ``sequences``; here is
what time says: how long a source has said nothing newer, how late its news is, and whether it has
told all there was up to a moment.

Event times of two sources are never compared. Those of one source are compared with the core's
clock, and only as far as their age changes: the smallest age of the last minutes stands for the
distance of the two clocks.
"""

import math
from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

from reconverge.core.messages.events import (
    Disconnect,
    GapOpened,
    GatewaySwitched,
    HeartbeatMissed,
    Logon,
    Logout,
    ResendCompleted,
    StreamEvent,
)
from reconverge.core.sequences import SOURCES_MAX, Numbering
from reconverge.core.venue import Limits, Venue

OFFSET_BUCKET_NS: Final = 60_000_000_000
"""The smallest age is kept for each minute, so that the oldest can be forgotten."""
OFFSET_BUCKETS: Final = 5
"""Minutes over which the smallest age stands for the distance of two clocks (DOMAIN §8)."""
OFFSET_WINDOW_NS: Final = OFFSET_BUCKET_NS * OFFSET_BUCKETS
NEVER: Final = -1
"""In place of a time: it has not happened. Before any time, so that comparisons hold."""

OBSERVED: Final = frozenset({
    Disconnect, HeartbeatMissed, GatewaySwitched, GapOpened, ResendCompleted,
})  # fmt: skip
"""What our own side observes of a source: no word of the source itself."""
SPECIAL: Final = OBSERVED | {Logon, Logout}
"""What says more of a source than that it is alive."""


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
        oldest_ns = now_ns - OFFSET_WINDOW_NS
        lows = [age_ns for until_ns, age_ns in self.lows if until_ns > oldest_ns]
        return self.age_ns - min([self.age_ns, self.low_ns, *lows])

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


class Source:
    """Order entry or one drop-copy channel."""

    __slots__ = (
        "down", "heartbeat_ms", "lateness_at_ns", "lateness_ns", "logout_sent",
        "ours_seen", "pulses", "restarted_ns", "retired",
    )  # fmt: skip

    def __init__(self) -> None:
        self.pulses: dict[str | None, Pulse] = {}
        """By segment, in order of first appearance; none ever leaves."""
        self.heartbeat_ms = 0
        """Heartbeat interval as its last logon stated it; 0: none was stated."""
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
            self.logout_sent = False
        elif type(event) is Logout:
            if self.logout_sent or not self.ours_seen:
                self.retired = "logout"
            else:
                self.down = True

    def pulse(self, segment: str | None) -> Pulse | None:
        """Of one numbering; None before it was heard."""
        return self.pulses.get(segment)

    def voices(self, venue: Venue) -> list[Pulse]:
        """The numberings that must be alive: all, or the last that said something newer (R42)."""
        pulses = list(self.pulses.values())
        if venue.numberings == "concurrent" or len(pulses) < 2:
            return pulses
        return [max(reversed(pulses), key=_newer_ns)]

    @property
    def heard_ns(self) -> int:
        """When it last said anything; NEVER before."""
        return max(map(_heard_ns, self.pulses.values()), default=NEVER)

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


def _heard_ns(pulse: Pulse) -> int:
    return pulse.heard_ns


def _newer_ns(pulse: Pulse) -> int:
    return pulse.newer_ns


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


class SourceSummary(NamedTuple):
    """All sources of a session at one moment: what control reads of them. Times are the core's."""

    outstanding: int
    """Numbers missing."""
    unrecoverable: int
    """Numbers lost for good and not proven harmless, and messages whose content was set aside."""
    oldest_gap_ns: int | None
    """When the oldest open gap was noticed; None without one."""
    entry_lag_ns: float
    """Lag of order entry: 0 while its path is not up, because the machine's state says that;
    infinite where it was never heard."""
    witness_lag_ns: float
    """Lag of the least fresh required drop-copy channel; infinite without one."""
    best_witness_lag_ns: float
    """Lag of the freshest required drop-copy channel; infinite without one. From the hard lag on,
    the last witness is lost."""
    covered_ns: int | None
    """Up to when every required drop-copy channel has had its chance to speak; None without one."""
    witnessed: bool
    """Any drop-copy channel has ever been heard: until then silence is not evidence (R29)."""
    violations: int
    """Sequence violations on drop copy, ever: each breaks the witness, not the path (DOMAIN §9)."""
    complete: bool
    """Every required drop-copy channel has told all there was past the moment asked about; with
    none, a snapshot begun after it has."""
    snapshot_past: bool
    """The latest complete snapshot began after that moment."""
    cold_start: bool
    """Order entry was first heard in the middle: earlier orders are unknown, not absent (R40)."""
    required: tuple[SourceReading, ...]
    """Every required source: order entry first, then the channels."""

    @property
    def lag_ns(self) -> float:
        """Lag of the least fresh required source; infinite where no drop copy is required."""
        return max(self.entry_lag_ns, self.witness_lag_ns)


class Sources:
    """What was heard of each source of one session, and when."""

    __slots__ = ("_pulses", "ahead", "by_channel", "violations")

    def __init__(self) -> None:
        self.by_channel: dict[str | None, Source] = {}
        """In order of first appearance; None is order entry. At most ``SOURCES_MAX``."""
        self.violations = 0
        """Sequence violations on drop copy, ever; never falls."""
        self.ahead: dict[str, None] = {}
        """Senders whose latest event time was too far ahead of its arrival. Until one is not."""
        self._pulses = 0
        """Pulses kept: at most ``SOURCES_MAX``, as many as there are numberings."""

    # -- inputs ---------------------------------------------------------------------------------

    def heard(self, event: StreamEvent, now_ns: int, processed: bool, special: bool) -> None:  # noqa: FBT001 - a keyword costs more
        """The venue, or our side of the connection, said something of a source.

        ``processed``: its number was news, so that its content was used. ``special``: it says
        something of the session too.
        """
        source = self.by_channel.get(event.channel)
        if source is None:
            source = self._open(event.channel)
        if special and type(event) in OBSERVED:
            if type(event) is Disconnect or type(event) is HeartbeatMissed:
                source.down = True
            return
        pulse = source.pulses.get(event.segment)
        if pulse is None:
            pulse = self._pulse(source, event.segment)
        pulse.heard_ns = now_ns
        source.down = False
        if processed and not event.poss_dup:
            event_ns = event.event_ns
            if event_ns >= pulse.newest_event_ns and now_ns < pulse.low_until_ns:
                pulse.newer_ns = pulse.newest_heard_ns = now_ns
                pulse.newest_event_ns = event_ns
                pulse.age_ns = age_ns = now_ns - event_ns
                if age_ns < pulse.low_ns:
                    pulse.low_ns = age_ns
            else:
                pulse.newer(event_ns, now_ns)
            if special or source.retired:
                source.follow(event)

    def sent(self, event: StreamEvent) -> None:
        """We sent something to a drop-copy channel."""
        source = self.by_channel.get(event.channel)
        if source is not None:
            source.ours_seen = True
            if type(event) is Logout:
                source.logout_sent = True

    def echoed(self, channel: str | None, after_ns: int, now_ns: int) -> None:
        """A channel told a fact that order entry had told ``after_ns`` before: its lateness."""
        source = self.by_channel.get(channel)
        if source is not None:
            source.lateness_ns, source.lateness_at_ns = after_ns, now_ns

    def clock_ahead(self, event: StreamEvent) -> str | None:
        """An event time was too far ahead of its arrival: the sender's name, where that is new."""
        name = _sender(event)
        if name in self.ahead or len(self.ahead) >= SOURCES_MAX:
            return None
        self.ahead[name] = None
        return name

    def clock_right(self, event: StreamEvent) -> None:
        """An event time was not too far ahead. To be called while any sender's last one was."""
        self.ahead.pop(_sender(event), None)

    def restarted(self, channel: str | None, now_ns: int) -> None:
        """The numbers of a source restarted."""
        source = self.by_channel.get(channel) or self._open(channel)
        source.restarted_ns = now_ns

    @property
    def drop_copy_restarted_ns(self) -> int:
        """When the numbers of a drop-copy channel last restarted; NEVER if none did, or it was
        vouched for.
        """
        found = [each.restarted_ns for name, each in self.by_channel.items() if name is not None]
        return max(found, default=NEVER)

    def vouched(self) -> None:
        """An operator vouches for the whole session, the ends of former numbers included."""
        for source in self.by_channel.values():
            source.restarted_ns = NEVER

    def retire(self, channel: str) -> bool:
        """An operator says that a channel is gone. False when it was never heard."""
        source = self.by_channel.get(channel)
        if source is not None:
            source.retired = "attested"
        return source is not None

    def _open(self, channel: str | None) -> Source:
        source = Source()
        if len(self.by_channel) < SOURCES_MAX:
            self.by_channel[channel] = source
        return source

    def _pulse(self, source: Source, segment: str | None) -> Pulse:
        pulse = Pulse()
        if self._pulses < SOURCES_MAX:
            self._pulses += 1
            source.pulses[segment] = pulse
        return pulse

    # -- readings -------------------------------------------------------------------------------

    def heard_ns(self, channel: str | None, segment: str | None) -> int:
        """When a numbering was last heard; NEVER before."""
        source = self.by_channel.get(channel)
        pulse = None if source is None else source.pulse(segment)
        return NEVER if pulse is None else pulse.heard_ns

    def required(self, limits: Limits) -> Iterator[tuple[str, Source]]:
        """The drop-copy channels that must be heard (DOMAIN §8): those that the policy names, else
        those heard since their last logout; without those that an operator retired.
        """
        named = limits.channels
        for channel, source in self.by_channel.items():
            if channel is None or source.retired == "attested":
                continue
            if channel in named or (not named and not source.retired and source.pulses):
                yield channel, source
        for channel in named:
            if channel not in self.by_channel:
                yield channel, Source()

    def read(
        self, channel: str | None, source: Source, now_ns: int, venue: Venue, limits: Limits
    ) -> SourceReading:
        """One source at one moment. Order entry is judged by its freshest numbering, because it
        is one connection; a channel by those that must be alive (R42).
        """
        voices = source.voices(venue)
        if channel is None:
            voices = sorted(voices, key=_newer_ns)[-1:]
        if not voices:
            return SourceReading(channel, math.inf, NEVER, NEVER, source.down)
        allowance_ns = 0 if source.down else _allowance_ns(source, venue, limits)
        remembered = now_ns - source.lateness_at_ns <= limits.lag_hard_ns
        lateness_ns = source.lateness_ns if remembered else 0
        lag_ns, covered_ns = float(lateness_ns), now_ns
        for pulse in voices:
            late_ns = pulse.late_ns(now_ns)
            silence_ns = max(0, now_ns - pulse.newer_ns - allowance_ns)
            stale_ns = max(0, late_ns - venue.stamp_resolution_ns)
            lag_ns = max(lag_ns, silence_ns + stale_ns if pulse.newer_ns >= 0 else math.inf)
            covered_ns = min(covered_ns, pulse.newer_ns - max(lateness_ns, late_ns))
        return SourceReading(channel, lag_ns, covered_ns, source.heard_ns, source.down)

    def dump(self) -> Iterator[list[Any]]:
        """Rows of JSON values: the counts, then each source."""
        yield [self.violations, list(self.ahead)]
        for channel, source in self.by_channel.items():
            yield [channel, *source.dump()]

    def load(self, rows: Iterable[list[Any]]) -> None:
        """Inverse of ``dump``, into an empty one."""
        for row in rows:
            if len(row) == 2:
                self.violations, ahead = row
                self.ahead = dict.fromkeys(ahead)
            else:
                channel, *fields = row
                self.by_channel[channel] = source = Source.load(fields)
                self._pulses += len(source.pulses)


def _sender(event: StreamEvent) -> str:
    name = event.channel or "entry"
    return f"{name}, our side" if event.outbound else name


def _allowance_ns(source: Source, venue: Venue, limits: Limits) -> int:
    """Silence that is no lag: the heartbeat interval of the logon, else of the venue's profile,
    else of the policy, and FIX's reasonable transmission time.
    """
    interval_ms = source.heartbeat_ms or venue.heartbeat_ms
    interval_ns = interval_ms * 1_000_000 if interval_ms else limits.heartbeat_default_ns
    return round(interval_ns * limits.heartbeat_tolerance)


class Moment(NamedTuple):
    """What a summary asks about, and what lies outside the sources."""

    now_ns: int
    past_ns: int
    """The core's time past which drop copy must be complete: of the failure or doubt."""
    snapshot_ns: int
    """When the latest complete snapshot began; NEVER before the first."""
    path_up: bool
    owed_ns: int | None
    """Since when drop copy has owed its oldest word; None where it owes none."""
    set_aside: int
    """Messages whose content could not be used and was not settled since (R19)."""


def summarize(
    sources: Sources,
    numberings: Iterable[Numbering],
    moment: Moment,
    venue: Venue,
    limits: Limits,
) -> SourceSummary:
    """What is missing, how fresh each required source is, and whether drop copy is complete.

    O(sources). Without a required channel the witness's lag is infinite.
    """
    now_ns = moment.now_ns
    outstanding, unrecoverable = 0, moment.set_aside
    oldest_gap_ns: int | None = None
    holed: set[str | None] = set()
    cold: set[str | None] = set()
    for numbering in numberings:
        if numbering.cold:
            cold.add(numbering.channel)
        if not numbering.is_whole or numbering.past:
            holed.add(numbering.channel)
            outstanding += numbering.outstanding
            unrecoverable += numbering.unrecoverable
            opened_ns = numbering.oldest_gap_ns
            if opened_ns is not None and (oldest_gap_ns is None or opened_ns < oldest_gap_ns):
                oldest_gap_ns = opened_ns
    entry = sources.by_channel.get(None) or Source()
    entry_reading = sources.read(None, entry, now_ns, venue, limits)
    if not moment.path_up and entry.pulses:  # the state of the path says that, and its ceiling
        entry_reading = entry_reading._replace(lag_ns=0.0)
    owed_ns = 0 if moment.owed_ns is None else now_ns - moment.owed_ns
    snapshot_past = moment.snapshot_ns > moment.past_ns
    complete = True
    channels: list[SourceReading] = []
    for channel, source in sources.required(limits):
        reading = sources.read(channel, source, now_ns, venue, limits)
        channels.append(reading._replace(lag_ns=max(reading.lag_ns, owed_ns)))
        cut = source.restarted_ns >= max(moment.past_ns, moment.snapshot_ns)
        told = reading.covered_ns > moment.past_ns and channel not in holed
        complete = complete and told and not cut
    lags = [reading.lag_ns for reading in channels]
    return SourceSummary(
        outstanding=outstanding,
        unrecoverable=unrecoverable,
        oldest_gap_ns=oldest_gap_ns,
        entry_lag_ns=entry_reading.lag_ns,
        witness_lag_ns=max(lags, default=math.inf),
        best_witness_lag_ns=min(lags, default=math.inf),
        covered_ns=min((reading.covered_ns for reading in channels), default=None),
        witnessed=any(source.pulses for name, source in sources.by_channel.items() if name),
        violations=sources.violations,
        complete=complete if channels else snapshot_past,
        snapshot_past=snapshot_past,
        cold_start=None in cold or (not entry.pulses and bool(cold)),
        required=(entry_reading, *channels),
    )
