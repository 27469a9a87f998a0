"""The faults of a drill, and how long a session may then be without a new cap.

Each is a coroutine that does the damage, waits if it is one that lasts, and repairs what it broke
outside the service. What the service does about it is its own affair.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from random import Random
from typing import Final

from reconverge.stream.options import Deadlines
from tests.chaos.cluster import LinkedCluster, off
from tests.chaos.fleet import Fleet

TAKEOVER_S: Final = 2.0
"""Rebalance and restore, after a session timeout (docs/protocol.md)."""
PLANNED_S: Final = 3.0
"""A planned handover: the caps' validity, so that no router goes blind."""
GROUP: Final = "chaos"
_APPEND_S: Final = Deadlines().append_s
_FLEET_SIZES: Final = (2, 3, 4)


@dataclass(frozen=True)
class Site:
    """What can be broken, and the dice."""

    cluster: LinkedCluster
    fleet: Fleet
    random: Random
    partitions: int
    session_s: float
    """Session timeout of the group."""

    async def pause(self, least_s: float, most_s: float) -> None:
        """Let it be for a while."""
        await asyncio.sleep(self.random.uniform(least_s, most_s))


Allowed = Callable[[float, float, float], float]
"""From the session timeout, how long the fault lasted, and how slow the machine was, to the longest
wait for a cap that docs/protocol.md allows. What is timed out is not stretched, work is."""


def _crash(session_s: float, _: float, slowness: float) -> float:
    return session_s + TAKEOVER_S * slowness


def _crashes(session_s: float, lasted_s: float, slowness: float) -> float:
    return lasted_s + session_s + TAKEOVER_S * slowness


def _planned(_: float, __: float, slowness: float) -> float:
    return PLANNED_S * slowness


def _nap_over(_: float, lasted_s: float, slowness: float) -> float:
    return lasted_s + PLANNED_S * slowness


def _outage(_: float, lasted_s: float, slowness: float) -> float:
    """While it lasts; then an append may still be waiting for its deadline."""
    return lasted_s + _APPEND_S + TAKEOVER_S * slowness


@dataclass(frozen=True)
class Fault:
    """One kind."""

    name: str
    act: Callable[[Site], Awaitable[None]]
    allowed: Allowed
    weight: int = 1
    """How often it comes up in a long drill, in relation to the others."""


# Processes of the service.


async def _kill(site: Site) -> None:
    site.random.choice(site.fleet.members).kill()


async def _kill_again(site: Site) -> None:
    await _kill(site)
    await site.pause(0, site.session_s + TAKEOVER_S)
    await _kill(site)


async def _kill_all(site: Site) -> None:
    for member in site.fleet.members:
        member.kill()


async def _zombie(site: Site) -> None:
    member = site.random.choice(site.fleet.members)
    member.pause()
    try:
        await site.pause(site.session_s + TAKEOVER_S, 2 * site.session_s)
    finally:
        member.resume()


async def _nap(site: Site) -> None:
    member = site.random.choice(site.fleet.members)
    member.pause()
    try:
        await site.pause(0.2, site.session_s / 2)
    finally:
        member.resume()


async def _restart(site: Site) -> None:
    site.random.choice(site.fleet.members).leave()


async def _resize(site: Site) -> None:
    fleet = site.fleet
    sizes = [size for size in _FLEET_SIZES if size != fleet.size]
    fleet.size = site.random.choice(sizes)
    for member in fleet.members[fleet.size :]:
        member.leave()


# Brokers.


async def _broker_back(site: Site, node: int) -> None:
    await site.pause(1, 4)
    await off(site.cluster.start, node)


async def _kill_leader(site: Site) -> None:
    node = await off(site.cluster.leader, "journal", site.random.randrange(site.partitions))
    await off(site.cluster.kill, node)
    await _broker_back(site, node)


async def _kill_coordinator(site: Site) -> None:
    node = await off(site.cluster.coordinator, GROUP)
    await off(site.cluster.kill, node)
    await _broker_back(site, node)


async def _kill_both(site: Site) -> None:
    await _kill(site)
    await _kill_coordinator(site)


async def _stop_broker(site: Site) -> None:
    node = site.random.choice(list(site.cluster.nodes))
    await off(site.cluster.stop, node)
    await _broker_back(site, node)


async def _freeze_broker(site: Site) -> None:
    node = await off(site.cluster.leader, "journal", site.random.randrange(site.partitions))
    site.cluster.pause(node)
    try:
        await site.pause(1, 8)
    finally:
        site.cluster.resume(node)


async def _fill_disk(site: Site) -> None:
    node = await off(site.cluster.leader, "journal", site.random.randrange(site.partitions))
    await off(site.cluster.fill_disk, node)
    await _broker_back(site, node)


# The roads between them.


async def _cut_one(site: Site) -> None:
    link = site.random.choice(list(site.cluster.links.values()))
    link.cut()
    await site.pause(0, 4)
    link.mend()


async def _cut_all(site: Site) -> None:
    for link in site.cluster.links.values():
        link.cut()
    await site.pause(0, 4)
    for link in site.cluster.links.values():
        link.mend()


async def _silence_one(site: Site) -> None:
    link = site.random.choice(list(site.cluster.links.values()))
    link.silence()
    await site.pause(1, 8)
    link.mend()


async def _delay(site: Site) -> None:
    for link in site.cluster.links.values():
        link.delay_s = site.random.uniform(0.02, 0.25)
    await site.pause(3, 6)
    for link in site.cluster.links.values():
        link.mend()


FAULTS: Final = tuple(
    Fault(*row)
    for row in (
        ("process: kill -9", _kill, _crash, 12),
        ("process: kill -9, and another while it is taken over", _kill_again, _crashes, 4),
        ("processes: kill -9 of all", _kill_all, _crash, 3),
        ("process: SIGSTOP past the session timeout, SIGCONT", _zombie, _crash, 4),
        ("process: SIGSTOP, SIGCONT in time", _nap, _nap_over, 2),
        ("process: leaves in order, another joins", _restart, _planned, 3),
        ("processes: their number changes, two to four", _resize, _planned, 4),
        ("broker: kill -9, a journal's leader", _kill_leader, _outage, 3),
        ("broker: kill -9, the group's coordinator", _kill_coordinator, _outage, 2),
        ("broker and process: kill -9 of both", _kill_both, _outage, 2),
        ("broker: clean restart", _stop_broker, _outage, 2),
        ("broker: SIGSTOP, SIGCONT", _freeze_broker, _outage, 2),
        ("broker: disk full", _fill_disk, _outage, 2),
        ("link: one broker's connections reset", _cut_one, _outage, 2),
        ("link: all connections reset", _cut_all, _outage, 2),
        ("link: one broker silent", _silence_one, _outage, 2),
        ("link: 20 to 250 ms each way", _delay, _outage, 2),
    )
)
