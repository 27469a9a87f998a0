"""The floor of the end-to-end figures, a process: consume as the service does, decode, no more.

`python -m bench.floor EVENTS`, with the service's settings. Prints the `Mark` at a tenth of the
events and the one at the end, as JSON.
"""

import asyncio
import json
import sys
import time

import uvloop

from bench.clients import consumer
from bench.plain_decoding import plain_decode
from bench.stage import Mark, now_s
from reconverge.cli.run import options
from reconverge.config.settings import load


async def floor(events: int) -> list[Mark]:
    """Read that many events of the input topics."""
    settings = load({})
    limits, deadlines = options(settings).limits, options(settings).deadlines
    reader = await consumer(settings, options(settings).topics.inputs, deadlines.fetch_s)
    taken, marks = 0, list[Mark]()
    for goal in (events // 10, events):
        while taken < goal:
            polled = await reader.getmany(
                timeout_ms=int(deadlines.idle_s * 1_000), max_records=limits.buffered_records
            )
            for records in polled.values():
                for record in records:
                    plain_decode(record.value or b"")
                taken += len(records)
        marks.append(Mark(taken, now_s(), time.process_time()))
    await reader.stop()
    return marks


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(json.dumps(runner.run(floor(int(sys.argv[1])))))
