"""The process: workers that are stuck or fail."""

import asyncio
from itertools import pairwise
from typing import Any

import pytest

from reconverge.stream.clock import Clock
from reconverge.stream.log import LogError, OutcomeUnknown
from reconverge.stream.service import Service, Stalled
from reconverge.stream.worker import Context
from tests.sim.cluster import Process, SimLog
from tests.sim.toy import ToyFolds
from tests.sim.world import SimMembership
from tests.stream.stage import Stage, scene


class Stuck(SimLog):
    """A log that stops answering, as clients have been seen to."""

    stuck = False

    async def travel(self) -> None:
        if Stuck.stuck:
            await asyncio.Event().wait()
        await super().travel()


def _service(stage: Stage, connect: Any) -> tuple[Service, SimMembership]:
    process = Process("one", stage.loop)
    membership = SimMembership(process)
    context = Context(
        folds=ToyFolds(),
        policies=[{"id": "base"}],
        options=stage.options,
        observer=stage.notes,
        clock=lambda: Clock(process.wall_ns, stage.loop.now_ns),
        restores=asyncio.Semaphore(1),
    )
    return Service(context, connect(process), membership), membership


@scene
async def test_a_worker_that_is_stuck_ends_the_process(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def connect(process: Process) -> Any:
        async def opened(partition: int) -> SimLog:
            return Stuck(stage.cluster, process, partition, 2.0)

        return opened

    service, membership = _service(stage, connect)
    running = asyncio.create_task(service.run(asyncio.Event()))
    membership.tell(frozenset({0}))
    await asyncio.sleep(2)
    assert service.ready
    monkeypatch.setattr(Stuck, "stuck", True)
    with pytest.raises(Stalled):
        await running
    assert "stalled" in stage.notes.conditions
    assert membership.left


@scene
async def test_a_worker_that_fails_is_followed_by_another_after_a_pause(stage: Stage) -> None:
    failures: list[Exception] = [
        LogError("no broker"),
        OutcomeUnknown("?"),
        ValueError("a bug"),
    ]
    times: list[float] = []

    def connect(process: Process) -> Any:
        async def opened(partition: int) -> SimLog:
            times.append(stage.loop.time())
            if failures:
                raise failures.pop(0)
            return SimLog(stage.cluster, process, partition, 2.0)

        return opened

    service, membership = _service(stage, connect)
    stop = asyncio.Event()
    running = asyncio.create_task(service.run(stop))
    membership.tell(frozenset({0}))
    await asyncio.sleep(5)
    assert service.ready
    assert stage.notes.conditions == ["log_unavailable", "outcome_unknown", "worker_failed"]
    pauses = [later - earlier for earlier, later in pairwise(times)]
    assert pauses == pytest.approx([0.4, 0.8, 1.0], abs=0.01), "doubling, up to a limit"
    membership.tell(frozenset())
    await asyncio.sleep(1)
    assert service.status() == {}
    stop.set()
    await running
