"""The cap subscription and its threaded twin on an embedded broker, and without one."""

import asyncio
import json
import ssl
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer

from reconverge.client import CapBook, CapSubscription, Change, FakeCaps, SafeCap, ThreadedCaps
from reconverge.core.messages.effects import Cap
from tests.client.test_book import cap, raw
from tests.embedded import Embedded

DEADLINE_S = 20.0
REFUSED = "127.0.0.1:1"


def fresh(session: str = "A", *, sequence: int = 1, value: float = 0.5) -> Cap:
    return cap(session, sequence=sequence, cap=value, now_ns=time.time_ns())


@asynccontextmanager
async def subscribed(broker: Embedded) -> AsyncIterator[CapSubscription]:
    # The embedded broker cannot look offsets up by time.
    async with (
        asyncio.timeout(DEADLINE_S),
        CapSubscription(broker.address, safe=SafeCap(0.01), lookback_s=None) as caps,
    ):
        yield caps


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 - what is waited for has no event
        await asyncio.sleep(0.01)


@pytest.fixture
def broker() -> Embedded:
    broker = Embedded()
    broker.touch("caps", "parents")
    return broker


async def test_caps_published_before_are_known_once_caught_up(broker: Embedded) -> None:
    for i, session in enumerate("ABCDEFGH"):  # over all partitions
        broker.send("caps", raw(fresh(session, value=i / 10)), session.encode())
    async with subscribed(broker) as caps:
        assert await caps.caught_up()
        assert [caps.cap(session).cap for session in "ABCDEFGH"] == [i / 10 for i in range(8)]
        assert caps.cap("Z").why == "never_heard"
        assert caps.trouble is None
        health = caps.health
        assert (health.connected, health.records, health.sessions) == (True, 8, 8)


async def test_an_empty_topic_is_caught_up_at_once(broker: Embedded) -> None:
    async with subscribed(broker) as caps:
        assert await caps.caught_up(timeout=10)
        assert caps.cap("A").cap == 0.01


async def test_changes_are_told_as_they_come(broker: Embedded) -> None:
    async with subscribed(broker) as caps:
        await caps.caught_up()
        changes = caps.changes()
        broker.send("caps", raw(fresh(sequence=1, value=0.2)))
        assert (await anext(changes)).view.cap == 0.2
        broker.send("caps", b"garbage")
        broker.send("caps", raw(fresh(sequence=1, value=0.9)))  # said before
        broker.send("caps", raw(fresh(sequence=2, value=0.3)))
        assert (await anext(changes)).view.cap == 0.3
        assert (caps.health.unreadable, caps.health.dropped) == (1, 1)


async def test_every_listener_is_told_every_change_and_its_end(broker: Embedded) -> None:
    async with subscribed(broker) as caps:
        await caps.caught_up()
        listeners = [caps.changes() for _ in range(3)]
        for sequence in range(1, 6):
            broker.send("caps", raw(fresh(sequence=sequence, value=sequence / 10)))
        for listener in listeners:  # one after another: none takes it from the next
            told = [await anext(listener) for _ in range(6)]
            assert [change.view.cap for change in told] == [0.1, 0.2, 0.3, 0.4, 0.5, 0.01]
            assert told[-1].view.why == "expired"


async def test_a_tombstone_is_told(broker: Embedded) -> None:
    async with subscribed(broker) as caps:
        await caps.caught_up()
        changes = caps.changes()
        broker.send("caps", raw(fresh()), b"A")
        broker.producer.produce("caps", None, b"A")
        broker.producer.flush()
        assert not (await anext(changes)).view.safe
        assert (await anext(changes)).view.why == "never_heard"


async def test_listening_ends_with_the_subscription(broker: Embedded) -> None:
    async with subscribed(broker) as caps:
        changes = caps.changes()
    assert [change async for change in changes] == []
    assert [change async for change in caps.changes()] == []


async def test_without_a_broker_the_router_has_its_own_cap_and_knows_why() -> None:
    async with asyncio.timeout(DEADLINE_S), CapSubscription(REFUSED) as caps:
        assert caps.trouble == "not connected yet"
        while caps.trouble == "not connected yet":
            assert caps.cap("A").why == "not_connected"
            await asyncio.sleep(0)
        assert "127.0.0.1" in caps.trouble
        assert not await caps.caught_up(timeout=0.01)
        assert not caps.health.connected


