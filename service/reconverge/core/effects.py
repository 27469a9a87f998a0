"""What goes out: every output of the core, as one discriminated union on ``type``.

The core returns effects as a list; the shell performs them in that order, after the journal has
acknowledged the batch they came from. Caps are last-value state, ordered by (epoch, sequence);
everything else is an event with a deterministic id, so that a reader may dedupe what a restore
sends again.

The core does not know its epoch (the offset of its owner's claim, DESIGN of the shell): it numbers
caps, and the shell stamps the epoch and the publish time when it writes them. Conventions are those
of ``core.events``; ratios are plain numbers in [0, 1], rounded so that the same state prints the
same bytes everywhere.
"""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from reconverge.core.wire import DecimalText, Message, Nanoseconds, Text


class State(StrEnum):
    """Where a session stands in its recovery (DOMAIN §9)."""

    HEALTHY = "HEALTHY"
    FAILOVER_DETECTED = "FAILOVER_DETECTED"
    STATE_DIVERGED = "STATE_DIVERGED"
    REPLAY_SYNCING = "REPLAY_SYNCING"
    CONTROLLED_REENTRY = "CONTROLLED_REENTRY"
    STABLE = "STABLE"


Ratio = Annotated[float, Field(ge=0, le=1)]
Component = Literal["similarity", "quantity", "replay", "freshness", "in_flight"]


class Output(Message):
    """What every output carries, whatever its type."""

    v: Literal[1] = Field(default=1, description="Major version of the contract.")
    session: Text = Field(description="The session it is about; also the Kafka record key.")
    event_ns: Nanoseconds = Field(
        description="The core's time when it was decided. Nanoseconds, UTC."
    )


class PolicyRef(Message):
    """Which policy decided."""

    id: Text = Field(description="Name of the policy.")
    version: int = Field(ge=1, description="Version of the policy.")
    hash: Text = Field(
        description="SHA-256 of its canonical content, the first 16 hexadecimal digits."
    )


class Components(Message):
    """The parts of the confidence, each 1 when nothing is wrong and 0 when nothing can be trusted
    (DOMAIN §8).
    """

    similarity: Ratio = Field(
        description="Settled live-set similarity between the policy's floor and target."
    )
    quantity: Ratio = Field(
        description="Quantity-weighted agreement of the two views, likewise scaled."
    )
    replay: Ratio = Field(description="Replay progress; 0 while a range is unrecoverable.")
    freshness: Ratio = Field(
        description="Freshness of the sources: 1 up to the soft lag, 0 from the hard lag."
    )
    in_flight: Ratio = Field(description="1 - ambiguous notional / total open notional.")


class SymbolCap(Message):
    """A cap for one instrument where it differs from the session's."""

    cap: Ratio = Field(description="Participation cap of this instrument.")
    confidence: Ratio = Field(description="Confidence in this instrument's orders.")


class CapFields(Output):
    """What a cap says, in force or in the shadow."""

    epoch: int = Field(
        default=0, ge=0, description="Claim of the publisher; 0 where nothing is claimed (replay)."
    )
    sequence: int = Field(ge=1, description="Strictly increasing within a session.")
    state: State = Field(description="State of the session.")
    cap: Ratio = Field(description="Share of normal participation allowed.")
    confidence: Ratio = Field(description="Product of the components, each to its weight.")
    components: Components = Field(description="What the confidence is made of.")
    reason: Text = Field(
        description="What binds the cap: a component, `ceiling`, `ramp`, `safe_mode` or `parked`."
    )
    symbols: dict[str, SymbolCap] = Field(
        default_factory=dict, description="Instruments whose cap differs."
    )
    freeze_expansion: bool = Field(
        description="No expansion that needs exact knowledge of live orders."
    )
    catchup_multiple_max: float = Field(
        ge=1, description="Highest multiple of the normal rate to repay backlog at."
    )
    participation_max: Ratio = Field(description="Absolute participation never to be exceeded.")
    safe_mode: bool = Field(description="The safe-mode latch is set.")
    policy: PolicyRef = Field(description="Policy that decided.")
    cause: Text = Field(
        description="Why it was published: `change`, `heartbeat`, or the transition's signal."
    )
    episode_id: Text | None = Field(
        default=None, description="Episode it belongs to; null when healthy."
    )
    cycle: int | None = Field(default=None, ge=0, description="Failover cycle within the episode.")
    publish_ns: Nanoseconds | None = Field(
        default=None, description="When the shell wrote it. Nanoseconds, UTC."
    )
    valid_until_ns: Nanoseconds = Field(
        description="After this the cap says nothing. Nanoseconds, UTC."
    )


class Cap(CapFields):
    """How much of its normal participation the router may use on a session. Published on change and
    as a heartbeat.

    A reader keeps the highest (epoch, sequence) and drops anything lower: a lower epoch is a
    zombie's. After ``valid_until_ns`` it falls back to its own safe cap. Cancels are never
    restricted (S6).
    """

    type: Literal["cap"] = "cap"


class ShadowCap(CapFields):
    """The cap that a shadow policy would have published. Nobody acts on it."""

    type: Literal["shadow_cap"] = "shadow_cap"


