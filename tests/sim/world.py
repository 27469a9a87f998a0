"""A simulated installation.

Some processes running the real service, a group coordinator, a load, and faults on schedule.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from random import Random
from typing import NamedTuple

from reconverge.stream.clock import Clock
from reconverge.stream.conditions import Condition
from reconverge.stream.log import Record
from reconverge.stream.observer import Observer
from reconverge.stream.options import Deadlines, Limits, Options
from reconverge.stream.service import Service
from reconverge.stream.worker import Context
from tests.sim.audit import PartitionAudit, Violation
from tests.sim.cluster import START_NS, Cluster, Process, SimLog, Weather
from tests.sim.load import POLICIES, DeskLoad, Load, ToyLoad
from tests.sim.loop import VirtualLoop

SESSION_S = 3.0
"""The group forgets a member it has not heard of for this long."""
CALM_S_MAX = 90.0
"""With all faults over, everything is served and consumed within this time. Virtual seconds."""

OPTIONS = Options(
    limits=Limits(
        batch_records=7, buffered_records=20, batches_unacknowledged=3, chunk_bytes=200,
        suffix_records=60, suffix_batches=40, suffix_records_per_row=1, restores_at_once=1,
    ),
    deadlines=Deadlines(
        append_s=2.0, read_s=2.0, idle_s=0.5, tick_s=0.02, align_s=0.5, handover_s=1.0,
        silence_s=1.5, backoff_s=0.2, backoff_s_max=1.0, stall_s=40.0, stop_s=10.0, report_s=1.0,
    ),
)  # fmt: skip


class Fault(NamedTuple):
    """Something that happens at a moment. What `target` and `amount` mean depends on the kind."""

    at_s: float
    kind: str
    target: int = 0
    amount: float = 0.0

    def __str__(self) -> str:
        return f"{self.at_s:7.3f}s  {self.kind} {self.target} {self.amount:.3f}"


@dataclass(frozen=True)
class Plan:
    """Everything that a run depends on."""

    seed: int
    load: str = "toy"
    processes: int = 2
    partitions: int = 1
    events: int = 80
    seconds: float = 15.0
    faults: Sequence[Fault] = field(default=())

    def __str__(self) -> str:
        return "\n".join([repr(replace(self, faults=())), *map(str, self.faults)])


WEATHERS = (
    Weather(lost_answer=0.15),
    Weather(late_request=0.15),
    Weather(lost_request=0.1, failed_read=0.1),
    Weather(refused_write=0.5, latency_s=0.02),
    Weather(repeated_read=0.5, latency_s=0.05),
    Weather(lost_answer=0.05, late_request=0.05, failed_read=0.05, latency_s=0.1),
)


LOADS: dict[str, type[ToyLoad | DeskLoad]] = {"toy": ToyLoad, "desk": DeskLoad}


def plan(seed: int, load: str = "toy") -> Plan:
    """A swarm.

    Each seed has its own mix of fault kinds, so that rare ones also meet without the common ones.
    """
    random = Random(seed)
    kinds = random.sample(KINDS, random.randint(1, len(KINDS)))
    base = Plan(
        seed,
        load,
        processes=random.randint(1, 3),
        partitions=random.choice((1, 1, 2)),
        events=random.randint(20, 120),
    )
    faults = sorted(
        Fault(
            random.uniform(0.1, base.seconds),
            random.choice(kinds),
            random.randrange(6),
            random.expovariate(0.4),
        )
        for _ in range(random.randint(0, 12))
    )
    return replace(base, faults=tuple(faults))


KINDS = ("crash", "pause", "split", "shuffle", "storm", "clock", "leave", "skew")


class Watcher(Observer):
    """Remembers the conditions met."""

    def __init__(self) -> None:
        self.conditions: list[Condition] = []

    def condition(self, partition: int | None, name: Condition, detail: str) -> None:
        self.conditions.append(name)


class SimMembership:
    """One member's end of the group."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._queue: asyncio.Queue[frozenset[int]] = asyncio.Queue()
        self.left = False

    def tell(self, partitions: frozenset[int]) -> None:
        self._process.deliver(lambda: self._queue.put_nowait(partitions))

    async def assigned(self) -> frozenset[int]:
        assignment = await self._queue.get()
        while not self._queue.empty():
            assignment = self._queue.get_nowait()
        return assignment

    async def report(self, positions: object) -> None:
        return

    async def close(self) -> None:
        self.left = True


