"""The transition table against DOMAIN §9, written down here a second time and by hand."""

import itertools
from typing import Any

import pytest

from reconverge.core.control.confidence import TruthReading
from reconverge.core.control.machine import (
    FROZEN,
    MEANING,
    RISING,
    TABLE,
    Machine,
    MachineInputs,
    Signal,
)
from reconverge.core.control.policy import Policy, parse
from reconverge.core.messages.effects import State

H, F, D, R, C, S = State

MOVES = {
    # from: {signal: to}
    H: {Signal.HARD_FAILURE: F, Signal.SILENT_DIVERGENCE: D},
    F: {
        Signal.HARD_FAILURE: F,
        Signal.AMBIGUITY: D,
        Signal.PARITY_UNPROVEN: D,
        Signal.PATH_CLEAR: R,
    },
    D: {Signal.HARD_FAILURE: F, Signal.RECOVERY_BEGUN: R},
    R: {Signal.HARD_FAILURE: F, Signal.RECOVERY_FAILED: D, Signal.PARITY_PROVEN: C},
    C: {Signal.HARD_FAILURE: F, Signal.PARITY_LOST: D, Signal.SLA_HELD: S},
    S: {Signal.HARD_FAILURE: F, Signal.PARITY_LOST: D, Signal.PROBATION_OVER: H},
}
"""DOMAIN §9, row by row."""

MS = 1_000_000
CLEAN = TruthReading(1.0, 1.0, 0, 0, 0.0, 0, 0.0, 0.0)
AT_TARGET = CLEAN._replace(
    similarity=Policy().similarity.target, quantity=Policy().similarity.target
)
"""The views agree as far as the target asks, and no further."""


def facts(now_ms: float = 0, **changes: Any) -> MachineInputs:
    """A session in perfect order, but for the changes."""
    base = MachineInputs(
        now_ns=int(now_ms * MS),
        path_up=True,
        venue_seen=True,
        in_flight_at_failure=False,
        complete_past_failure=True,
        recovery_begun=False,
        recovery_failed=False,
        snapshot_under_way=False,
        confidence=1.0,
        reading=CLEAN,
        policy=Policy(),
    )
    return base._replace(**changes)


def machine_in(state: State) -> Machine:
    """A machine that entered the state at time zero."""
    machine = Machine()
    machine.state = state
    return machine


def doubtful(**changes: Any) -> TruthReading:
    """A reading with something wrong with it."""
    return CLEAN._replace(**changes)


@pytest.mark.parametrize(("state", "signal"), list(itertools.product(State, Signal)))
def test_every_state_and_signal_has_a_row_that_says_what_the_domain_says(
    state: State, signal: Signal
) -> None:
    row = TABLE[state, signal]
    assert row.to == MOVES[state].get(signal)
    assert row.why


def test_the_table_holds_nothing_else_and_every_signal_has_a_meaning() -> None:
    assert set(TABLE) == set(itertools.product(State, Signal))
    assert set(MEANING) == set(Signal)


def test_s1_health_is_reached_after_a_failure_only_through_replay_reentry_and_stable() -> None:
    for avoided in (R, C, S):
        reached, frontier = {F}, [F]
        while frontier:
            state = frontier.pop()
            for to in MOVES[state].values():
                if to not in reached and to is not avoided:
                    reached.add(to)
                    frontier.append(to)
        assert H not in reached


def test_frozen_and_rising_states_partition_the_machine() -> None:
    assert {F, D, R} == FROZEN
    assert {C, S, H} == RISING


# -- each signal, raised by the facts that DOMAIN §9 names and by nothing less --------------------


def test_silent_divergence_needs_the_alarm_to_hold_for_its_dwell_with_the_link_up() -> None:
    low = doubtful(similarity=0.89)
    machine = machine_in(H)
    assert machine.step(facts(0, reading=low)) is None
    assert machine.step(facts(999, reading=low)) is None
    assert machine.next_deadline_ns(Policy()) == 1_000 * MS
    assert machine.step(facts(1_000, reading=low)).signal is Signal.SILENT_DIVERGENCE  # type: ignore[union-attr]
    at_the_alarm = doubtful(similarity=Policy().similarity.alarm)
    for harmless in (
        {"path_up": False},
        {"venue_seen": False},
        {"reading": CLEAN},
        {"reading": at_the_alarm},
    ):
        other = machine_in(H)
        other.step(facts(0, **{"reading": low, **harmless}))
        assert other.step(facts(5_000, **{"reading": low, **harmless})) is None


