"""The recovery machine: the transition table, and all that moves a session from one state to
another.

Rules of this file. Nothing else changes a state. A state moves on a *signal*; a signal is an
objective fact about truth, time and policy, never a guess and never a command. ``TABLE`` is total:
every (state, signal) has a row, and a row that moves nothing says why. docs/machine.md, its diagram
and the exhaustive test are generated from it (DOMAIN §9).

Signals are weighed in the order of ``Signal``; the first whose row moves the state is taken, and
weighing starts again in the new state. A hard failure is an edge: it is taken when it happens
(``fail``). All others are levels, weighed whenever the session is settled (``step``), so a level
that holds cannot be missed.
"""

from collections.abc import Callable
from enum import StrEnum
from typing import Any, Final, NamedTuple

from reconverge.core.control.confidence import TruthReading
from reconverge.core.control.policy import Policy
from reconverge.core.messages.effects import State


class Signal(StrEnum):
    """Objective facts that can move a session, in the order in which they are weighed."""

    HARD_FAILURE = "hard_failure"
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


MEANING: Final[dict[Signal, str]] = {
    Signal.HARD_FAILURE: (
        "Disconnect, heartbeat timeout, unexpected logout, sequence violation (R2, R4), unclean "
        "gateway switch."
    ),
    Signal.SILENT_DIVERGENCE: (
        "Settled LSS below the alarm for its dwell with the link up; a gap past its grace, or a "
        "range unrecoverable, up or not."
    ),
    Signal.AMBIGUITY: (
        "Requests in flight at the failure, an open or unrecoverable gap, or settled LSS below "
        "target."
    ),
    Signal.PARITY_UNPROVEN: ("The parity grace has passed since the failure."),
    Signal.RECOVERY_FAILED: (
        "Resend rejected or timed out, an unrecoverable range with no snapshot under way, or "
        "parity held and lost."
    ),
    Signal.PARITY_LOST: (
        "Settled LSS below the alarm, a gap open, a range unrecoverable, or confidence below "
        "the exit threshold."
    ),
    Signal.PATH_CLEAR: ("The path is up and nothing is ambiguous."),
    Signal.RECOVERY_BEGUN: (
        "The path is up, and a replay or snapshot has begun or the two views agree past the "
        "failure."
    ),
    Signal.PARITY_PROVEN: (
        "No gap, drop copy complete past the failure, similarity, quantity and confidence at "
        "target, for the dwell."
    ),
    Signal.SLA_HELD: (
        "Confidence at the stable threshold and nothing ambiguous, for the SLA dwell."
    ),
    Signal.PROBATION_OVER: ("The probation time has passed in STABLE."),
}
"""When each signal holds."""


class Row(NamedTuple):
    """Where a signal leads; None: nowhere, for the reason given."""

    to: State | None
    why: str


_H, _F, _D, _R, _C, _S = State

_NOT_FAILED = "there was no failure to recover from"
_SOFT = "a live failure outranks silent signs: ambiguity is weighed instead"
_ALREADY = "already diverged"
_COVERED = "recovering: the same facts are weighed as parity lost or recovery failed"
_ONLY_F = "counted only in FAILOVER_DETECTED"
_ONLY_R = "counted only in REPLAY_SYNCING"
_ONLY_CS = "counted only once re-entry has begun"
_ONLY_C = "counted only in CONTROLLED_REENTRY"
_ONLY_S = "counted only in STABLE"
_VIA_REPLAY = "S1: only through REPLAY_SYNCING"
_PAST = "that step is behind it"