class Member:
    """One running process of the service."""

    def __init__(self, world: "World", name: str) -> None:
        self.process = Process(name, world.loop)
        self.membership = SimMembership(self.process)
        options = replace(OPTIONS, member=name)
        clock = lambda: Clock(self.process.wall_ns, world.loop.now_ns)  # noqa: E731
        context = Context(
            world.load.folds, POLICIES, options, world.watcher, clock, asyncio.Semaphore(1)
        )
        self.service = Service(context, self._connect, self.membership)
        self.stop = asyncio.Event()
        self.generation = 0
        """Of the newest assignment that it was told."""
        self._world = world
        self.task = asyncio.create_task(self.service.run(self.stop))

    async def _connect(self, partition: int) -> SimLog:
        return SimLog(self._world.cluster, self.process, partition, OPTIONS.deadlines.append_s)

    def crash(self) -> None:
        self.process.alive = False
        self.task.cancel()


class World:
    """One run."""

    def __init__(self, plan: Plan, loop: VirtualLoop) -> None:
        self.plan = plan
        self.loop = loop
        self.random = Random(plan.seed + 1)
        self.cluster = Cluster(loop, self.random)
        self.watcher = Watcher()
        self.load: Load = LOADS[plan.load](self.random, plan.partitions, self._send)
        self.audits = {
            p: PartitionAudit(self.cluster, p, self.load.folds, OPTIONS)
            for p in range(plan.partitions)
        }
        self.violations: list[Violation] = []
        self.cluster.watchers.append(self._watch)
        self.members: list[Member] = []
        self._born = 0
        self._believed: list[Member] = []
        self._offset = 0
        self._generation = 0
        self._ahead_ns: dict[str, int] = {}
        """How far the clock of an input topic's producer is ahead."""

    async def run(self) -> None:
        """Play the plan, calm down, and require that all is well. Raises `Violation`."""
        for _ in range(self.plan.processes):
            self._start()
        background = [asyncio.create_task(self._coordinate()), asyncio.create_task(self._feed())]
        try:
            for fault in self.plan.faults:
                await asyncio.sleep(max(0.0, fault.at_s - self.loop.time()))
                getattr(self, f"_{fault.kind}")(fault)
                self._raise()
            await background[1]
            await self._calm()
        finally:
            for task in background:
                task.cancel()
            for member in self.members:
                member.crash()
            await asyncio.wait([*background, *(member.task for member in self.members)])
        self._raise()

    # The weather and other misfortunes.

    def _crash(self, fault: Fault) -> None:
        member = self._pick(fault)
        if member:
            member.crash()
            self.loop.call_later(fault.amount / 2, self._start)

    def _pause(self, fault: Fault) -> None:
        member = self._pick(fault)
        if member:
            member.process.pause(fault.amount * 2)

    def _leave(self, fault: Fault) -> None:
        member = self._pick(fault)
        if member:
            member.stop.set()
            self.loop.call_later(fault.amount / 2, self._start)

    def _clock(self, fault: Fault) -> None:
        member = self._pick(fault)
        if member:
            member.process.clock_offset_ns += int((fault.amount - 2.5) * 1e9)

    def _skew(self, fault: Fault) -> None:
        """The clock of whoever writes an input topic steps."""
        topics = OPTIONS.topics.inputs
        self._ahead_ns[topics[fault.target % len(topics)]] = int((fault.amount - 2.5) * 1e9)

    def _split(self, fault: Fault) -> None:
        """A member believes that everything is its own."""
        member = self._pick(fault)
        if member:
            member.membership.tell(frozenset(self.audits))

    def _shuffle(self, fault: Fault) -> None:
        self._offset += 1
        self._assign()

    def _storm(self, fault: Fault) -> None:
        self.cluster.weather = replace(WEATHERS[fault.target % len(WEATHERS)])
        self.loop.call_later(fault.amount, self._clear_up)

    def _clear_up(self) -> None:
        self.cluster.weather = Weather()

    def _pick(self, fault: Fault) -> Member | None:
        alive = [
            member for member in self.members if member.process.alive and not member.stop.is_set()
        ]
        return alive[fault.target % len(alive)] if alive else None

    # The group.

    def _start(self) -> None:
        self._born += 1
        self.members.append(Member(self, f"process-{self._born}"))

    async def _coordinate(self) -> None:
        """Notice who is gone, late; tell everybody, each at a time of its own."""
        silent: dict[Member, float] = {}
        while True:
            now_s = self.loop.time()
            for member in self.members:
                heard = member.process.alive and not member.process.paused
                silent[member] = now_s if heard else silent.get(member, now_s)
            believed = [
                m
                for m in self.members
                if now_s - silent[m] < SESSION_S
                and not m.membership.left
                and (m.process.alive or m in self._believed)
            ]
            if believed != self._believed:
                self._believed = believed
                self._assign()
            await asyncio.sleep(0.25)

    def _assign(self) -> None:
        """Tell everybody, in a moment; what is on its way from earlier is out of date by then."""
        count = len(self._believed)
        self._generation += 1
        for index, member in enumerate(self._believed):
            mine = frozenset(p for p in self.audits if (p + self._offset) % count == index)
            tell = partial(self._tell, member, mine, self._generation)
            self.loop.call_later(self.random.uniform(0.0, 0.5), tell)

    def _tell(self, member: Member, partitions: frozenset[int], generation: int) -> None:
        if generation > member.generation:
            member.generation = generation
            member.membership.tell(partitions)

    async def _feed(self) -> None:
        for _ in range(self.plan.events):
            await asyncio.sleep(self.random.expovariate(self.plan.events / self.plan.seconds))
            self.load.step(self._now_ns())
        self.load.end(self._now_ns())

    def _send(self, topic: str, partition: int, key: bytes, value: bytes | None) -> None:
        ahead_ns = self._ahead_ns.get(topic, 0)
        self.cluster.write(topic, partition, key, value, clock_ahead_ns=ahead_ns)

    def _now_ns(self) -> int:
        return START_NS + self.loop.now_ns()

    # The end.

    async def _calm(self) -> None:
        """Faults are over.

        Within a bound every partition is served, and everything consumed and published.
        """
        self._clear_up()
        if not any(m.process.alive and not m.stop.is_set() for m in self.members):
            self._start()
        self._assign()
        give_up_s = self.loop.time() + CALM_S_MAX
        while not self._served():
            await asyncio.sleep(0.5)
            self._raise()
            if self.loop.time() > give_up_s:
                raise Violation(f"not served {CALM_S_MAX} s after the last fault: {self._state()}")
        await asyncio.sleep(2.5)
        self._check_caps_flow()
        for member in self.members:
            member.stop.set()
        await asyncio.wait([m.task for m in self.members if m.process.alive], timeout=30)
        self._raise()
        for partition, audit in self.audits.items():
            audit.finished()
            disagreement = self.load.disagreement(partition, audit.ledger.fold)
            if disagreement:
                raise Violation(f"partition {partition}: {disagreement}")

    def _served(self) -> bool:
        consumed = all(
            audit.ledger.positions.get(topic, (0,))[0] == len(self.cluster.topics[topic, p])
            for p, audit in self.audits.items()
            for topic in OPTIONS.topics.inputs
        )
        owners = [
            p
            for m in self.members
            if m.process.alive
            for p, ready in m.service.status().items()
            if ready
        ]
        return consumed and sorted(owners) == sorted(self.audits)

    def _check_caps_flow(self) -> None:
        """Clocks differ here, so that it is only asked whether there is a cap at all."""
        for partition, audit in self.audits.items():
            without = set(self.load.sessions(partition)) - audit.newest_cap_ns.keys()
            if without:
                raise Violation(f"no cap for {without}")

    def _state(self) -> str:
        return str(
            [(m.process.name, m.process.alive, m.service.status()) for m in self.members]
        ) + str(self.watcher.conditions[-10:])

    def _watch(self, partition: int, record: Record, writer: object) -> None:
        try:
            self.audits[partition].written(record, writer)
        except Violation as violation:
            self.violations.append(violation)

    def _raise(self) -> None:
        if self.violations:
            raise self.violations[0]
        broken = [c for c in self.watcher.conditions if c in UNEXPECTED]
        if broken:
            raise Violation(f"conditions that cannot be: {broken}")
        for member in self.members:
            if member.process.alive and member.task.done() and member.task.exception():
                raise Violation(f"{member.process.name} ended: {member.task.exception()!r}")


