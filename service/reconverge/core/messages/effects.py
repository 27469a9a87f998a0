"""What goes out: every output of the core, and what became of each control, as one discriminated
union on ``type``.

The core returns effects as a list; the shell performs them in that order, after the journal has
acknowledged the batch they came from. Caps are last-value state, ordered by (epoch, sequence);
everything else is an event with a deterministic id, so that a reader may dedupe what a restore
sends again.

The core does not know its epoch (the offset of its owner's claim, DESIGN of the shell): it numbers
caps, and the shell stamps the epoch and the publish time when it writes them. Conventions are those
of ``events``; ratios are plain numbers in [0, 1], rounded so that the same state prints the
same bytes everywhere.
"""

from enum import StrEnum
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from reconverge.core.messages.wire import (
    Count,
    DerivedId,
    Message,
    Milliseconds,
    Nanoseconds,
    Part,
    QuantityText,
    Text,
    says,
)


class State(StrEnum):
    """Where a session stands in its recovery (DOMAIN §9)."""

    HEALTHY = "HEALTHY"
    FAILOVER_DETECTED = "FAILOVER_DETECTED"
    STATE_DIVERGED = "STATE_DIVERGED"
    REPLAY_SYNCING = "REPLAY_SYNCING"
    CONTROLLED_REENTRY = "CONTROLLED_REENTRY"
    STABLE = "STABLE"


Ratio = Annotated[float, Meta(ge=0, le=1)]
Link = Literal["up", "down", "unknown", "closed"]
"""The order-entry path: up; down from a failure; not known until the venue is next heard; or closed
by an orderly logout."""
Witness = Literal["drop_copy", "snapshot", "entry"]
"""What proves that the two views agree: an independent drop copy; snapshots of the venue's orders
on order entry; or nothing but unbroken numbers on order entry."""
Component = Literal["similarity", "quantity", "replay", "freshness", "in_flight"]


class Output(Message, frozen=True, kw_only=True):
    """What every output carries, whatever its type."""

    v: Annotated[Literal[1], says("Major version of the contract.")] = 1
    session: Annotated[Text, says("The session it is about; also the Kafka record key.")]
    event_ns: Annotated[Nanoseconds, says("The core's time when it was decided. Nanoseconds, UTC.")]


class PolicyRef(Part, frozen=True, kw_only=True):
    """Which policy decided."""

    id: Annotated[Text, says("Name of the policy.")]
    version: Annotated[int, Meta(ge=1), says("Version of the policy.")]
    hash: Annotated[
        Text, says("SHA-256 of its canonical content, the first 16 hexadecimal digits.")
    ]


class Components(Part, frozen=True, kw_only=True):
    """The parts of the confidence, each 1 when nothing is wrong and 0 when nothing can be trusted
    (DOMAIN §8).
    """

    similarity: Annotated[
        Ratio,
        says("Settled live-set similarity between the policy's floor and target."),
    ]
    quantity: Annotated[
        Ratio, says("Quantity-weighted agreement of the two views, likewise scaled.")
    ]
    replay: Annotated[Ratio, says("Replay progress; 0 while a range is unrecoverable.")]
    freshness: Annotated[
        Ratio,
        says("Freshness of the sources: 1 up to the soft lag, 0 from the hard lag."),
    ]
    in_flight: Annotated[Ratio, says("1 - ambiguous notional / total open notional.")]


class SymbolCap(Part, frozen=True, kw_only=True):
    """A cap for one instrument that has a doubt, a rise or a policy of its own."""

    cap: Annotated[Ratio, says("Participation cap of this instrument.")]
    confidence: Annotated[Ratio, says("Confidence in this instrument's orders.")]


