"""Acknowledgements: which cap the router applies, so that the state decision lag is measured.

Cheap enough to be called for every order: the same permission is told once, and what is told goes
out in batches behind the router's back.
"""

import asyncio
import time
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, TopicAuthorizationFailedError, UnknownTopicOrPartitionError

from reconverge.client.options import for_producer
from reconverge.client.quiet import log
from reconverge.client.view import CapView
from reconverge.core.messages.desk import ProfileAck
from reconverge.core.messages.wire import encode

_BATCH_S: Final = 0.02
"""What comes within this goes out together. The acknowledgement carries its own time, so that the
wait is not measured."""
_SEND_S: Final = 5.0
"""Longest that a batch may take before its producer is given up."""
_RETRY_S: Final = 1.0
_WAITING_MAX: Final = 10_000
"""Acknowledgements that wait for Kafka; the oldest go first, as their episodes are over."""
_LAST_S: Final = 1.0
"""At the end, longest wait for what is still to be told."""


class Acknowledger:
    """Tells the service what a router applies. ``take`` may be called on any thread."""

    def __init__(self, connection: Mapping[str, Any], topic: str) -> None:
        self.sent = 0
        self.trouble: str | None = None
        self.waiting: deque[ProfileAck] = deque(maxlen=_WAITING_MAX)
        self._told: dict[str, tuple[int, int]] = {}
        self._connection = for_producer(connection)
        self._topic = topic
        self._loop: asyncio.AbstractEventLoop | None = None
        self._news = asyncio.Event()
        self._producer: AIOKafkaProducer | None = None

    def take(self, view: CapView) -> None:
        """Tell that the view's cap is applied from now on, unless it allows what was told last."""
        permission = view.epoch, view.since
        if view.why is not None or self._told.get(view.session) == permission:
            return
        self._told[view.session] = permission
        self.waiting.append(view.acknowledgement(view.session, time.time_ns()))
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop has ended: there is nobody left to tell
                self._loop.call_soon_threadsafe(self._news.set)

    async def run(self) -> None:
        """Send, until cancelled; then what is left, if that goes quickly."""
        self._loop = asyncio.get_running_loop()
        try:
            while True:
                if not self.waiting:
                    self._news.clear()
                    await self._news.wait()
                await asyncio.sleep(_BATCH_S)
                if not await self._send():
                    await asyncio.sleep(_RETRY_S)
        finally:
            with suppress(TimeoutError):
                async with asyncio.timeout(_LAST_S):
                    await self._send()
            await self._stop()

    async def _send(self) -> bool:
        """Send all that waits, of each session the newest last. Returns whether that worked."""
        batch = [self.waiting.popleft() for _ in range(len(self.waiting))]
        try:
            async with asyncio.timeout(_SEND_S):
                await self._send_batch(batch)
        except Exception as error:  # a router must outlive even a bug in here
            self.waiting.extendleft(reversed(batch))
            self._failed(error)
            await self._stop()
            return False
        except asyncio.CancelledError:
            self.waiting.extendleft(reversed(batch))
            raise
        self.sent += len(batch)
        self.trouble = None
        return True

    async def _send_batch(self, batch: list[ProfileAck]) -> None:
        if not batch:
            return
        if self._producer is None:
            self._producer = AIOKafkaProducer(
                **self._connection, client_id="reconverge-client", linger_ms=0
            )
            await self._producer.start()
        sent = [
            await self._producer.send(self._topic, encode(told), told.session.encode())
            for told in batch
        ]
        await asyncio.gather(*sent)

    def _failed(self, error: Exception) -> None:
        match error:
            case TopicAuthorizationFailedError() | UnknownTopicOrPartitionError():
                self.trouble = f"grant Describe and Write on topic {self._topic!r}, or make it"
            case TimeoutError():
                self.trouble = f"Kafka has not answered for {_SEND_S:g} s"
            case _:
                self.trouble = str(error) or type(error).__name__
        log.warning("caps: acknowledgements do not get to Kafka: %s", self.trouble)

    async def _stop(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            with suppress(KafkaError, OSError, TimeoutError):
                async with asyncio.timeout(_LAST_S):
                    await producer.stop()
