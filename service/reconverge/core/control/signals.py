"""Signals: the objective facts that can move a session, each with its own words.

A row says when a signal holds: in one of some ways, each a list of conditions that must all hold,
perhaps for a dwell. A condition is a predicate and the words for it, side by side, and the meaning
of a signal is put together from those words: the page cannot say anything else than the code does.
"""

from collections.abc import Callable
from enum import StrEnum
from typing import Final, NamedTuple

from reconverge.core.control.confidence import TruthReading
from reconverge.core.control.policy import Policy


class Signal(StrEnum):
    """Objective facts that can move a session, in the order in which they are weighed."""

    HARD_FAILURE = "hard_failure"
    WITNESS_VIOLATED = "witness_violated"
    WITNESS_LOST = "witness_lost"
    SILENT_DIVERGENCE = "silent_divergence"
    AMBIGUITY = "ambiguity"
    PARITY_UNPROVEN = "parity_unproven"
    RECOVERY_FAILED = "recovery_failed"
    PARITY_LOST = "parity_lost"
    PATH_CLEAR = "path_clear"
    RECOVERY_BEGUN = "recovery_begun"
    PARITY_PROVEN = "parity_proven"
    SLA_HELD = "sla_held"
    PROBATION_OVER = "probation_over"


class MachineInputs(NamedTuple):
    """What signals are made of: one session at one settling."""

    now_ns: int
    path_up: bool
    witnessed: bool
    """A witness was ever heard: before, an order that it never told of is no disagreement (R29)."""
    witness_lost: bool
    """Drop copy was heard once, and every channel of it is beyond the hard lag or retired."""
    in_flight_at_failure: bool
    """Requests were in flight when the cycle opened."""
    unanswered_of_failure: bool
    """One of those has been neither answered nor vouched for."""
    complete: bool
    """Every drop-copy channel that is required has told all there was up to past the failure, or
    there was nothing to prove."""
    replay_begun: bool
    """A resend, replayed message, snapshot or attestation since the failure, and not failed since.
    """
    replay_failed: bool
    """A resend was rejected or timed out since this state was entered."""
    snapshot_under_way: bool
    parity_held: bool
    """Parity has held at some time in this state."""
    confidence: float
    """For the gates: agreement is not softened."""
    sourced: float
    """Replay × freshness, each to its weight."""
    reading: TruthReading
    policy: Policy


class Condition(NamedTuple):
    """One thing that must hold, and the words for it."""

    words: str
    holds: Callable[[MachineInputs], bool]


class Dwell(NamedTuple):
    """For how long."""

    words: str
    ms: Callable[[Policy], int]
    since_entry: bool = False
    """Counted from the entry of the state, whatever held meanwhile; else from when the conditions
    began to hold, without a break."""


class Way(NamedTuple):
    """One way in which a signal holds: all its conditions, for its dwell if it has one."""

    conditions: tuple[Condition, ...]
    dwell: Dwell | None = None
    at_end: tuple[Condition, ...] = ()
    """What must hold as well, but only when the dwell is over."""

    @property
    def words(self) -> str:
        """It in words."""
        text = ", ".join(condition.words for condition in self.conditions)
        if self.dwell is not None:
            text = f"{text}, for {self.dwell.words}" if text else self.dwell.words
        if self.at_end:
            text += "; and at its end " + ", ".join(each.words for each in self.at_end)
        return text


# -- conditions -----------------------------------------------------------------------------------


def _gap_past_grace(inputs: MachineInputs) -> bool:
    reading = inputs.reading
    return reading.outstanding > 0 and reading.gap_age_ms >= inputs.policy.replay.gap_grace_ms


def _alarmed(inputs: MachineInputs) -> bool:
    gate, alarm = inputs.reading.gate, inputs.policy.similarity.alarm
    return gate.similarity < alarm or gate.quantity < alarm


def _similar(inputs: MachineInputs) -> bool:
    return inputs.reading.gate.similarity >= inputs.policy.similarity.target


def _equal(inputs: MachineInputs) -> bool:
    return inputs.reading.gate.quantity >= inputs.policy.similarity.target


def _settled(inputs: MachineInputs) -> bool:
    gate = inputs.reading.gate
    return not gate.ambiguous_orders and not gate.ambiguous


