"""The references of the latency figures, a process: a bare echo, consume and send again.

`python -m bench.echo [journalled]`, with the service's settings. Whatever comes on an input topic
goes to the topic of caps unchanged, through clients with the service's options. The journalled one
first writes one record to the journal for all that it has polled, and waits for that to be durable,
as anything must that is to answer for its effects. Runs until killed.
"""

import asyncio
import sys
from typing import Final

import uvloop

from bench.clients import consumer, producer
from reconverge.cli.run import options
from reconverge.config.settings import load

_RECORD: Final = bytes(500)
"""As long as the service's journal record of a small batch."""


async def echo(*, journalled: bool) -> None:
    """Answer for ever, and never wait for an answer's acknowledgement."""
    settings = load({})
    topics, deadlines = options(settings).topics, options(settings).deadlines
    output = await producer(settings, deadlines.append_s)
    journal = await producer(settings, deadlines.append_s)
    reader = await consumer(settings, topics.inputs, deadlines.fetch_s)
    while True:
        polled = await reader.getmany(timeout_ms=1_000)
        if journalled and polled:
            await journal.send_and_wait(topics.journal, _RECORD, None, 0)
        for records in polled.values():
            for record in records:
                await output.send(topics.caps, record.value, record.key, 0)


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(echo(journalled="journalled" in sys.argv[1:]))
