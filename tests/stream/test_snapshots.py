"""Snapshots: their chunks, those that are not whole, and what no record can hold."""

from collections.abc import Sequence
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from reconverge.stream.history import snapshot
from reconverge.stream.history.records import Snapshot
from reconverge.stream.log import LogError
from tests.sim import cluster
from tests.sim.cluster import SimTail
from tests.sim.toy import ToyFold
from tests.stream.stage import Stage, scene


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A broker that takes only small records."""
    monkeypatch.setattr(cluster, "RECORD_BYTES_MAX", 750)


@given(st.lists(st.text('ab\n"é', max_size=300), max_size=200), st.integers(50, 2_000))
def test_chunks_hold_every_row_in_order_and_keep_to_their_size(texts: list[str], size: int) -> None:
    rows = [[text, index] for index, text in enumerate(texts)]
    chunks = list(snapshot._chunks(rows, size))
    assert [row for _, chunk in chunks for row in orjson.loads(chunk)] == rows
    assert sum(count for count, _ in chunks) == len(rows)
    for count, chunk in chunks:
        assert len(chunk) <= size + 2 or count == 1


@scene
async def test_a_snapshot_that_is_not_whole_gives_way_to_the_one_before(stage: Stage) -> None:
    await stage.history()
    await stage.history()
    log = stage.records("snapshots")
    log[-1] = structs.replace(log[-1], value=b"[]")
    run = stage.start()
    await run.settled()
    assert stage.notes.conditions == ["snapshot_unreadable"]
    assert stage.notes.restores[-1].records == 5
    fold = run.worker.fold
    assert isinstance(fold, ToyFold)
    assert fold.sessions["s"].count == 10


@scene
async def test_a_snapshot_that_cannot_be_read_just_now_is_not_a_broken_one(stage: Stage) -> None:
    await stage.history()
    poll = SimTail.poll

    async def failing(self: SimTail, topics: Sequence[str], *rest: Any) -> Any:
        if "snapshots" in topics and "journal" not in topics:
            raise LogError("not now")
        return await poll(self, topics, *rest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SimTail, "poll", failing)
        with pytest.raises(LogError, match="not now"):
            await stage.start().settled()
    await stage.start().settled()
    assert stage.notes.conditions == []
    assert stage.notes.restores[-1].batches == 0, "nothing but the snapshot"


@scene
async def test_a_row_larger_than_a_record_leaves_the_older_snapshot_in_place(
    stage: Stage, small: None
) -> None:
    await stage.history()
    run = stage.start()
    stage.feed(3, stream="x" * 1_200)
    await run.settled()
    await run.release()
    assert "snapshot_too_large" in stage.notes.conditions
    journal = [entry.record for entry in await stage.journal()]
    assert sum(isinstance(record, Snapshot) for record in journal) == 1


@scene
async def test_an_output_larger_than_a_record_is_skipped_and_told(
    stage: Stage, small: None
) -> None:
    run = stage.start()
    stage.feed(1, session="s" * 256)
    stage.feed(1)
    await run.settled(2.5)
    assert set(stage.notes.conditions) == {"output_too_large"}
    assert {cap.session for cap in stage.caps()} == {"s"}
