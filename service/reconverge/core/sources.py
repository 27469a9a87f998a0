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
from reconverge.core.source import NEVER, Pulse, Source, SourceReading
from reconverge.core.venue import Limits, Venue

OBSERVED: Final = frozenset({
    Disconnect, HeartbeatMissed, GatewaySwitched, GapOpened, ResendCompleted,
})  # fmt: skip
"""What our own side observes of a source: no word of the source itself."""
SPECIAL: Final = OBSERVED | {Logon, Logout}
"""What says more of a source than that it is alive."""


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

    __slots__ = ("_limits", "_pulses", "_venue", "ahead", "by_channel", "violations", "witnessed")

    def __init__(self) -> None:
        self.by_channel: dict[str | None, Source] = {}
        """In order of first appearance; None is order entry. At most ``SOURCES_MAX``."""
        self.violations = 0
        """Sequence violations on drop copy, ever; never falls."""
        self.ahead: dict[str, None] = {}
        """Senders whose latest event time was too far ahead of its arrival. Until one is not."""
        self.witnessed = False
        """Any drop-copy channel was ever heard; once True, it stays."""
        self._venue: Venue | None = None
        self._limits: Limits | None = None
        """What the allowances of the sources were worked out for."""
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
            self.witnessed = self.witnessed or event.channel is not None
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

    def adapt(self, venue: Venue, limits: Limits) -> None:
        """The venue's profile and the policy's limits in force: allowances follow them."""
        if venue is not self._venue or limits is not self._limits:
            self._venue, self._limits = venue, limits
            for source in self.by_channel.values():
                source.allowance_ns = NEVER

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
                if channel is not None and source.pulses:
                    self.witnessed = True


def _sender(event: StreamEvent) -> str:
    name = event.channel or "entry"
    return f"{name}, our side" if event.outbound else name


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
    sources.adapt(venue, limits)
    entry = sources.by_channel.get(None) or Source()
    entry_reading = entry.reading(None, now_ns, 0, venue, limits)
    if not moment.path_up and entry.pulses:
        # The machine's state says that the path is not up, and its ceiling holds.
        entry_reading = entry_reading._replace(lag_ns=0.0)
    owed_ns = 0 if moment.owed_ns is None else now_ns - moment.owed_ns
    snapshot_past = moment.snapshot_ns > moment.past_ns
    proven_ns = max(moment.past_ns, moment.snapshot_ns)
    complete, worst_ns, best_ns, covered_ns = True, 0.0, math.inf, now_ns
    required = [entry_reading]
    for channel, source in sources.required(limits):
        reading = source.reading(channel, now_ns, owed_ns, venue, limits)
        required.append(reading)
        worst_ns, best_ns = max(worst_ns, reading.lag_ns), min(best_ns, reading.lag_ns)
        covered_ns = min(covered_ns, reading.covered_ns)
        told = reading.covered_ns > moment.past_ns and channel not in holed
        complete = complete and told and source.restarted_ns < proven_ns
    witness = len(required) > 1
    return SourceSummary(
        outstanding=outstanding,
        unrecoverable=unrecoverable,
        oldest_gap_ns=oldest_gap_ns,
        entry_lag_ns=entry_reading.lag_ns,
        witness_lag_ns=worst_ns if witness else math.inf,
        best_witness_lag_ns=best_ns,
        covered_ns=covered_ns if witness else None,
        witnessed=sources.witnessed,
        violations=sources.violations,
        complete=complete if witness else snapshot_past,
        snapshot_past=snapshot_past,
        cold_start=None in cold or (not entry.pulses and bool(cold)),
        required=tuple(required),
    )
