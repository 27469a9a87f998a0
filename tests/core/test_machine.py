"""The transition table against DOMAIN §9, written down here a second time and by hand."""

import itertools
from typing import Any

import pytest

from reconverge.core.control import machine as room
from reconverge.core.control import signals
from reconverge.core.control.confidence import TruthReading
from reconverge.core.control.machine import FROZEN, RISING, TABLE, Machine, Move
from reconverge.core.control.policy import Policy, parse
from reconverge.core.control.signals import EDGES, WAYS, Condition, MachineInputs, Signal, meaning
from reconverge.core.messages.effects import State
from reconverge.core.orders import Agreement

H, F, D, R, C, S = State

MOVES = {
    # from: {signal: to}
    H: {
        Signal.HARD_FAILURE: F,
        Signal.WITNESS_VIOLATED: D,
        Signal.SILENT_DIVERGENCE: D,
        Signal.WITNESS_LOST: D,
    },
    F: {
        Signal.HARD_FAILURE: F,
        Signal.AMBIGUITY: D,
        Signal.PARITY_UNPROVEN: D,
        Signal.PATH_CLEAR: R,
    },
    D: {Signal.HARD_FAILURE: F, Signal.RECOVERY_BEGUN: R},
    R: {
        Signal.HARD_FAILURE: F,
        Signal.WITNESS_VIOLATED: D,
        Signal.RECOVERY_FAILED: D,
        Signal.WITNESS_LOST: D,
        Signal.PARITY_PROVEN: C,
    },
    C: {
        Signal.HARD_FAILURE: F,
        Signal.WITNESS_VIOLATED: D,
        Signal.PARITY_LOST: D,
        Signal.WITNESS_LOST: D,
        Signal.SLA_HELD: S,
    },
    S: {
        Signal.HARD_FAILURE: F,
        Signal.WITNESS_VIOLATED: D,
        Signal.PARITY_LOST: D,
        Signal.WITNESS_LOST: D,
        Signal.PROBATION_OVER: H,
    },
}
"""DOMAIN §9, row by row."""

MS = 1_000_000
AGREED = Agreement(1.0, 1.0, 0.0, 0, 20, 20)
CLEAN = TruthReading(AGREED, AGREED, 0, 0, 0.0, 0, 0.0)
TARGET, ALARM = Policy().similarity.target, Policy().similarity.alarm
BELOW = ALARM - 0.01


def inputs(now_ms: float = 0, **changes: Any) -> MachineInputs:
    """A session in perfect order, but for the changes."""
    base = MachineInputs(
        now_ns=int(now_ms * MS),
        path_up=True,
        witnessed=True,
        witness_lost=False,
        in_flight_at_failure=False,
        unanswered_of_failure=False,
        complete=True,
        replay_begun=False,
        replay_failed=False,
        snapshot_under_way=False,
        parity_held=False,
        confidence=1.0,
        sourced=1.0,
        reading=CLEAN,
        policy=Policy(),
    )
    return base._replace(**changes)


def reading(**changes: Any) -> TruthReading:
    """A reading with something wrong with it, for the gates where it is about agreement."""
    gate = {name: changes.pop(name) for name in list(changes) if name in Agreement._fields}
    return CLEAN._replace(gate=AGREED._replace(**gate), **changes)


def doubtful(**changes: Any) -> dict[str, Any]:
    """The same as a change of the inputs."""
    return {"reading": reading(**changes)}


AT_TARGET = doubtful(similarity=TARGET, quantity=TARGET)
"""The views agree as far as the target asks, and no further."""


def machine_in(state: State) -> Machine:
    """A machine that entered the state at time zero."""
    machine = Machine()
    machine.state = state
    return machine


def taken(machine: Machine, given: MachineInputs) -> tuple[State, Signal]:
    """Where a machine goes, and on what."""
    move = machine.step(given)
    assert move is not None
    return move.to_state, move.signal