async def test_leaving_while_connecting_does_not_hang() -> None:
    async with asyncio.timeout(DEADLINE_S):
        async with CapSubscription(REFUSED):
            pass


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"connection": 9092}, "Give 'host:port'"),
    ({"connection": ""}, "Write kafka:9092"),
    ({"connection": "http://kafka:9092"}, "Write kafka:9092"),
    ({"connection": "kafka:http"}, "Write kafka:9092"),
    ({"connection": "kafka:0"}, "Write kafka:9092"),
    ({"connection": "kafka:70000"}, "Write kafka:9092"),
    ({"connection": "kafka:9092,:9092"}, "Write kafka:9092"),
    ({"connection": {}}, "bootstrap_servers is missing"),
    ({"connection": {"bootstrap_servers": []}}, "a list of 'host:port'"),
    ({"connection": {"bootstrap_servers": [9092]}}, "Write kafka:9092"),
    ({"connection": {"bootstrap_servers": "k:1", "group_id": "g"}}, "leave it out"),
    ({"connection": {"bootstrap_servers": "k:1", "bootstrap": "k:1"}}, "knows no argument"),
    ({"connection": "k:1", "topic": ""}, "Leave it out for 'caps'"),
    ({"connection": "k:1", "acknowledgements": None}, "is no name"),
    ({"connection": "k:1", "lookback_s": 0}, "above 0"),
    ({"connection": "k:1", "lookback_s": float("nan")}, "above 0"),
    ({"connection": "k:1", "lookback_s": True}, "above 0"),
]


@pytest.mark.parametrize("subscription", [CapSubscription, ThreadedCaps])
@pytest.mark.parametrize(("arguments", "advice"), WRONG)
def test_a_wrong_argument_is_refused_at_once_and_says_what_to_do(
    subscription: Any, arguments: dict[str, Any], advice: str
) -> None:
    with pytest.raises((TypeError, ValueError), match=advice):
        subscription(**arguments)


@pytest.mark.parametrize(
    "server", ["kafka", "kafka:9092", "10.0.0.1:9092", "[::1]:9092", "[::1]", "a:1, b:2"]
)
def test_what_aiokafka_takes_for_servers_is_taken(server: str) -> None:
    CapSubscription(server)


CONTRADICTION = {"bootstrap_servers": REFUSED, "security_protocol": "SASL_TLS"}


async def test_what_aiokafka_has_against_the_arguments_is_raised_on_entering() -> None:
    with pytest.raises(ValueError, match="security_protocol"):
        await CapSubscription(CONTRADICTION).__aenter__()


def test_a_thread_raises_it_where_it_was_started() -> None:
    with pytest.raises(ValueError, match="security_protocol"):
        ThreadedCaps(CONTRADICTION).start()


async def test_arguments_beside_the_servers_reach_aiokafka(broker: Embedded) -> None:
    connection = {
        "bootstrap_servers": [broker.address],
        "fetch_max_wait_ms": 50,
        "request_timeout_ms": 9_000,
        "ssl_context": ssl.create_default_context(),
    }
    async with asyncio.timeout(DEADLINE_S), CapSubscription(connection) as caps:
        assert await caps.caught_up()


@pytest.mark.parametrize("share", [5.0, -0.1, 1.01, float("nan"), float("inf"), "0.05", None, True])
def test_a_safe_cap_that_is_no_share_is_refused(share: Any) -> None:
    with pytest.raises(ValueError, match=r"5 percent is 0\.05"):
        SafeCap(cap=share)
    with pytest.raises(ValueError, match="participation_max"):
        SafeCap(participation_max=share)


def test_a_safe_cap_of_0_or_1_is_a_share() -> None:
    assert (SafeCap(0, 1).cap, SafeCap(1.0, 0).participation_max) == (0, 0)


