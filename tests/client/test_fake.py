"""What a router's own tests stand on, and the parts round the book."""

import asyncio
import logging
import subprocess
import sys
import tomllib
from collections import deque
from importlib.metadata import requires
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from prometheus_client import CollectorRegistry

from reconverge.client import (
    AsyncChanges,
    Caps,
    CapSubscription,
    CapView,
    Change,
    FakeCaps,
    FakeThreadedCaps,
    SafeCap,
    ThreadChanges,
)
from reconverge.client.following import Skew
from reconverge.client.listeners import Listeners
from reconverge.client.prometheus import Collector
from reconverge.client.quiet import Throttle

S = 1_000_000_000


def size(caps: Caps, normal: float) -> float:
    """A router, as far as a test needs one."""
    view = caps.cap("EQ-1", "ACME")
    caps.acknowledge(view)
    return view.participation(normal)


@pytest.mark.parametrize("fake", [FakeCaps, FakeThreadedCaps])
def test_a_router_is_tested_on_caps_that_the_test_says(fake: type[FakeCaps]) -> None:
    caps = fake(safe=SafeCap(cap=0.05, participation_max=0.01))
    assert size(caps, 0.1) == 0.05 * 0.1
    caps.say("EQ-1", cap=0.5, symbols={"ACME": 0.25}, participation_max=0.0625)
    assert size(caps, 0.125) == 0.03125
    assert size(caps, 0.5) == 0.0625
    caps.pass_time(3)
    assert size(caps, 0.4) == 0.01
    assert caps.cap("EQ-1").why == "expired"
    assert [told.cap_sequence for told in caps.acknowledged] == [1]
    caps.say("EQ-1", cap=0.5)
    caps.disconnect()
    assert (caps.cap("EQ-1").why, caps.health.trouble) == (None, "Kafka does not answer")
    caps.pass_time(3)
    assert caps.cap("EQ-1").why == "not_connected"
    caps.connect()
    caps.retire("EQ-1")
    assert caps.cap("EQ-1").why == "never_heard"


def test_a_fake_says_nothing_that_a_service_would_not() -> None:
    with pytest.raises(ValueError, match="no router could read"):
        FakeCaps().say("EQ-1", cap=5)


async def test_a_fake_tells_listeners_as_the_real_one_does() -> None:
    async with FakeCaps() as caps:
        assert await caps.caught_up()
        changes = caps.changes()
        caps.say("EQ-1", cap=0.5)
        caps.pass_time(3)
        assert [(await anext(changes)).view.why for _ in range(2)] == [None, "expired"]
    with pytest.raises(StopAsyncIteration):
        await anext(changes)


def test_a_threads_fake_does_so_too() -> None:
    with FakeThreadedCaps() as caps:
        caps.start()
        assert caps.caught_up(timeout=1)
        changes = caps.changes()
        caps.say("EQ-1", cap=0.5)
    assert [change.view.cap for change in changes] == [0.5]


def view(session: str, sequence: int) -> CapView:
    return CapView(session, 0.5, 0.2, 1, False, None, sequence=sequence)


@pytest.mark.parametrize("listener", [AsyncChanges, ThreadChanges])
def test_who_does_not_listen_keeps_the_newest_of_each_session(
    listener: Any,
) -> None:
    listeners, slow = Listeners(), listener()
    listeners.add(slow)
    for sequence in range(100_002):
        session = f"S{sequence % 10}"
        listeners.tell(Change(session, view(session, sequence)))
    waiting: deque[Change] = slow._waiting
    assert len(waiting) == 11  # ten at the hundred thousandth, and one since
    assert waiting[-1].view.sequence == 100_001
    assert {change.session for change in waiting} == {f"S{n}" for n in range(10)}


async def test_a_listener_that_is_let_go_of_is_forgotten() -> None:
    listeners = Listeners()
    for _ in range(100):
        listeners.add(AsyncChanges())
    kept = AsyncChanges()
    listeners.add(kept)
    assert len(listeners._all) <= 2
    listeners.tell(Change("A", view("A", 1)))
    async with asyncio.timeout(5):
        assert (await anext(kept)).session == "A"


