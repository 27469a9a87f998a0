"""A drill: cluster, services, load and router together, fault after fault, and the judgement."""

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Final, NamedTuple

from tests.chaos.audit import Found, audit, audited
from tests.chaos.cluster import LinkedCluster, off
from tests.chaos.faults import GROUP, Fault, Site
from tests.chaos.fleet import Fleet
from tests.chaos.load import Trading, Truth
from tests.chaos.machine import Machine
from tests.chaos.router import Router, Span

_CALM_S_MAX: Final = 150.0
"""With a fault over, everything is served again within this time, or the drill has failed."""
_LOOK_S: Final = 0.1
SLOWNESS_MAX: Final = 3.0
"""On a machine busier than this, how long something took says nothing about the service."""


@dataclass(frozen=True)
class Plan:
    """Everything that is decided beforehand. Faults come one after the other, each on calm."""

    faults: Iterable[Fault]
    seed: int
    session_s: float
    size: int = 3
    partitions: int = 4
    desks: int = 8
    events_per_s: float = 200.0


class Seen(NamedTuple):
    """What one fault did to the caps. Seconds."""

    fault: Fault
    silence_s: float
    """Longest wait of a session for its next cap."""
    blind_s: float
    """Longest time a router had no valid cap of a session."""
    allowed_s: float
    slowness: float
    """Of the machine meanwhile, see `Machine`."""


@dataclass
class Outcome:
    """How a drill went."""

    plan: Plan
    seconds: float = 0.0
    seen: list[Seen] = field(default_factory=list)
    ends: Counter[str] = field(default_factory=Counter)
    """How processes ended."""
    sent: int = 0
    found: Found = field(default_factory=Found)
    conditions: Counter[str] = field(default_factory=Counter)
    """Named conditions the processes met, from their logs."""
    load: float = 0.0
    """Load average of the machine at the end, over five minutes."""
    wrong: list[str] = field(default_factory=list)
    """Everything that must not be; empty when all is well."""


async def drill(plan: Plan, say: Callable[[str], None] = lambda _: None) -> Outcome:
    """Carry it out. Raises AssertionError when it cannot come to an end."""
    outcome, begun_s = Outcome(plan), time.monotonic()
    async with AsyncExitStack() as stack:
        cluster = await stack.enter_async_context(LinkedCluster())
        await off(_create_topics, cluster.direct, plan.partitions)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="reconverge-chaos-")))
        fleet = await stack.enter_async_context(Fleet(folder, _settings(cluster, plan), plan.size))
        random = Random(plan.seed)
        load = Trading(random, cluster.direct, plan.partitions, plan.desks)
        router = await stack.enter_async_context(Router(cluster.connection(), load.partitions))
        trading = asyncio.create_task(load.trade(plan.events_per_s))
        site = Site(cluster, fleet, Random(plan.seed + 1), plan.partitions, plan.session_s)
        machine = await stack.enter_async_context(Machine())
        stage = _Stage(site, router, machine, trading, outcome, say)
        try:
            await stage.calm(since_s=0.0)
            for fault in plan.faults:
                await stage.suffer(fault)
        finally:
            trading.cancel()
            await asyncio.wait([trading])
        truths = await load.finish()
        await stage.until(lambda: _known(fleet, truths), "the truth on the status pages")
        await fleet.dismiss()
        outcome.sent = sum(load.sent.values())
        outcome.found = await audit(cluster.connection(), plan.partitions, load.sent)
        for session in truths:
            if told := await off(audited, cluster.direct, session):
                outcome.wrong.append(told)
        _judge(outcome, truths, fleet)
    outcome.seconds = time.monotonic() - begun_s
    outcome.load = os.getloadavg()[1]
    return outcome


