"""The recovery machine: the transition table, and all that moves a session from one state to
another.

Rules of this file. Nothing else changes a state. A state moves on a *signal* (``signals``): an
objective fact about truth, time and policy, never a guess and never a command. ``TABLE`` is total:
every (state, signal) has a row, and a row that moves nothing says why. docs/machine.md, its diagram
and the exhaustive test are generated from it (DOMAIN §9).

Signals are weighed in the order of ``Signal``; the first whose row moves the state is taken, and
weighing starts again in the new state. Two signals are edges, taken when they happen (``take``).
All others are levels, weighed whenever the session is settled (``step``), so a level that holds
cannot be missed.
"""

from typing import Any, Final, NamedTuple

from reconverge.core.control.policy import MS_NS, Policy
from reconverge.core.control.signals import EDGES, WAYS, MachineInputs, Signal, Way, parity
from reconverge.core.messages.effects import State


class Row(NamedTuple):
    """Where a signal leads; None: nowhere, for the reason given."""

    to: State | None
    why: str


_BROKEN: Final = "the witness is broken: nothing can be verified"
_UNVERIFIED: Final = "nothing can be verified, so nothing is healthy"
_BEGUN: Final = "replay, snapshot, or parity with nothing left to replay"
_SILENT: Final = "an episode begins with the link up (R31)"
_NOT_FAILED: Final = "there was no failure to recover from"
_SOFT: Final = "a live failure outranks silent signs: ambiguity is weighed instead"
_SOFT_WITNESS: Final = "a live failure outranks it; parity must be proven past it"
_ALREADY: Final = "already diverged"
_COVERED: Final = "recovering: the same facts are weighed as parity lost or recovery failed"
_ONLY_F: Final = "counted only in FAILOVER_DETECTED"
_ONLY_R: Final = "counted only in REPLAY_SYNCING"
_ONLY_CS: Final = "counted only once re-entry has begun"
_ONLY_C: Final = "counted only in CONTROLLED_REENTRY"
_ONLY_S: Final = "counted only in STABLE"
_VIA_REPLAY: Final = "S1: only through REPLAY_SYNCING"
_PAST: Final = "that step is behind it"