TABLE: Final[dict[tuple[State, Signal], Row]] = {
    (_H, Signal.HARD_FAILURE): Row(_F, "an episode begins"),
    (_H, Signal.SILENT_DIVERGENCE): Row(_D, "an episode begins with the link up (R31)"),
    (_H, Signal.AMBIGUITY): Row(None, "requests in flight are normal; the alarm has its own level"),
    (_H, Signal.PARITY_UNPROVEN): Row(None, _NOT_FAILED),
    (_H, Signal.RECOVERY_FAILED): Row(None, _NOT_FAILED),
    (_H, Signal.PARITY_LOST): Row(None, "health is left through the alarm and its dwell"),
    (_H, Signal.PATH_CLEAR): Row(None, _NOT_FAILED),
    (_H, Signal.RECOVERY_BEGUN): Row(None, _NOT_FAILED),
    (_H, Signal.PARITY_PROVEN): Row(None, _NOT_FAILED),
    (_H, Signal.SLA_HELD): Row(None, _NOT_FAILED),
    (_H, Signal.PROBATION_OVER): Row(None, _NOT_FAILED),

    (_F, Signal.HARD_FAILURE): Row(_F, "same episode, next cycle"),
    (_F, Signal.SILENT_DIVERGENCE): Row(None, _SOFT),
    (_F, Signal.AMBIGUITY): Row(_D, "order truth is in doubt"),
    (_F, Signal.PARITY_UNPROVEN): Row(_D, "no proof is not proof (R29)"),
    (_F, Signal.RECOVERY_FAILED): Row(None, _ONLY_R),
    (_F, Signal.PARITY_LOST): Row(None, _ONLY_CS),
    (_F, Signal.PATH_CLEAR): Row(_R, "still to be verified by replay or parity"),
    (_F, Signal.RECOVERY_BEGUN): Row(None, "the path must be clear, or ambiguity be faced first"),
    (_F, Signal.PARITY_PROVEN): Row(None, _VIA_REPLAY),
    (_F, Signal.SLA_HELD): Row(None, _VIA_REPLAY),
    (_F, Signal.PROBATION_OVER): Row(None, _VIA_REPLAY),

    (_D, Signal.HARD_FAILURE): Row(_F, "same episode, next cycle"),
    (_D, Signal.SILENT_DIVERGENCE): Row(None, _ALREADY),
    (_D, Signal.AMBIGUITY): Row(None, _ALREADY),
    (_D, Signal.PARITY_UNPROVEN): Row(None, _ONLY_F),
    (_D, Signal.RECOVERY_FAILED): Row(None, _ALREADY),
    (_D, Signal.PARITY_LOST): Row(None, _ALREADY),
    (_D, Signal.PATH_CLEAR): Row(None, "a clear path alone proves nothing once diverged (S8)"),
    (_D, Signal.RECOVERY_BEGUN): Row(_R, "replay, snapshot, or parity with nothing left to replay"),
    (_D, Signal.PARITY_PROVEN): Row(None, _VIA_REPLAY),
    (_D, Signal.SLA_HELD): Row(None, _VIA_REPLAY),
    (_D, Signal.PROBATION_OVER): Row(None, _VIA_REPLAY),

    (_R, Signal.HARD_FAILURE): Row(_F, "same episode, next cycle; R13 flags it"),
    (_R, Signal.SILENT_DIVERGENCE): Row(None, _COVERED),
    (_R, Signal.AMBIGUITY): Row(None, "being resolved: that is what this state is for"),
    (_R, Signal.PARITY_UNPROVEN): Row(None, _ONLY_F),
    (_R, Signal.RECOVERY_FAILED): Row(_D, "this replay will not converge"),
    (_R, Signal.PARITY_LOST): Row(None, "gaps are normal here; parity once held counts as failed"),
    (_R, Signal.PATH_CLEAR): Row(None, _PAST),
    (_R, Signal.RECOVERY_BEGUN): Row(None, _PAST),
    (_R, Signal.PARITY_PROVEN): Row(_C, "truth has converged"),
    (_R, Signal.SLA_HELD): Row(None, _ONLY_C),
    (_R, Signal.PROBATION_OVER): Row(None, _ONLY_S),

    (_C, Signal.HARD_FAILURE): Row(_F, "same episode, next cycle"),
    (_C, Signal.SILENT_DIVERGENCE): Row(None, _COVERED),
    (_C, Signal.AMBIGUITY): Row(None, "requests in flight are normal; it only delays STABLE"),
    (_C, Signal.PARITY_UNPROVEN): Row(None, _ONLY_F),
    (_C, Signal.RECOVERY_FAILED): Row(None, _ONLY_R),
    (_C, Signal.PARITY_LOST): Row(_D, "hysteresis: exit is below entry"),
    (_C, Signal.PATH_CLEAR): Row(None, _PAST),
    (_C, Signal.RECOVERY_BEGUN): Row(None, _PAST),
    (_C, Signal.PARITY_PROVEN): Row(None, _PAST),
    (_C, Signal.SLA_HELD): Row(_S, "the SLA was held"),
    (_C, Signal.PROBATION_OVER): Row(None, _ONLY_S),

    (_S, Signal.HARD_FAILURE): Row(_F, "same episode, next cycle"),
    (_S, Signal.SILENT_DIVERGENCE): Row(None, _COVERED),
    (_S, Signal.AMBIGUITY): Row(None, "trading is normal, requests in flight are too"),
    (_S, Signal.PARITY_UNPROVEN): Row(None, _ONLY_F),
    (_S, Signal.RECOVERY_FAILED): Row(None, _ONLY_R),
    (_S, Signal.PARITY_LOST): Row(_D, "probation failed"),
    (_S, Signal.PATH_CLEAR): Row(None, _PAST),
    (_S, Signal.RECOVERY_BEGUN): Row(None, _PAST),
    (_S, Signal.PARITY_PROVEN): Row(None, _PAST),
    (_S, Signal.SLA_HELD): Row(None, _PAST),
    (_S, Signal.PROBATION_OVER): Row(_H, "the episode closes"),
}  # fmt: skip

