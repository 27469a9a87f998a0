"""The floor of `bench.tap`, a process: read raw FIX from Kafka, check and split it, no more.

`python -m bench.raw_floor TOPIC MESSAGES`, with the service's settings. Prints the `Mark` at a
tenth of the messages and the one at the end, as JSON.
"""

import asyncio
import json
import sys
import time

import uvloop

from bench.clients import consumer
from bench.stage import Mark, now_s
from reconverge.config.settings import load
from reconverge.tap import wire
from reconverge.tap.service import BATCH_RECORDS_MAX, FETCH_MS


async def floor(topic: str, messages: int) -> list[Mark]:
    """Read that many messages of a topic."""
    reader = await consumer(load({}), [topic], FETCH_MS / 1_000)
    taken, marks = 0, list[Mark]()
    for goal in (messages // 10, messages):
        while taken < goal:
            polled = await reader.getmany(timeout_ms=FETCH_MS, max_records=BATCH_RECORDS_MAX)
            for records in polled.values():
                for record in records:
                    wire.read(record.value or b"")
                taken += len(records)
        marks.append(Mark(taken, now_s(), time.process_time()))
    await reader.stop()
    return marks


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(json.dumps(runner.run(floor(sys.argv[1], int(sys.argv[2])))))
