"""Caps for a router's own tests: said by the test, on clocks that the test moves. No Kafka.

The book inside is the real one, so what a test shows of lives, reasons and instruments is true.
"""

import time
from collections.abc import Mapping
from typing import Any, Final, Self

import msgspec

from reconverge.client.book import CapBook
from reconverge.client.listeners import AsyncChanges, Listeners, ThreadChanges
from reconverge.client.view import CapView, Change, Health, SafeCap
from reconverge.core.messages.desk import ProfileAck

_NS_PER_S: Final = 1_000_000_000
_EPOCH: Final = 1


class FakeCaps:
    """Stands for ``CapSubscription`` in a test.

    caps = FakeCaps(safe=SafeCap(cap=0.05))
    caps.say("EQ-1", cap=0.5, symbols={"RCV.A": 0.1})
    assert router.size(caps) == ...
    caps.pass_time(3)
    assert caps.cap("EQ-1").why == "expired"
    """

    def __init__(self, *, safe: SafeCap | None = None) -> None:
        self.wall_ns = time.time_ns()
        self.monotonic_ns = time.monotonic_ns()
        self.book = CapBook(safe, lambda: self.wall_ns, lambda: self.monotonic_ns)
        self.acknowledged: list[ProfileAck] = []
        """What the router acknowledged, each permission once."""
        self.trouble: str | None = None
        self._told: dict[str, tuple[int, int]] = {}
        self._sequence = 0
        self._listeners = Listeners()

    # What the test says.

    def say(
        self,
        session: str,
        *,
        cap: float,
        symbols: Mapping[str, float] | None = None,
        valid_s: float = 3.0,
        **fields: Any,
    ) -> CapView:
        """The service publishes a cap now; ``fields`` are more of the record's, by its names.

        Raises ValueError if it is no cap that a service would publish.
        """
        self._sequence += 1
        record = {
            "type": "cap",
            "session": session,
            "epoch": _EPOCH,
            "sequence": self._sequence,
            "state": "HEALTHY",
            "cap": cap,
            "symbols": {name: {"cap": own} for name, own in (symbols or {}).items()},
            "participation_max": 0.2,
            "catchup_multiple_max": 1.0,
            "freeze_expansion": False,
            "safe_mode": False,
            "reason": "ceiling",
            "publish_ns": self.wall_ns,
            "valid_until_ns": self.wall_ns + int(valid_s * _NS_PER_S),
        }
        before = self.book.unreadable
        self._offer(msgspec.json.encode(record | fields), session)
        if self.book.unreadable > before:
            raise ValueError(f"no router could read this cap: {record | fields}")
        return self.book.cap(session)

    def retire(self, session: str) -> None:
        """The service forgets the session."""
        self._offer(None, session)

    def pass_time(self, seconds: float) -> None:
        """Both clocks go on, and what ends by that is told."""
        self.wall_ns += int(seconds * _NS_PER_S)
        self.monotonic_ns += int(seconds * _NS_PER_S)
        for session in self.book.ended():
            self._tell(session)

    def disconnect(self, trouble: str = "Kafka does not answer") -> None:
        """Nothing comes any more; what was said lives to its end."""
        self.book.connected, self.trouble = False, trouble

    def connect(self) -> None:
        """Kafka is back."""
        self.book.connected, self.trouble = True, None

    # What the router asks.

    def cap(self, session: str, symbol: str | None = None) -> CapView:
        """See ``CapSubscription.cap``."""
        return self.book.cap(session, symbol)

    def acknowledge(self, view: CapView) -> None:
        """See ``CapSubscription.acknowledge``; kept in ``acknowledged``."""
        permission = view.epoch, view.since
        if not view.safe and self._told.get(view.session) != permission:
            self._told[view.session] = permission
            self.acknowledged.append(view.acknowledgement(view.session, self.wall_ns))

    def changes(self) -> AsyncChanges:
        """See ``CapSubscription.changes``."""
        listener = AsyncChanges()
        self._listeners.add(listener)
        return listener

    async def caught_up(self, timeout: float | None = None) -> bool:  # noqa: ARG002, ASYNC109 - as the real one
        """Whether Kafka is there."""
        return self.book.connected

    @property
    def health(self) -> Health:
        """How the following goes."""
        return Health(
            connected=self.book.connected,
            trouble=self.trouble,
            reconnects=0,
            record_age_s=None,
            lag=0 if self.book.connected else None,
            skew_s=None,
            sessions=len(self.book.sessions()),
            records=self._sequence,
            unreadable=self.book.unreadable,
            dropped=self.book.dropped,
            acknowledged=len(self.acknowledged),
            unacknowledged=0,
            acknowledging=None,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._listeners.close()

    def _offer(self, raw: bytes | None, session: str) -> None:
        if self.book.offer(raw, session.encode()) is not None:
            self._tell(session)

    def _tell(self, session: str) -> None:
        self._listeners.tell(Change(session, self.book.cap(session)))


class FakeThreadedCaps(FakeCaps):
    """Stands for ``ThreadedCaps`` in a test."""

    def changes(self) -> ThreadChanges:  # type: ignore[override] # the other class's, on purpose
        """See ``ThreadedCaps.changes``."""
        listener = ThreadChanges()
        self._listeners.add(listener)
        return listener

    def caught_up(self, timeout: float | None = None) -> bool:  # type: ignore[override] # noqa: ARG002 - as above
        """Whether Kafka is there."""
        return self.book.connected

    def start(self) -> None:
        """See ``ThreadedCaps.start``."""

    def close(self) -> None:
        """See ``ThreadedCaps.close``."""
        self._listeners.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