def test_the_skew_is_the_least_of_the_last_minute() -> None:
    skew, known = Skew(), []
    for difference_s, at_s in [(5, 0), (8, 1), (7, 31), (9, 62), (-2, 63)]:
        known.append(skew.ns)
        skew.note(difference_s * S, at_s * S)
    assert [*known, skew.ns] == [None, 5 * S, 5 * S, 5 * S, 7 * S, -2 * S]


def test_log_lines_of_a_kind_pass_once_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = 0.0
    monkeypatch.setattr("time.monotonic", lambda: now_s)
    throttle, passed = Throttle(), []
    for second in range(3_600):
        now_s = float(second)
        for text in ("cannot reach %s", "no leader for %s"):
            record = logging.LogRecord("aiokafka", logging.WARNING, "", 0, text, (second,), None)
            if throttle.filter(record):
                passed.append(record.getMessage())
    assert len(passed) == 2 * 60
    assert passed[2] == "cannot reach 60 (59 more like it in the last minute)"


async def test_the_kafka_clients_own_lines_are_throttled() -> None:
    async with CapSubscription("127.0.0.1:1"):
        pass
    theirs = [name for name in logging.root.manager.loggerDict if name.startswith("aiokafka")]
    assert len(theirs) > 5
    for name in [*theirs, "reconverge.client"]:
        filters = [type(one) for one in logging.getLogger(name).filters]
        assert filters.count(Throttle) == 1


def test_metrics_go_to_the_routers_own_registry() -> None:
    caps, registry = FakeCaps(), CollectorRegistry()
    registry.register(Collector(caps))
    caps.say("A", cap=0.5)
    caps.say("B", cap=0.5, reason="closed", valid_s=1)
    caps.pass_time(2)
    read = registry.get_sample_value
    assert read("reconverge_client_records_total") == 2
    assert read("reconverge_client_connected") == 1
    assert read("reconverge_client_clock_skew_seconds") is None
    whys = {why: read("reconverge_client_sessions", {"why": why}) for why in ("valid", "closed")}
    assert whys == {"valid": 1, "closed": 1}


def base() -> set[str]:
    """The packages that `pip install reconverge` installs, by what each requires itself."""
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    found: set[str] = set()
    wanted = [Requirement(text) for text in project["dependencies"]]
    while wanted:
        one = wanted.pop()
        found.add(canonicalize_name(one.name))
        inner = map(Requirement, requires(one.name) or [])
        wanted += [need for need in inner if asked_for(need, one.extras)]
    return found


def asked_for(need: Requirement, extras: set[str]) -> bool:
    marker = need.marker
    return marker is None or any(marker.evaluate({"extra": extra}) for extra in extras | {""})


def test_a_router_installs_and_loads_the_client_alone() -> None:
    assert base() == {
        "aiokafka",
        "async-timeout",
        "cramjam",
        "msgspec",
        "packaging",
        "typing-extensions",
    }
    script = "import sys, reconverge.client as c; c.FakeCaps().say('A', cap=1); print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True
    )
    loaded = {name.split(".")[0] for name in done.stdout.split()}
    outside = {name for name in loaded if name not in sys.stdlib_module_names}
    assert {name for name in outside if not name.startswith("_")} <= {
        "aiokafka",
        "async_timeout",
        "cramjam",
        "cython_runtime",  # of aiokafka's compiled part
        "msgspec",
        "packaging",
        "reconverge",
        "sitecustomize",
        "typing_extensions",
    }


def test_the_command_says_what_it_takes_that_the_client_does_not_have() -> None:
    script = "import sys; sys.modules['typer'] = None; import reconverge.cli"
    done = subprocess.run(
        [sys.executable, "-c", script], check=False, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert done.stderr.strip().endswith("pip install 'reconverge[service]'")
