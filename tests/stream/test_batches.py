"""What goes into a batch: small and soon while little comes, large and ahead in a backlog."""

import asyncio
from dataclasses import replace

import pytest

from reconverge.stream.history.records import Batch
from tests.sim.cluster import SimLog
from tests.sim.world import OPTIONS
from tests.stream.stage import Stage, scene

JOURNAL_S = 0.1


class SlowJournal(SimLog):
    async def append(self, topic: str, key: bytes | None, value: bytes) -> int:
        await asyncio.sleep(JOURNAL_S)
        return await super().append(topic, key, value)


@pytest.mark.parametrize(
    ("ahead_records", "sizes"),
    [
        pytest.param(2, [1, 2], id="a batch stays open until the journal has room for it"),
        pytest.param(1, [1, 1, 1], id="enough is folded while the journal is busy"),
    ],
)
@scene
async def test_who_comes_while_the_journal_is_busy(
    stage: Stage, ahead_records: int, sizes: list[int]
) -> None:
    limits = replace(OPTIONS.limits, ahead_records=ahead_records)
    run = stage.start(options=replace(OPTIONS, limits=limits), log=SlowJournal)
    await run.settled()
    for _ in range(3):
        stage.feed(1)
        await asyncio.sleep(JOURNAL_S / 3)
    await run.settled()
    batches = [entry.record for entry in await stage.journal()]
    taken = [
        sum(stretch.end - stretch.start for stretch in batch.taken.values())
        for batch in batches
        if isinstance(batch, Batch)
    ]
    assert [size for size in taken if size] == sizes