class CapFields(Output, frozen=True, kw_only=True):
    """What a cap says, in force or in the shadow."""

    epoch: Annotated[
        Count, says("Claim of the publisher; 0 where nothing is claimed (replay).")
    ] = 0
    sequence: Annotated[int, Meta(ge=1), says("Strictly increasing within a session.")]
    state: Annotated[State, says("State of the session.")]
    cap: Annotated[Ratio, says("Share of normal participation allowed; safe for any instrument.")]
    instrument_cap: Annotated[
        Ratio | None,
        says(
            "Cap of an instrument that `symbols` does not list: there is no doubt about it. Null in"
            " records of core version 1: `cap` then."
        ),
    ] = None
    confidence: Annotated[Ratio, says("Product of the components, each to its weight.")]
    components: Annotated[Components, says("What the confidence is made of.")]
    reason: Annotated[
        Text,
        says(
            "What binds the cap: a component, `ceiling`, `ramp`, `hold` (this state does not let it"
            " rise), `cold_start`, `safe_mode`, `parked` or `closed`."
        ),
    ]
    symbols: Annotated[
        dict[str, SymbolCap],
        says(
            "Instruments in doubt, worst first, those that still rise to `instrument_cap`, and"
            " those that a policy names; 64 at the most."
        ),
    ] = msgspec.field(default_factory=dict)
    freeze_expansion: Annotated[
        bool, says("No expansion that needs exact knowledge of live orders.")
    ]
    catchup_multiple_max: Annotated[
        float, Meta(ge=1), says("Highest multiple of the normal rate to repay backlog at.")
    ]
    participation_max: Annotated[Ratio, says("Absolute participation never to be exceeded.")]
    safe_mode: Annotated[bool, says("The safe-mode latch is set.")]
    link: Annotated[Link, says("State of the order-entry path.")] = "unknown"
    witness: Annotated[Witness, says("What the proof of parity rests on.")] = "drop_copy"
    policy: Annotated[PolicyRef, says("Policy that decided.")]
    cause: Annotated[
        Text,
        says("Why it was published: `change`, `heartbeat`, or the transition's signal."),
    ]
    episode_id: Annotated[DerivedId | None, says("Episode it belongs to; null when healthy.")] = (
        None
    )
    cycle: Annotated[Count | None, says("Failover cycle within the episode.")] = None
    publish_ns: Annotated[
        Nanoseconds | None, says("When the shell wrote it. Nanoseconds, UTC.")
    ] = None
    valid_until_ns: Annotated[
        Nanoseconds, says("After this the cap says nothing. Nanoseconds, UTC.")
    ]


class Cap(CapFields, tag="cap", frozen=True, kw_only=True):
    """How much of its normal participation the router may use on a session. Published on change and
    as a heartbeat.

    A reader keeps the highest (epoch, sequence) and drops anything lower: a lower epoch is a
    zombie's. After ``valid_until_ns`` it falls back to its own safe cap. Cancels are never
    restricted (S6).
    """


class ShadowCap(CapFields, tag="shadow_cap", frozen=True, kw_only=True):
    """The cap that a shadow policy would have published. Nobody acts on it."""


class Transition(Output, tag="transition", frozen=True, kw_only=True):
    """The session moved to another state."""

    id: Annotated[DerivedId, says("Deterministic id: session, and a count within it.")]
    from_state: Annotated[State, says("State before.")]
    to_state: Annotated[State, says("State after.")]
    signal: Annotated[
        Text, says("The objective signal that moved it (docs/machine.md lists them).")
    ]
    detail: Annotated[str, says("The figures behind the signal, for a person to read.")] = ""
    episode_id: Annotated[DerivedId | None, says("Episode it belongs to.")] = None
    cycle: Annotated[Count | None, says("Failover cycle within the episode.")] = None
    trigger_event_ns: Annotated[
        Nanoseconds | None,
        says(
            "Latest event time when it was decided: the exact edge of a window in event time."
            " Nanoseconds, UTC."
        ),
    ] = None
    policy: Annotated[PolicyRef, says("Policy that decided.")]