@pytest.mark.parametrize(("state", "signal"), list(itertools.product(State, Signal)))
def test_every_state_and_signal_has_a_row_that_says_what_the_domain_says(
    state: State, signal: Signal
) -> None:
    row = TABLE[state, signal]
    assert row.to == MOVES[state].get(signal)
    assert row.why


def test_the_table_holds_nothing_else_and_every_signal_is_an_edge_or_has_ways() -> None:
    assert set(TABLE) == set(itertools.product(State, Signal))
    assert EDGES.keys() | WAYS.keys() == set(Signal)
    assert not EDGES.keys() & WAYS.keys()


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


# -- a signal's row owns its words -----------------------------------------------------------------

HOLDS: dict[Condition, dict[str, Any]] = {
    signals.PATH_UP: {"path_up": True},
    signals.WITNESSED: {"witnessed": True},
    signals.WITNESS_LOST: {"witness_lost": True},
    signals.WITNESS_HEARD: {"witness_lost": False},
    signals.ALARMED: doubtful(similarity=BELOW),
    signals.OLD_GAP: doubtful(outstanding=1, gap_age_ms=1_000.0),
    signals.GAP: doubtful(outstanding=1),
    signals.NO_GAP: doubtful(outstanding=0),
    signals.LOST: doubtful(unrecoverable=1),
    signals.NOTHING_LOST: doubtful(unrecoverable=0),
    signals.SIMILAR: doubtful(similarity=TARGET),
    signals.DISSIMILAR: doubtful(similarity=TARGET - 0.001),
    signals.EQUAL: doubtful(quantity=TARGET),
    signals.IN_FLIGHT: {"in_flight_at_failure": True},
    signals.NONE_IN_FLIGHT: {"in_flight_at_failure": False},
    signals.ANSWERED: {"unanswered_of_failure": False},
    signals.COMPLETE: {"complete": True},
    signals.SETTLED: doubtful(ambiguous_orders=0),
    signals.REPLAY_BEGUN: {"replay_begun": True},
    signals.REPLAY_FAILED: {"replay_failed": True},
    signals.SNAPSHOT: {"snapshot_under_way": True},
    signals.NO_SNAPSHOT: {"snapshot_under_way": False},
    signals.PARITY_HELD: {"parity_held": True},
    signals.UNSOURCED: {"sourced": 0.79},
    signals.CONFIDENT: {"confidence": 0.90},
    signals.SURE: {"confidence": 0.98},
}
FAILS: dict[Condition, list[dict[str, Any]]] = {
    signals.PATH_UP: [{"path_up": False}],
    signals.WITNESSED: [{"witnessed": False}],
    signals.WITNESS_LOST: [{"witness_lost": False}],
    signals.WITNESS_HEARD: [{"witness_lost": True}],
    signals.ALARMED: [doubtful(similarity=ALARM, quantity=ALARM)],
    signals.OLD_GAP: [doubtful(outstanding=1, gap_age_ms=999.0), doubtful(gap_age_ms=9_000.0)],
    signals.GAP: [doubtful(outstanding=0)],
    signals.NO_GAP: [doubtful(outstanding=1)],
    signals.LOST: [doubtful(unrecoverable=0)],
    signals.NOTHING_LOST: [doubtful(unrecoverable=1)],
    signals.SIMILAR: [doubtful(similarity=TARGET - 0.001)],
    signals.DISSIMILAR: [doubtful(similarity=TARGET)],
    signals.EQUAL: [doubtful(quantity=TARGET - 0.001)],
    signals.IN_FLIGHT: [{"in_flight_at_failure": False}],
    signals.NONE_IN_FLIGHT: [{"in_flight_at_failure": True}],
    signals.ANSWERED: [{"unanswered_of_failure": True}],
    signals.COMPLETE: [{"complete": False}],
    signals.SETTLED: [doubtful(ambiguous_orders=1), doubtful(ambiguous=0.001)],
    signals.REPLAY_BEGUN: [{"replay_begun": False}],
    signals.REPLAY_FAILED: [{"replay_failed": False}],
    signals.SNAPSHOT: [{"snapshot_under_way": False}],
    signals.NO_SNAPSHOT: [{"snapshot_under_way": True}],
    signals.PARITY_HELD: [{"parity_held": False}],
    signals.UNSOURCED: [{"sourced": 0.80}],
    signals.CONFIDENT: [{"confidence": 0.89}],
    signals.SURE: [{"confidence": 0.97}],
}
CONDITIONS = {
    condition
    for ways in WAYS.values()
    for way in ways
    for condition in (*way.conditions, *way.at_end)
}


