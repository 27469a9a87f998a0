"""The caps topic, followed for as long as the router runs; on an event loop, or in a thread.

Background tasks connect, read and tell who listens. Whatever goes wrong there is retried for ever
and shown in ``health``; the router's calls never see it: without news its caps expire, and it falls
back to its own.
"""

import asyncio
from threading import Event, Thread
from typing import Final, Self

from reconverge.client.acknowledging import Acknowledger
from reconverge.client.book import CapBook
from reconverge.client.following import Follower
from reconverge.client.listeners import AsyncChanges, Listeners, ThreadChanges
from reconverge.client.options import Connection, checked, checked_lookback, checked_topic
from reconverge.client.quiet import log, quieten
from reconverge.client.view import CapView, Change, Health, SafeCap

LOOKBACK_S: Final = 10.0
"""How far back reading begins: three validities of the default policy, a third of a second to read
at a thousand sessions."""
_END_S: Final = 0.05
"""How often ends of caps are looked for, to tell them to those who listen."""
_LEAVE_S: Final = 1.0
"""At the end, longest wait for connections to be closed."""
_NS_PER_S: Final = 1e9


class CapSubscription:
    """``async with CapSubscription("kafka:9092") as caps``: then ``caps.cap(session, symbol)``.

    ``connection`` is ``"host:port,host:port"``, or aiokafka's own arguments: bootstrap servers,
    security. There is no consumer group, so that every router process sees every cap. With
    ``lookback_s=None`` the topic is read from its beginning, for those who want to see sessions
    that have long been silent. Raises TypeError or ValueError at once if an argument is wrong.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        safe: SafeCap | None = None,
        topic: str = "caps",
        acknowledgements: str = "parents",
        lookback_s: float | None = LOOKBACK_S,
    ) -> None:
        options = checked(connection)
        self.book = CapBook(safe)
        self._listeners = Listeners()
        self._follower = Follower(
            options, checked_topic(topic), checked_lookback(lookback_s), self.book, self._tell
        )
        self._acknowledger = Acknowledger(options, checked_topic(acknowledgements))
        self._tasks: list[asyncio.Task[None]] = []

    def cap(self, session: str, symbol: str | None = None) -> CapView:
        """What the router may do now. O(1), never raises, safe when nothing valid is known."""
        return self.book.cap(session, symbol)

    def acknowledge(self, view: CapView) -> None:
        """Tell the service that the router applies this cap (SDL). Never blocks, never raises.

        May be called for every order: a cap that allows the same as the one told last is not told
        again, nor is a safe one.
        """
        self._acknowledger.take(view)

    def changes(self) -> AsyncChanges:
        """Every change of a session from now on, its end included, to each who asks."""
        listener = AsyncChanges()
        self._listeners.add(listener)
        return listener

    async def caught_up(self, timeout: float | None = None) -> bool:  # noqa: ASYNC109 - a wait of the caller's
        """Wait until every cap published before the first connection has been read.

        Returns whether that is so; after ``timeout`` seconds it may not be, and the caps that were
        not read are safe.
        """
        try:
            async with asyncio.timeout(timeout):
                await self._follower.caught_up.wait()
        except TimeoutError:
            return False
        return True

    @property
    def trouble(self) -> str | None:
        """Why no news is coming, for an operator; none while the topic is being followed."""
        return self._follower.trouble

    @property
    def health(self) -> Health:
        """How the following goes."""
        follower, told = self._follower, self._acknowledger
        age_ns = None
        if follower.record_ns is not None:
            age_ns = self.book.monotonic_ns() - follower.record_ns
        return Health(
            connected=self.book.connected,
            trouble=follower.trouble,
            reconnects=max(0, follower.connections - 1),
            record_age_s=None if age_ns is None else age_ns / _NS_PER_S,
            lag=follower.lag,
            skew_s=None if follower.skew.ns is None else follower.skew.ns / _NS_PER_S,
            sessions=len(self.book.sessions()),
            records=follower.records,
            unreadable=self.book.unreadable,
            dropped=self.book.dropped,
            acknowledged=told.sent,
            unacknowledged=len(told.waiting),
            acknowledging=told.trouble,
        )

    async def __aenter__(self) -> Self:
        await self._follower.check()
        quieten()
        work = {
            "caps": self._follower.run(),
            "ends": self._tell_ends(),
            "acknowledgements": self._acknowledger.run(),
        }
        self._tasks = [
            asyncio.create_task(one, name=f"reconverge-{name}") for name, one in work.items()
        ]
        for task in self._tasks:
            task.add_done_callback(self._ended)
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._follower.closed(_LEAVE_S)
        self._listeners.close()

    def _ended(self, task: asyncio.Task[None]) -> None:
        """A task that ends before the subscription is a bug of ours: never in silence."""
        if not task.cancelled():
            self._follower.trouble = f"{task.get_name()} ended: a bug"
            log.error("caps: %s ended: a bug", task.get_name(), exc_info=task.exception())

    async def _tell_ends(self) -> None:
        while True:
            await asyncio.sleep(_END_S)
            for session in self.book.ended():
                self._tell(session)

    def _tell(self, session: str) -> None:
        self._listeners.tell(Change(session, self.book.cap(session)))


class ThreadedCaps:
    """The same without asyncio: ``with ThreadedCaps("kafka:9092") as caps``.

    A thread of its own follows the topic. Every method may be called on any thread. Arguments and
    errors are those of ``CapSubscription``.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        safe: SafeCap | None = None,
        topic: str = "caps",
        acknowledgements: str = "parents",
        lookback_s: float | None = LOOKBACK_S,
    ) -> None:
        self._caps = CapSubscription(
            connection,
            safe=safe,
            topic=topic,
            acknowledgements=acknowledgements,
            lookback_s=lookback_s,
        )
        self.book = self._caps.book
        self._thread = Thread(target=self._live, name="reconverge-caps", daemon=True)
        self._started = Event()
        self._caught_up = Event()
        self._refused: Exception | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._leave = asyncio.Event()

    def cap(self, session: str, symbol: str | None = None) -> CapView:
        """What the router may do now. O(1), never raises, safe when nothing valid is known."""
        return self.book.cap(session, symbol)

    def acknowledge(self, view: CapView) -> None:
        """See ``CapSubscription.acknowledge``."""
        self._caps.acknowledge(view)

    def changes(self) -> ThreadChanges:
        """Every change of a session from now on, its end included; the iterator waits for each."""
        listener = ThreadChanges()
        self._caps._listeners.add(listener)  # noqa: SLF001 - its other half
        return listener

    def caught_up(self, timeout: float | None = None) -> bool:
        """See ``CapSubscription.caught_up``; waits in the caller's thread."""
        return self._caught_up.wait(timeout)

    @property
    def trouble(self) -> str | None:
        """See ``CapSubscription.trouble``."""
        return self._caps.trouble

    @property
    def health(self) -> Health:
        """See ``CapSubscription.health``."""
        return self._caps.health

    def start(self) -> None:
        """Begin to follow. Raises what aiokafka has against the arguments."""
        self._thread.start()
        self._started.wait()
        if self._refused is not None:
            raise self._refused

    def close(self) -> None:
        """End the thread; every cap ends by itself."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._leave.set)
        if self._thread.ident is not None:  # it was started
            self._thread.join()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _live(self) -> None:
        asyncio.run(self._follow())

    async def _follow(self) -> None:
        try:
            await self._caps.__aenter__()
        except Exception as error:  # raised again where the router asked for the start
            self._refused = error
            return
        finally:
            self._loop = asyncio.get_running_loop()
            self._started.set()
        try:
            watching = asyncio.create_task(self._watch())
            await self._leave.wait()
            watching.cancel()
        finally:
            await self._caps.__aexit__()

    async def _watch(self) -> None:
        await self._caps.caught_up()
        self._caught_up.set()
