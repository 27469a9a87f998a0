"""The stage of a live demo: the service as a process of its own, the feeds that play the recording
into Kafka, and the witness that reads back all that was said.
"""

import asyncio
import os
import signal
import sys
import time
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from operator import attrgetter
from pathlib import Path
from typing import Any, Final, NamedTuple

import aiohttp
import msgspec
import orjson
from aiokafka import AIOKafkaConsumer

from reconverge.config.topics import INPUTS
from reconverge.core.messages.decode import decode
from reconverge.core.messages.effects import Effect
from reconverge.core.messages.events import Event
from reconverge.demo.recording import Input
from reconverge.demo.trace import Folded
from reconverge.tap import publish

OUTPUTS: Final = ("caps", "transitions", "episodes", "alerts")
_READY_S: Final = 60.0
"""Longest wait for the service to serve: it takes two seconds on a quiet machine."""
_LEAVE_S: Final = 30.0
"""Longest wait for it to leave in order."""
_ASK_S: Final = 0.1
"""Pause between two looks at whether something is so."""
_PREFIX: Final = "RECONVERGE_"
FETCH_WAIT_MS: Final = 10
"""The embedded broker answers an empty fetch when its wait is over, whatever comes meanwhile."""


class ServiceFailed(Exception):
    """The service did not start, or did not leave in order; the message says where its log is."""


@asynccontextmanager
async def service(address: str, log: Path) -> AsyncIterator[str]:
    """``reconverge run`` against a broker, until the block ends; its HTTP address.

    A setting of whoever runs the demo must not reach it: it is given its own, and runs where its
    log is, so that no ``.env`` of theirs is read.
    """
    flags = ["--bootstrap-servers", address, "--http-port", "0", "--log-format", "json"]
    with log.open("wb") as written:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "reconverge.cli", "run", *flags,
            cwd=log.parent,
            env=_environment(),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=written,
            stderr=written,
        )  # fmt: skip
        try:
            yield await _started(process, log)
        finally:
            await _leave(process)
    if process.returncode:
        raise ServiceFailed(f"the service ended with exit code {process.returncode}: see {log}")


def _environment() -> dict[str, str]:
    ours = {k: v for k, v in os.environ.items() if not k.upper().startswith(_PREFIX)}
    return ours | {f"{_PREFIX}FETCH_WAIT_MS": str(FETCH_WAIT_MS)}


async def _started(process: Process, log: Path) -> str:
    try:
        async with asyncio.timeout(_READY_S):
            return await _serving(process, log)
    except TimeoutError:
        raise ServiceFailed(f"the service is not ready after {_READY_S:g} s: see {log}") from None


async def _serving(process: Process, log: Path) -> str:
    """Where it serves, once it is ready."""
    async with aiohttp.ClientSession() as client:
        while process.returncode is None:
            url = _address(log)
            if url is not None:
                async with client.get(f"{url}/readyz") as response:
                    if response.status == 200:
                        return url
            await asyncio.sleep(_ASK_S)
    raise ServiceFailed(f"the service ended before it was ready: see {log}")


def _address(log: Path) -> str | None:
    for line in log.read_bytes().splitlines():
        if line.startswith(b"{") and line.endswith(b"}"):
            said = orjson.loads(line)
            if said["event"] == "serving":
                return str(said["http"])
    return None


async def _leave(process: Process) -> None:
    if process.returncode is not None:
        return
    process.send_signal(signal.SIGTERM)
    try:
        async with asyncio.timeout(_LEAVE_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


# -- the feeds ----------------------------------------------------------------------------------


async def feed(inputs: Sequence[Input], address: str) -> None:
    """Publish every input at its time, topic by topic, as taps of their own would.

    The first input goes before all others.
    """
    first, *others = inputs
    await publish(_paced([first]), first.topic, bootstrap_servers=address)
    async with asyncio.TaskGroup() as feeds:
        for topic in INPUTS:
            its = [one for one in others if one.topic == topic]
            if its:
                feeds.create_task(publish(_paced(its), topic, bootstrap_servers=address))


async def _paced(inputs: Iterable[Input]) -> AsyncIterator[Event]:
    for _, event in inputs:
        await asyncio.sleep((event.ingest_ns - time.time_ns()) / 1e9)
        yield event


# -- the witness --------------------------------------------------------------------------------


class Heard(NamedTuple):
    """One record of an input topic."""

    timestamp_ms: int
    rank: int
    """Place of its topic in the service's own merge order."""
    event: Event


class Witness:
    """Reads every topic from its start, and tells of each record as it comes."""

    def __init__(self, address: str, tell: Callable[[Event | Effect], None]) -> None:
        self._tell = tell
        self._consumer = AIOKafkaConsumer(
            *INPUTS,
            *OUTPUTS,
            bootstrap_servers=address,
            group_id=None,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=FETCH_WAIT_MS,
        )
        self._heard: list[Heard] = []
        self._effects: list[Effect] = []

    async def __aenter__(self) -> "Witness":
        await self._consumer.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._consumer.stop()

    async def listen(self) -> None:
        """Read on until cancelled."""
        while True:
            self._take(await self._consumer.getmany(timeout_ms=100))

    async def rest(self) -> None:
        """Read what is there and not yet read; nobody must be listening."""
        ends = await self._consumer.end_offsets(sorted(self._consumer.assignment()))
        for partition, end in ends.items():
            while await self._consumer.position(partition) < end:
                self._take(await self._consumer.getmany(timeout_ms=100))

    @property
    def inputs(self) -> list[Folded]:
        """Every input, in the order in which the service merges them."""
        merged = sorted(self._heard, key=attrgetter("timestamp_ms", "rank"))
        return [Folded(heard.timestamp_ms * 1_000_000, heard.event) for heard in merged]

    @property
    def effects(self) -> list[Effect]:
        """Every output, in the order of time."""
        return sorted(self._effects, key=attrgetter("event_ns"))

    def _take(self, batches: dict[Any, list[Any]]) -> None:
        for partition, records in batches.items():
            for record in records:
                if partition.topic in INPUTS:
                    event = decode(record.value)
                    rank = INPUTS.index(partition.topic)
                    self._heard.append(Heard(record.timestamp, rank, event))
                    self._tell(event)
                else:
                    effect = msgspec.json.decode(record.value, type=Effect)
                    self._effects.append(effect)
                    self._tell(effect)