@pytest.mark.parametrize("condition", sorted(CONDITIONS), ids=lambda each: each.words)
def test_a_condition_is_what_its_words_say(condition: Condition) -> None:
    assert condition.holds(inputs(**HOLDS[condition]))
    assert not any(condition.holds(inputs(**fault)) for fault in FAILS[condition])


def test_an_alarm_is_of_similarity_or_of_quantity() -> None:
    assert signals.ALARMED.holds(inputs(**doubtful(quantity=BELOW)))


@pytest.mark.parametrize("signal", WAYS)
def test_a_signal_names_each_of_its_conditions_and_dwells(signal: Signal) -> None:
    text = meaning(signal).lower()
    for way in WAYS[signal]:
        for condition in (*way.conditions, *way.at_end):
            assert condition.words.lower() in text
        assert way.dwell is None or way.dwell.words.lower() in text


# -- each signal, raised by the facts that DOMAIN §9 names and by nothing less --------------------


@pytest.mark.parametrize("state", [H, C, S])
@pytest.mark.parametrize("low", [doubtful(similarity=BELOW), doubtful(quantity=BELOW)])
def test_divergence_needs_the_alarm_to_hold_for_its_dwell_with_the_link_up(
    state: State, low: dict[str, Any]
) -> None:
    machine = machine_in(state)
    assert machine.step(inputs(0, **low)) is None
    assert machine.step(inputs(999, **low)) is None
    assert machine.next_deadline_ns(Policy()) == 1_000 * MS
    signal = Signal.SILENT_DIVERGENCE if state is H else Signal.PARITY_LOST
    assert taken(machine, inputs(1_000, **low)) == (D, signal)
    for harmless in (
        {"path_up": False},
        {"witnessed": False},
        {"reading": CLEAN},
        doubtful(similarity=ALARM, quantity=ALARM),
    ):
        other = machine_in(state)
        other.step(inputs(0, **(low | harmless)))
        assert other.step(inputs(5_000, **(low | harmless))) is None


def test_an_interrupted_alarm_starts_its_dwell_again() -> None:
    machine, low = machine_in(H), doubtful(similarity=BELOW)
    machine.step(inputs(0, **low))
    machine.step(inputs(900))
    machine.step(inputs(950, **low))
    assert machine.step(inputs(1_900, **low)) is None
    assert machine.step(inputs(1_950, **low)) is not None


@pytest.mark.parametrize("wrong", [{"outstanding": 1, "gap_age_ms": 1_000.0}, {"unrecoverable": 1}])
@pytest.mark.parametrize("path_up", [True, False])
@pytest.mark.parametrize("state", [H, C, S])
def test_s2_a_gap_past_its_grace_ends_trust_at_once(
    wrong: dict[str, float], path_up: bool, state: State
) -> None:
    assert taken(machine_in(state), inputs(path_up=path_up, **doubtful(**wrong)))[0] is D


@pytest.mark.parametrize("state", [H, C, S])
def test_a_gap_within_its_grace_is_only_messages_in_flight(state: State) -> None:
    young = doubtful(outstanding=1, gap_age_ms=999.0)
    assert machine_in(state).step(inputs(**young)) is None


