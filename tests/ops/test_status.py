"""A session's status says what its truth says, and looking at it changes nothing."""

import json
from pathlib import Path
from typing import Any

import pytest

from reconverge.cli.replay import fold
from reconverge.core.messages.wire import plain
from reconverge.core.partition import Partition
from reconverge.ops.metrics import Metrics, samples
from reconverge.ops.status import as_json, status
from reconverge.stream import CoreFold
from tests.cli.test_replay import DROP_COPY, ENTRY, MS, T0, write


@pytest.fixture
def partition(tmp_path: Path) -> Partition:
    partition = Partition()
    files = [write(tmp_path / "entry", ENTRY), write(tmp_path / "dc", DROP_COPY)]
    fold(CoreFold(partition), files, lambda *_: None, lambda *why: pytest.fail(str(why)))
    return partition


def test_it_reads_truth_and_control(partition: Partition) -> None:
    session = partition.sessions["A"]
    seen = status(session, partition.now_ns)
    assert seen.state == session.control.machine.state
    assert seen.policy == plain(session.control.policy.ref)
    assert seen.rwh["entry"].open_gaps == [(7, 8)]
    assert seen.rwh["entry"].outstanding == 2
    assert seen.working == {"both": 2, "either": 2}
    assert seen.divergence_s > 0
    assert (seen.life_cycle, seen.link) == ("open", session.truth.path.link.value)
    assert seen.witness == {"mode": "drop_copy", "heard": True, "required": ["DC1"]}
    assert seen.retires_ns is None, "orders work"
    assert seen.rwh["DC1"].silence_s == 0
    assert as_json(seen)["rwh"]["entry"]["open_gaps"] == [(7, 8)]


def test_looking_changes_nothing(partition: Partition) -> None:
    before = list(partition.dump())
    for later_ns in (0, 10**9, 10**12):
        status(partition.sessions["A"], partition.now_ns + later_ns)
    assert list(partition.dump()) == before


def test_its_clocks_run_on_between_events(partition: Partition) -> None:
    session = partition.sessions["A"]
    now, later = (status(session, partition.now_ns + s * 1_000 * MS) for s in (0, 2))
    assert later.divergence_s == pytest.approx(now.divergence_s + 2)
    assert later.oldest_gap_s == pytest.approx(now.oldest_gap_s + 2)
    assert later.rwh["DC1"].silence_s == 2
    assert later.confidence <= now.confidence


def test_a_segment_of_its_own_is_a_source_of_its_own(tmp_path: Path) -> None:
    def heartbeat(seq: int, **fields: Any) -> dict[str, Any]:
        at_ns = T0 + seq * MS
        head = {"type": "heartbeat", "session": "A", "event_ns": at_ns, "ingest_ns": at_ns}
        return head | {"seq": seq} | fields

    partition = Partition()
    events = [heartbeat(1), heartbeat(5, segment="EQ"), heartbeat(7, channel="DC", segment="FX")]
    fold(CoreFold(partition), [write(tmp_path / "e", events)], lambda *_: None, lambda *_: None)
    seen = status(partition.sessions["A"], partition.now_ns)
    assert list(seen.rwh) == ["entry", "entry/EQ", "DC/FX"]


def test_every_sample_belongs_to_a_metric(partition: Partition) -> None:
    seen = status(partition.sessions["A"], partition.now_ns)
    names = {name for name, _, _ in samples(seen)}
    rendered, _ = Metrics().render("", [seen])
    for name in names:
        assert f"reconverge_{name}{{" in rendered.decode()


def test_the_link_its_gateway_and_the_end_of_its_life_are_told(tmp_path: Path) -> None:
    def event(kind: str, at_ms: int, **fields: Any) -> dict[str, Any]:
        at_ns = T0 + at_ms * MS
        return {"type": kind, "session": "A", "event_ns": at_ns, "ingest_ns": at_ns} | fields

    logon = event("logon", 0, seq=1, gateway="primary")
    switch = event("gateway_switched", 1, gateway="backup", clean=True)
    ours = event("logout", 2, outbound=True, seq=1)
    theirs = event("logout", 3, seq=2)

    def shown(*events: dict[str, Any]) -> Any:
        partition = Partition()
        fold(CoreFold(partition), [write(tmp_path / "e", list(events))], lambda *_: None, print)
        again = Partition.load(json.loads(json.dumps(list(partition.dump()))))
        return status(again.sessions["A"], partition.now_ns)

    seen = shown(logon)
    assert (seen.link, seen.logged_on, seen.gateway) == ("up", True, "primary")
    assert seen.witness["heard"] is False
    assert shown(logon, switch).gateway == "backup"
    seen = shown(logon, ours, theirs)
    assert (seen.life_cycle, seen.link, seen.logged_on) == ("closed", "closed", False)
    day_ns = 24 * 3_600 * 10**9
    assert T0 + day_ns <= seen.retires_ns <= T0 + day_ns + 10**9
