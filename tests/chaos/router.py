"""A router through a drill: the real client, and how long it was without news or without a cap."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Any, NamedTuple, Self

from reconverge.client import CapSubscription

_LOOK_S = 0.02


class Span(NamedTuple):
    """From one moment to another, by the event loop's clock. Seconds."""

    begin_s: float
    end_s: float

    def within(self, window: "Span") -> float:
        """How much of it lies after the window's begin, if it touches the window at all."""
        touches = self.begin_s < window.end_s and self.end_s > window.begin_s
        return self.end_s - max(self.begin_s, window.begin_s) if touches else 0.0


class Router:
    """Follows the caps of some sessions. A context manager."""

    def __init__(self, connection: Mapping[str, Any], sessions: Iterable[str]) -> None:
        self._caps = CapSubscription(connection)
        self._sessions = list(sessions)
        self._arrivals: dict[str, list[float]] = defaultdict(list)
        self._blind: list[Span] = []
        self._blind_since: dict[str, float] = {}

    async def __aenter__(self) -> Self:
        await self._caps.__aenter__()
        self._tasks = [asyncio.create_task(self._listen()), asyncio.create_task(self._look())]
        return self

    async def __aexit__(self, *error: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks)
        await self._caps.__aexit__(*error)

    def heard_since(self, moment_s: float) -> bool:
        """Whether every session has had a new cap since."""
        return all(
            self._arrivals[session] and self._arrivals[session][-1] > moment_s
            for session in self._sessions
        )

    def longest_silence(self, window: Span) -> float:
        """Longest wait for a session's next cap, counted from the window's begin at the earliest.

        Silences that begin before the window and end within count too. Seconds.
        """
        spans = [
            Span(before, after)
            for arrivals in self._arrivals.values()
            for before, after in pairwise(arrivals)
        ]
        return max((span.within(window) for span in spans), default=0.0)

    def longest_blind(self, window: Span) -> float:
        """Longest time that a session, once it had a cap, had no valid one. Seconds."""
        return max((span.within(window) for span in self._blind), default=0.0)

    async def _listen(self) -> None:
        clock = asyncio.get_running_loop().time
        async for session, view in self._caps.changes():
            if not view.safe:  # else it ended, which is no arrival
                self._arrivals[session].append(clock())

    async def _look(self) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            await asyncio.sleep(_LOOK_S)
            for session in self._sessions:
                self._note(session, clock())

    def _note(self, session: str, now_s: float) -> None:
        blind = bool(self._arrivals[session]) and self._caps.cap(session).safe
        if blind:
            self._blind_since.setdefault(session, now_s)
        elif session in self._blind_since:
            self._blind.append(Span(self._blind_since.pop(session), now_s))