class Alert(Output, tag="alert", frozen=True, kw_only=True):
    """Something a person should know that is not a transition. ``name`` is stable.

    ``detail`` is for reading.
    """

    id: Annotated[DerivedId, says("Deterministic id.")]
    name: Annotated[Text, says("What happened (docs/alerts.md lists the names).")]
    detail: Annotated[str, says("The figures behind it.")] = ""


class PathStep(Part, frozen=True, kw_only=True):
    """One step of an episode's path through the states."""

    state: Annotated[State, says("State entered.")]
    at_ns: Annotated[Nanoseconds, says("When. Nanoseconds, UTC.")]
    signal: Annotated[Text, says("What moved it.")]


class GapPoint(Part, frozen=True, kw_only=True):
    """Replay watermark horizon at one moment."""

    at_ns: Annotated[Nanoseconds, says("Nanoseconds, UTC.")]
    outstanding: Annotated[Count, says("Numbers missing, all sources.")]
    unrecoverable: Annotated[Count, says("Numbers that can never be replayed, all sources.")]


class SimilarityPoint(Part, frozen=True, kw_only=True):
    """Live-set similarity at one moment."""

    at_ns: Annotated[Nanoseconds, says("Nanoseconds, UTC.")]
    raw: Annotated[Ratio, says("As the formula has it.")]
    settled: Annotated[Ratio, says("Without disagreements younger than the in-flight grace.")]
    quantity: Annotated[Ratio, says("Quantity-weighted.")]


class DecisionPoint(Part, frozen=True, kw_only=True):
    """The cap in force when the router decided on a child order."""

    at_ns: Annotated[Nanoseconds, says("Time of the decision. Nanoseconds, UTC.")]
    cl_ord_id: Annotated[Text, says("The child order.")]
    parent_id: Annotated[Text | None, says("Its parent.")] = None
    cap_sequence: Annotated[Count | None, says("Cap the router says it acted on.")] = None
    cap: Annotated[Ratio, says("Cap in force here at that moment.")]


class BacklogPoint(Part, frozen=True, kw_only=True):
    """Scheduled minus executed quantity of one parent, when positive."""

    at_ns: Annotated[Nanoseconds, says("Nanoseconds, UTC.")]
    parent_id: Annotated[Text, says("The parent.")]
    qty: Annotated[QuantityText, says("Backlog.")]
    shortfall_qty: Annotated[
        QuantityText,
        says(
            "Part of it that cannot be repaid by the end of the schedule within the"
            " catch-up limit; the limit is never raised for it."
        ),
    ] = "0"


