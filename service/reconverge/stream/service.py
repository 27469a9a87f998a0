"""The supervisor of one process.

A worker for each partition it is advised to serve, and a watch over all.

It never lets a half-dead process linger: a stuck worker ends `run`, and with it the process;
whatever was not done is in the journal for the next owner.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import structlog

from reconverge.stream import memory
from reconverge.stream.conditions import Condition, Refusal, Superseded
from reconverge.stream.log import Log, LogError, Membership, OutcomeUnknown
from reconverge.stream.worker import Context, Worker

_log = structlog.get_logger(__name__)

Connect = Callable[[int], Awaitable[Log]]
"""Opens the log of a partition. Raises `LogError`."""


class Stalled(Exception):
    """Something makes no progress, or no memory is left: nothing this process can do about it."""


@dataclass(slots=True)
class _Seat:
    """A partition that is ours to serve."""

    partition: int
    leaving: asyncio.Event = field(default_factory=asyncio.Event)
    worker: Worker | None = None
    task: asyncio.Task[None] | None = None
    seen: int = 0
    """Progress at the last look."""

    def leave(self) -> None:
        """In order where there is something to hand over; at once where there is not yet."""
        self.leaving.set()
        if self.worker and self.worker.ready:
            self.worker.stop()
        elif self.task:
            self.task.cancel()


class Service:
    """Serves partitions until stopped."""

    def __init__(self, context: Context, connect: Connect, membership: Membership) -> None:
        self._context = context
        self._deadlines = context.options.deadlines
        self._connect = connect
        self._membership = membership
        self._seats: dict[int, _Seat] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        """Of every seat, those on their way out included."""
        self._advised: frozenset[int] | None = None
        self._exhausted: asyncio.Future[None]
        """Fails when the memory is used up. Made by `run`."""

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until `stop` is set, then leave in order.

        Raises `Stalled`, and what makes every partition hopeless.
        """
        memory.tune()
        self._exhausted = asyncio.get_running_loop().create_future()
        tasks: list[asyncio.Future[Any]] = [
            asyncio.create_task(work)
            for work in (self._follow(), self._watch(), self._report(), stop.wait())
        ]
        tasks.append(self._exhausted)
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            await self._leave_all()

    @property
    def ready(self) -> bool:
        """Whether every partition we are advised to serve is being served.

        False until there is advice.
        """
        seats = [self._seats.get(partition) for partition in self._advised or ()]
        return self._advised is not None and all(s and s.worker and s.worker.ready for s in seats)

    def status(self) -> Mapping[int, bool]:
        """The partitions that are ours, and whether each is served."""
        return {
            partition: bool(s.worker and s.worker.ready) for partition, s in self._seats.items()
        }

    def workers(self) -> Mapping[int, Worker]:
        """The workers that are serving, by partition."""
        return {p: s.worker for p, s in self._seats.items() if s.worker and s.worker.ready}

    # Who serves what.

    async def _follow(self) -> None:
        while True:
            try:
                self._advised = await self._membership.assigned()
            except LogError as error:
                self._met(None, "log_unavailable", str(error))
                await asyncio.sleep(self._deadlines.backoff_s)
                continue
            for partition in [p for p in self._seats if p not in self._advised]:
                self._seats[partition].leave()
            for partition in sorted(self._advised):
                self._take(partition)

    def _take(self, partition: int) -> None:
        earlier = self._seats.get(partition)
        if earlier and not earlier.leaving.is_set():
            return
        seat = self._seats[partition] = _Seat(partition)
        seat.task = asyncio.create_task(self._serve(seat, earlier.task if earlier else None))
        self._tasks.add(seat.task)
        seat.task.add_done_callback(self._tasks.discard)

    async def _serve(self, seat: _Seat, earlier: asyncio.Task[None] | None) -> None:
        """One worker after another, until one leaves in order. A failed one costs a growing pause.

        Our own earlier self, if still on its way out, comes first.
        """
        backoff_s = self._deadlines.backoff_s
        try:
            if earlier:
                await asyncio.wait([earlier])
            while not seat.leaving.is_set():
                served = await self._serve_once(seat)
                backoff_s = (
                    self._deadlines.backoff_s
                    if served
                    else min(2 * backoff_s, self._deadlines.backoff_s_max)
                )
                await _pause(backoff_s, seat.leaving)
        finally:
            if self._seats.get(seat.partition) is seat:
                del self._seats[seat.partition]

    async def _serve_once(self, seat: _Seat) -> bool:
        """Serve as long as it goes; true if it ever got ready.

        Whatever ends it has been told on return.
        """
        worker = None
        try:
            log = await self._connect(seat.partition)
            try:
                worker = seat.worker = Worker(log, self._context)
                await worker.run()
            finally:
                seat.worker = None
                await log.close()
        except Superseded as error:
            self._met(seat.partition, "superseded", str(error))
        except Refusal as error:
            self._met(seat.partition, error.condition, error.detail)
        except OutcomeUnknown as error:
            self._met(seat.partition, "outcome_unknown", str(error))
        except LogError as error:
            self._met(seat.partition, "log_unavailable", str(error))
        except MemoryError:  # no record's fault: another process takes over, or this one anew
            if not self._exhausted.done():
                told = f"no memory is left for the worker of partition {seat.partition}"
                self._exhausted.set_exception(Stalled(told))
        except Exception as error:
            _log.exception("worker failed", partition=seat.partition)
            self._context.observer.condition(seat.partition, "worker_failed", repr(error))
        return worker is not None and worker.served

    async def _leave_all(self) -> None:
        """Leave every partition in order, and the group at once.

        Its other members learn of it while we write our snapshots, and wait for our releases.
        """
        leaving = asyncio.create_task(self._membership.close())
        for seat in self._seats.values():
            seat.leave()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=self._deadlines.stop_s)
            for task in late:
                task.cancel()
            if late:  # one whose clients hang even now is left behind: the process ends with it
                await asyncio.wait(late, timeout=self._deadlines.connect_s)
        await leaving

    # Watching.

    async def _watch(self) -> None:
        """A worker that is ready and does not turn is stuck, and so is this process."""
        while True:
            await asyncio.sleep(self._deadlines.stall_s)
            for seat in self._seats.values():
                progress = seat.worker.progress if seat.worker and seat.worker.ready else -1
                if progress >= 0 and progress == seat.seen:
                    self._met(
                        seat.partition, "stalled", f"no turn within {self._deadlines.stall_s} s"
                    )
                    raise Stalled(f"the worker of partition {seat.partition} is stuck")
                seat.seen = progress

    async def _report(self) -> None:
        while True:
            await asyncio.sleep(self._deadlines.report_s)
            workers = {
                p: seat.worker
                for p, seat in self._seats.items()
                if seat.worker and seat.worker.ready
            }
            try:
                await self._membership.report(
                    {p: worker.positions() for p, worker in workers.items()}
                )
            except LogError as error:
                _log.warning("positions not reported", error=str(error))

    def _met(self, partition: int | None, condition: Condition, detail: str) -> None:
        self._context.observer.condition(partition, condition, detail)


async def _pause(seconds: float, unless: asyncio.Event) -> None:
    try:
        async with asyncio.timeout(seconds):
            await unless.wait()
    except TimeoutError:
        return