async def acknowledgements(broker: Embedded, count: int) -> list[tuple[str, bytes]]:
    consumer = AIOKafkaConsumer(
        "parents", bootstrap_servers=broker.address, auto_offset_reset="earliest"
    )
    async with consumer:
        told = [await consumer.getone() for _ in range(count)]
        return [((one.key or b"").decode(), one.value or b"") for one in told]


async def test_an_acknowledgement_is_told_once_a_permission(broker: Embedded) -> None:
    async with subscribed(broker) as caps:
        changes = caps.changes()
        await caps.caught_up()
        for sequence, value in enumerate((0.2, 0.2, 0.3, 0.3, 0.2), 1):
            broker.send("caps", raw(fresh(sequence=sequence, value=value)))
            view = (await anext(changes)).view
            caps.acknowledge(view)
            caps.acknowledge(view)
        caps.acknowledge(caps.cap("Z"))  # a safe cap is nobody's to acknowledge
        await until(lambda: caps.health.acknowledged == 3)
        caps.acknowledge(caps.cap("A"))
        assert caps.health.unacknowledged == 0
        told = await acknowledgements(broker, 3)
    assert [(key, json.loads(value)["cap_sequence"]) for key, value in told] == [
        ("A", 1),
        ("A", 3),
        ("A", 5),
    ]


async def test_what_waits_to_be_acknowledged_goes_out_at_the_end(broker: Embedded) -> None:
    async with subscribed(broker) as caps:
        changes = caps.changes()
        broker.send("caps", raw(fresh()))
        caps.acknowledge((await anext(changes)).view)
    assert len(await acknowledgements(broker, 1)) == 1


async def test_acknowledgements_without_a_broker_wait_and_are_bounded() -> None:
    view = FakeCaps().say("A", cap=0.5)
    async with asyncio.timeout(DEADLINE_S), CapSubscription(REFUSED) as caps:
        for number in range(20_000):
            caps.acknowledge(view._replace(session=f"S{number}"))
        await until(lambda: caps.health.acknowledging is not None)
        assert caps.health.unacknowledged == 10_000


def test_a_thread_follows_for_a_router_without_asyncio(broker: Embedded) -> None:
    broker.send("caps", raw(fresh("A", value=0.4)), b"A")
    with ThreadedCaps(broker.address, lookback_s=None) as caps:
        assert caps.caught_up(timeout=DEADLINE_S)
        assert (caps.cap("A").cap, caps.trouble) == (0.4, None)
        changes = caps.changes()
        broker.send("caps", raw(fresh("A", sequence=2, value=0.6)), b"A")
        assert next(changes).view.cap == 0.6
        caps.acknowledge(caps.cap("A"))
        assert next(changes).view.why == "expired"
        assert caps.health.connected
    assert list(changes) == []
    assert caps.health.acknowledged == 1
    assert caps.cap("A").safe


def test_a_thread_that_was_never_started_can_be_closed() -> None:
    ThreadedCaps(REFUSED).close()


async def test_a_task_that_fails_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    async with asyncio.timeout(DEADLINE_S), CapSubscription(REFUSED) as caps:
        monkeypatch.delattr(CapBook, "ended")  # a bug
        await until(lambda: caps.trouble == "reconverge-ends ended: a bug")


def test_many_threads_listen_look_up_and_acknowledge_at_once(broker: Embedded) -> None:
    heard: list[list[Change]] = [[] for _ in range(4)]
    with ThreadedCaps(broker.address, lookback_s=None) as caps:
        assert caps.caught_up(timeout=DEADLINE_S)
        listeners = [caps.changes() for _ in heard]

        def route(number: int) -> None:
            for change in listeners[number]:
                heard[number].append(change)
                caps.acknowledge(caps.cap(change.session))
                if len(heard[number]) == 200:
                    return

        threads = [threading.Thread(target=route, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for sequence in range(1, 201):
            broker.send("caps", raw(fresh(sequence=sequence, value=sequence / 200)))
        for thread in threads:
            thread.join(DEADLINE_S)
    caps_heard = [[change.view.cap for change in changes] for changes in heard]
    assert caps_heard == [[sequence / 200 for sequence in range(1, 201)]] * 4
    assert 1 <= caps.health.acknowledged + caps.health.unacknowledged <= 800