class Episode(Output, tag="episode", frozen=True, kw_only=True):
    """One divergence, from its first signal to proven health.

    One record opens it, one closes it, some between.
    """

    id: Annotated[DerivedId, says("Deterministic id of this record: episode and revision.")]
    episode_id: Annotated[DerivedId, says("Deterministic id of the episode.")]
    status: Annotated[
        Literal["open", "update", "closed"],
        says("Place of this record in the episode."),
    ]
    start_ns: Annotated[Nanoseconds, says("First signal. Nanoseconds, UTC.")]
    end_ns: Annotated[Nanoseconds | None, says("When it closed. Nanoseconds, UTC.")] = None
    cause: Annotated[Text, says("Signal that opened it.")]
    cause_detail: Annotated[str, says("What the source said of it.")] = ""
    cycles: Annotated[Count, says("Hard failures in it so far.")]
    path: Annotated[tuple[PathStep, ...], says("States entered, in order.")]
    link_down_ms: Annotated[
        Milliseconds | None,
        says(
            "Downtime of the link, all cycles. Null if it never went down. Milliseconds.",
        ),
    ] = None
    divergence_ms: Annotated[
        Milliseconds | None,
        says(
            "First disagreement, also one before the episode, to lasting parity; null if none."
            " Milliseconds."
        ),
    ] = None
    failed_event_ns: Annotated[
        Nanoseconds | None,
        says("First hard failure, by its source's clock; null if none. Nanoseconds, UTC."),
    ] = None
    venue: Annotated[Text | None, says("Venue profile in force; null without one.")] = None
    fds_ms: Annotated[
        Milliseconds | None,
        says(
            "FDS, failover detection skew: first hard failure, by its source's clock, to"
            " FAILOVER_DETECTED, by the service's. Two clocks: 0 where the source's is ahead."
            " Milliseconds."
        ),
    ] = None
    fds_clock_ahead: Annotated[
        bool, says("The source's clock was ahead of the service's: the true skew is not known.")
    ] = False
    fds_processing_ms: Annotated[
        Milliseconds | None,
        says("The same by the service's clock alone, from when it was told. Milliseconds."),
    ] = None
    dark_ms: Annotated[
        Milliseconds | None,
        says("Last proof of life on the path to FAILOVER_DETECTED, service's clock. Milliseconds."),
    ] = None
    reentry_ms: Annotated[
        Milliseconds | None,
        says("First hard failure to CONTROLLED_REENTRY, as for `fds_ms`. Milliseconds."),
    ] = None
    reentry_processing_ms: Annotated[
        Milliseconds | None, says("The same by the service's clock alone. Milliseconds.")
    ] = None
    sdl_ms: Annotated[
        Milliseconds | None,
        says(
            "SDL, state decision lag: confidence over the re-entry threshold to the router's"
            " acknowledgement of a cap that is normal participation again. Milliseconds."
        ),
    ] = None
    sdl_reentry_ms: Annotated[
        Milliseconds | None,
        says("The same to its first acknowledgement of a re-entry cap. Milliseconds."),
    ] = None
    gaps: Annotated[tuple[GapPoint, ...], says("Sequence-gap trajectory.")] = ()
    similarity: Annotated[
        tuple[SimilarityPoint, ...], says("LSS series; keeps extremes and ends.")
    ] = ()
    decisions: Annotated[
        tuple[DecisionPoint, ...], says("Caps in force at child-order decisions.")
    ] = ()
    backlog: Annotated[tuple[BacklogPoint, ...], says("Backlog against schedule.")] = ()
    attestations: Annotated[tuple[str, ...], says("Who vouched for what, when and why.")] = ()
    unresolved: Annotated[tuple[str, ...], says("What was still open at this record.")] = ()
    policy: Annotated[PolicyRef, says("Policy in force.")]


class Retired(Output, tag="retired", frozen=True, kw_only=True):
    """The session is followed no longer.

    The shell writes the tombstone of its caps: a record without a value, under the session's key.
    """

    actor: Annotated[Text, says("Who retired it; `idle` after a day without a word.")]
    reason: Annotated[str, says("Why.")] = ""


class ControlFields(Output, frozen=True, kw_only=True):
    """Which record of an operator, a guardrail or the desk this is the answer to."""

    id: Annotated[DerivedId, says("Deterministic id; unique in its partition, as offsets are.")]
    topic: Annotated[Text, says("Topic of the record, prefix and all.")]
    offset: Annotated[
        Count, says("Its offset there; its partition is the one that this record is in.")
    ]
    command: Annotated[Text, says("Its `type`.")]
    actor: Annotated[Text, says("Who acted.")]


class ControlApplied(ControlFields, tag="control_applied", frozen=True, kw_only=True):
    """A control took effect: what is published from here on goes by it."""


class ControlRefused(ControlFields, tag="control_refused", frozen=True, kw_only=True):
    """A control was refused, and changed nothing. The record is in the topic of those set aside."""

    detail: Annotated[str, says("Why.")]


Effect = Cap | ShadowCap | Transition | Alert | Episode | Retired
"""Every output of the core."""

ControlResult = ControlApplied | ControlRefused
"""What became of a control. The shell makes it, which knows records by topic and offset."""

Published = Effect | ControlResult
"""Every output of the service."""