def test_an_interrupted_alarm_starts_its_dwell_again() -> None:
    machine = machine_in(H)
    low = doubtful(similarity=0.89)
    machine.step(facts(0, reading=low))
    machine.step(facts(900))
    machine.step(facts(950, reading=low))
    assert machine.step(facts(1_900, reading=low)) is None
    assert machine.step(facts(1_950, reading=low)) is not None


@pytest.mark.parametrize("wrong", [{"outstanding": 1, "gap_age_ms": 1_000.0}, {"unrecoverable": 1}])
@pytest.mark.parametrize("path_up", [True, False])
def test_s2_a_gap_past_its_grace_ends_health_at_once(
    wrong: dict[str, float], path_up: bool
) -> None:
    move = machine_in(H).step(facts(path_up=path_up, reading=doubtful(**wrong)))
    assert move is not None
    assert move.to_state is D


def test_a_gap_within_its_grace_is_only_messages_in_flight() -> None:
    young = doubtful(outstanding=1, gap_age_ms=999.0)
    assert machine_in(H).step(facts(reading=young)) is None


def test_where_gaps_are_given_no_grace_it_still_takes_a_gap_to_end_health() -> None:
    strict = parse({"replay": {"gap_grace_ms": 0}})
    assert machine_in(H).step(facts(60_000, policy=strict)) is None
    assert machine_in(H).step(facts(policy=strict, reading=doubtful(outstanding=1))).to_state is D  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "doubt",
    [
        {"in_flight_at_failure": True},
        {"reading": doubtful(outstanding=1)},
        {"reading": doubtful(unrecoverable=1)},
        {"reading": doubtful(similarity=0.99)},
    ],
)
def test_any_ambiguity_after_a_failure_is_divergence(doubt: dict[str, Any]) -> None:
    move = machine_in(F).step(facts(**doubt))
    assert move is not None
    assert (move.to_state, move.signal) == (D, Signal.AMBIGUITY)


def test_no_proof_of_parity_within_the_grace_is_divergence() -> None:
    machine = machine_in(F)
    assert machine.step(facts(999, path_up=False)) is None
    move = machine.step(facts(1_000, path_up=False))
    assert move is not None
    assert (move.to_state, move.signal) == (D, Signal.PARITY_UNPROVEN)


def test_a_clear_path_is_still_verified_by_replay() -> None:
    for clear in (CLEAN, AT_TARGET):
        assert machine_in(F).step(facts(reading=clear)).to_state is R  # type: ignore[union-attr]


def test_s8_a_path_that_is_up_moves_nothing_out_of_divergence_by_itself() -> None:
    machine = machine_in(D)
    assert machine.step(facts(60_000, complete_past_failure=False)) is None
    assert machine.step(facts(60_000, reading=doubtful(similarity=0.5))) is None


@pytest.mark.parametrize(
    "evidence",
    [
        {"recovery_begun": True, "reading": doubtful(outstanding=7)},
        {"snapshot_under_way": True, "reading": doubtful(unrecoverable=7)},
        {"reading": CLEAN},
        {"reading": AT_TARGET},
    ],
)
def test_recovery_begins_with_replay_snapshot_or_parity(evidence: dict[str, Any]) -> None:
    assert machine_in(D).step(facts(**evidence)).to_state is R  # type: ignore[union-attr]
    assert machine_in(D).step(facts(**evidence, path_up=False)) is None


def test_r17_no_replay_recovers_an_unrecoverable_range() -> None:
    lost = doubtful(unrecoverable=1)
    assert machine_in(D).step(facts(recovery_begun=True, reading=lost)) is None


