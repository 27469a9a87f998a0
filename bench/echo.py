"""The reference of the latency figures, a process: a bare echo, consume one record and send one.

`python -m bench.echo`, with the service's settings. Whatever comes on an input topic goes to the
topic of caps unchanged, through clients with the service's options. Runs until killed.
"""

import asyncio

import uvloop
from aiokafka import TopicPartition

from reconverge.cli.run import options
from reconverge.connection import connection
from reconverge.settings import load
from reconverge.stream.kafka_log import _consumer, _producer


async def echo() -> None:
    """Answer for ever, and never wait for an answer's acknowledgement."""
    settings = load({})
    topics, deadlines = options(settings).topics, options(settings).deadlines
    consumer = _consumer(connection(settings), "echo", deadlines.fetch_s)
    producer = _producer(connection(settings), "echo", deadlines.append_s)
    await asyncio.gather(consumer.start(), producer.start())
    partitions = [TopicPartition(topic, 0) for topic in topics.inputs]
    consumer.assign(partitions)
    await consumer.seek_to_beginning(*partitions)
    async for record in consumer:
        await producer.send(topics.caps, record.value, record.key, 0)


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(echo())
