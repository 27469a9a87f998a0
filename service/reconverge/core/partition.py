"""Every session of one Kafka partition, and the policies over them: what a worker folds into.

Routes events to sessions, broadcasts what concerns all of them, settles those that changed or whose
time has come, and dumps and loads the whole for snapshots.
"""

import heapq
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from operator import itemgetter
from typing import Any, Final, Self

from msgspec import convert

from reconverge.core.control import Policy, PolicyBook, PolicyRefused, parse
from reconverge.core.messages.desk import Attestation, PolicyChange, RetireSession, SafeMode
from reconverge.core.messages.effects import Effect, Retired
from reconverge.core.messages.events import Event
from reconverge.core.messages.wire import BROADCAST, plain
from reconverge.core.orders import OrdersFull
from reconverge.core.session import IDLE_NS, Rejected, Session, check_role
from reconverge.core.venue import Venue

CORE_VERSION: Final = "2"
"""Changes whenever the same inputs may give other effects: a journal folded under another version
must not be continued silently."""
__all__ = ["CORE_VERSION", "SESSIONS_MAX", "Partition", "Rejected"]

SESSIONS_MAX: Final = 10_000
"""Sessions of one partition. Each publishes a heartbeat a second: more would keep one worker busy
with heartbeats alone."""


class Partition:
    """The fold of one partition."""

    __slots__ = (
        "_changed", "_due", "_effects", "_lost", "_safe_mode", "book", "faults", "now_ns",
        "sessions", "venues",
    )  # fmt: skip

    def __init__(
        self, policies: Iterable[Policy] = (), venues: Mapping[str, Venue] | None = None
    ) -> None:
        self.book = PolicyBook(policies)
        self.venues = {} if venues is None else venues
        self.sessions: dict[str, Session] = {}
        self.now_ns = 0
        """The latest time it was settled at. Nanoseconds, UTC."""
        self._safe_mode: SafeMode | None = None
        """The latch set for every session, for those that are yet to appear."""
        self._lost: tuple[str, int] | None = None
        """Why input is missing from before the first session was known, and since when: none that
        appears within a day is trusted unless its numbers are seen from the first one. Whoever is
        silent for longer is followed no longer anyway."""
        self._changed: dict[str, Session] = {}
        """Sessions with events since they were last settled, in order of their first one."""
        self._effects: list[Effect] = []
        """Decided before the next settling: the last of sessions that were retired."""
        self._due: list[tuple[int, str]] = []
        """Deadlines, earliest first; an entry that is not its session's latest one is stale."""
        self.faults: list[tuple[str, Exception]] = []
        """Sessions that could not be weighed and were replaced, for the shell to take and tell."""

    # -- events -----------------------------------------------------------------------------------

    def apply(self, event: Event, now_ns: int) -> None:
        """Account for one event.

        Raises ``Rejected`` when it cannot be. Then nothing has changed, but where a session has too
        many orders: its number is seen, and the session is parked.
        """
        name = event.session
        session = self.sessions.get(name)
        if session is None or type(event) in _UNUSUAL:
            self._unusual(event, now_ns)
            return
        self._changed[name] = session
        try:
            session.apply(event, now_ns)  # type: ignore[arg-type]  # no policy, no retiring
        except OrdersFull as error:
            session.park(str(error))
            raise Rejected(str(error)) from None

    def _unusual(self, event: Event, now_ns: int) -> None:
        """A change of policy, a broadcast, the first event of a session, or its last."""
        if type(event) is PolicyChange:
            self._change_policy(event)
        elif event.session == BROADCAST:
            self._broadcast(event, now_ns)
        elif type(event) is RetireSession:
            self._retire(event, now_ns)
        else:
            self._open(event, now_ns)
            self.apply(event, now_ns)

    def _open(self, event: Event, now_ns: int) -> None:
        name = event.session
        if type(event) is Attestation:
            # A mistyped name must not make a session of its own, with caps that nobody ends.
            raise Rejected(f"no session named {name} is known here: nothing to attest")
        if len(self.sessions) >= SESSIONS_MAX:
            raise Rejected(f"{SESSIONS_MAX} sessions are followed here already: {name} is not")
        session = self.sessions[name] = Session(name, self.book, self.venues)
        if self._safe_mode is not None:
            session.apply(self._safe_mode, now_ns)
        if self._lost is not None and getattr(event, "seq", None) != 1:
            reason, lost_ns = self._lost
            if now_ns - lost_ns < IDLE_NS:
                session.park(reason)

    def _retire(self, event: RetireSession, now_ns: int) -> None:
        session = self.sessions.get(event.session)
        if session is None:
            raise Rejected(f"no session named {event.session} is known here: nothing to retire")
        if session.working:
            raise Rejected(f"{session.working} orders of {event.session} work: it is not retired")
        self.now_ns = max(self.now_ns, now_ns)
        self._effects += self._weighed(event.session, session)
        self._forget(self.sessions[event.session], event.actor, event.reason)

    def _forget(self, session: Session, actor: str, reason: str) -> None:
        """Follow a session no longer; what comes of it later opens another."""
        name = session.truth.session
        del self.sessions[name]
        self._changed.pop(name, None)
        at_ns = session.now_ns
        self._effects.append(Retired(session=name, event_ns=at_ns, actor=actor, reason=reason))

    def _change_policy(self, event: PolicyChange) -> None:
        retired = event.retire_shadow
        if event.policy is None and retired is None:
            raise Rejected("neither a policy nor a shadow to retire")
        if retired is not None and not self.book.has_shadow(retired):
            raise Rejected(f"no shadow is called {retired}")
        try:
            policy = None if event.policy is None else parse(event.policy)
        except PolicyRefused as refused:
            raise Rejected(f"policy refused: {refused}") from None
        if retired is not None:
            self.book.retire_shadow(retired)
        if policy is not None:
            self.book.set(policy, shadow=event.shadow)
        for name, session in self.sessions.items():
            session.adopt()
            self._changed[name] = session

    def _broadcast(self, event: Event, now_ns: int) -> None:
        if not isinstance(event, SafeMode):
            raise Rejected(f"{event.type} must name a session")
        check_role(event)
        self._safe_mode = event
        for name, session in self.sessions.items():
            session.apply(event, now_ns)
            self._changed[name] = session

    def park(self, reason: str, now_ns: int) -> None:
        """Stop trusting every session's truth: the inputs are known to be incomplete.

        With no session yet, those that were are not known either: see ``_lost``.
        """
        if not self.sessions:
            self._lost = reason, now_ns
        for name, session in self.sessions.items():
            session.park(reason)
            self._changed[name] = session

    def replace(self, name: str, why: str) -> None:
        """Put an empty, parked session in the place of one that an error may have half changed.

        No record, whatever is in it, stops the other sessions (S9). With ``BROADCAST``, each one.
        """
        for each in list(self.sessions) if name == BROADCAST else [name]:
            if each in self.sessions:
                self._changed[each] = self._replaced(each, why)

    def _replaced(self, name: str, why: str) -> Session:
        session = self.sessions[name] = self.sessions[name].successor(why)
        return session

    # -- settling ---------------------------------------------------------------------------------

    def settle(self, now_ns: int) -> list[Effect]:
        """Weigh every session that changed or is due; effects in the order to perform."""
        self.now_ns = max(self.now_ns, now_ns)
        while self._due and self._due[0][0] <= self.now_ns:
            deadline, name = heapq.heappop(self._due)
            session = self.sessions.get(name)
            if session is not None and session.deadline_ns == deadline:
                self._changed[name] = session
        effects, self._effects = self._effects, []
        changed, self._changed = self._changed, {}
        for name, session in changed.items():
            effects += self._weighed(name, session)
            weighed = self.sessions[name]
            if weighed.idle:
                self._forget(weighed, "idle", "a day without a word, and no order works")
            else:
                self._schedule(name, weighed)
        effects += self._effects
        self._effects = []
        return effects

    def _weighed(self, name: str, session: Session) -> list[Effect]:
        """What settling a session leads to; a session that cannot be settled is replaced (S9)."""
        try:
            return session.settle(self.now_ns)
        except MemoryError:
            raise
        except Exception as error:
            self.faults.append((name, error))
            why = f"it could not be weighed at {self.now_ns}"
            return self._replaced(name, why).settle(self.now_ns)

    def _schedule(self, name: str, session: Session) -> None:
        deadline = session.next_deadline_ns()
        if deadline != session.deadline_ns:
            session.deadline_ns = deadline
            heapq.heappush(self._due, (deadline, name))

    @property
    def next_deadline_ns(self) -> int | None:
        """When ``settle`` is due with nothing coming in; None without a session."""
        while self._due:
            deadline, name = self._due[0]
            session = self.sessions.get(name)
            if session is not None and session.deadline_ns == deadline:
                return deadline
            heapq.heappop(self._due)
        return None

    # -- persistence ------------------------------------------------------------------------------

    def dump(self) -> Iterator[list[Any]]:
        """The settled partition as rows of JSON values, each well below 256 KiB.

        Raises AssertionError between events and settling: a snapshot is of a whole batch.
        """
        if self._changed or self._effects:
            raise AssertionError("a partition is dumped only when it is settled")
        latch = None if self._safe_mode is None else plain(self._safe_mode)
        yield ["partition", CORE_VERSION, self.now_ns, latch, self._lost, self.book.dump()]
        for name, session in self.sessions.items():
            for row in session.dump():
                yield [name, *row]

    @classmethod
    def load(cls, rows: Iterable[list[Any]], venues: Mapping[str, Venue] | None = None) -> Self:
        """The partition that was dumped, with the venue profiles it is to follow.

        Raises ValueError when another core version dumped it.
        """
        stream = iter(rows)
        _, version, now_ns, latch, lost, book = next(stream)
        if version != CORE_VERSION:
            raise ValueError(f"core version {version} dumped this; this is {CORE_VERSION}")
        partition = cls((), venues)
        partition.now_ns = now_ns
        partition.book = PolicyBook.load(book)
        partition._lost = None if lost is None else tuple(lost)
        partition._safe_mode = None if latch is None else convert(latch, SafeMode)
        for name, own_rows in groupby(stream, key=itemgetter(0)):
            session = Session.load(
                name, partition.book, partition.venues, (r[1:] for r in own_rows)
            )
            partition.sessions[name] = session
            partition._schedule(name, session)
        return partition


_UNUSUAL: Final = frozenset({PolicyChange, RetireSession})
"""Events that are not for a session to account for."""
