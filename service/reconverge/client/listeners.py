"""Everyone who listens hears every change, however slow the others are."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterator
from threading import Condition, Lock
from typing import Final, Protocol
from weakref import ref

from reconverge.client.view import Change

_BEHIND_MAX: Final = 100_000
"""Changes kept for a listener that does not take them: a hundred seconds of a thousand sessions.
Beyond it is told the newest of each session only."""


class Listener(Protocol):
    """Who is told."""

    def put(self, change: Change) -> None:
        """Take one change. Never blocks."""

    def close(self) -> None:
        """No more will come."""


def _keep(waiting: deque[Change], change: Change) -> None:
    waiting.append(change)
    if len(waiting) > _BEHIND_MAX:
        newest = {late.session: late for late in waiting}
        waiting.clear()
        waiting.extend(newest.values())


class AsyncChanges(AsyncIterator[Change]):
    """``async for session, view in changes``: every change from its making on, until closed."""

    def __init__(self) -> None:
        self._waiting: deque[Change] = deque()
        self._news = asyncio.Event()
        self._closed = False

    def put(self, change: Change) -> None:
        """See ``Listener``; called on the event loop."""
        _keep(self._waiting, change)
        self._news.set()

    def close(self) -> None:
        """See ``Listener``."""
        self._closed = True
        self._news.set()

    async def __anext__(self) -> Change:
        while not self._waiting:
            if self._closed:
                raise StopAsyncIteration
            self._news.clear()
            await self._news.wait()
        return self._waiting.popleft()


class ThreadChanges(Iterator[Change]):
    """``for session, view in changes``: the same in a thread, which waits for each."""

    def __init__(self) -> None:
        self._waiting: deque[Change] = deque()
        self._news = Condition()
        self._closed = False

    def put(self, change: Change) -> None:
        """See ``Listener``; called on any thread."""
        with self._news:
            _keep(self._waiting, change)
            self._news.notify()

    def close(self) -> None:
        """See ``Listener``."""
        with self._news:
            self._closed = True
            self._news.notify_all()

    def __next__(self) -> Change:
        with self._news:
            while not self._waiting:
                if self._closed:
                    raise StopIteration
                self._news.wait()
            return self._waiting.popleft()


class Listeners:
    """All of them, as long as somebody holds them: one that is let go of is told no more."""

    def __init__(self) -> None:
        self._all: tuple[ref[Listener], ...] = ()
        self._closed = False
        self._lock = Lock()

    def add(self, listener: Listener) -> None:
        """Tell one more; at once that nothing will come, if that is so."""
        with self._lock:
            self._all = (*(known for known in self._all if known()), ref(listener))
        if self._closed:
            listener.close()

    def tell(self, change: Change) -> None:
        """Tell everyone."""
        for known in self._all:
            listener = known()
            if listener is not None:
                listener.put(change)

    def close(self) -> None:
        """Tell everyone that nothing more will come."""
        self._closed = True
        for known in self._all:
            listener = known()
            if listener is not None:
                listener.close()