UNEXPECTED: frozenset[Condition] = frozenset({
    "worker_failed", "derivation_mismatch", "journal_unreadable", "snapshot_unreadable",
    "topic_recreated", "retention_overrun", "journal_overrun", "journal_regressed",
    "policy_missing", "core_unknown",
})  # fmt: skip
"""None of the faults simulated here may lead to these."""


def simulate(plan: Plan) -> World:
    """Run a plan; the world it left behind. Raises `Violation`."""
    loop = VirtualLoop()
    try:
        asyncio.set_event_loop(loop)
        world = World(plan, loop)
        loop.run_until_complete(world.run())
        return world
    finally:
        _tidy(loop)
        asyncio.set_event_loop(None)
        loop.close()


def _tidy(loop: VirtualLoop) -> None:
    """What a violation left running."""
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
    loop.run_until_complete(loop.shutdown_asyncgens())


def shrink(plan: Plan) -> Plan:
    """The plan without the faults, and the load, that its violation does not need."""
    for index in reversed(range(len(plan.faults))):
        less = replace(plan, faults=(*plan.faults[:index], *plan.faults[index + 1 :]))
        if violates(less):
            return shrink(less)
    fewer = replace(plan, events=plan.events // 2)
    if plan.events > 2 and violates(fewer):
        return shrink(fewer)
    return plan


def violates(plan: Plan) -> Violation | None:
    """The violation a plan leads to, if any."""
    try:
        simulate(plan)
    except Violation as violation:
        return violation
    return None
