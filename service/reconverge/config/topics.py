"""The Kafka topics, as data: what each carries, who writes it, how it is kept.

The `topics` and `doctor` commands, the AsyncAPI document and the settings read this one table.
Every record's key is the session and the topics have the same partition count, so that one worker
sees the whole of a session in order. A topic that is not the worker's has a count of its own.
"""

from dataclasses import dataclass
from typing import Final, Literal

Role = Literal["input", "market", "output", "internal"]

_MINUTE_MS: Final = 60_000
_DAY_MS: Final = 24 * 60 * _MINUTE_MS


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic; ``name`` is without the prefix, ``config`` is Kafka's topic configuration."""

    name: str
    role: Role
    summary: str
    config: dict[str, str]
    partitions: int | None = None
    """Partitions that it is created with; None: as many as the other topics of the worker."""


_WEEK: Final = {"cleanup.policy": "delete", "retention.ms": str(7 * _DAY_MS)}
"""A restore reads back no further than one snapshot; an incident review asks for a week."""
_FORTNIGHT: Final = {"cleanup.policy": "delete", "retention.ms": str(14 * _DAY_MS)}
"""Longer than the inputs: a service back after a long outage must know what it has lost."""
_MONTH: Final = {"cleanup.policy": "delete", "retention.ms": str(30 * _DAY_MS)}
"""What an end-of-month review of episodes needs."""
_LAST_VALUE: Final = {
    "cleanup.policy": "compact",
    # Only closed segments are compacted. Whoever reads from the beginning finds at most a minute of
    # heartbeats; a router looks back ten seconds (docs/router.md).
    "segment.ms": str(_MINUTE_MS),
    "min.cleanable.dirty.ratio": "0.1",
}

INPUTS: Final = ("order-entry", "drop-copy", "parents", "controls")
"""The input topics, in the order in which a worker breaks ties of record time."""

QUARANTINE: Final = "dlq."
"""Put before an input topic's own name, prefix and all."""

TOPICS: Final = (
    Topic("order-entry", "input", "What the order-entry sessions said, both ways.", _WEEK),
    Topic("drop-copy", "input", "What the drop-copy channels said of each session.", _WEEK),
    Topic("parents", "input", "Parent orders, schedules, router acknowledgements.", _WEEK),
    Topic("controls", "input", "Operators, guardrails and policy changes.", _WEEK),
    Topic("marks", "market", "Quotes, prints and bars, by symbol; for analytics.", _MONTH, 6),
    Topic("caps", "output", "The newest cap of each session.", _LAST_VALUE),
    Topic("shadow-caps", "output", "Caps a shadow policy would set; act on none.", _LAST_VALUE),
    Topic("transitions", "output", "Every change of a session's state.", _MONTH),
    Topic("episodes", "output", "Divergences, from first signal to proven health.", _MONTH),
    Topic("alerts", "output", "What a person should know besides.", _MONTH),
    Topic("control-results", "output", "What became of each record of controls.", _MONTH),
    *(
        Topic(QUARANTINE + name, "output", f"Records of {name} set aside, bytes untouched.", _MONTH)
        for name in INPUTS
    ),
    Topic("journal", "internal", "What each batch took in: the order of truth.", _FORTNIGHT),
    Topic("snapshots", "internal", "State to restore from, in chunks.", _FORTNIGHT),
    Topic("tap-positions", "internal", "Where the tap on raw FIX stands.", _LAST_VALUE, 1),
)
