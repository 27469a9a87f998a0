"""The cap subscription on an embedded broker, and without one."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from reconverge.client import CapSubscription, SafeCap
from reconverge.core.messages.effects import Cap
from tests.client.test_book import cap, raw
from tests.embedded import Embedded

DEADLINE_S = 20.0


def fresh(session: str = "A", *, sequence: int = 1, value: float = 0.5) -> Cap:
    return cap(session, sequence=sequence, cap=value, now_ns=time.time_ns())


@asynccontextmanager
async def subscribed(broker: Embedded) -> AsyncIterator[CapSubscription]:
    connection = {"bootstrap_servers": broker.address}
    async with (
        asyncio.timeout(DEADLINE_S),
        CapSubscription(connection, safe=SafeCap(0.01)) as caps,
    ):
        yield caps


@pytest.fixture
def broker() -> Embedded:
    broker = Embedded()
    broker.touch("caps")
    return broker


async def test_caps_published_before_are_known_once_caught_up(broker: Embedded) -> None:
    for i, session in enumerate("ABCDEFGH"):  # over all partitions
        broker.send("caps", raw(fresh(session, value=i / 10)), session.encode())
    async with subscribed(broker) as caps:
        await caps.caught_up()
        assert [caps.cap(session).cap for session in "ABCDEFGH"] == [i / 10 for i in range(8)]
        assert caps.cap("Z").safe
        assert caps.trouble is None


async def test_an_empty_topic_is_caught_up_at_once(broker: Embedded) -> None:
    async with subscribed(broker) as caps:
        await caps.caught_up()
        assert caps.cap("A").cap == 0.01


async def test_changes_are_told_as_they_come(broker: Embedded) -> None:
    async with subscribed(broker) as caps:
        await caps.caught_up()
        changes = caps.changes()
        broker.send("caps", raw(fresh(sequence=1, value=0.2)))
        assert await anext(changes) == "A"
        assert caps.cap("A").cap == 0.2
        broker.send("caps", b"garbage")
        broker.send("caps", raw(fresh(sequence=1, value=0.9)))  # said before
        broker.send("caps", raw(fresh(sequence=2, value=0.3)))
        assert await anext(changes) == "A"
        assert caps.cap("A").cap == 0.3
        assert caps.book.unreadable == 1


async def test_without_a_broker_the_router_has_its_own_cap_and_knows_why() -> None:
    connection = {"bootstrap_servers": "127.0.0.1:1"}
    async with asyncio.timeout(DEADLINE_S), CapSubscription(connection) as caps:
        assert caps.trouble == "not connected yet"
        while caps.trouble == "not connected yet":
            assert caps.cap("A").safe
            await asyncio.sleep(0)
        assert "127.0.0.1" in caps.trouble


async def test_leaving_while_connecting_does_not_hang() -> None:
    async with asyncio.timeout(DEADLINE_S):
        async with CapSubscription({"bootstrap_servers": "127.0.0.1:1"}):
            pass
