"""How fresh and how complete each source of a session is (DOMAIN §8).

A source is order entry or one drop-copy channel. Numbers and gaps belong to ``sequences``; here is
what time says: how long a source has been silent, how late its news is, and whether it has told all
there was up to a moment.
"""

import math
from collections.abc import Iterable
from typing import NamedTuple

from reconverge.core.messages.events import StreamEvent
from reconverge.core.sequences import Numbering


class SourceReading(NamedTuple):
    """One required source at one moment."""

    channel: str | None
    """None: order entry."""
    lag_ns: float
    """How far its news is behind; infinite where it was never heard."""
    heard_ns: int
    """When it last said anything, by the core's clock; -1 where it was never heard."""
    disconnected: bool
    """It disconnected or missed a heartbeat, and has not been heard since."""
    clock_ahead: bool
    """Its latest event time was more than a second ahead of its arrival."""


class SourceSummary(NamedTuple):
    """All sources of a session at one moment: what control reads of them."""

    outstanding: int
    """Numbers missing."""
    unrecoverable: int
    """Numbers lost for good and not proven harmless."""
    oldest_gap_ns: int | None
    """When the oldest open gap was noticed, by the core's clock; None without one."""
    lag_ns: float
    """Lag of the least fresh required source; infinite where no drop copy is required."""
    entry_lag_ns: float
    """Lag of order entry alone; 0 while its path is not up (the path says that itself)."""
    witness_lag_ns: float
    """Lag of the least fresh required drop-copy channel; infinite without one."""
    best_witness_lag_ns: float
    """Lag of the freshest required drop-copy channel; infinite without one."""
    covered_ns: int | None
    """The core's time up to which every required drop-copy channel has had its chance to speak: the
    least of (last heard - its lateness). None without a channel."""
    witnessed: bool
    """Any drop-copy channel has ever been heard: until then silence is not evidence (R29)."""
    complete: bool
    """Every required drop-copy channel is complete past the moment asked about."""
    cold_start: bool
    """A source was first heard in the middle: earlier orders are unknown, not absent (R40)."""
    required: tuple[SourceReading, ...]
    """Every required source: order entry first, then the channels."""


class Sources:
    """What was heard of each source of one session, and when."""

    __slots__ = ("delays_ns", "restarted_ns")

    def __init__(self) -> None:
        self.delays_ns: dict[str, int] = {}
        """How old the latest news of each drop-copy channel was when it came; resent messages are
        no news. Nanoseconds."""
        self.restarted_ns: dict[str, int] = {}
        """When the numbers of a drop-copy channel last restarted: what it told at the end of the
        former ones may never have been heard, and nobody will say (R14). Event time."""

    def heard(self, event: StreamEvent, now_ns: int) -> None:
        """A message of a drop-copy channel came."""
        channel = event.channel
        if channel is not None and not event.poss_dup:
            self.delays_ns[channel] = now_ns - event.event_ns

    def summary(
        self,
        numberings: Iterable[Numbering],
        now_ns: int,
        past_event_ns: int,
        snapshot_event_ns: int,
        *,
        path_up: bool,
    ) -> SourceSummary:
        """One pass over the numberings: what is missing, and how fresh and complete each source is.

        A drop-copy channel lags by its silence beyond its heartbeat interval, by how old its latest
        news was when it came, or by the age of its oldest hole; the entry path, while up, by its
        silence alone, where its heartbeat is known. A channel speaks through the numbering it was
        last heard on: earlier segments fall silent for good. Without drop copy the lag is infinite,
        and only a snapshot can be complete past a moment.
        """
        outstanding = unrecoverable = 0
        oldest_gap_ns: int | None = None
        latest: dict[str | None, Numbering] = {}
        for source in numberings:
            if not source.is_whole or source.past:
                outstanding += source.outstanding
                unrecoverable += source.unrecoverable
                opened_ns = source.oldest_gap_ns
                if opened_ns is not None and (oldest_gap_ns is None or opened_ns < oldest_gap_ns):
                    oldest_gap_ns = opened_ns
            known = latest.get(source.channel)
            if known is None or source.last_heard_ns >= known.last_heard_ns:
                latest[source.channel] = source
        entry = latest.pop(None, None)
        entry_lag_ns = 0.0
        required: list[SourceReading] = []
        if entry is not None:
            if path_up and entry.heartbeat_ms:
                entry_lag_ns = max(0.0, _silence_ns(entry, now_ns))
            required.append(_reading(entry, entry_lag_ns))
        channels = [_reading(source, self._lag_ns(source, now_ns)) for source in latest.values()]
        complete = bool(latest) or snapshot_event_ns >= past_event_ns
        for source in latest.values():
            complete = complete and self._is_complete(source, past_event_ns, snapshot_event_ns)
        witness_lag_ns = max((channel.lag_ns for channel in channels), default=math.inf)
        return SourceSummary(
            outstanding=outstanding,
            unrecoverable=unrecoverable,
            oldest_gap_ns=oldest_gap_ns,
            lag_ns=max(entry_lag_ns, witness_lag_ns),
            entry_lag_ns=entry_lag_ns,
            witness_lag_ns=witness_lag_ns,
            best_witness_lag_ns=min((channel.lag_ns for channel in channels), default=math.inf),
            covered_ns=min((channel.heard_ns for channel in channels), default=None),
            witnessed=bool(latest),
            complete=complete,
            cold_start=False,
            required=(*required, *channels),
        )

    def _lag_ns(self, source: Numbering, now_ns: int) -> float:
        opened_ns = source.oldest_gap_ns
        hole_ns = 0 if opened_ns is None else now_ns - opened_ns
        delay_ns = self.delays_ns.get(source.channel or "", 0)
        return max(0.0, _silence_ns(source, now_ns), hole_ns, delay_ns)

    def _is_complete(self, source: Numbering, past_event_ns: int, snapshot_event_ns: int) -> bool:
        """Has a drop-copy channel told all there was up to past a moment?

        With numbers that restarted since then, only a snapshot begun later shows it (R17).
        """
        restarted_ns = self.restarted_ns.get(source.channel or "", -1)
        cut = restarted_ns > past_event_ns and restarted_ns > snapshot_event_ns
        return source.complete_up_to_ns > past_event_ns and not cut


def _reading(source: Numbering, lag_ns: float) -> SourceReading:
    return SourceReading(
        source.channel, lag_ns, source.last_heard_ns, disconnected=False, clock_ahead=False
    )


def _silence_ns(source: Numbering, now_ns: int) -> int:
    """How long a source has been silent beyond its heartbeat interval."""
    return now_ns - source.last_heard_ns - (source.heartbeat_ms or 0) * 1_000_000