_ROWS: Final[dict[State, dict[Signal, Row]]] = {
    State.HEALTHY: {
        Signal.HARD_FAILURE: Row(State.FAILOVER_DETECTED, "an episode begins"),
        Signal.WITNESS_VIOLATED: Row(State.STATE_DIVERGED, _BROKEN),
        Signal.WITNESS_LOST: Row(State.STATE_DIVERGED, _UNVERIFIED),
        Signal.SILENT_DIVERGENCE: Row(State.STATE_DIVERGED, _SILENT),
        Signal.AMBIGUITY: Row(None, "requests in flight are normal; the alarm has its own level"),
        Signal.PARITY_UNPROVEN: Row(None, _NOT_FAILED),
        Signal.RECOVERY_FAILED: Row(None, _NOT_FAILED),
        Signal.PARITY_LOST: Row(None, "health is left through the alarm and its dwell"),
        Signal.PATH_CLEAR: Row(None, _NOT_FAILED),
        Signal.RECOVERY_BEGUN: Row(None, _NOT_FAILED),
        Signal.PARITY_PROVEN: Row(None, _NOT_FAILED),
        Signal.SLA_HELD: Row(None, _NOT_FAILED),
        Signal.PROBATION_OVER: Row(None, _NOT_FAILED),
    },
    State.FAILOVER_DETECTED: {
        Signal.HARD_FAILURE: Row(State.FAILOVER_DETECTED, "same episode, next cycle"),
        Signal.WITNESS_VIOLATED: Row(None, _SOFT_WITNESS),
        Signal.WITNESS_LOST: Row(None, "a live failure outranks it: parity stays unproven"),
        Signal.SILENT_DIVERGENCE: Row(None, _SOFT),
        Signal.AMBIGUITY: Row(State.STATE_DIVERGED, "order truth is in doubt"),
        Signal.PARITY_UNPROVEN: Row(State.STATE_DIVERGED, "no proof is not proof (R29)"),
        Signal.RECOVERY_FAILED: Row(None, _ONLY_R),
        Signal.PARITY_LOST: Row(None, _ONLY_CS),
        Signal.PATH_CLEAR: Row(State.REPLAY_SYNCING, "still to be verified by replay or parity"),
        Signal.RECOVERY_BEGUN: Row(None, "the path must be clear, or ambiguity be faced first"),
        Signal.PARITY_PROVEN: Row(None, _VIA_REPLAY),
        Signal.SLA_HELD: Row(None, _VIA_REPLAY),
        Signal.PROBATION_OVER: Row(None, _VIA_REPLAY),
    },
    State.STATE_DIVERGED: {
        Signal.HARD_FAILURE: Row(State.FAILOVER_DETECTED, "same episode, next cycle"),
        Signal.WITNESS_VIOLATED: Row(None, "already diverged; earlier evidence counts no more"),
        Signal.WITNESS_LOST: Row(None, _ALREADY),
        Signal.SILENT_DIVERGENCE: Row(None, _ALREADY),
        Signal.AMBIGUITY: Row(None, _ALREADY),
        Signal.PARITY_UNPROVEN: Row(None, _ONLY_F),
        Signal.RECOVERY_FAILED: Row(None, _ALREADY),
        Signal.PARITY_LOST: Row(None, _ALREADY),
        Signal.PATH_CLEAR: Row(None, "a clear path alone proves nothing once diverged (S8)"),
        Signal.RECOVERY_BEGUN: Row(State.REPLAY_SYNCING, _BEGUN),
        Signal.PARITY_PROVEN: Row(None, _VIA_REPLAY),
        Signal.SLA_HELD: Row(None, _VIA_REPLAY),
        Signal.PROBATION_OVER: Row(None, _VIA_REPLAY),
    },
    State.REPLAY_SYNCING: {
        Signal.HARD_FAILURE: Row(State.FAILOVER_DETECTED, "same episode, next cycle; R13 flags it"),
        Signal.WITNESS_VIOLATED: Row(State.STATE_DIVERGED, _BROKEN),
        Signal.WITNESS_LOST: Row(State.STATE_DIVERGED, _UNVERIFIED),
        Signal.SILENT_DIVERGENCE: Row(None, _COVERED),
        Signal.AMBIGUITY: Row(None, "being resolved: that is what this state is for"),
        Signal.PARITY_UNPROVEN: Row(None, _ONLY_F),
        Signal.RECOVERY_FAILED: Row(State.STATE_DIVERGED, "this replay will not converge"),
        Signal.PARITY_LOST: Row(None, "gaps are normal here; parity once held counts as failed"),
        Signal.PATH_CLEAR: Row(None, _PAST),
        Signal.RECOVERY_BEGUN: Row(None, _PAST),
        Signal.PARITY_PROVEN: Row(State.CONTROLLED_REENTRY, "truth has converged"),
        Signal.SLA_HELD: Row(None, _ONLY_C),
        Signal.PROBATION_OVER: Row(None, _ONLY_S),
    },
    State.CONTROLLED_REENTRY: {
        Signal.HARD_FAILURE: Row(State.FAILOVER_DETECTED, "same episode, next cycle"),
        Signal.WITNESS_VIOLATED: Row(State.STATE_DIVERGED, _BROKEN),
        Signal.WITNESS_LOST: Row(State.STATE_DIVERGED, _UNVERIFIED),
        Signal.SILENT_DIVERGENCE: Row(None, _COVERED),
        Signal.AMBIGUITY: Row(None, "requests in flight are normal; it only delays STABLE"),
        Signal.PARITY_UNPROVEN: Row(None, _ONLY_F),
        Signal.RECOVERY_FAILED: Row(None, _ONLY_R),
        Signal.PARITY_LOST: Row(State.STATE_DIVERGED, "hysteresis: exit is below entry"),
        Signal.PATH_CLEAR: Row(None, _PAST),
        Signal.RECOVERY_BEGUN: Row(None, _PAST),
        Signal.PARITY_PROVEN: Row(None, _PAST),
        Signal.SLA_HELD: Row(State.STABLE, "the SLA was held"),
        Signal.PROBATION_OVER: Row(None, _ONLY_S),
    },
    State.STABLE: {
        Signal.HARD_FAILURE: Row(State.FAILOVER_DETECTED, "same episode, next cycle"),
        Signal.WITNESS_VIOLATED: Row(State.STATE_DIVERGED, _BROKEN),
        Signal.WITNESS_LOST: Row(State.STATE_DIVERGED, _UNVERIFIED),
        Signal.SILENT_DIVERGENCE: Row(None, _COVERED),
        Signal.AMBIGUITY: Row(None, "trading is normal, requests in flight are too"),
        Signal.PARITY_UNPROVEN: Row(None, _ONLY_F),
        Signal.RECOVERY_FAILED: Row(None, _ONLY_R),
        Signal.PARITY_LOST: Row(State.STATE_DIVERGED, "probation failed"),
        Signal.PATH_CLEAR: Row(None, _PAST),
        Signal.RECOVERY_BEGUN: Row(None, _PAST),
        Signal.PARITY_PROVEN: Row(None, _PAST),
        Signal.SLA_HELD: Row(None, _PAST),
        Signal.PROBATION_OVER: Row(State.HEALTHY, "the episode closes"),
    },
}  # fmt: skip
TABLE: Final = {(state, signal): row for state, of in _ROWS.items() for signal, row in of.items()}
"""Every (state, signal), in the order in which docs/machine.md shows them."""

