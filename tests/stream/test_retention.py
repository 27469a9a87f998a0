"""Inputs and journals that are not what they were: out of retention, made again, cut.

Each is a named condition of docs/protocol.md.
"""

from itertools import count, islice
from typing import Any

import pytest

from reconverge.core.messages.events import Heartbeat
from reconverge.core.messages.wire import encode
from reconverge.stream.conditions import Refusal
from reconverge.stream.core_fold import CoreFolds
from reconverge.stream.history.records import Batch
from tests.sim.toy import ToyFold
from tests.stream.stage import Stage, scene

AT: dict[str, Any] = {"event_ns": 0, "ingest_ns": 0}


@scene
async def test_inputs_out_of_retention_park_the_sessions_and_are_recorded(stage: Stage) -> None:
    await stage.history()
    stage.feed(5)
    stage.cluster.trim("order-entry", 0, 8)
    run = stage.start()
    await run.settled()
    assert stage.notes.conditions == ["retention_overrun"]
    last = stage.caps()[-1]
    assert (last.cap, last.reason) == (0.0, "parked")
    journal = [entry.record for entry in await stage.journal()]
    lost = [record.lost for record in journal if isinstance(record, Batch) and record.lost]
    assert lost == [{"order-entry": (5, 8)}]
    await run.crash()
    await stage.start().settled()
    assert stage.notes.conditions == ["retention_overrun"], "told once: then it is history"


@scene
async def test_a_suffix_out_of_retention_is_owned_up_to(stage: Stage) -> None:
    await stage.history()
    await stage.history(released=False)
    stage.cluster.trim("order-entry", 0, 7)
    run = stage.start()
    stage.feed(1)
    await run.settled()
    assert stage.notes.conditions == ["retention_overrun"]
    assert stage.caps()[-1].reason == "parked"
    assert run.worker.positions()["order-entry"] == 11


@scene
async def test_retention_that_passes_a_slow_worker_is_seen_while_it_runs(stage: Stage) -> None:
    run = stage.start()
    stage.feed(5)
    await run.settled()
    run.process.pause(20)
    stage.feed(9)
    stage.cluster.trim("order-entry", 0, 12)
    await run.settled(25)
    assert stage.notes.conditions == ["retention_overrun"]
    assert run.worker.positions()["order-entry"] == 14


@pytest.mark.parametrize("events", [2, 5, 9], ids=["shorter", "as long", "longer"])
@scene
async def test_a_topic_made_again_is_recognised_and_read_from_its_start(
    stage: Stage, events: int
) -> None:
    await stage.history()
    stage.cluster.make_again("order-entry", 0)
    stage.feed(events)
    run = stage.start()
    await run.settled()
    assert stage.notes.conditions == ["topic_recreated"]
    assert stage.caps()[-1].reason == "parked"
    assert run.worker.positions()["order-entry"] == events


@scene
async def test_a_topic_made_again_under_the_suffix_is_not_folded_as_the_old_one(
    stage: Stage,
) -> None:
    await stage.history(released=False)
    stage.cluster.make_again("order-entry", 0)
    stage.feed(7)
    run = stage.start()
    await run.settled()
    assert stage.notes.conditions == ["topic_recreated"]
    fold = run.worker.fold
    assert isinstance(fold, ToyFold)
    assert fold.sessions["s"].count == 7


@scene
async def test_without_snapshot_and_the_journal_s_beginning_a_partition_starts_over(
    stage: Stage,
) -> None:
    await stage.history(released=False)
    stage.cluster.trim("journal", 0, 3)
    stage.cluster.trim("order-entry", 0, 2)
    run = stage.start()
    await run.settled()
    assert stage.notes.conditions == ["journal_overrun"]
    assert run.worker.positions()["order-entry"] == 5


@pytest.mark.parametrize("inputs_left", [True, False])
@scene
async def test_a_journal_that_expired_whole_is_told_and_its_sessions_are_parked(
    stage: Stage, *, inputs_left: bool
) -> None:
    """Found in its place are sessions whose beginning nobody has seen: those are parked as well."""
    heartbeats = (Heartbeat(session="s", seq=seq, **AT) for seq in count(1))
    for message in islice(heartbeats, 5):
        stage.cluster.write("order-entry", 0, b"s", encode(message))
    run = stage.start(CoreFolds(), [])
    await run.settled()
    await run.crash()
    stage.cluster.trim("journal", 0, len(stage.records("journal")))
    stage.cluster.trim("order-entry", 0, 2 if inputs_left else 5)
    run = stage.start(CoreFolds(), [])
    message = next(heartbeats)
    stage.cluster.write("order-entry", 0, b"s", encode(message))
    await run.settled()
    assert stage.notes.conditions == ["journal_overrun"]
    assert (stage.caps()[-1].cap, stage.caps()[-1].reason) == (0.0, "parked")
    await run.crash()
    await stage.start(CoreFolds(), []).settled()
    assert stage.notes.conditions == ["journal_overrun"], "told once: then it is history"
    assert stage.caps()[-1].reason == "parked"


@scene
async def test_a_journal_that_expired_whole_loses_nothing_while_the_inputs_are_whole(
    stage: Stage,
) -> None:
    await stage.history(released=False)
    stage.cluster.trim("journal", 0, len(stage.records("journal")))
    run = stage.start()
    await run.settled()
    assert stage.notes.conditions == ["journal_overrun"]
    assert stage.caps()[-1].reason != "parked"
    assert run.worker.positions()["order-entry"] == 5


@scene
async def test_a_journal_that_went_back_ends_the_worker(stage: Stage) -> None:
    run = stage.start()
    stage.feed()
    await run.settled()
    stage.cluster.make_again("journal", 0)
    stage.feed()
    with pytest.raises(Refusal, match="journal_regressed"):
        await run.settled()


@scene
async def test_a_journal_made_again_is_refused_while_old_caps_are_about(stage: Stage) -> None:
    await stage.history()
    await stage.history()
    stage.cluster.make_again("journal", 0)
    stage.feed()
    assert (await stage.refusal()).condition == "journal_recreated"
    stage.cluster.make_again("journal", 0)
    stage.cluster.make_again("caps", 0)
    run = stage.start()
    await run.settled()
    assert run.worker.ready
