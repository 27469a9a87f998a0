"""An event loop in which time is a number: when nothing is ready, it jumps to the next timer."""

import asyncio
import selectors
from collections.abc import Coroutine, Mapping
from typing import Any, TypeVar

T = TypeVar("T")


class _NoWait(selectors.SelectSelector):
    """A selector that never waits: the time it should have waited is added to the loop's."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise RuntimeError("deadlock: nothing is ready and no timer is set")
        self.now_s += max(0.0, timeout)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """Deterministic.

    Callbacks run in the order they became ready, timers in the order of their times.
    """

    def __init__(self) -> None:
        self._virtual = _NoWait()
        super().__init__(self._virtual)
        self.failures: list[Mapping[str, Any]] = []
        self.set_exception_handler(lambda _, context: self.failures.append(context))

    def time(self) -> float:
        return self._virtual.now_s

    def now_ns(self) -> int:
        return int(self._virtual.now_s * 1e9)


def run(main: Coroutine[Any, Any, T], loop: VirtualLoop) -> T:
    """Run to the end of `main` in virtual time."""
    try:
        return loop.run_until_complete(main)
    finally:
        loop.close()
