"""A planned handover: short, and the leaving worker's snapshot is waited for."""

import asyncio
from collections.abc import Mapping, Sequence

from reconverge.stream.history.records import Claim, Snapshot
from reconverge.stream.log import Record
from tests.sim.cluster import SimLog, SimTail
from tests.sim.world import OPTIONS
from tests.stream.stage import Stage, scene


class HesitantTail(SimTail):
    """One whose connections take a moment: the first look finds nothing."""

    looked = False

    async def poll(self, topics: Sequence[str], wait_s: float) -> Mapping[str, Sequence[Record]]:
        if self.looked:
            return await super().poll(topics, wait_s)
        self.looked = True
        await asyncio.sleep(wait_s)
        return {}


class HesitantLog(SimLog):
    async def follow(self, positions: Mapping[str, int]) -> SimTail:
        await self.travel()
        return HesitantTail(self, positions)


@scene
async def test_a_newcomer_that_has_read_nothing_yet_takes_nobody_for_dead(stage: Stage) -> None:
    old = stage.start()
    stage.feed()
    await old.settled()
    new = stage.start(log=HesitantLog)
    await old.settled(1)
    await old.release()
    await new.settled()
    journal = [entry.record for entry in await stage.journal()]
    ((at, _),) = [(i, r) for i, r in enumerate(journal) if isinstance(r, Snapshot)]
    assert isinstance(journal[at + 1], Claim)


@scene
async def test_stopping_does_not_wait_for_input(stage: Stage) -> None:
    run = stage.start()
    await run.settled()
    before_s = stage.loop.time()
    await run.release()
    assert stage.loop.time() - before_s < OPTIONS.deadlines.idle_s / 2
