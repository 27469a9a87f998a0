"""The example in docs/router.md does what it says."""

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from msgspec.structs import replace

from tests.client.test_book import cap, raw
from tests.kafka.broker import KafkaCluster

ROOT = Path(__file__).parents[2]


def example(page: str) -> str:
    block = re.search(r"```python\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)
    assert block is not None
    return block[1]


def run(source: str, page: str) -> dict[str, Any]:
    names: dict[str, Any] = {}
    exec(compile(source, page, "exec"), names)
    return names


async def acknowledged(kafka: KafkaCluster) -> dict[str, Any]:
    consumer = AIOKafkaConsumer("parents", **kafka.client(), auto_offset_reset="earliest")
    async with consumer:
        told: dict[str, Any] = json.loads((await consumer.getone()).value or b"")
    return told


@pytest.mark.kafka
async def test_it_scales_participation_stamps_the_cap_and_acknowledges_it(
    kafka: KafkaCluster,
) -> None:
    for topic in ("caps", "parents"):
        kafka.create_topic(topic)
    valid = cap("DESK-A", epoch=12, sequence=97, cap=0.5, now_ns=time.time_ns())
    valid = replace(valid, participation_max=0.2, valid_until_ns=valid.valid_until_ns + 20 * 10**9)
    async with AIOKafkaProducer(**kafka.client()) as producer:
        await producer.send_and_wait("caps", raw(valid), b"DESK-A")
    sent: list[tuple[str, float, int, int]] = []

    async def ticks() -> AsyncIterator[tuple[str, float]]:
        for scheduled in (0.1, 0.2, 0.9):
            yield "ACME", scheduled

    async def send_child(
        symbol: str, participation: float, *, cap_epoch: int, cap_sequence: int
    ) -> None:
        sent.append((symbol, participation, cap_epoch, cap_sequence))

    async with asyncio.timeout(20):
        trade = run(example("docs/router.md"), "docs/router.md")["trade"]
        await trade(kafka.bootstrap, "DESK-A", ticks(), send_child)
        assert sent == [("ACME", 0.05, 12, 97), ("ACME", 0.1, 12, 97), ("ACME", 0.2, 12, 97)]
        told = await acknowledged(kafka)
        assert (told["type"], told["cap_epoch"], told["cap_sequence"]) == ("profile_ack", 12, 97)