FROZEN: Final = frozenset({_F, _D, _R})
"""States in which no expansion is allowed that needs exact live-order truth (DOMAIN §10)."""
RISING: Final = frozenset({_C, _S, _H})
"""States in which a cap may rise (S4)."""


class MachineInputs(NamedTuple):
    """What the signals are made of, besides the reading: one session at one settling."""

    now_ns: int
    path_up: bool
    venue_seen: bool
    """Drop copy was ever heard: an order it never told of is no disagreement before (R29)."""
    in_flight_at_failure: bool
    complete_past_failure: bool
    """Every drop-copy channel is complete past the failure, in event time."""
    recovery_begun: bool
    """A resend, replayed message, snapshot or attestation since the failure, and not failed since.
    """
    recovery_failed: bool
    """A resend was rejected or timed out since this state was entered."""
    snapshot_under_way: bool
    confidence: float
    reading: TruthReading
    policy: Policy


class Move(NamedTuple):
    """One transition taken."""

    from_state: State
    to_state: State
    signal: Signal


class Machine:
    """A session's state and its clocks."""

    __slots__ = ("entered_ns", "held_since_ns", "parity_held", "state")

    def __init__(self) -> None:
        self.state = State.HEALTHY
        self.entered_ns = 0
        """When this state was entered, by the core's clock. Nanoseconds, UTC."""
        self.held_since_ns: int | None = None
        """Since when what this state waits for has held without a break; None while it does not."""
        self.parity_held = False
        """Parity has held at some time in this state."""

    def fail(self, now_ns: int) -> Move:
        """A hard failure happened."""
        return self._take(Signal.HARD_FAILURE, now_ns)

    def step(self, facts: MachineInputs) -> Move | None:
        """Take the first move that the facts signal, if any; to be repeated with new facts."""
        state = self.state
        awaited = _AWAITED.get(state)
        if awaited is not None:
            if not awaited.holds(facts):
                self.held_since_ns = None
            elif self.held_since_ns is None:
                self.held_since_ns = facts.now_ns
        if state is _R and not self.parity_held:
            self.parity_held = _parity(facts)
        for signal in _WEIGHED[state]:
            if _HOLDS[signal](self, facts):
                return self._take(signal, facts.now_ns)
        return None

    def next_deadline_ns(self, policy: Policy) -> int | None:
        """The earliest time at which passing time alone may raise a signal."""
        awaited = _AWAITED.get(self.state)
        if awaited is not None:
            since = self.held_since_ns
            return None if since is None else since + awaited.dwell_ms(policy) * 1_000_000
        timed = _TIMED.get(self.state)
        return None if timed is None else self.entered_ns + timed(policy) * 1_000_000

    def held(self, facts: MachineInputs) -> bool:
        """What this state waits for has held for its dwell."""
        since, awaited = self.held_since_ns, _AWAITED[self.state]
        return since is not None and _passed(since, awaited.dwell_ms(facts.policy), facts)

    def timed_out(self, facts: MachineInputs) -> bool:
        """This state has lasted as long as the policy lets it."""
        return _passed(self.entered_ns, _TIMED[self.state](facts.policy), facts)

    def _take(self, signal: Signal, now_ns: int) -> Move:
        to = TABLE[self.state, signal].to
        if to is None:
            raise AssertionError(f"no move for {signal} in {self.state}")
        move = Move(self.state, to, signal)
        self.state, self.entered_ns = to, now_ns
        self.held_since_ns, self.parity_held = None, False
        return move

    def dump(self) -> list[Any]:
        """JSON-able content; ``load`` restores it."""
        return [self.state.value, self.entered_ns, self.held_since_ns, self.parity_held]

    @classmethod
    def load(cls, dumped: list[Any]) -> "Machine":
        """The machine that was dumped."""
        machine = cls()
        state, machine.entered_ns, machine.held_since_ns, machine.parity_held = dumped
        machine.state = State(state)
        return machine


# -- what the facts mean ------------------------------------------------------------------------


def _passed(since_ns: int, dwell_ms: int, facts: MachineInputs) -> bool:
    return facts.now_ns - since_ns >= dwell_ms * 1_000_000


