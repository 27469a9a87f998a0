"""A partition: routing, refusals that change nothing, deadlines, and being handed over."""

from typing import Any

import orjson
import pytest

from reconverge.core import partition
from reconverge.core.control.policy import parse
from reconverge.core.messages.desk import Attestation, ParentOrder, PolicyChange, SafeMode
from reconverge.core.messages.effects import Alert, Cap, Effect, ShadowCap
from reconverge.core.messages.events import Disconnect, Heartbeat, Logon, NewOrder
from reconverge.core.orders.orders import Orders
from reconverge.core.partition import Partition, Rejected

SECOND = 1_000_000_000
AT: dict[str, Any] = {"event_ns": SECOND, "ingest_ns": SECOND}


def logon(session: str = "S", channel: str | None = None, seq: int = 1) -> Logon:
    return Logon(session=session, channel=channel, seq=seq, heartbeat_ms=30_000, **AT)


def order(name: str, session: str = "S") -> NewOrder:
    return NewOrder(
        session=session, cl_ord_id=name, symbol="ACME", side="buy", qty="10", price="1",
        outbound=True, **AT,
    )  # fmt: skip


def policy_change(document: dict[str, Any] | None, **fields: Any) -> PolicyChange:
    return PolicyChange(session="*", policy=document, actor="desk", **AT, **fields)


def rows(folded: Partition) -> bytes:
    return orjson.dumps(list(folded.dump()))


def names(effects: list[Effect]) -> list[str]:
    return [effect.name for effect in effects if isinstance(effect, Alert)]


# -- routing -------------------------------------------------------------------------------------


def test_each_session_is_folded_by_itself_and_settled_in_order_of_its_first_event() -> None:
    folded = Partition()
    for name in ("T", "S", "T"):
        folded.apply(logon(name), SECOND)
    caps = [effect for effect in folded.settle(SECOND) if isinstance(effect, Cap)]
    assert [cap.session for cap in caps] == ["T", "S"]
    assert folded.settle(SECOND) == []


@pytest.mark.source
def test_one_session_too_many_is_refused_and_changes_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(partition, "SESSIONS_MAX", 1)
    folded = Partition()
    folded.apply(logon(), SECOND)
    folded.settle(SECOND)
    before = rows(folded)
    with pytest.raises(Rejected, match="T is not"):
        folded.apply(logon("T"), SECOND)
    assert rows(folded) == before


def test_only_the_latch_is_meant_for_every_session() -> None:
    folded = Partition()
    with pytest.raises(Rejected, match="attestation must name a session"):
        folded.apply(Attestation(session="*", actor="jo", reason="why", **AT), SECOND)
    folded.apply(SafeMode(session="*", on=True, actor="jo", reason="halt", **AT), SECOND)
    folded.apply(logon(), SECOND)
    assert names(folded.settle(SECOND)) == ["safe_mode_on"]


def test_an_attestation_opens_no_session_of_a_mistyped_name() -> None:
    folded = Partition()
    with pytest.raises(Rejected, match="no session named TYPO"):
        folded.apply(Attestation(session="TYPO", actor="jo", reason="why", **AT), SECOND)
    assert not folded.sessions


def test_a_session_whose_orders_are_too_many_is_parked() -> None:
    folded = Partition()
    folded.apply(order("A"), SECOND)
    folded.sessions["S"].truth.orders = Orders(orders_max=1)
    folded.apply(order("B"), SECOND)
    with pytest.raises(Rejected, match="1 orders"):
        folded.apply(order("C"), SECOND)
    assert names(folded.settle(SECOND)) == ["parked"]
    assert folded.sessions["S"].truth.orders.in_flight_total == 1
    assert str(folded.sessions["S"].truth.parked).startswith("1 orders")


# -- policies ------------------------------------------------------------------------------------


def test_a_refused_policy_changes_nothing() -> None:
    folded = Partition()
    folded.apply(logon(), SECOND)
    folded.settle(SECOND)
    before = rows(folded)
    for wrong, why in (
        (policy_change({"cap": {"validity_ms": 100}}), "policy refused: cap.validity_ms: 100 "),
        (policy_change(None), "neither a policy nor a shadow to retire$"),
        (policy_change({"version": 2}, retire_shadow="nobody"), "no shadow is called nobody$"),
    ):
        with pytest.raises(Rejected, match=f"^{why}"):
            folded.apply(wrong, SECOND)
    assert rows(folded) == before