PATH_UP: Final = Condition("path up", lambda inputs: inputs.path_up)
WITNESSED: Final = Condition("a witness ever heard", lambda inputs: inputs.witnessed)
WITNESS_LOST: Final = Condition(
    "every witness beyond its hard lag or retired", lambda inputs: inputs.witness_lost
)
WITNESS_HEARD: Final = Condition("no witness lost", lambda inputs: not inputs.witness_lost)
ALARMED: Final = Condition("settled LSS or quantity agreement below the alarm", _alarmed)
OLD_GAP: Final = Condition("a gap past its grace", _gap_past_grace)
GAP: Final = Condition("a gap open", lambda inputs: inputs.reading.outstanding > 0)
NO_GAP: Final = Condition("no gap open", lambda inputs: inputs.reading.outstanding == 0)
LOST: Final = Condition("a range unrecoverable", lambda inputs: inputs.reading.unrecoverable > 0)
NOTHING_LOST: Final = Condition(
    "no range unrecoverable", lambda inputs: inputs.reading.unrecoverable == 0
)
SIMILAR: Final = Condition("settled LSS at target", _similar)
DISSIMILAR: Final = Condition("settled LSS below target", lambda inputs: not _similar(inputs))
EQUAL: Final = Condition("quantity agreement at target", _equal)
IN_FLIGHT: Final = Condition(
    "requests in flight at the failure", lambda inputs: inputs.in_flight_at_failure
)
NONE_IN_FLIGHT: Final = Condition(
    "no requests in flight at the failure", lambda inputs: not inputs.in_flight_at_failure
)
ANSWERED: Final = Condition(
    "every request in flight at the failure answered or vouched for",
    lambda inputs: not inputs.unanswered_of_failure,
)
COMPLETE: Final = Condition(
    "drop copy complete past the failure (or nothing to prove)", lambda inputs: inputs.complete
)
SETTLED: Final = Condition("nothing ambiguous", _settled)
REPLAY_BEGUN: Final = Condition(
    "a resend, replay, snapshot or attestation since the failure",
    lambda inputs: inputs.replay_begun,
)
REPLAY_FAILED: Final = Condition(
    "a resend rejected or timed out in this state", lambda inputs: inputs.replay_failed
)
SNAPSHOT: Final = Condition("a snapshot under way", lambda inputs: inputs.snapshot_under_way)
NO_SNAPSHOT: Final = Condition(
    "no snapshot under way", lambda inputs: not inputs.snapshot_under_way
)
PARITY_HELD: Final = Condition("parity held before in this state", lambda i: i.parity_held)
UNSOURCED: Final = Condition(
    "replay × freshness under the exit threshold",
    lambda inputs: inputs.sourced < inputs.policy.recovery.exit_confidence,
)
CONFIDENT: Final = Condition(
    "confidence at the re-entry threshold",
    lambda inputs: inputs.confidence >= inputs.policy.recovery.reentry_confidence,
)
SURE: Final = Condition(
    "confidence at the stable threshold",
    lambda inputs: inputs.confidence >= inputs.policy.recovery.stable_confidence,
)

PARITY: Final = (SIMILAR, EQUAL, NO_GAP, NOTHING_LOST, COMPLETE)
"""The two views agree past the failure, and nothing is left to replay."""
_UNAMBIGUOUS: Final = (SETTLED, SIMILAR, EQUAL, NO_GAP, NOTHING_LOST)
_ALARM: Final = Way(
    (PATH_UP, WITNESSED, ALARMED), Dwell("the alarm's dwell", lambda p: p.similarity.alarm_dwell_ms)
)

EDGES: Final[dict[Signal, str]] = {
    Signal.HARD_FAILURE: (
        "Of order entry: disconnect, heartbeat timeout, unexpected logout, sequence violation (R2,"
        " R4), gateway switch without clean logout. Taken the moment it happens."
    ),
    Signal.WITNESS_VIOLATED: (
        "A sequence violation on drop copy (R2, R4): the witness is broken, the path is not. Taken"
        " the moment it happens."
    ),
}
"""Signals that are taken when they happen, and what makes them."""

WAYS: Final[dict[Signal, tuple[Way, ...]]] = {
    Signal.WITNESS_LOST: (Way((WITNESS_LOST,)),),
    Signal.SILENT_DIVERGENCE: (_ALARM, Way((OLD_GAP,)), Way((LOST,))),
    Signal.AMBIGUITY: (Way((IN_FLIGHT,)), Way((GAP,)), Way((LOST,)), Way((DISSIMILAR,))),
    Signal.PARITY_UNPROVEN: (
        Way((), Dwell("the parity grace in this state", lambda p: p.recovery.parity_grace_ms,
                      since_entry=True)),
    ),
    Signal.RECOVERY_FAILED: (
        Way((REPLAY_FAILED,)), Way((LOST, NO_SNAPSHOT)), Way((PARITY_HELD, ALARMED)),
    ),
    # S2: with a gap past its grace, or a range lost, there is neither health nor re-entry.
    Signal.PARITY_LOST: (_ALARM, Way((OLD_GAP,)), Way((LOST,)), Way((UNSOURCED,))),
    Signal.PATH_CLEAR: (Way((PATH_UP, NONE_IN_FLIGHT, NO_GAP, NOTHING_LOST, SIMILAR)),),
    Signal.RECOVERY_BEGUN: (
        Way((PATH_UP, WITNESS_HEARD, REPLAY_BEGUN, NOTHING_LOST)),
        Way((PATH_UP, WITNESS_HEARD, SNAPSHOT)),
        Way((PATH_UP, WITNESS_HEARD, *PARITY)),
    ),
    Signal.PARITY_PROVEN: (
        Way((PATH_UP, *PARITY, ANSWERED, CONFIDENT),
            Dwell("the re-entry dwell", lambda p: p.recovery.reentry_dwell_ms)),
    ),
    Signal.SLA_HELD: (
        Way((PATH_UP, SURE), Dwell("the SLA dwell", lambda p: p.recovery.stable_dwell_ms),
            at_end=_UNAMBIGUOUS),
    ),
    Signal.PROBATION_OVER: (
        Way((), Dwell("the probation time in this state", lambda p: p.recovery.probation_ms,
                      since_entry=True), at_end=_UNAMBIGUOUS),
    ),
}  # fmt: skip
"""When each of the others holds: weighed at every settling, so that none can be missed."""


def meaning(signal: Signal) -> str:
    """When a signal holds, in words."""
    edge = EDGES.get(signal)
    if edge is not None:
        return edge
    text = "; or ".join(way.words for way in WAYS[signal])
    return f"{text[0].upper()}{text[1:]}."


def parity(inputs: MachineInputs) -> bool:
    """The two views agree past the failure, and nothing is left to replay."""
    return all(condition.holds(inputs) for condition in PARITY)