FROZEN: Final = frozenset({State.FAILOVER_DETECTED, State.STATE_DIVERGED, State.REPLAY_SYNCING})
"""States in which no expansion is allowed that needs exact live-order truth (DOMAIN §10)."""
RISING: Final = frozenset({State.CONTROLLED_REENTRY, State.STABLE, State.HEALTHY})
"""States in which a cap may rise whatever else (S4); in REPLAY_SYNCING it may while recovery makes
progress."""


class Move(NamedTuple):
    """One transition taken."""

    from_state: State
    to_state: State
    signal: Signal


class Machine:
    """A session's state and its clocks."""

    __slots__ = ("entered_ns", "parity_held", "since_ns", "state")

    def __init__(self) -> None:
        self.state = State.HEALTHY
        self.entered_ns = 0
        """When this state was entered, by the core's clock. Nanoseconds, UTC."""
        self.since_ns: dict[str, int] = {}
        """Since when the conditions of a way with a dwell have held without a break, by the key of
        the way; absent while they do not. Cleared with every move. Nanoseconds, UTC."""
        self.parity_held = False
        """Parity has held at some time in this state; only in REPLAY_SYNCING is it looked at."""

    def take(self, signal: Signal, now_ns: int) -> Move | None:
        """An edge happened; None where it moves nothing."""
        return self._take(signal, now_ns) if TABLE[self.state, signal].to is not None else None

    def step(self, inputs: MachineInputs) -> Move | None:
        """Take the first move that is signalled, if any; to be repeated with new inputs."""
        if self.state is State.REPLAY_SYNCING and not self.parity_held:
            self.parity_held = parity(inputs)
        for signal, key, way in _WEIGHED[self.state]:
            if self._holds(key, way, inputs):
                return self._take(signal, inputs.now_ns)
        return None

    def _holds(self, key: str, way: Way, inputs: MachineInputs) -> bool:
        for condition in way.conditions:
            if not condition.holds(inputs):
                if way.dwell is not None:
                    self.since_ns.pop(key, None)
                return False
        if way.dwell is None:
            return True
        if way.dwell.since_entry:
            since_ns = self.entered_ns
        else:
            since_ns = self.since_ns.setdefault(key, inputs.now_ns)
        if inputs.now_ns - since_ns < way.dwell.ms(inputs.policy) * MS_NS:
            return False
        return all(condition.holds(inputs) for condition in way.at_end)

    @property
    def proving(self) -> bool:
        """In REPLAY_SYNCING, all that re-entry waits for holds; its dwell is running."""
        return _PROVING in self.since_ns

    def next_deadline_ns(self, policy: Policy) -> int | None:
        """The earliest time at which passing time alone may raise a signal; it may have passed."""
        due = []
        for _, key, way in _WEIGHED[self.state]:
            if way.dwell is not None:
                since_ns = self.entered_ns if way.dwell.since_entry else self.since_ns.get(key)
                if since_ns is not None:
                    due.append(since_ns + way.dwell.ms(policy) * MS_NS)
        return min(due, default=None)

    def _take(self, signal: Signal, now_ns: int) -> Move:
        to = TABLE[self.state, signal].to
        if to is None:
            raise AssertionError(f"no move for {signal} in {self.state}")
        move = Move(self.state, to, signal)
        self.state, self.entered_ns = to, now_ns
        self.since_ns = {}
        self.parity_held = False
        return move

    def dump(self) -> list[Any]:
        """JSON-able content; ``load`` restores it."""
        return [self.state.value, self.entered_ns, dict(self.since_ns), self.parity_held]

    @classmethod
    def load(cls, dumped: list[Any]) -> "Machine":
        """The machine that was dumped."""
        machine = cls()
        state, machine.entered_ns, since_ns, machine.parity_held = dumped
        machine.state, machine.since_ns = State(state), dict(since_ns)
        return machine


_PROVING: Final = f"{Signal.PARITY_PROVEN}/0"
_WEIGHED: Final[dict[State, tuple[tuple[Signal, str, Way], ...]]] = {
    state: tuple(
        (signal, f"{signal}/{i}", way)
        for signal in Signal
        if signal not in EDGES and TABLE[state, signal].to is not None
        for i, way in enumerate(WAYS[signal])
    )
    for state in State
}
"""The ways that can move each state, in the order in which they are weighed, with their keys."""