class _Stage:
    """Fault after fault, each on calm."""

    def __init__(
        self,
        site: Site,
        router: Router,
        machine: Machine,
        trading: "asyncio.Task[None]",
        outcome: Outcome,
        say: Callable[[str], None],
    ) -> None:
        self._site = site
        self._router = router
        self._machine = machine
        self._trading = trading
        self._outcome = outcome
        self._say = say
        self._clock = asyncio.get_running_loop().time

    async def suffer(self, fault: Fault) -> None:
        """One fault, and what came of it, once all is calm again."""
        await self._site.pause(0, 1.5)
        begin_s = self._clock()
        await fault.act(self._site)
        end_s = self._clock()
        await self.calm(since_s=end_s)
        window = Span(begin_s, self._clock())
        silence_s = self._router.longest_silence(window)
        blind_s = self._router.longest_blind(window)
        slowness = self._machine.slowness(window)
        allowed_s = fault.allowed(self._site.session_s, end_s - begin_s, slowness)
        self._outcome.seen.append(Seen(fault, silence_s, blind_s, allowed_s, slowness))
        told = f"{fault.name}: {silence_s:.1f} s to the next cap, {allowed_s:.1f} s allowed"
        lasted = f"lasted {end_s - begin_s:.1f} s, blind {blind_s:.1f} s"
        self._say(f"{told}; {lasted}, slowness {slowness:.1f}")
        if silence_s > allowed_s and slowness <= SLOWNESS_MAX:
            self._outcome.wrong.append(told)

    async def calm(self, since_s: float) -> None:
        """Return once all is whole, everything is served, and every session has a newer cap."""
        await off(self._site.cluster.wait_in_sync)
        await self.until(self._site.fleet.ready, "every process ready")
        await self.until(lambda: _of(self._router.heard_since(since_s)), "a cap of every session")

    async def until(self, holds: Callable[[], Awaitable[bool]], what: str) -> None:
        """Return once it holds."""
        give_up_s = self._clock() + _CALM_S_MAX
        while not await holds():
            assert self._clock() < give_up_s, f"never again: {what}\n{_tail(self._site.fleet)}"
            if self._trading.done() and not self._trading.cancelled():
                self._trading.result()
            await asyncio.sleep(_LOOK_S)


async def _of(value: bool) -> bool:
    return value


async def _known(fleet: Fleet, truths: Mapping[str, Truth]) -> bool:
    sessions = await fleet.sessions()
    return all(name in sessions and t.shows(sessions[name]) for name, t in truths.items())


def _settings(cluster: LinkedCluster, plan: Plan) -> Mapping[str, str]:
    return {
        "bootstrap_servers": cluster.bootstrap,
        "group_id": GROUP,
        "session_timeout_ms": str(round(plan.session_s * 1_000)),
        # Often enough that restores begin at snapshots too.
        "snapshot_records": "3000",
        "log_format": "json",
    }


def _create_topics(bootstrap: str, partitions: int) -> None:
    command = [str(Path(sys.executable).with_name("reconverge")), "topics", "--create"]
    options = ["--partitions", str(partitions), "--replicas", "3", "--bootstrap-servers", bootstrap]
    subprocess.run([*command, *options], check=True, stdout=subprocess.DEVNULL)


def _judge(outcome: Outcome, truths: Mapping[str, Truth], fleet: Fleet) -> None:
    found, wrong = outcome.found, outcome.wrong
    wrong += found.wrong[:20]
    if found.lost or found.doubled or found.inputs != outcome.sent:
        told = f"{found.lost} lost, {found.doubled} doubled"
        wrong.append(f"{found.inputs} of {outcome.sent} inputs folded: {told}")
    for name, truth in truths.items():
        if found.truths.get(name) != truth:
            wrong.append(f"{name}: held {found.truths.get(name)}, the truth is {truth}")
    outcome.ends = fleet.ends
    for member in fleet.gone:
        outcome.conditions.update(line["event"] for line in member.logged() if "detail" in line)


def _tail(fleet: Fleet) -> str:
    members = [*fleet.gone, *fleet.members]
    return "\n".join(
        f"{member.name} {member.ended()}: {line.get('exception', '')[-300:]} {line}"[:600]
        for member in members
        for line in member.logged()[-5:]
    )
