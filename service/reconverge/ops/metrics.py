"""The metrics of the catalogue, fed by the Kafka shell, by what it publishes, and by the sessions.

One ``Metrics`` a process. What the shell tells is counted at once; the sessions come with
each scrape.
"""

import platform
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import structlog
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.core import Metric as Family
from prometheus_client.exposition import choose_encoder
from prometheus_client.gc_collector import GCCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

import reconverge
from reconverge.core.messages.effects import Alert, Cap, Episode, Published, State, Transition
from reconverge.ops.catalogue import AUDIT, OUTPUTS, PREFIX, SESSION, SHELL, Kind, Metric
from reconverge.ops.status import SessionStatus
from reconverge.stream import BatchSeen, Condition, Observer, RestoreSeen

_log = structlog.get_logger(__name__)

Sample = tuple[str, tuple[str, ...], float]

_EPISODE_CLOCKS: Final = {
    metric.name: metric.name.removeprefix("episode_").removesuffix("_seconds") + "_ms"
    for metric in OUTPUTS
    if metric.kind == "histogram"
}
"""Field of a closed episode by histogram."""


class Metrics(Observer):
    """Watches the shell and renders everything for a scrape."""

    def __init__(self) -> None:
        # Without this each counter has a second series, of its start time, that nobody reads.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        self._counters = {
            m.name: Counter(*_named(m), registry=self.registry) for m in _of("counter")
        }
        self._gauges = {m.name: Gauge(*_named(m), registry=self.registry) for m in _of("gauge")}
        self._histograms = {
            m.name: Histogram(*_named(m), registry=self.registry, buckets=m.buckets)
            for m in _of("histogram")
        }
        build = self._gauges["build_info"]
        build.labels(reconverge.__version__, platform.python_version()).set(1)

    def render(self, accept: str, sessions: Iterable[SessionStatus]) -> tuple[bytes, str]:
        """Everything, and its content type, in the format that an Accept header prefers.

        May run in a thread of its own: a thousand sessions take a third of a second.
        """
        encode, content_type = choose_encoder(accept)
        return encode(_Scrape(self.registry, sessions)), content_type

    # -- the shell's Observer -------------------------------------------------------------------

    def batch(self, seen: BatchSeen) -> None:
        """A batch was journalled and its outputs handed over."""
        partition = str(seen.partition)
        self._counters["records_total"].labels(partition).inc(seen.records)
        self._counters["effects_total"].labels(partition).inc(seen.effects)
        self._gauges["lag_seconds"].labels(partition).set(seen.lag_s)
        self._gauges["lag_records"].labels(partition).set(seen.lag_records)
        self._histograms["batch_fold_seconds"].observe(seen.fold_s)
        self._histograms["batch_journal_seconds"].observe(seen.journal_s)
        if seen.records:  # a tick has no records and no age
            self._histograms["batch_records"].observe(seen.records)
            self._histograms["event_age_seconds"].observe(seen.event_age_s)

    def effects(self, effects: Sequence[Published]) -> None:
        """A batch's effects were handed over."""
        for effect in effects:
            if isinstance(effect, Cap):
                self._counters["caps_total"].labels(effect.cause).inc()
            elif isinstance(effect, Transition):
                moved = self._counters["transitions_total"]
                moved.labels(effect.from_state.value, effect.to_state.value).inc()
            elif isinstance(effect, Alert):
                self._counters["alerts_total"].labels(effect.name).inc()
            elif isinstance(effect, Episode):
                self._episode(effect)

    def _episode(self, episode: Episode) -> None:
        if episode.status == "open":
            self._counters["episodes_opened_total"].labels(episode.cause).inc()
        elif episode.status == "closed":
            self._counters["episodes_closed_total"].inc()
            for name, field in _EPISODE_CLOCKS.items():
                clock_ms = getattr(episode, field)
                if clock_ms is not None:
                    self._histograms[name].observe(clock_ms / 1_000)

    def quarantined(self, partition: int, topic: str, disposition: str) -> None:  # noqa: ARG002
        """A record was set aside."""
        self._counters["quarantined_records_total"].labels(topic, disposition).inc()

    def restored(self, seen: RestoreSeen) -> None:
        """A partition is ready."""
        self._counters["restores_total"].inc()
        self._counters["restored_records_total"].inc(seen.records)
        self._histograms["restore_seconds"].observe(seen.seconds)

    def snapshot(self, partition: int, size_bytes: int, seconds: float) -> None:
        """A snapshot was written."""
        self._counters["snapshots_total"].inc()
        self._gauges["snapshot_size_bytes"].labels(str(partition)).set(size_bytes)
        self._gauges["snapshot_duration_seconds"].labels(str(partition)).set(seconds)

    def owned(self, partition: int, *, owned: bool) -> None:
        """A worker serves the partition from now on, or no longer does."""
        label = str(partition)
        self._gauges["partition_owned"].labels(label).set(owned)
        if not owned:  # what another process reports from now on must not linger here
            for name in ("lag_seconds", "lag_records", "snapshot_size_bytes"):
                self._gauges[name].remove(label)

    def condition(self, partition: int | None, name: Condition, detail: str) -> None:
        """A named condition was met: counted, and told in the log under its name."""
        _log.warning(name, partition=partition, detail=detail)
        self._counters["conditions_total"].labels(name).inc()

    # -- audits ---------------------------------------------------------------------------------

    def audited(self, clean: bool) -> None:  # noqa: FBT001
        """An audit of a session came to its end."""
        self._counters["audit_sessions_total"].inc()
        if not clean:
            self._counters["audit_mismatches_total"].inc()