def test_a_shadow_comes_changes_and_goes() -> None:
    folded = Partition([parse({"version": 3})])
    folded.apply(logon(), SECOND)
    folded.settle(SECOND)

    def shadows(change: PolicyChange) -> list[int]:
        folded.apply(change, SECOND)
        found = [e for e in folded.settle(SECOND) if isinstance(e, ShadowCap)]
        return [cap.policy.version for cap in found]

    assert shadows(policy_change({"id": "try", "version": 1}, shadow=True)) == [1]
    assert shadows(policy_change({"id": "try", "version": 2}, shadow=True)) == [2]
    assert shadows(policy_change(None, retire_shadow="try")) == []
    assert folded.sessions["S"].control.policy.version == 3


# -- time ----------------------------------------------------------------------------------------


def test_an_empty_partition_is_due_never() -> None:
    assert Partition().next_deadline_ns is None
    assert Partition().settle(SECOND) == []


def test_it_is_due_when_its_first_session_is_and_stale_deadlines_are_dropped() -> None:
    folded = Partition()
    for name in ("S", "T"):
        folded.apply(logon(name), SECOND)
        folded.apply(logon(name, "DC1"), SECOND)
    folded.settle(SECOND)
    first = folded.next_deadline_ns
    assert first is not None
    folded.apply(Heartbeat(session="S", seq=2, **AT), first - 1)
    folded.settle(first - 1)
    assert folded.next_deadline_ns == first  # T's; S has a later one since
    effects = folded.settle(first)
    assert {effect.session for effect in effects} == {"T"}
    later = folded.next_deadline_ns
    assert later is not None
    assert later > first
    assert {effect.session for effect in folded.settle(later + SECOND)} == {"S", "T"}


def test_a_deadline_that_was_put_off_wakes_nobody() -> None:
    folded = Partition()
    folded.apply(logon(), SECOND)
    folded.settle(SECOND)
    former = folded.next_deadline_ns
    assert former is not None
    folded.apply(logon("S", "DC1"), former - 1)
    folded.apply(Disconnect(session="S", **AT), former - 1)
    folded.settle(former - 1)
    assert folded.settle(former) == []


def test_time_does_not_go_back() -> None:
    folded = Partition()
    folded.apply(logon(), 5 * SECOND)
    folded.settle(5 * SECOND)
    folded.apply(Heartbeat(session="S", seq=2, **AT), SECOND)
    assert all(effect.event_ns == 5 * SECOND for effect in folded.settle(SECOND))


# -- lost inputs and handover --------------------------------------------------------------------


def test_lost_inputs_park_every_session_known() -> None:
    folded = Partition()
    folded.apply(logon(), SECOND)
    folded.park("retention")
    assert names(folded.settle(SECOND)) == ["parked"]
    folded.park("retention again")  # parked already: said once
    assert names(folded.settle(SECOND)) == []


def test_lost_before_any_session_was_known_parks_those_that_do_not_begin_at_one() -> None:
    folded = Partition()
    folded.park("retention")
    folded = Partition.load(orjson.loads(rows(folded)))
    folded.apply(logon("S", seq=1), SECOND)
    folded.apply(logon("T", seq=40), SECOND)
    parent = ParentOrder(session="U", parent_id="P", symbol="ACME", side="buy", qty="10", **AT)
    folded.apply(parent, SECOND)  # no number to go by
    told = [effect for effect in folded.settle(SECOND) if isinstance(effect, Alert)]
    assert [alert.session for alert in told if alert.name == "parked"] == ["T", "U"]


def test_an_unsettled_partition_is_not_dumped() -> None:
    folded = Partition()
    folded.apply(logon(), SECOND)
    with pytest.raises(AssertionError):
        list(folded.dump())


def test_another_core_version_is_not_continued() -> None:
    dumped = list(Partition().dump())
    dumped[0][1] = "another"
    with pytest.raises(ValueError, match="core version another"):
        Partition.load(dumped)


def test_a_dump_is_small_rows_of_json_and_loads_as_itself() -> None:
    folded = Partition([parse({"id": "own", "scope": {"session": "S"}})])
    for name in ("S", "T"):
        folded.apply(logon(name), SECOND)
        for i in range(2_000):
            folded.apply(order(f"{name}-{i}", name), SECOND)
    folded.apply(policy_change({"id": "try"}, shadow=True), SECOND)
    folded.apply(SafeMode(session="*", on=True, actor="jo", reason="halt", **AT), SECOND)
    folded.settle(SECOND)
    dumped = [orjson.dumps(row) for row in folded.dump()]
    assert max(map(len, dumped)) < 256 * 1024
    loaded = Partition.load(map(orjson.loads, dumped))
    assert [orjson.dumps(row) for row in loaded.dump()] == dumped
    assert loaded.next_deadline_ns == folded.next_deadline_ns
    assert loaded.settle(9 * SECOND) == folded.settle(9 * SECOND)
