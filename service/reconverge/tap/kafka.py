"""Events into Kafka: in order, acknowledged by every replica, never twice by a retry."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any, Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from reconverge.config.connection import connection
from reconverge.config.settings import load
from reconverge.core.messages.events import StreamEvent
from reconverge.core.messages.wire import Envelope, encode
from reconverge.tap.resume import Source, after, newest

IN_FLIGHT_MAX: Final = 10_000
"""Records sent and not yet acknowledged; beyond that the reader waits for the broker."""
LINGER_MS: Final = 5
"""Time for a batch to form: a log is read faster than one record at a time could be sent."""
STOP_TIMEOUT_S: Final = 30.0
"""Stopping can hang with the broker gone (aiokafka #773): as long as a request may take, and no
longer."""


class PublishError(Exception):
    """The brokers cannot be reached, or will not take a record."""


async def publish_stream(
    events: AsyncIterator[StreamEvent],
    stream: str,
    *,
    bootstrap_servers: str | None = None,
    resume: Source | None = None,
) -> int:
    """Write events to the topic of a stream, reached as the settings say; return how many.

    With ``resume``, only those that the topic does not have of that source. Raises
    ``settings.SettingsRefused`` and ``PublishError``.
    """
    settings = load({"bootstrap_servers": bootstrap_servers})
    topic, reached = settings.topic(stream), connection(settings)
    with _failures_of(topic):
        last = None if resume is None else await newest(topic, resume, **reached)
    return await publish(after(events, last), topic, **reached)


async def publish(
    events: AsyncIterator[Envelope],
    topic: str,
    **reached: Any,
) -> int:
    """Write events to a topic, keyed by session, and return how many were acknowledged.

    ``reached`` tells aiokafka where the brokers are. Its default partitioner is the Java client's
    murmur2. The pace is that of ``events``. Raises ``PublishError``.
    """
    producer = AIOKafkaProducer(acks="all", enable_idempotence=True, linger_ms=LINGER_MS, **reached)
    with _failures_of(topic):
        try:
            await producer.start()
            return await _send_all(producer, topic, events)
        finally:
            await asyncio.wait_for(producer.stop(), STOP_TIMEOUT_S)


@contextmanager
def _failures_of(topic: str) -> Iterator[None]:
    """Turn what the client raises into what a caller can handle without knowing the client."""
    try:
        yield
    except (KafkaError, TimeoutError) as error:
        raise PublishError(f"{topic}: {error!r}") from error


async def _send_all(producer: AIOKafkaProducer, topic: str, events: AsyncIterator[Envelope]) -> int:
    in_flight: deque[asyncio.Future[Any]] = deque()
    count = 0
    async for event in events:
        in_flight.append(await producer.send(topic, encode(event), key=event.session.encode()))
        count += 1
        while in_flight and (in_flight[0].done() or len(in_flight) >= IN_FLIGHT_MAX):
            await in_flight.popleft()
    while in_flight:
        await in_flight.popleft()
    return count
