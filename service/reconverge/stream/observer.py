"""What the shell tells whoever watches it: a handful of calls, each once a batch or rarer.

`ops` implements it with Prometheus metrics, tests with lists; the shell imports neither.
Implementations must return at once and never raise.
"""

from collections.abc import Sequence
from typing import NamedTuple

from reconverge.core.messages.effects import Published
from reconverge.stream.conditions import Condition


class BatchSeen(NamedTuple):
    """One journalled batch."""

    partition: int
    records: int
    """Records taken from the inputs, refused ones included."""
    effects: int
    """Outputs handed to Kafka."""
    fold_s: float
    """Decoding, folding, settling and encoding. Seconds."""
    journal_s: float
    """From the journal record's sending to its acknowledgement. Seconds."""
    event_age_s: float
    """Age of the batch's oldest record when its journal record was acknowledged.

    Seconds; 0 for a tick.
    """
    lag_s: float
    """Age of the newest record taken, while more are known to wait; 0 when caught up. Seconds."""
    lag_records: int
    """Records known to wait in the inputs."""


class RestoreSeen(NamedTuple):
    """One completed restore."""

    partition: int
    records: int
    """Input records folded again."""
    batches: int
    """Journal batches replayed."""
    snapshot_bytes: int
    """Size of the snapshot loaded; 0 without one."""
    seconds: float
    """From the claim's acknowledgement to readiness."""


class Observer:
    """The calls; they do nothing. Whoever watches overrides those that it wants."""

    def batch(self, seen: BatchSeen) -> None:
        """A batch was journalled and its outputs handed over."""

    def effects(self, effects: Sequence[Published]) -> None:
        """The same batch's effects, in order."""

    def quarantined(self, partition: int, topic: str, disposition: str) -> None:
        """A record was set aside."""

    def restored(self, seen: RestoreSeen) -> None:
        """A partition is ready."""

    def snapshot(self, partition: int, size_bytes: int, seconds: float) -> None:
        """A snapshot was written."""

    def owned(self, partition: int, *, owned: bool) -> None:
        """A worker serves the partition from now on, or no longer does."""

    def condition(self, partition: int | None, name: Condition, detail: str) -> None:
        """A named condition was met."""
