"""The named conditions.

Everything of the environment that an operator must hear about, and what then happens.

A condition's name is its identity in log lines, in the metric's label and in docs/protocol.md,
which tells the remedy. A `Refusal` is a condition under which the partition cannot be served until
someone acts.
"""

from typing import Final, Literal

Condition = Literal[
    "retention_overrun",
    "topic_recreated",
    "journal_overrun",
    "journal_regressed",
    "journal_recreated",
    "snapshot_unreadable",
    "snapshot_too_large",
    "output_too_large",
    "quarantine_too_large",
    "policy_missing",
    "core_unknown",
    "core_accepted",
    "journal_unreadable",
    "poison",
    "derivation_mismatch",
    "partition_counts_unequal",
    "topic_missing",
    "superseded",
    "outcome_unknown",
    "log_unavailable",
    "worker_failed",
    "stalled",
    "clock_ahead",
]

REFUSING: Final[frozenset[Condition]] = frozenset({
    "journal_regressed", "journal_recreated", "policy_missing", "core_unknown",
    "journal_unreadable", "partition_counts_unequal", "topic_missing",
})  # fmt: skip
"""Conditions under which the partition is not served.

Its caps expire, and routers fall back to their own.
"""


class Refusal(Exception):
    """The partition cannot be served until an operator acts.

    `condition` says which remedy applies.
    """

    def __init__(self, condition: Condition, detail: str) -> None:
        super().__init__(f"{condition}: {detail}")
        self.condition = condition
        self.detail = detail


class Superseded(Exception):
    """A newer claim exists: this worker's writes count for nobody from there on.

    `claim` is its offset.
    """

    def __init__(self, claim: int) -> None:
        super().__init__(f"superseded by the claim at journal offset {claim}")
        self.claim = claim
