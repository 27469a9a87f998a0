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

from collections.abc import Iterator
from enum import StrEnum
from typing import Any, Final, NamedTuple

from reconverge.core.confidence import Reading
from reconverge.core.effects import State
from reconverge.core.policy import Policy


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
        "Link up, and settled LSS below the alarm for its dwell, or a gap past its grace, or a "
        "range unrecoverable."
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


class Facts(NamedTuple):
    """What the signals are made of, besides the reading: one session at one settling."""

    now_ns: int
    path_up: bool
    venue_seen: bool
    """Any venue evidence ever: a silence is not a disagreement (R29)."""
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
    reading: Reading
    policy: Policy


class Move(NamedTuple):
    """One transition taken."""

    from_state: State
    to_state: State
    signal: Signal


class Machine:
    """A session's state and the clocks that dwell thresholds need."""

    __slots__ = (
        "_alarm_since_ns",
        "_parity_since_ns",
        "_sla_since_ns",
        "entered_ns",
        "parity_held",
        "state",
    )

    def __init__(self) -> None:
        self.state = State.HEALTHY
        self.entered_ns = 0
        """When this state was entered, by the core's clock. Nanoseconds, UTC."""
        self.parity_held = False
        """Parity has held at some time in this state."""
        self._alarm_since_ns: int | None = None
        self._parity_since_ns: int | None = None
        self._sla_since_ns: int | None = None

    def fail(self, now_ns: int) -> Move:
        """A hard failure happened."""
        return self._take(Signal.HARD_FAILURE, now_ns)

    def step(self, facts: Facts) -> Move | None:
        """Take the first move that the facts signal, if any; to be repeated with new facts."""
        self._clock(facts)
        for signal in self._signals(facts):
            if TABLE[self.state, signal].to is not None:
                return self._take(signal, facts.now_ns)
        return None

    def next_deadline_ns(self, policy: Policy) -> int | None:
        """The earliest time at which passing time alone may raise a signal."""
        dwells = (
            (self._alarm_since_ns, policy.similarity.alarm_dwell_ms, self.state is _H),
            (self.entered_ns, policy.recovery.parity_grace_ms, self.state is _F),
            (self._parity_since_ns, policy.recovery.reentry_dwell_ms, self.state is _R),
            (self._sla_since_ns, policy.recovery.stable_dwell_ms, self.state is _C),
            (self.entered_ns, policy.recovery.probation_ms, self.state is _S),
        )
        return min(
            (since + ms * 1_000_000 for since, ms, here in dwells if here and since is not None),
            default=None,
        )

    def _take(self, signal: Signal, now_ns: int) -> Move:
        to = TABLE[self.state, signal].to
        if to is None:
            raise AssertionError(f"no move for {signal} in {self.state}")
        move = Move(self.state, to, signal)
        self.state, self.entered_ns = to, now_ns
        self.parity_held = False
        self._alarm_since_ns = self._parity_since_ns = self._sla_since_ns = None
        return move

    def _clock(self, facts: Facts) -> None:
        """Start, keep or stop the clock of every condition that must hold for a dwell."""
        self._alarm_since_ns = _since(self._alarm_since_ns, facts.now_ns, holds=_alarmed(facts))
        self._parity_since_ns = _since(self._parity_since_ns, facts.now_ns, holds=_ready(facts))
        self._sla_since_ns = _since(self._sla_since_ns, facts.now_ns, holds=_sla(facts))
        self.parity_held = self.parity_held or _parity(facts)

    def _signals(self, facts: Facts) -> Iterator[Signal]:
        """Every signal that holds now, in the order in which they are weighed."""
        now, policy, recovery = facts.now_ns, facts.policy, facts.policy.recovery
        in_state_ms = (now - self.entered_ns) / 1e6
        doubtful = facts.in_flight_at_failure or _ambiguous(facts)
        alarm = _held(self._alarm_since_ns, policy.similarity.alarm_dwell_ms, now)
        holds = {
            Signal.SILENT_DIVERGENCE: facts.path_up and (alarm or _gap_past_grace(facts)),
            Signal.AMBIGUITY: doubtful,
            Signal.PARITY_UNPROVEN: self.state is _F and in_state_ms >= recovery.parity_grace_ms,
            Signal.RECOVERY_FAILED: facts.recovery_failed or self._replay_hopeless(facts),
            Signal.PARITY_LOST: _lost(facts),
            Signal.PATH_CLEAR: facts.path_up and not doubtful,
            Signal.RECOVERY_BEGUN: facts.path_up and (_may_replay(facts) or _parity(facts)),
            Signal.PARITY_PROVEN: _held(self._parity_since_ns, recovery.reentry_dwell_ms, now),
            Signal.SLA_HELD: _held(self._sla_since_ns, recovery.stable_dwell_ms, now),
            Signal.PROBATION_OVER: self.state is _S and in_state_ms >= recovery.probation_ms,
        }
        return (signal for signal, held in holds.items() if held)

    def _replay_hopeless(self, facts: Facts) -> bool:
        unproven = facts.reading.unrecoverable > 0 and not facts.snapshot_under_way
        return unproven or (
            self.parity_held and facts.reading.similarity < facts.policy.similarity.alarm
        )

    def dump(self) -> list[Any]:
        """JSON-able content; ``load`` restores it."""
        clocks = (self._alarm_since_ns, self._parity_since_ns, self._sla_since_ns)
        return [self.state.value, self.entered_ns, self.parity_held, *clocks]

    @classmethod
    def load(cls, dumped: list[Any]) -> "Machine":
        """The machine that was dumped."""
        machine = cls()
        state, machine.entered_ns, machine.parity_held, *clocks = dumped
        machine.state = State(state)
        machine._alarm_since_ns, machine._parity_since_ns, machine._sla_since_ns = clocks
        return machine


