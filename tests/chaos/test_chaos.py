"""The quick drill: one of each family of faults, and everything that must be true after it.

Rules of docs/protocol.md: invariants 1 to 6 and 8, on real Kafka; how long caps are missing is held
against *When nobody serves* while the machine has room to be judged. `make chaos` goes on for long.
"""

import pytest

from tests.chaos.drill import Plan, drill
from tests.chaos.faults import FAULTS

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.timeout(600)]

QUICK = (
    "process: kill -9",
    "process: leaves in order, another joins",
    "broker: kill -9, a journal's leader",
    "process: SIGSTOP past the session timeout, SIGCONT",
    "link: all connections reset",
    "process: kill -9",
)


async def test_nothing_is_lost_doubled_or_underivable_and_caps_come_back_in_time() -> None:
    kinds = {fault.name: fault for fault in FAULTS}
    plan = Plan(
        [kinds[name] for name in QUICK],
        seed=5,
        session_s=3.0,
        size=2,
        partitions=2,
        desks=4,
        events_per_s=200,
    )
    outcome = await drill(plan, print)
    assert outcome.wrong == []
    assert (outcome.found.lost, outcome.found.doubled) == (0, 0)
    assert outcome.found.inputs == outcome.sent > 0
    assert outcome.ends["killed"] >= QUICK.count("process: kill -9")