def _of(kind: Kind) -> Iterator[Metric]:
    return (metric for metric in (*OUTPUTS, *SHELL, *AUDIT) if metric.kind == kind)


def _named(metric: Metric) -> tuple[str, str, tuple[str, ...]]:
    return PREFIX + metric.name, metric.help, metric.labels


class _Scrape(Collector):
    """What was counted, and the sessions as of now: one that has gone leaves no series behind."""

    def __init__(self, counted: Collector, sessions: Iterable[SessionStatus]) -> None:
        self._counted = counted
        self._sessions = sessions

    def collect(self) -> Iterator[Family]:
        yield from self._counted.collect()
        families = {
            metric.name: GaugeMetricFamily(PREFIX + metric.name, metric.help, labels=metric.labels)
            for metric in SESSION
        }
        for status in self._sessions:
            for name, labels, value in samples(status):
                families[name].add_metric((status.session, *labels), value)
        yield from families.values()


def samples(status: SessionStatus) -> Iterator[Sample]:
    """One session's samples: metric, labels after ``session``, value."""
    for state in State:
        yield "session_state", (state.value,), float(status.state == state)
    for form, ratio in status.lss.items():
        yield "session_lss_ratio", (form,), ratio
    for view, orders in status.working.items():
        yield "session_working_orders", (view,), orders
    for name, source in status.rwh.items():
        yield "session_rwh_outstanding", (name,), source.outstanding
        yield "session_rwh_unrecoverable", (name,), source.unrecoverable
        yield "session_rwh_open_gaps", (name,), len(source.open_gaps)
        yield "session_source_refused", (name,), source.refused
        if source.silence_s is not None:
            yield "session_source_silence_seconds", (name,), source.silence_s
    for component, value in status.components.items():
        yield "session_confidence_component_ratio", (component,), value
    for name, field in _SCALARS.items():
        yield name, (), float(getattr(status, field))


_SCALARS: Final = {
    "session_in_flight_requests": "in_flight",
    "session_rwh_oldest_gap_seconds": "oldest_gap_s",
    "session_confidence_ratio": "confidence",
    "session_cap_ratio": "cap",
    "session_symbol_caps": "symbol_caps",
    "session_catchup_multiple_max": "catchup_multiple_max",
    "session_frozen": "freeze_expansion",
    "session_safe_mode": "safe_mode",
    "session_parked": "parked",
    "session_divergence_seconds": "divergence_s",
}
"""Gauges that are one field of the status each."""