def test_where_gaps_are_given_no_grace_it_still_takes_a_gap_to_end_health() -> None:
    strict = parse({"replay": {"gap_grace_ms": 0}})
    assert machine_in(H).step(inputs(60_000, policy=strict)) is None
    assert taken(machine_in(H), inputs(policy=strict, **doubtful(outstanding=1)))[0] is D


@pytest.mark.parametrize("state", [H, R, C, S])
def test_a_witness_that_is_lost_or_broken_is_divergence(state: State) -> None:
    assert taken(machine_in(state), inputs(witness_lost=True)) == (D, Signal.WITNESS_LOST)
    assert machine_in(state).take(Signal.WITNESS_VIOLATED, 7) == Move(
        state, D, Signal.WITNESS_VIOLATED
    )


def test_after_a_failure_the_path_is_faced_before_the_witness() -> None:
    for state in (F, D):
        assert machine_in(state).take(Signal.WITNESS_VIOLATED, 7) is None
    assert machine_in(D).step(inputs(witness_lost=True, replay_begun=True)) is None
    assert machine_in(F).step(inputs(witness_lost=True, path_up=False)) is None


@pytest.mark.parametrize(
    "doubt",
    [
        {"in_flight_at_failure": True},
        doubtful(outstanding=1),
        doubtful(unrecoverable=1),
        doubtful(similarity=0.99),
    ],
)
def test_any_ambiguity_after_a_failure_is_divergence(doubt: dict[str, Any]) -> None:
    assert taken(machine_in(F), inputs(**doubt)) == (D, Signal.AMBIGUITY)


def test_no_proof_of_parity_within_the_grace_is_divergence() -> None:
    machine = machine_in(F)
    assert machine.step(inputs(999, path_up=False)) is None
    assert taken(machine, inputs(1_000, path_up=False)) == (D, Signal.PARITY_UNPROVEN)


def test_a_clear_path_is_still_verified_by_replay() -> None:
    for clear in ({}, AT_TARGET):
        assert taken(machine_in(F), inputs(**clear))[0] is R


def test_s8_a_path_that_is_up_moves_nothing_out_of_divergence_by_itself() -> None:
    machine = machine_in(D)
    assert machine.step(inputs(60_000, complete=False)) is None
    assert machine.step(inputs(60_000, **doubtful(similarity=0.5))) is None


@pytest.mark.parametrize(
    "evidence",
    [
        {"replay_begun": True, **doubtful(outstanding=7)},
        {"snapshot_under_way": True, **doubtful(unrecoverable=7)},
        {},
        AT_TARGET,
    ],
)
def test_recovery_begins_with_replay_snapshot_or_parity(evidence: dict[str, Any]) -> None:
    assert taken(machine_in(D), inputs(**evidence))[0] is R
    assert machine_in(D).step(inputs(**evidence, path_up=False)) is None
    assert machine_in(D).step(inputs(**evidence, witness_lost=True)) is None


def test_r17_no_replay_recovers_an_unrecoverable_range() -> None:
    assert machine_in(D).step(inputs(replay_begun=True, **doubtful(unrecoverable=1))) is None


@pytest.mark.parametrize("failure", [{"replay_failed": True}, doubtful(unrecoverable=1)])
def test_a_recovery_that_fails_is_divergence_again(failure: dict[str, Any]) -> None:
    assert taken(machine_in(R), inputs(**failure)) == (D, Signal.RECOVERY_FAILED)


@pytest.mark.parametrize("low", [doubtful(similarity=0.5), doubtful(quantity=0.5)])
def test_parity_that_was_held_and_lost_fails_the_recovery(low: dict[str, Any]) -> None:
    machine = machine_in(R)

    def step(now_ms: int, **changes: Any) -> Move | None:
        return machine.step(inputs(now_ms, parity_held=machine.parity_held, **changes))

    assert step(0, **low) is None
    assert step(100) is None
    assert step(150, **doubtful(similarity=ALARM, quantity=ALARM)) is None
    move = step(200, **low)
    assert move is not None
    assert move.signal is Signal.RECOVERY_FAILED


