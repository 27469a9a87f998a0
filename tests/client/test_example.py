"""The example in docs/router.md does what it says, on an embedded broker."""

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer
from msgspec.structs import replace

from tests.client.test_book import cap, raw
from tests.embedded import Embedded

PAGE = Path(__file__).parents[2] / "docs" / "router.md"


def example() -> dict[str, Any]:
    block = re.search(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert block is not None
    names: dict[str, Any] = {}
    exec(compile(block[1], str(PAGE), "exec"), names)
    return names


async def test_it_scales_participation_stamps_the_cap_and_acknowledges_it_once() -> None:
    broker = Embedded()
    broker.touch("caps", "parents")
    valid = cap("DESK-A", epoch=12, sequence=97, cap=0.5, now_ns=time.time_ns())
    broker.send("caps", raw(replace(valid, participation_max=0.2)))
    sent: list[tuple[str, float, int, int]] = []

    async def ticks() -> AsyncIterator[tuple[str, float]]:
        for scheduled in (0.1, 0.2, 0.9):
            yield "ACME", scheduled

    async def send_child(
        symbol: str, participation: float, *, cap_epoch: int, cap_sequence: int
    ) -> None:
        sent.append((symbol, participation, cap_epoch, cap_sequence))

    async with asyncio.timeout(20):
        await example()["trade"](broker.address, "DESK-A", ticks(), send_child)
        assert sent == [("ACME", 0.05, 12, 97), ("ACME", 0.1, 12, 97), ("ACME", 0.2, 12, 97)]
        consumer = AIOKafkaConsumer(
            "parents", bootstrap_servers=broker.address, auto_offset_reset="earliest"
        )
        async with consumer:
            told = json.loads((await consumer.getone()).value or b"")
        assert (told["type"], told["cap_epoch"], told["cap_sequence"]) == ("profile_ack", 12, 97)
