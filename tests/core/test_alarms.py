"""Alarms: told once when they begin to hold, and again only after they have ceased to."""

import pytest

from reconverge.core.control.alarms import Alarms
from reconverge.core.control.policy import Policy, parse
from reconverge.core.source import SourceReading
from reconverge.core.sources import SourceSummary
from reconverge.core.truth import Truth

SECOND = 1_000_000_000
TRUTH = Truth("S", {})
WATCH = TRUTH.orders.watch(1, 1)


def summary(
    lag_s: float = 0.0, *, channel: str | None = "DC", down: bool = False, heard: bool = True
) -> SourceSummary:
    """One required source, so far behind."""
    reading = SourceReading(channel, lag_s * SECOND, 0, 0 if heard else -1, down=down)
    return TRUTH.summary(0, 0)._replace(required=(reading,))


def told(
    alarms: Alarms, seen: SourceSummary, at_s: float, policy: Policy | None = None
) -> list[tuple[str, str]]:
    """What is told at a second."""
    found = alarms.look(seen, WATCH, policy or Policy(), round(at_s * SECOND))
    return [(alarm.name, alarm.detail) for alarm in found]


def test_a_silent_source_is_told_once_until_it_has_been_fresh_for_five_seconds() -> None:
    alarms = Alarms()
    assert told(alarms, summary(4.9), 0) == []
    assert told(alarms, summary(5), 1) == [("source_silent", "DC: silent")]
    assert told(alarms, summary(9), 5) == []
    assert told(alarms, summary(0), 6) == []
    assert told(alarms, summary(6), 10) == []  # fresh for four seconds only
    assert told(alarms, summary(0), 11) == []
    assert told(alarms, summary(0.6), 14) == []  # not fresh: it starts anew
    assert told(alarms, summary(0), 15) == []
    assert told(alarms, summary(0), 20) == []
    assert told(alarms, summary(5), 21) == [("source_silent", "DC: silent")]


def test_a_disconnect_is_told_at_once_but_that_of_order_entry_is_the_machines() -> None:
    assert told(Alarms(), summary(down=True), 0) == [("source_silent", "DC: disconnected")]
    assert told(Alarms(), summary(9, channel=None, down=True), 0) == []
    assert told(Alarms(), summary(9, channel=None), 0) == [("source_silent", "entry: silent")]


def test_a_source_that_was_never_heard_is_silent_since_the_beginning() -> None:
    alarms = Alarms()
    never = summary(float("inf"), heard=False)
    assert told(alarms, never, 10) == []
    assert told(alarms, never, 15) == [("source_silent", "DC: silent")]


def test_a_retired_source_is_forgotten() -> None:
    alarms = Alarms()
    told(alarms, summary(5), 0)
    told(alarms, summary(channel="other"), 1)
    assert told(alarms, summary(5), 2) == [("source_silent", "DC: silent")]


def test_a_cold_start_and_a_weak_witness_are_told_while_they_last_and_once() -> None:
    alarms, cold = Alarms(), summary()._replace(cold_start=True)
    assert [name for name, _ in told(alarms, cold, 0)] == ["cold_start"]
    assert told(alarms, cold, 1) == []
    assert told(alarms, summary(), 2) == []
    assert [name for name, _ in told(alarms, cold, 3)] == ["cold_start"]
    weak = {mode: parse({"witness": {"mode": mode}}) for mode in ("snapshot", "entry")}
    assert told(alarms, summary(), 4, weak["entry"]) == [
        ("witness_weak", "entry: every ceiling times 0.3")
    ]
    assert told(alarms, summary(), 5, weak["entry"]) == []
    assert [name for name, _ in told(alarms, summary(), 6, weak["snapshot"])] == ["witness_weak"]


@pytest.mark.parametrize("count", [1, 20, 23])
def test_executed_quantities_are_told_with_the_first_orders_and_how_many_more(count: int) -> None:
    alarms = Alarms()
    alarms.executed = [f"V{i}" for i in range(min(count, 20))]
    alarms.executed_count = count
    ((name, detail),) = told(Alarms.load(alarms.dump()), summary(), 0)
    assert name == "executed_differs"
    assert detail.split(" and ")[0].split() == alarms.executed
    assert detail.endswith(" and 3 more") == (count == 23)


def test_executed_quantities_are_told_at_most_every_ten_seconds() -> None:
    alarms = Alarms()
    for at_s, names in ((0, ["executed_differs"]), (9, []), (10, ["executed_differs"])):
        alarms.executed_count += 1
        assert [name for name, _ in told(alarms, summary(), at_s)] == names