def _gapless(reading: TruthReading) -> bool:
    return reading.outstanding == 0 and reading.unrecoverable == 0


def _gap_past_grace(facts: MachineInputs) -> bool:
    """S2: a gap may not outlive its grace in HEALTHY, so its grace is all the dwell it has."""
    reading = facts.reading
    aged = reading.outstanding > 0 and reading.gap_age_ms >= facts.policy.replay.gap_grace_ms
    return aged or reading.unrecoverable > 0


def _alarmed(facts: MachineInputs) -> bool:
    low = facts.reading.similarity < facts.policy.similarity.alarm
    return low and facts.path_up and facts.venue_seen


def _doubtful(facts: MachineInputs) -> bool:
    return facts.in_flight_at_failure or _ambiguous(facts)


def _ambiguous(facts: MachineInputs) -> bool:
    reading = facts.reading
    return not _gapless(reading) or reading.similarity < facts.policy.similarity.target


def _parity(facts: MachineInputs) -> bool:
    reading, target = facts.reading, facts.policy.similarity.target
    agreed = reading.similarity >= target and reading.quantity >= target
    return agreed and _gapless(reading) and facts.complete_past_failure


def _proven(facts: MachineInputs) -> bool:
    trusted = facts.confidence >= facts.policy.recovery.reentry_confidence
    return facts.path_up and trusted and _parity(facts)


def _sla(facts: MachineInputs) -> bool:
    trusted = facts.confidence >= facts.policy.recovery.stable_confidence
    return facts.path_up and trusted and facts.reading.ambiguous == 0 and not _ambiguous(facts)


def _silent(machine: Machine, facts: MachineInputs) -> bool:
    return _gap_past_grace(facts) or machine.held(facts)


def _hopeless(machine: Machine, facts: MachineInputs) -> bool:
    """This recovery will not converge: it failed, no replay can do it, or it lost what it had."""
    reading = facts.reading
    unproven = reading.unrecoverable > 0 and not facts.snapshot_under_way
    lost = machine.parity_held and reading.similarity < facts.policy.similarity.alarm
    return facts.recovery_failed or unproven or lost


def _lost(_: Machine, facts: MachineInputs) -> bool:
    reading, policy = facts.reading, facts.policy
    untrusted = facts.confidence < policy.recovery.exit_confidence
    return untrusted or not _gapless(reading) or reading.similarity < policy.similarity.alarm


def _begun(_: Machine, facts: MachineInputs) -> bool:
    """Replay or snapshot; with a range that no replay can bring, only a snapshot counts (R17)."""
    replaying = facts.recovery_begun and facts.reading.unrecoverable == 0
    return facts.path_up and (replaying or facts.snapshot_under_way or _parity(facts))


class Awaited(NamedTuple):
    """What must hold in a state, without a break, for a dwell."""

    holds: Callable[[MachineInputs], bool]
    dwell_ms: Callable[[Policy], int]


_AWAITED: Final[dict[State, Awaited]] = {
    _H: Awaited(_alarmed, lambda policy: policy.similarity.alarm_dwell_ms),
    _R: Awaited(_proven, lambda policy: policy.recovery.reentry_dwell_ms),
    _C: Awaited(_sla, lambda policy: policy.recovery.stable_dwell_ms),
}
_TIMED: Final[dict[State, Callable[[Policy], int]]] = {
    _F: lambda policy: policy.recovery.parity_grace_ms,
    _S: lambda policy: policy.recovery.probation_ms,
}
"""States that time alone ends, counted from their entry."""

_HOLDS: Final[dict[Signal, Callable[[Machine, MachineInputs], bool]]] = {
    Signal.SILENT_DIVERGENCE: _silent,
    Signal.AMBIGUITY: lambda _, facts: _doubtful(facts),
    Signal.PARITY_UNPROVEN: Machine.timed_out,
    Signal.RECOVERY_FAILED: _hopeless,
    Signal.PARITY_LOST: _lost,
    Signal.PATH_CLEAR: lambda _, facts: facts.path_up and not _doubtful(facts),
    Signal.RECOVERY_BEGUN: _begun,
    Signal.PARITY_PROVEN: Machine.held,
    Signal.SLA_HELD: Machine.held,
    Signal.PROBATION_OVER: Machine.timed_out,
}
_WEIGHED: Final[dict[State, tuple[Signal, ...]]] = {
    state: tuple(s for s in Signal if s in _HOLDS and TABLE[state, s].to is not None)
    for state in State
}
"""The signals that can move each state, in the order in which they are weighed."""
