"""How much of itself the machine gave us, so that a busy one is not taken for a slow service."""

import asyncio
import os
from pathlib import Path
from typing import Self

from tests.chaos.router import Span

_LOOK_S = 0.1
_LOADAVG = Path("/proc/loadavg")


class Machine:
    """Counts the threads that want a processor. A context manager."""

    def __init__(self) -> None:
        self._seen: list[tuple[float, int]] = []

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._look())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.wait([self._task])

    def slowness(self, window: Span) -> float:
        """Threads that wanted a processor, per processor, on average; 1 where there was room.

        Work that takes a second on a machine of its own took about this many.
        """
        wanting = [n for at_s, n in self._seen if window.begin_s <= at_s <= window.end_s]
        return max(1.0, sum(wanting) / max(1, len(wanting)) / (os.cpu_count() or 1))

    async def _look(self) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            await asyncio.sleep(_LOOK_S)
            self._seen.append((clock(), _wanting()))


def _wanting() -> int:
    """Threads that want a processor just now, but for ours."""
    running, _, _ = _LOADAVG.read_text().split()[3].partition("/")
    return int(running) - 1