@pytest.mark.parametrize(
    "failure", [{"recovery_failed": True}, {"reading": doubtful(unrecoverable=1)}]
)
def test_a_recovery_that_fails_is_divergence_again(failure: dict[str, Any]) -> None:
    move = machine_in(R).step(facts(**failure))
    assert move is not None
    assert (move.to_state, move.signal) == (D, Signal.RECOVERY_FAILED)


def test_parity_that_was_held_and_lost_fails_the_recovery() -> None:
    low = doubtful(similarity=0.5)
    fresh = machine_in(R)
    assert fresh.step(facts(0, reading=low)) is None
    assert fresh.step(facts(100)) is None
    at_the_alarm = doubtful(similarity=Policy().similarity.alarm)
    assert fresh.step(facts(150, reading=at_the_alarm)) is None
    assert fresh.step(facts(200, reading=low)).signal is Signal.RECOVERY_FAILED  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "missing",
    [
        {"path_up": False},
        {"complete_past_failure": False},
        {"confidence": 0.89},
        {"reading": doubtful(similarity=0.99)},
        {"reading": doubtful(quantity=0.99)},
        {"reading": doubtful(outstanding=1)},
    ],
)
def test_reentry_needs_everything_held_for_the_dwell(missing: dict[str, Any]) -> None:
    ready, lacking = machine_in(R), machine_in(R)
    enough = Policy().recovery.reentry_confidence
    assert ready.step(facts(0, confidence=enough, reading=AT_TARGET)) is None
    assert ready.step(facts(1_999)) is None
    assert ready.step(facts(2_000)).to_state is C  # type: ignore[union-attr]
    lacking.step(facts(0))
    lacking.step(facts(1_000, **missing))
    lacking.step(facts(1_500))
    assert lacking.step(facts(2_000)) is None
    assert lacking.step(facts(3_500)).to_state is C  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "loss",
    [
        {"reading": doubtful(similarity=0.89)},
        {"reading": doubtful(outstanding=1)},
        {"reading": doubtful(unrecoverable=1)},
        {"confidence": 0.79},
    ],
)
@pytest.mark.parametrize("state", [C, S])
def test_hysteresis_parity_lost_is_divergence(state: State, loss: dict[str, Any]) -> None:
    assert machine_in(state).step(facts(**loss)).to_state is D  # type: ignore[union-attr]
    assert machine_in(state).step(facts(confidence=0.80)) is None
    at_the_alarm = doubtful(similarity=Policy().similarity.alarm)
    assert machine_in(state).step(facts(reading=at_the_alarm)) is None


def test_stable_needs_confidence_for_the_sla_and_nothing_ambiguous() -> None:
    machine = machine_in(C)
    assert machine.step(facts(0)) is None
    assert machine.step(facts(5_000, reading=doubtful(ambiguous=0.001))) is None
    assert machine.step(facts(5_001)) is None
    assert machine.step(facts(15_000)) is None
    assert machine.step(facts(15_001)).to_state is S  # type: ignore[union-attr]
    just = facts(0, confidence=Policy().recovery.stable_confidence)
    machine = machine_in(C)
    assert machine.step(just) is None
    assert machine.step(just._replace(now_ns=10_000 * MS)).to_state is S  # type: ignore[union-attr]


def test_probation_ends_in_health() -> None:
    machine = machine_in(S)
    assert machine.step(facts(59_999)) is None
    assert machine.next_deadline_ns(Policy()) == 60_000 * MS
    assert machine.step(facts(60_000)).to_state is H  # type: ignore[union-attr]


@pytest.mark.parametrize("state", list(State))
def test_a_hard_failure_in_any_state_is_failover_detected(state: State) -> None:
    machine = machine_in(state)
    move = machine.fail(7)
    assert (move.from_state, move.to_state, machine.entered_ns) == (state, F, 7)


@pytest.mark.parametrize("state", list(State))
def test_dump_and_load_keep_the_clocks(state: State) -> None:
    machine = machine_in(state)
    machine.step(facts(1, reading=doubtful(similarity=0.899)))
    loaded = Machine.load(machine.dump())
    assert loaded.dump() == machine.dump()
    assert loaded.next_deadline_ns(Policy()) == machine.next_deadline_ns(Policy())
