"""A partition: routing, refusals that change nothing, deadlines, and being handed over."""

from typing import Any

import orjson
import pytest
from msgspec import structs

from reconverge.core import partition
from reconverge.core.control.policy import parse
from reconverge.core.messages.desk import (
    Attestation,
    ParentOrder,
    PolicyChange,
    RetireSession,
    SafeMode,
)
from reconverge.core.messages.effects import Alert, Cap, Effect, Retired, ShadowCap
from reconverge.core.messages.events import (
    Disconnect,
    ExecutionReport,
    Heartbeat,
    Logon,
    Logout,
    NewOrder,
)
from reconverge.core.orders.orders import Orders
from reconverge.core.partition import Partition, Rejected
from reconverge.core.session import IDLE_NS

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


# -- the life of a session -----------------------------------------------------------------------

DAY = 24 * 3_600 * SECOND


def retire(session: str = "S") -> RetireSession:
    return RetireSession(session=session, actor="jo", reason="the desk was closed", **AT)


def logout(*, outbound: bool) -> Logout:
    return Logout(session="S", outbound=outbound, **AT)


def closed() -> Partition:
    """A session that both sides logged out of in order."""
    folded = Partition()
    folded.apply(logon(), SECOND)
    folded.apply(logon(channel="DC1"), SECOND)
    folded.settle(SECOND)
    folded.apply(logout(outbound=True), 2 * SECOND)
    folded.apply(logout(outbound=False), 2 * SECOND)
    return folded


def reasons(effects: list[Effect]) -> list[str]:
    return [effect.reason for effect in effects if isinstance(effect, Cap)]


def test_an_orderly_logout_closes_with_one_last_cap_and_then_silence() -> None:
    folded = closed()
    (last,) = [effect for effect in folded.settle(2 * SECOND) if isinstance(effect, Cap)]
    assert (last.reason, last.cap, last.instrument_cap, last.link) == ("closed", 0, 0, "closed")
    assert folded.settle(9 * SECOND) == []
    folded.apply(Heartbeat(session="S", channel="DC1", seq=2, **AT), 10 * SECOND)
    assert folded.settle(10 * SECOND) == []
    assert folded.next_deadline_ns == 10 * SECOND + DAY


def test_a_logon_opens_it_again_and_its_cap_is_earned_anew() -> None:
    folded = closed()
    folded.settle(2 * SECOND)
    folded = Partition.load(orjson.loads(rows(folded)))
    late: dict[str, Any] = {"event_ns": 20 * SECOND, "ingest_ns": 20 * SECOND}
    folded.apply(structs.replace(logon(seq=2), **late), 20 * SECOND)
    (cap,) = [effect for effect in folded.settle(20 * SECOND) if isinstance(effect, Cap)]
    assert (cap.cap, cap.link) == (0, "up")
    folded.apply(Heartbeat(session="S", channel="DC1", seq=2, **late), 20 * SECOND)
    folded.settle(20 * SECOND)
    assert [e.cap for e in folded.settle(21 * SECOND) if isinstance(e, Cap)] == [0.1]


def test_a_logout_with_a_request_in_flight_closes_nothing() -> None:
    folded = Partition()
    folded.apply(logon(), SECOND)
    folded.apply(order("A"), SECOND)
    folded.apply(logout(outbound=True), 2 * SECOND)
    folded.apply(logout(outbound=False), 2 * SECOND)
    assert "closed" not in reasons(folded.settle(2 * SECOND))
    assert folded.settle(3 * SECOND)


def test_an_operator_retires_a_session_and_what_comes_later_opens_another() -> None:
    folded = Partition()
    folded.apply(logon(), SECOND)
    folded.settle(SECOND)
    folded.apply(retire(), 2 * SECOND)
    (told,) = [effect for effect in folded.settle(2 * SECOND) if isinstance(effect, Retired)]
    assert (told.session, told.actor, told.reason) == ("S", "jo", "the desk was closed")
    assert not folded.sessions
    assert folded.next_deadline_ns is None
    folded.apply(logon(), 3 * SECOND)
    assert [e.sequence for e in folded.settle(3 * SECOND) if isinstance(e, Cap)] == [1]


