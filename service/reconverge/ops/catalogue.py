"""Every metric, as data. The Prometheus objects and docs/metrics.md are both made from this table.

Names follow prometheus.io/docs/practices/naming: base units, ``_total`` on counters. No label names
an order: the number of series depends on sessions, sources and partitions only.
"""

from dataclasses import dataclass
from typing import Final, Literal, get_args

from reconverge.core.messages.effects import Component, State

Kind = Literal["counter", "gauge", "histogram"]

PREFIX: Final = "reconverge_"

MOMENTS_S: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)
"""Buckets of work that should take milliseconds."""
RECOVERIES_S: Final = (0.1, 0.25, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1_800)
"""Buckets of recoveries: from a fast reconnect to half an hour of replay."""
SIZES: Final = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000)
"""Buckets of batch sizes."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric: ``name`` without the prefix, and with Prometheus's suffix for its unit."""

    name: str
    kind: Kind
    labels: tuple[str, ...]
    help: str
    buckets: tuple[float, ...] = ()


def _gauge(name: str, labels: str, text: str) -> Metric:
    return Metric(name, "gauge", tuple(labels.split()), text)


def _counter(name: str, labels: str, text: str) -> Metric:
    return Metric(name, "counter", tuple(labels.split()), text)


def _histogram(name: str, buckets: tuple[float, ...], text: str, labels: str = "") -> Metric:
    return Metric(name, "histogram", tuple(labels.split()), text, buckets)


_STATES: Final = ", ".join(State)
_COMPONENTS: Final = ", ".join(get_args(Component))

SESSION: Final = (
    _gauge("session_state", "session state", f"1 for the session's state, else 0: {_STATES}."),
    _gauge("session_lss_ratio", "session form", "Live-set similarity: raw, settled, quantity."),
    _gauge("session_working_orders", "session held", "Orders working in both views, in either."),
    _gauge("session_in_flight_requests", "session", "Requests sent and not yet answered."),
    _gauge("session_rwh_outstanding", "session source", "Numbers missing and still replayable."),
    _gauge("session_rwh_unrecoverable", "session source", "Numbers no replay can bring back."),
    _gauge("session_rwh_open_gaps", "session source", "Open sequence gaps."),
    _gauge("session_rwh_oldest_gap_seconds", "session", "Age of the oldest open gap; 0 if none."),
    _gauge("session_source_refused", "session source", "Messages refused for their number, ever."),
    _gauge("session_source_silence_seconds", "session source", "Time since a source last spoke."),
    _gauge("session_confidence_ratio", "session", "Confidence in the session's order truth."),
    _gauge("session_confidence_component_ratio", "session component",
           f"What the confidence is made of: {_COMPONENTS}."),
    _gauge("session_cap_ratio", "session", "Participation cap in force."),
    _gauge("session_symbol_caps", "session", "Instruments with a cap of their own."),
    _gauge("session_catchup_multiple_max", "session", "Highest multiple to repay backlog at."),
    _gauge("session_frozen", "session", "1 while expansion is frozen."),
    _gauge("session_safe_mode", "session", "1 while the safe-mode latch is set."),
    _gauge("session_parked", "session", "1 while its truth is not trusted at all."),
    _gauge("session_divergence_seconds", "session", "How long the views have disagreed; 0 if not."),
)  # fmt: skip
"""Read from the sessions when a scrape asks, so that they cost nothing between scrapes."""

OUTPUTS: Final = (
    _counter("caps_total", "cause", "Caps published: change, heartbeat."),
    _counter("transitions_total", "from_state to_state", "Changes of state."),
    _counter("alerts_total", "name", "Alerts raised, by name (docs/alerts.md)."),
    _counter("episodes_opened_total", "cause", "Episodes opened, by the signal that opened them."),
    _counter("episodes_closed_total", "", "Episodes closed."),
    _histogram("episode_fds_seconds", MOMENTS_S,
               "FDS: first sign of the failure, by its source's clock, to FAILOVER_DETECTED."),
    _histogram("episode_fds_processing_seconds", MOMENTS_S,
               "FDS by the service's clock alone."),
    _histogram("episode_dark_seconds", RECOVERIES_S,
               "Last proof of life on the path to FAILOVER_DETECTED."),
    _histogram("episode_reentry_seconds", RECOVERIES_S,
               "First sign of the failure, by its source's clock, to CONTROLLED_REENTRY."),
    _histogram("episode_reentry_processing_seconds", RECOVERIES_S,
               "The same by the service's clock alone."),
    _histogram("episode_sdl_seconds", RECOVERIES_S,
               "SDL: confidence over the threshold to the router trading normally again."),
    _histogram("episode_sdl_reentry_seconds", RECOVERIES_S,
               "The same to the router's first acknowledgement of a re-entry cap."),
    _histogram("episode_link_down_seconds", RECOVERIES_S, "Downtime of the link in an episode."),
    _histogram("episode_divergence_seconds", RECOVERIES_S,
               "First disagreement to lasting parity in an episode."),
)  # fmt: skip
"""Counted as the service publishes."""

SHELL: Final = (
    _counter("records_total", "partition", "Input records taken, refused ones included."),
    _counter("effects_total", "partition", "Output records handed to Kafka."),
    _histogram("batch_records", SIZES, "Records in a batch."),
    _histogram("batch_fold_seconds", MOMENTS_S, "Decoding, folding, settling, encoding a batch."),
    _histogram("batch_journal_seconds", MOMENTS_S, "A batch's journal record, to its ack."),
    _histogram("event_age_seconds", MOMENTS_S,
               "Age of a batch's oldest record when it was journalled."),
    _gauge("lag_seconds", "partition", "Age of the newest record taken while more wait."),
    _gauge("lag_records", "partition", "Records known to wait in the inputs."),
    _counter("quarantined_records_total", "topic disposition", "Records set aside."),
    _counter("restores_total", "", "Partitions restored."),
    _histogram("restore_seconds", RECOVERIES_S, "From a claim to readiness."),
    _counter("restored_records_total", "", "Input records folded again by restores."),
    _counter("snapshots_total", "", "Snapshots written."),
    _gauge("snapshot_size_bytes", "partition", "Size of the newest snapshot."),
    _gauge("snapshot_duration_seconds", "partition", "Time the newest snapshot took."),
    _gauge("partition_owned", "partition", "1 while this process serves the partition."),
    _counter("conditions_total", "condition",
             "Named conditions met: superseded, retention_overrun, ... (docs/protocol.md)."),
    _gauge("build_info", "version python", "Always 1; the labels say what runs."),
)  # fmt: skip
"""Told by the Kafka shell, once a batch or rarer."""

AUDIT: Final = (
    _counter("audit_sessions_total", "", "Sessions audited, one at a time (docs/audit.md)."),
    _counter("audit_mismatches_total", "",
             "Those of which something published is not what journal and inputs lead to."),
)  # fmt: skip
"""Told by the audits that run beside the service."""

CATALOGUE: Final = (*SESSION, *OUTPUTS, *SHELL, *AUDIT)


def table(metrics: tuple[Metric, ...]) -> str:
    """These metrics as a Markdown table, for docs/metrics.md."""
    rows = []
    for metric in metrics:
        labels = ", ".join(f"`{label}`" for label in metric.labels)
        rows.append(f"| `{PREFIX}{metric.name}` | {metric.kind} | {labels} | {metric.help} |")
    return "\n".join(["| metric | type | labels | meaning |", "|---|---|---|---|", *rows])
