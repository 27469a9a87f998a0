"""A whole call: logs through the tap, once or for as long as they grow."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import suppress
from typing import Final

from reconverge.core.messages.events import StreamEvent
from reconverge.tap.merge import by_time
from reconverge.tap.pipeline import Tap
from reconverge.tap.source import Log

POLL_S: Final = 0.2
"""How often followed logs are looked at: well under the in-flight grace, and no load worth
mentioning."""


def read(tap: Tap, logs: Sequence[Log]) -> Iterator[StreamEvent]:
    """Every event of logs that do not grow, merged by time."""
    for piece in by_time(log.all() for log in logs):
        yield from tap.feed(piece)
    tap.close()


async def follow(tap: Tap, logs: Sequence[Log], stop: asyncio.Event) -> AsyncIterator[StreamEvent]:
    """Every event of logs that grow, until ``stop`` is set; what was written by then is still read.

    Logs are merged by time within what each look at them finds.
    """
    is_last = False
    while not is_last:
        is_last = stop.is_set()
        for event in _new(tap, logs):
            yield event
        if not is_last:
            await _wait(stop)
    for piece in by_time(log.finish() for log in logs):
        for event in tap.feed(piece):
            yield event
    tap.close()


def _new(tap: Tap, logs: Sequence[Log]) -> Iterator[StreamEvent]:
    for piece in by_time(log.poll() for log in logs):
        yield from tap.feed(piece)
    yield from tap.tick(time.time_ns())


async def _wait(stop: asyncio.Event) -> None:
    """Until the next look, or until told to stop."""
    with suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), POLL_S)