class Transition(Output):
    """The session moved to another state."""

    type: Literal["transition"] = "transition"
    id: Text = Field(description="Deterministic id: session, episode and position in it.")
    from_state: State = Field(description="State before.")
    to_state: State = Field(description="State after.")
    signal: Text = Field(
        description="The objective signal that moved it (docs/machine.md lists them)."
    )
    detail: str = Field(
        default="", description="The figures behind the signal, for a person to read."
    )
    episode_id: Text | None = Field(default=None, description="Episode it belongs to.")
    cycle: int | None = Field(default=None, ge=0, description="Failover cycle within the episode.")
    policy: PolicyRef = Field(description="Policy that decided.")


class Alert(Output):
    """Something a person should know that is not a transition. ``name`` is stable.

    ``detail`` is for reading.
    """

    type: Literal["alert"] = "alert"
    id: Text = Field(description="Deterministic id.")
    name: Text = Field(description="What happened (docs/alerts.md lists the names).")
    detail: str = Field(default="", description="The figures behind it.")


class PathStep(Message):
    """One step of an episode's path through the states."""

    state: State = Field(description="State entered.")
    at_ns: Nanoseconds = Field(description="When. Nanoseconds, UTC.")
    signal: Text = Field(description="What moved it.")


class GapPoint(Message):
    """Replay watermark horizon at one moment."""

    at_ns: Nanoseconds = Field(description="Nanoseconds, UTC.")
    outstanding: int = Field(ge=0, description="Numbers missing, all sources.")
    unrecoverable: int = Field(ge=0, description="Numbers that can never be replayed, all sources.")


class SimilarityPoint(Message):
    """Live-set similarity at one moment."""

    at_ns: Nanoseconds = Field(description="Nanoseconds, UTC.")
    raw: Ratio = Field(description="As the formula has it.")
    settled: Ratio = Field(description="Without disagreements younger than the in-flight grace.")
    quantity: Ratio = Field(description="Quantity-weighted.")


class DecisionPoint(Message):
    """The cap in force when the router decided on a child order."""

    at_ns: Nanoseconds = Field(description="Time of the decision. Nanoseconds, UTC.")
    cl_ord_id: Text = Field(description="The child order.")
    parent_id: Text | None = Field(default=None, description="Its parent.")
    cap_sequence: int | None = Field(default=None, description="Cap the router says it acted on.")
    cap: Ratio = Field(description="Cap in force here at that moment.")


class BacklogPoint(Message):
    """Scheduled minus executed quantity of one parent, when positive."""

    at_ns: Nanoseconds = Field(description="Nanoseconds, UTC.")
    parent_id: Text = Field(description="The parent.")
    qty: DecimalText = Field(description="Backlog.")
    shortfall_qty: DecimalText = Field(
        default="0",
        description="Part of it that cannot be repaid by the end of the schedule within the"
        " catch-up limit; the limit is never raised for it.",
    )


class Episode(Output):
    """One divergence, from its first signal to proven health.

    One record opens it, one closes it, some between.
    """

    type: Literal["episode"] = "episode"
    id: Text = Field(description="Deterministic id of this record: episode and revision.")
    episode_id: Text = Field(description="Deterministic id of the episode.")
    status: Literal["open", "update", "closed"] = Field(
        description="Place of this record in the episode."
    )
    start_ns: Nanoseconds = Field(description="First signal. Nanoseconds, UTC.")
    end_ns: Nanoseconds | None = Field(
        default=None, description="When it closed. Nanoseconds, UTC."
    )
    cause: Text = Field(description="Signal that opened it.")
    cause_detail: str = Field(default="", description="What the source said of it.")
    cycles: int = Field(ge=0, description="Hard failures in it so far.")
    path: tuple[PathStep, ...] = Field(description="States entered, in order.")
    link_down_ms: float | None = Field(
        default=None,
        ge=0,
        description="Downtime of the link, all cycles. Null if it never went down. Milliseconds.",
    )
    divergence_ms: float | None = Field(
        default=None, ge=0,
        description="First disagreement after the failure to lasting parity; null if none."
        " Milliseconds.",
    )  # fmt: skip
    fds_ms: float | None = Field(
        default=None,
        ge=0,
        description="First failure signal to controlled state, event time. Milliseconds.",
    )
    fds_processing_ms: float | None = Field(
        default=None, ge=0, description="The same by the core's clock. Milliseconds."
    )
    sdl_ms: float | None = Field(
        default=None, ge=0,
        description="Confidence over the re-entry threshold to the router's acknowledgement."
        " Milliseconds.",
    )  # fmt: skip
    gaps: tuple[GapPoint, ...] = Field(default=(), description="Sequence-gap trajectory.")
    similarity: tuple[SimilarityPoint, ...] = Field(
        default=(), description="LSS series; keeps extremes and ends."
    )
    decisions: tuple[DecisionPoint, ...] = Field(
        default=(), description="Caps in force at child-order decisions."
    )
    backlog: tuple[BacklogPoint, ...] = Field(default=(), description="Backlog against schedule.")
    attestations: tuple[str, ...] = Field(
        default=(), description="Who vouched for what, when and why."
    )
    unresolved: tuple[str, ...] = Field(
        default=(), description="What was still open at this record."
    )
    policy: PolicyRef = Field(description="Policy in force.")


Effect = Annotated[Cap | ShadowCap | Transition | Alert | Episode, Field(discriminator="type")]
"""Every output of the core."""

EFFECTS: TypeAdapter[Cap | ShadowCap | Transition | Alert | Episode] = TypeAdapter(Effect)
"""Decodes and encodes any output."""
