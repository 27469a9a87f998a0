"""The caps topic, followed for as long as the router runs.

A background task reads the topic from its start and then follows it. The topic is compacted, but
Kafka compacts in time: up to an hour of caps may have to be read first. Whatever goes wrong there is
retried for ever and shown in ``trouble``; the router's calls never see it: without news its caps
expire, and it falls back to its own.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from typing import Any, Final

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError

from reconverge.client.book import CapBook, CapView, SafeCap

_RETRY_S: Final = 1.0
"""Pause before a broken connection is tried again: below the time a cap is valid by default."""
_POLL_MS: Final = 1_000
"""Longest wait for records before the loop looks whether it has caught up."""
_CLOSE_S: Final = 5.0
"""Closing a consumer can hang while the broker is down (aiokafka #773)."""


class CapSubscription:
    """``async with CapSubscription(...) as caps``: then ``caps.cap(session, symbol)``, any time.

    ``connection`` holds aiokafka's own arguments: bootstrap servers, security. There is no consumer
    group, so that every router process sees every cap.
    """

    def __init__(
        self, connection: Mapping[str, Any], *, topic: str = "caps", safe: SafeCap | None = None
    ) -> None:
        self.book = CapBook(safe)
        self.trouble: str | None = "not connected yet"
        """Why no news is coming, for an operator; none while the topic is being followed."""
        self._connection = connection
        self._topic = topic
        self._task: asyncio.Task[None] | None = None
        self._caught_up = asyncio.Event()
        self._changed: dict[str, None] = {}
        self._news = asyncio.Event()

    def cap(self, session: str, symbol: str | None = None) -> CapView:
        """What the router may do now. O(1), never raises, safe when nothing valid is known."""
        return self.book.cap(session, symbol)

    async def caught_up(self) -> None:
        """Return once every cap that was published before the subscription began has been read."""
        await self._caught_up.wait()

    async def changes(self) -> AsyncIterator[str]:
        """Sessions with a newer cap than before, each once however often it changed meanwhile."""
        while True:
            await self._news.wait()
            self._news.clear()
            changed, self._changed = self._changed, {}
            for session in changed:
                yield session

    async def __aenter__(self) -> "CapSubscription":
        self._task = asyncio.create_task(self._follow(), name="reconverge-caps")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _follow(self) -> None:
        while True:
            consumer = AIOKafkaConsumer(
                self._topic,
                **self._connection,
                group_id=None,
                enable_auto_commit=False,
                auto_offset_reset="earliest",
            )
            try:
                await consumer.start()
                await self._read(consumer)
            except Exception as error:  # a router must outlive even a bug in here
                self.trouble = str(error) or type(error).__name__
            finally:
                await _close(consumer)
            await asyncio.sleep(_RETRY_S)

    async def _read(self, consumer: AIOKafkaConsumer) -> None:
        ends = await consumer.end_offsets(sorted(consumer.assignment()))
        self.trouble = None
        while True:
            batches = await consumer.getmany(timeout_ms=_POLL_MS)
            for records in batches.values():
                for record in records:
                    self._offer(record.value)
            if not self._caught_up.is_set() and await _reached(consumer, ends):
                self._caught_up.set()

    def _offer(self, raw: bytes | None) -> None:
        session = self.book.offer(raw)
        if session is not None:
            self._changed[session] = None
            self._news.set()


async def _reached(consumer: AIOKafkaConsumer, ends: Mapping[Any, int]) -> bool:
    for partition, end in ends.items():
        if await consumer.position(partition) < end:
            return False
    return True


async def _close(consumer: AIOKafkaConsumer) -> None:
    with suppress(KafkaError, OSError, TimeoutError):  # nothing is left to lose in it
        # Not wait_for, which in Python 3.11 can swallow the cancellation that ends the task.
        async with asyncio.timeout(_CLOSE_S):
            await consumer.stop()
