"""A stage for one partition: workers of the toy core on the simulated log, in virtual time."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import replace
from inspect import Signature, signature
from random import Random
from typing import Any, Concatenate, ParamSpec

import msgspec
import pytest

from reconverge.core.messages.effects import Cap
from reconverge.stream.clock import Clock
from reconverge.stream.conditions import Condition, Refusal
from reconverge.stream.folding import Folds
from reconverge.stream.history.journal import Entry, entries
from reconverge.stream.observer import Observer, RestoreSeen
from reconverge.stream.options import Options
from reconverge.stream.worker import Context, Worker
from tests.sim.cluster import Cluster, Process, SimLog
from tests.sim.loop import VirtualLoop
from tests.sim.toy import ToyFolds, event
from tests.sim.world import OPTIONS


class Notes(Observer):
    """Remembers what the shell told."""

    def __init__(self) -> None:
        self.conditions: list[Condition] = []
        self.restores: list[RestoreSeen] = []
        self.set_aside: list[tuple[str, str]] = []

    def condition(self, partition: int | None, name: Condition, detail: str) -> None:
        self.conditions.append(name)

    def restored(self, seen: RestoreSeen) -> None:
        self.restores.append(seen)

    def quarantined(self, partition: int, topic: str, disposition: str) -> None:
        self.set_aside.append((topic, disposition))


class Stage:
    """A cluster, and workers that come and go."""

    def __init__(self, loop: VirtualLoop, options: Options = OPTIONS) -> None:
        self.loop = loop
        self.cluster = Cluster(loop, Random(1))
        self.options = options
        self.notes = Notes()
        self._count = 0

    def log(self, process: Process | None = None, kind: type[SimLog] = SimLog) -> SimLog:
        process = process or Process("reader", self.loop)
        return kind(self.cluster, process, 0, self.options.deadlines.append_s)

    def start(
        self,
        folds: Folds | None = None,
        policies: Sequence[Mapping[str, Any]] = ({"id": "base"},),
        options: Options | None = None,
        log: type[SimLog] = SimLog,
    ) -> "Run":
        """Another worker, in a process of its own."""
        process = Process("worker", self.loop)
        clock = lambda: Clock(process.wall_ns, self.loop.now_ns)  # noqa: E731
        context = Context(
            folds or ToyFolds(),
            policies,
            options or self.options,
            self.notes,
            clock,
            asyncio.Semaphore(1),
        )
        return Run(Worker(self.log(process, log), context), process)

    def feed(
        self, count: int = 5, topic: str = "order-entry", session: str = "s", stream: str = ""
    ) -> None:
        """Numbered events, on from the last ones."""
        for _ in range(count):
            self._count += 1
            value = event(session, stream or topic, self._count)
            self.cluster.write(topic, 0, session.encode(), value)

    def records(self, topic: str) -> list[Any]:
        return self.cluster.topics[topic, 0]

    def caps(self) -> list[Cap]:
        return [msgspec.json.decode(record.value, type=Cap) for record in self.records("caps")]

    async def journal(self) -> list[Entry]:
        """What counts of the journal."""
        return [
            entry
            async for entry in entries(self.log(), self.options, 0, len(self.records("journal")))
        ]

    async def history(self, events: int = 5, *, released: bool = True) -> None:
        """Some events, folded by a worker that then leaves or crashes."""
        run = self.start()
        self.feed(events)
        await run.settled()
        await (run.release() if released else run.crash())

    async def refusal(self, folds: Folds | None = None, **more: Any) -> Refusal:
        """Why another worker does not serve."""
        run = self.start(folds, **more)
        with pytest.raises(Refusal) as refusal:
            await run.settled()
        return refusal.value


class Run:
    """One worker's life."""

    def __init__(self, worker: Worker, process: Process) -> None:
        self.worker = worker
        self.process = process
        self.task = asyncio.create_task(worker.run())

    async def settled(self, seconds: float = 1.5) -> None:
        """Wait until what was fed is folded and published, or the worker ended.

        Raises what ended it.
        """
        await asyncio.wait([self.task], timeout=seconds)
        if self.task.done():
            self.task.result()

    async def release(self) -> None:
        self.worker.stop()
        await self.task

    async def crash(self) -> None:
        self.process.alive = False
        self.task.cancel()
        await asyncio.wait([self.task])
        await asyncio.sleep(3)  # the journal falls silent


P = ParamSpec("P")


def scene(test: Callable[Concatenate[Stage, P], Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Make a test of a scene, which is played on a stage of its own."""

    def played(*args: P.args, **kwargs: P.kwargs) -> None:
        play(lambda stage: test(stage, *args, **kwargs))

    played.__name__, played.__doc__, played.__module__ = (
        test.__name__,
        test.__doc__,
        test.__module__,
    )
    wanted = list(signature(test).parameters.values())[1:]  # of pytest; the stage is ours
    played.__signature__ = Signature(wanted)  # type: ignore[attr-defined] # read by signature()
    return played


def play(scene: Callable[[Stage], Coroutine[Any, Any, None]], **deadlines: float) -> Stage:
    """Run a scene to its end in virtual time."""
    loop = VirtualLoop()
    asyncio.set_event_loop(loop)
    options = replace(OPTIONS, deadlines=replace(OPTIONS.deadlines, **deadlines))
    stage = Stage(loop, options)
    try:
        loop.run_until_complete(scene(stage))
        return stage
    finally:
        tasks = asyncio.all_tasks(loop)
        for task in tasks:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        loop.run_until_complete(loop.shutdown_asyncgens())
        asyncio.set_event_loop(None)
        loop.close()