def _since(since_ns: int | None, now_ns: int, *, holds: bool) -> int | None:
    if not holds:
        return None
    return now_ns if since_ns is None else since_ns


def _held(since_ns: int | None, dwell_ms: int, now_ns: int) -> bool:
    return since_ns is not None and now_ns - since_ns >= dwell_ms * 1_000_000


def _alarmed(facts: Facts) -> bool:
    return (
        facts.path_up
        and facts.venue_seen
        and facts.reading.similarity < facts.policy.similarity.alarm
    )


def _gap_past_grace(facts: Facts) -> bool:
    """S2: a gap may not outlive its grace in HEALTHY; its grace is its dwell."""
    reading = facts.reading
    aged = reading.outstanding > 0 and reading.gap_age_ms >= facts.policy.replay.gap_grace_ms
    return aged or reading.unrecoverable > 0


def _gapless(reading: Reading) -> bool:
    return reading.outstanding == 0 and reading.unrecoverable == 0


def _ambiguous(facts: Facts) -> bool:
    return not _gapless(facts.reading) or facts.reading.similarity < facts.policy.similarity.target


def _may_replay(facts: Facts) -> bool:
    """A replay under way; with a range that no replay can bring, only a snapshot counts (R17)."""
    return facts.snapshot_under_way or (facts.recovery_begun and facts.reading.unrecoverable == 0)


def _parity(facts: Facts) -> bool:
    reading, target = facts.reading, facts.policy.similarity.target
    agreed = reading.similarity >= target and reading.quantity >= target
    return agreed and _gapless(reading) and facts.venue_seen and facts.complete_past_failure


def _ready(facts: Facts) -> bool:
    return (
        facts.path_up
        and _parity(facts)
        and facts.confidence >= facts.policy.recovery.reentry_confidence
    )


def _sla(facts: Facts) -> bool:
    settled = not _ambiguous(facts) and facts.reading.ambiguous == 0
    return facts.path_up and settled and facts.confidence >= facts.policy.recovery.stable_confidence


def _lost(facts: Facts) -> bool:
    below = facts.reading.similarity < facts.policy.similarity.alarm
    return (
        below
        or not _gapless(facts.reading)
        or facts.confidence < facts.policy.recovery.exit_confidence
    )
