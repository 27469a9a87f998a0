"""The worker under every misfortune the simulation knows.

Nothing lost, nothing doubled, nobody believed who must not be.
"""

import pytest

from tests.sim.audit import Violation
from tests.sim.planted import PLANTED, planted
from tests.sim.soak import report
from tests.sim.world import Fault, Plan, plan, shrink, simulate, violates

SEEDS = 200
"""A dozen seconds' worth. Every planted bug is found within the first 100."""
SEEDS_LONG = 10_000
"""A quarter of an hour on one core."""
DESK_SEEDS = 24
CHUNKS = 8


def swarm(seeds: range) -> None:
    for seed in seeds:
        if violates(plan(seed)):
            pytest.fail(report(plan(seed)))


@pytest.mark.slow
@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_invariants_hold_under_a_swarm_of_faults(chunk: int) -> None:
    swarm(range(chunk, SEEDS, CHUNKS))


@pytest.mark.long
@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_invariants_hold_under_a_larger_swarm(chunk: int) -> None:
    swarm(range(SEEDS + chunk, SEEDS_LONG, CHUNKS))


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_the_core_arrives_at_the_venue_s_truth_whatever_happens_to_its_workers(chunk: int) -> None:
    for seed in range(chunk, DESK_SEEDS, CHUNKS):
        if violates(plan(seed, "desk")):
            pytest.fail(report(plan(seed, "desk")))


def test_the_swarm_reaches_what_it_is_meant_to_reach() -> None:
    """A swarm in which nothing goes wrong proves nothing."""
    met: set[str] = set()
    ignored = claims = 0
    for seed in range(60):
        world = simulate(plan(seed))
        met.update(world.watcher.conditions)
        ignored += sum(audit.ignored for audit in world.audits.values())
        claims += sum(audit.claims for audit in world.audits.values())
    assert {"superseded", "outcome_unknown", "log_unavailable", "quarantine_too_large"} <= met
    assert ignored > 10, "zombies' records in the journal"
    assert claims > 120


@pytest.mark.parametrize("bug", PLANTED)
def test_a_planted_bug_is_found(bug: str) -> None:
    with planted(bug):
        assert any(violates(plan(seed)) for seed in range(160)), f"{bug} went unnoticed"


def test_a_seed_is_one_history() -> None:
    faulty = next(plan(seed) for seed in range(100) if len(plan(seed).faults) > 8)
    assert simulate(faulty).cluster.topics == simulate(faulty).cluster.topics


def test_a_failing_plan_shrinks_to_what_it_needs() -> None:
    noise = [Fault(at_s, "clock", 0, 2.6) for at_s in (1.0, 2.0, 4.0, 5.0)]
    needed = Fault(3.0, "split", 1, 1.0)
    with planted("no_claim_check"):
        seed = next(
            seed
            for seed in range(200)
            if violates(Plan(seed, processes=2, faults=sorted([*noise, needed])))
        )
        least = shrink(Plan(seed, processes=2, faults=sorted([*noise, needed])))
        assert set(least.faults) <= {needed}
        assert least.events < 80
        with pytest.raises(Violation):
            simulate(least)