def test_no_session_is_retired_while_an_order_works_neither_by_hand_nor_by_time() -> None:
    folded = Partition()
    folded.apply(logon(), SECOND)
    folded.apply(order("A"), SECOND)
    report = ExecutionReport(
        session="S", seq=2, cl_ord_id="A", order_id="VA", symbol="ACME", exec_type="new",
        ord_status="new", order_qty="10", cum_qty="0", leaves_qty="10", **AT,
    )  # fmt: skip
    folded.apply(report, SECOND)
    folded.settle(SECOND)
    before = rows(folded)
    with pytest.raises(Rejected, match="1 orders of S work"):
        folded.apply(retire(), 2 * SECOND)
    with pytest.raises(Rejected, match="no session named T"):
        folded.apply(retire("T"), 2 * SECOND)
    assert rows(folded) == before
    folded.settle(3 * DAY)
    assert list(folded.sessions) == ["S"]
    due_ns = folded.next_deadline_ns
    assert due_ns is not None
    assert due_ns > 3 * DAY


def test_a_day_without_a_word_retires_a_session_and_not_a_moment_less() -> None:
    folded = closed()
    folded.settle(2 * SECOND)
    assert folded.settle(2 * SECOND + DAY - 1) == []
    (told,) = folded.settle(2 * SECOND + DAY)
    assert isinstance(told, Retired)
    assert told.actor == "idle"
    assert folded.next_deadline_ns is None


@pytest.mark.parametrize(
    ("role", "actor", "refused"),
    [
        ("guardrail", "fetl", True),
        (None, "guardrail-fetl", True),
        ("operator", "guardrail-desk", False),
        (None, "jo", False),
    ],
)
@pytest.mark.parametrize("session", ["S", "*"])
def test_a_guardrail_sets_the_latch_and_only_an_operator_releases_it(
    role: Any, actor: str, refused: bool, session: str
) -> None:
    folded = Partition()
    folded.apply(logon(), SECOND)

    def latch(*, on: bool) -> SafeMode:
        return SafeMode(session=session, on=on, actor=actor, role=role, reason="why", **AT)

    folded.apply(latch(on=True), SECOND)
    assert names(folded.settle(SECOND)) == ["safe_mode_on"]
    if refused:
        with pytest.raises(Rejected, match="only an operator releases"):
            folded.apply(latch(on=False), SECOND)
    else:
        folded.apply(latch(on=False), SECOND)
    assert folded.sessions["S"].truth.safe_mode is refused


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
    folded.park("retention", SECOND)
    assert names(folded.settle(SECOND)) == ["parked"]
    folded.park("retention again", SECOND)  # parked already: said once
    assert names(folded.settle(SECOND)) == []


def test_lost_before_any_session_was_known_parks_those_that_do_not_begin_at_one() -> None:
    folded = Partition()
    folded.park("retention", SECOND)
    folded = Partition.load(orjson.loads(rows(folded)))
    folded.apply(logon("S", seq=1), SECOND)
    folded.apply(logon("T", seq=40), SECOND)
    parent = ParentOrder(session="U", parent_id="P", symbol="ACME", side="buy", qty="10", **AT)
    folded.apply(parent, SECOND)  # no number to go by
    told = [effect for effect in folded.settle(SECOND) if isinstance(effect, Alert)]
    assert [alert.session for alert in told if alert.name == "parked"] == ["T", "U"]


def test_a_session_first_heard_a_day_after_a_loss_is_none_that_was_lost() -> None:
    folded = Partition()
    folded.park("retention", SECOND)
    folded = Partition.load(orjson.loads(rows(folded)))
    later_ns = SECOND + IDLE_NS
    folded.apply(logon("S", seq=40), later_ns - 1)
    folded.apply(logon("T", seq=40), later_ns)
    told = [effect for effect in folded.settle(later_ns) if isinstance(effect, Alert)]
    assert [alert.session for alert in told if alert.name == "parked"] == ["S"]


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
