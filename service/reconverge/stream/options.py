"""Names, limits and deadlines of the shell. Every buffer, loop and retry takes its bound from here.

`cli` fills it from the settings; the defaults are what docs/protocol.md argues with.
"""

from dataclasses import dataclass
from typing import Final

INPUTS: Final = ("order-entry", "drop-copy", "parents", "controls")
"""Roles of the input topics, in the order that breaks ties between records of one millisecond."""


@dataclass(frozen=True, slots=True)
class Topics:
    """Names of the topics.

    All have the same partition count: what concerns a session is in one partition.
    """

    order_entry: str = "order-entry"
    drop_copy: str = "drop-copy"
    parents: str = "parents"
    controls: str = "controls"
    caps: str = "caps"
    shadow_caps: str = "shadow-caps"
    transitions: str = "transitions"
    episodes: str = "episodes"
    alerts: str = "alerts"
    control_results: str = "control-results"
    journal: str = "journal"
    snapshots: str = "snapshots"
    quarantine_prefix: str = "dlq."

    @property
    def inputs(self) -> tuple[str, ...]:
        """The input topics, in merge order."""
        return (self.order_entry, self.drop_copy, self.parents, self.controls)

    @property
    def outputs(self) -> tuple[str, ...]:
        """The topics this service writes, its own journal and snapshots included."""
        own = (
            self.caps,
            self.shadow_caps,
            self.transitions,
            self.episodes,
            self.alerts,
            self.control_results,
            self.journal,
            self.snapshots,
        )
        return own + tuple(self.quarantine(topic) for topic in self.inputs)

    def quarantine(self, topic: str) -> str:
        """Where records of an input topic are set aside."""
        return self.quarantine_prefix + topic


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on memory and work."""

    batch_records: int = 1_000
    """Records folded in one batch.

    About ten milliseconds of work, during which nothing else runs.
    """
    ahead_records: int = 200
    """Records read ahead that are folded while the journal is busy with the batch before them.

    That takes about as long as the journal does. Fewer had better wait for company: a batch once
    cut takes nobody along, and who comes just after it waits for two.
    """
    buffered_records: int = 4_000
    """Records of one input topic held ahead of their batch; above it the topic is not polled."""
    batches_unacknowledged: int = 8
    """Batches whose outputs may be on their way at once."""
    chunk_bytes: int = 512 * 1024
    """Size of a snapshot chunk.

    Half of Kafka's default record limit, so that headers and a long row still fit.
    """
    snapshot_bytes: int = 4 * 1024**3
    """Largest snapshot a restore will hold in memory."""
    suffix_records: int = 200_000
    """Input records after which a new snapshot is due: about two seconds of restore."""
    suffix_batches: int = 20_000
    """Batches after which a new snapshot is due, for partitions that mostly tick."""
    suffix_records_per_row: int = 4
    """A snapshot of many rows is due more rarely.

    A row costs about as much to dump as a quarter of an event.
    """
    restores_at_once: int = 2
    """Restores that may hold a snapshot in memory at the same time, in one process."""
    rewrites: int = 100
    """Times a journal record is written again because a zombie's came between.

    A zombie has one in flight.
    """


@dataclass(frozen=True, slots=True)
class Deadlines:
    """How long anything may take. Seconds."""

    append_s: float = 10.0
    """A journal append.

    Then its outcome counts as unknown; Kafka's own delivery limit is set to the same.
    """
    read_s: float = 30.0
    """A read of records known to exist."""
    connect_s: float = 15.0
    """Opening or closing a client."""
    fetch_s: float = 0.5
    """Longest that a broker may hold back an empty answer; Kafka answers once there is a record."""
    idle_s: float = 0.5
    """Longest wait for input before the loop turns once more (a tick may be due sooner)."""
    tick_s: float = 0.02
    """Shortest time between batches that only tick: deadlines of many sessions coalesce."""
    align_s: float = 1.0
    """Longest wait for the slower input topics of a backlog before the faster ones go ahead."""
    handover_s: float = 10.0
    """Longest wait for a live owner to leave before claiming over it: a large state's snapshot."""
    silence_s: float = 3.0
    """A journal without a record for this long has no live owner.

    Every owner ticks once a second.
    """
    session_s: float = 10.0
    """A member silent for this long is out of the group, and its partitions go to others."""
    heartbeat_s: float = 0.3
    """Between two heartbeats to the group, at most.

    Survivors learn of a rebalance by the answer to theirs, so this is part of every takeover.
    """
    join_s: float = 60.0
    """Joining the group, which waits for every member to notice."""
    rejoin_s: float = 300.0
    """A member without partitions joins anew after it: it may have been forgotten."""
    forgotten_s: float = 60.0
    """A member refused by the group for this long joins anew. Rebalances are shorter."""
    report_s: float = 5.0
    """Between two reports of positions to lag tools."""
    backoff_s: float = 0.5
    """First pause before a failed worker claims again; doubles up to `backoff_s_max`."""
    backoff_s_max: float = 10.0
    """Longest such pause."""
    clock_ahead_s: float = 1.0
    """A worker whose time is this far ahead of the wall says so: its caps outlive their word."""
    stall_s: float = 30.0
    """A worker or the membership without progress for this long is stuck: the process gives up."""
    stop_s: float = 20.0
    """A graceful stop, snapshots included.

    Then the process leaves as it is; the journal has all.
    """


@dataclass(frozen=True, slots=True)
class Options:
    """All of it, and who we are."""

    topics: Topics = Topics()
    limits: Limits = Limits()
    deadlines: Deadlines = Deadlines()
    member: str = "reconverge"
    """This process, as claims and log lines name it."""
    cores_accepted: frozenset[str] = frozenset()
    """Core versions whose batches an operator lets this one fold again (see `core_unknown`)."""