@pytest.mark.parametrize(
    "missing",
    [
        {"path_up": False},
        {"complete": False},
        {"unanswered_of_failure": True},
        {"confidence": 0.89},
        doubtful(similarity=0.99),
        doubtful(quantity=0.99),
        doubtful(outstanding=1),
    ],
)
def test_reentry_needs_everything_held_for_the_dwell(missing: dict[str, Any]) -> None:
    ready, lacking = machine_in(R), machine_in(R)
    enough = Policy().recovery.reentry_confidence
    assert ready.step(inputs(0, confidence=enough, **AT_TARGET)) is None
    assert ready.proving
    assert ready.step(inputs(1_999)) is None
    assert taken(ready, inputs(2_000))[0] is C
    lacking.step(inputs(0))
    lacking.step(inputs(1_000, **missing))
    assert not lacking.proving
    lacking.step(inputs(1_500))
    assert lacking.step(inputs(2_000)) is None
    assert taken(lacking, inputs(3_500))[0] is C


@pytest.mark.parametrize("state", [C, S])
def test_hysteresis_what_does_not_depend_on_orders_may_fall_to_the_exit_threshold(
    state: State,
) -> None:
    assert taken(machine_in(state), inputs(sourced=0.79)) == (D, Signal.PARITY_LOST)
    assert machine_in(state).step(inputs(sourced=0.80, confidence=0.5)) is None


def test_stable_needs_confidence_for_the_sla_and_nothing_ambiguous_at_its_end() -> None:
    machine, waiting = machine_in(C), doubtful(ambiguous_orders=1)
    assert machine.step(inputs(0)) is None
    assert machine.step(inputs(5_000, confidence=0.97)) is None
    assert machine.step(inputs(5_001, **waiting)) is None  # it may be ambiguous meanwhile
    assert machine.step(inputs(15_000)) is None
    assert machine.step(inputs(15_001, **waiting)) is None
    assert machine.step(inputs(15_500, **doubtful(ambiguous=0.001))) is None
    assert taken(machine, inputs(16_000))[0] is S
    just = inputs(0, confidence=Policy().recovery.stable_confidence)
    machine = machine_in(C)
    assert machine.step(just) is None
    assert taken(machine, just._replace(now_ns=10_000 * MS))[0] is S


def test_probation_ends_in_health_once_nothing_is_ambiguous() -> None:
    machine = machine_in(S)
    assert machine.step(inputs(59_999)) is None
    assert machine.next_deadline_ns(Policy()) == 60_000 * MS
    assert machine.step(inputs(60_000, **doubtful(ambiguous_orders=1))) is None
    assert machine.step(inputs(61_000, **doubtful(outstanding=1))) is None
    assert taken(machine, inputs(62_000))[0] is H


@pytest.mark.parametrize("state", list(State))
def test_a_hard_failure_in_any_state_is_failover_detected(state: State) -> None:
    machine = machine_in(state)
    assert machine.take(Signal.HARD_FAILURE, 7) == Move(state, F, Signal.HARD_FAILURE)
    assert machine.entered_ns == 7


@pytest.mark.parametrize("state", list(State))
def test_dump_and_load_keep_the_clocks(state: State) -> None:
    machine = machine_in(state)
    machine.step(inputs(1, **doubtful(similarity=0.899)))
    loaded = Machine.load(machine.dump())
    assert loaded.dump() == machine.dump()
    assert loaded.next_deadline_ns(Policy()) == machine.next_deadline_ns(Policy())


def test_ways_that_move_nothing_are_not_weighed() -> None:
    weighed = {(state, signal) for state, ways in room._WEIGHED.items() for signal, _, _ in ways}
    assert weighed == {
        (state, signal) for state, row in MOVES.items() for signal in row if signal not in EDGES
    }
