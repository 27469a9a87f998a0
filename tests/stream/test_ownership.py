"""One owner at a time: newer claims, unknown outcomes, clocks, and a topic that is stuck."""

from collections.abc import Sequence
from typing import Any

import pytest

from reconverge.stream.conditions import Superseded
from reconverge.stream.history.records import (
    Batch,
    counts,
    decode,
)
from reconverge.stream.log import OutcomeUnknown
from tests.sim import cluster
from tests.sim.cluster import SimTail, Weather
from tests.sim.toy import ToyFold
from tests.stream.stage import Stage, scene


@scene
async def test_a_newer_claim_supersedes_and_nothing_more_is_published(stage: Stage) -> None:
    old = stage.start()
    stage.feed()
    await old.settled()
    new = stage.start()  # waits for the old one to leave, then claims over it
    with pytest.raises(Superseded) as superseded:
        await old.settled(10)
    assert not old.worker.ready
    await new.settled()
    assert superseded.value.claim == stage.caps()[-1].epoch
    written = [(decode(r.value, r.offset), r.offset) for r in stage.records("journal")]
    ignored = [record for record, offset in written if not counts(record, offset)]
    assert any(isinstance(record, Batch) and record.epoch == 0 for record in ignored)


@scene
async def test_an_unknown_outcome_ends_the_worker_and_the_next_one_finds_out(stage: Stage) -> None:
    run = stage.start()
    stage.feed()
    await run.settled()
    stage.cluster.weather = Weather(lost_answer=1.0)
    stage.feed()
    with pytest.raises(OutcomeUnknown):
        await run.settled(10)
    stage.cluster.weather = Weather()
    run = stage.start()
    await run.settled(5)
    fold = run.worker.fold
    assert isinstance(fold, ToyFold)
    assert fold.sessions["s"].count == 10, "journalled, though nobody was told"


@scene
async def test_a_time_from_the_future_is_told_and_slept_off(stage: Stage) -> None:
    run = stage.start()
    run.process.clock_offset_ns = 10_000_000_000
    stage.feed()
    await run.settled()
    await run.release()
    run = stage.start()
    await run.settled(1)
    assert stage.notes.conditions == ["clock_ahead"]
    wall_ns = cluster.START_NS + stage.loop.now_ns()
    assert stage.caps()[-1].event_ns > wall_ns + 8_000_000_000
    await run.settled(30)
    wall_ns = cluster.START_NS + stage.loop.now_ns()
    assert stage.caps()[-1].event_ns < wall_ns
    assert stage.notes.conditions == ["clock_ahead"]


@scene
async def test_a_topic_that_is_stuck_holds_the_others_back_only_for_a_while(stage: Stage) -> None:
    stage.feed(50, "drop-copy")
    stage.feed(5)
    run = stage.start()
    poll = SimTail._polled

    def stuck(self: SimTail, topics: Sequence[str]) -> Any:
        return poll(self, [topic for topic in topics if topic != "drop-copy"])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SimTail, "_polled", stuck)
        await run.settled(0.4)
        assert run.worker.positions()["order-entry"] == 0, "held back"
        await run.settled(1.5)
        assert run.worker.positions()["order-entry"] == 5
    await run.settled(3)
    assert run.worker.positions()["drop-copy"] == 50
