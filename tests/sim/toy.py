"""A core small enough to be obviously right.

It counts, and says how often and in what order it saw what.

It publishes real caps and alerts, so that everything between the core and Kafka is the real thing.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from zlib import crc32

import msgspec

from reconverge.core.messages.decode import Undecodable
from reconverge.core.messages.effects import (
    Alert,
    Cap,
    Components,
    Effect,
    PolicyRef,
    Retired,
    State,
)
from reconverge.stream.folding import Row

HEARTBEAT_NS = 1_000_000_000
ALERT_EVERY = 3
RETIRE = -12
"""Number of an event that ends its session."""
POISON = -13
"""Number of an event that leads to an error with its session half changed."""
_ALL_WELL = Components(similarity=1, quantity=1, replay=1, freshness=1, in_flight=1)


class ToyEvent(msgspec.Struct, tag_field="type", tag="toy"):
    """The `number`th event of one session on one stream.

    Negative numbers are refused by the core.
    """

    session: str
    stream: str
    number: int
    policy: str | None = None
    """Changes the policy in force."""


def decode(raw: bytes | None) -> ToyEvent:
    """As `core.messages.decode` does."""
    try:
        return msgspec.json.decode(raw or b"", type=ToyEvent)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Undecodable("malformed", str(error)) from None


class ToyRejection(Exception):
    """An event the toy will not take."""


class ToyFault(Exception):
    """A defect of the toy."""


class ToySession:
    """What one session's state is: how many events, and a digest of them in order."""

    def __init__(self) -> None:
        self.last: dict[str, int] = {}
        self.count = 0
        self.order = 0
        self.sequence = 0
        self.alerts = 0
        self.heartbeat_ns = 0
        self.changed = True
        self.parked = ""
        self.disorder = 0
        """Events that came after a later one of their stream."""

    def row(self, name: str) -> Row:
        return [
            name, self.last, self.count, self.order, self.sequence, self.alerts, self.heartbeat_ns,
            self.changed, self.parked, self.disorder,
        ]  # fmt: skip

    @classmethod
    def load(cls, row: Row) -> "ToySession":
        session = cls()
        (
            session.last, session.count, session.order, session.sequence, session.alerts,
            session.heartbeat_ns, session.changed, session.parked, session.disorder,
        ) = row[1:]  # fmt: skip
        return session


class ToyFold:
    """The toy's state of a partition."""

    def __init__(self) -> None:
        self.sessions: dict[str, ToySession] = {}
        self.retired: list[str] = []
        self.policy_hash = "none"
        self._base = "none"
        self.lost = ""

    @property
    def next_deadline_ns(self) -> int | None:
        beats = [session.heartbeat_ns for session in self.sessions.values()]
        return min(beats) + HEARTBEAT_NS if beats else None

    def set_policies(self, documents: Sequence[Mapping[str, Any]], now_ns: int) -> None:
        base = str(documents[0]["id"])
        if base.startswith("bad"):
            raise ToyRejection(base)
        if base != self._base:
            self._base = self.policy_hash = base

    def park(self, reason: str, now_ns: int) -> None:
        self.lost = reason
        for session in self.sessions.values():
            session.parked, session.changed = reason, True

    def replace(self, session: str, why: str, now_ns: int) -> None:
        former = self.sessions.get(session)
        if former is not None:
            fresh = self.sessions[session] = ToySession()
            fresh.sequence, fresh.count = former.sequence, former.alerts * ALERT_EVERY
            fresh.alerts = former.alerts
            fresh.parked = why

    def take_faults(self) -> Sequence[tuple[str, Exception]]:
        return ()

    def apply(self, event: ToyEvent, now_ns: int) -> None:
        if event.number < 0 and event.number not in (POISON, RETIRE):
            raise ToyRejection(f"number {event.number}")
        if event.policy:
            self.policy_hash = event.policy
        if event.number == RETIRE:
            if self.sessions.pop(event.session, None) is not None:
                self.retired.append(event.session)
            return
        if event.number == POISON:
            self.sessions.setdefault(event.session, ToySession()).count += 1_000
            raise ToyFault("half changed")
        session = self.sessions.setdefault(event.session, ToySession())
        session.disorder += event.number <= session.last.get(event.stream, 0)
        session.last[event.stream] = event.number
        session.count += 1
        session.order = crc32(f"{event.stream}{event.number}@{now_ns}".encode(), session.order)
        session.changed = True

    def settle(self, now_ns: int) -> Sequence[Effect]:
        effects: list[Effect] = [
            Retired(session=name, event_ns=now_ns, actor="toy") for name in self.retired
        ]
        self.retired.clear()
        for name, session in self.sessions.items():
            while session.count >= (session.alerts + 1) * ALERT_EVERY:
                session.alerts += 1
                effects.append(
                    Alert(session=name, event_ns=now_ns, id=f"{name}/{session.alerts}", name="toy")
                )
            if session.changed or now_ns - session.heartbeat_ns >= HEARTBEAT_NS:
                effects.append(self._cap(name, session, now_ns))
        return effects

    def _cap(self, name: str, session: ToySession, now_ns: int) -> Cap:
        session.changed, session.heartbeat_ns = False, now_ns
        session.sequence += 1
        return Cap(
            v=1, session=name, event_ns=now_ns, sequence=session.sequence, state=State.HEALTHY,
            cap=0.0 if session.parked else 1.0, confidence=1.0, components=_ALL_WELL, symbols={},
            reason="parked" if session.parked else "ceiling", freeze_expansion=False,
            catchup_multiple_max=1.0, participation_max=0.2, safe_mode=False, cause="change",
            policy=PolicyRef(id=self.policy_hash, version=1, hash=str(session.order)),
            episode_id=None, cycle=None, publish_ns=None, epoch=0,
            valid_until_ns=now_ns + 3 * HEARTBEAT_NS,
        )  # fmt: skip

    def dump(self) -> Iterable[Row]:
        yield [self.policy_hash, self._base]
        for name, session in self.sessions.items():
            yield session.row(name)


class ToyFolds:
    """Makes toys of one version."""

    rejection = ToyRejection
    decode = staticmethod(decode)

    def __init__(self, version: str = "toy-1", reads: Iterable[str] = ()) -> None:
        self.version = version
        self.readable = frozenset({version, *reads})

    def new(self) -> ToyFold:
        return ToyFold()

    def load(self, rows: Iterable[Row]) -> ToyFold:
        fold = ToyFold()
        iterator = iter(rows)
        fold.policy_hash, fold._base = next(iterator)
        for row in iterator:
            fold.sessions[row[0]] = ToySession.load(row)
        return fold


def event(session: str, stream: str, number: int, policy: str | None = None) -> bytes:
    return msgspec.json.encode(ToyEvent(session, stream, number, policy))
