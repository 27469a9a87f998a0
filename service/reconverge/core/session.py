"""One session: its truth, the policy in force over it, and the shadows beside it.

``step`` is the whole of the core in one line: an event in, effects out. The shell calls its two
halves apart, ``apply`` for each event and ``settle`` once a batch, because confidence and cap need
weighing only once a batch.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any, Final

from reconverge.core.control import CONSEQUENCES, Control, PolicyBook
from reconverge.core.messages import effects
from reconverge.core.messages.desk import Attestation, ParentDone, ParentOrder, ProfileAck, SafeMode
from reconverge.core.messages.effects import Effect
from reconverge.core.messages.events import NewOrder, OrderStreamEvent
from reconverge.core.truth import Truth
from reconverge.core.venue import Venue

SessionEvent = OrderStreamEvent | ParentOrder | ParentDone | ProfileAck | SafeMode | Attestation
"""What concerns one session: every input but a change of policy."""


GUARDRAIL_PREFIX: Final = "guardrail"
"""Actors of older records, which state no role, are told by it."""
IDLE_NS: Final = 24 * 3_600 * 1_000_000_000
"""A session without a word for a day is retired, unless an order of it works."""

NEAREST_AMONG: Final = 1_000
"""Working orders among which a mistyped id's nearest are looked for: some milliseconds' work."""


class Rejected(ValueError):
    """The core cannot account for an event: their data is at fault.

    Nothing was changed; where a session has too many orders, its number is seen all the same, and
    the session is parked.
    """


class Session:
    """One order-entry session, the unit of the state machine."""

    __slots__ = (
        "_alerts", "_effects", "_handed_out", "book", "control", "deadline_ns", "now_ns", "shadows",
        "truth", "word_ns",
    )  # fmt: skip

    def __init__(self, session: str, book: PolicyBook, venues: Mapping[str, Venue]) -> None:
        self.truth = Truth(session, venues)
        self.book = book
        self.now_ns = 0
        """The core's time of this session: it never goes back, whatever the clock does."""
        self.word_ns = 0
        """The core's time of the last word about this session."""
        named = book.named(session, None)
        self.control = Control(book.resolve(session, None), self.truth, named)
        self.shadows: dict[str, Control] = {}
        self.deadline_ns = 0
        """The deadline under which the partition will settle it next."""
        self._effects: list[Effect] = []
        self._alerts = 0
        self._handed_out: list[int] = [0, 0, 0, 0]
        """Numbers of the last alert, episode, transition and cap that a settling handed out."""
        self.adopt()

    def adopt(self) -> None:
        """Take the policies that now apply to this session; states, caps and episode stay."""
        truth = self.truth
        policy = self.book.resolve(truth.session, truth.venue)
        truth.set_limits(policy.limits)
        self.control.adopt(policy, self.book.named(truth.session, truth.venue))
        wanted = {policy.id: policy for policy in self.book.shadows(truth.session, truth.venue)}
        for policy_id in [known for known in self.shadows if known not in wanted]:
            del self.shadows[policy_id]
        for policy_id, shadow in wanted.items():
            if policy_id in self.shadows:
                self.shadows[policy_id].adopt(shadow, {})
            else:
                self.shadows[policy_id] = Control(shadow, truth, {}, shadow=True)

    # -- an event ---------------------------------------------------------------------------------

    def apply(self, event: SessionEvent, now_ns: int) -> None:
        """Account for one event.

        Raises ``Rejected`` with nothing changed, or ``OrdersFull`` with its number seen and nothing
        of orders changed: then the session is to be parked.
        """
        if now_ns > self.now_ns:
            self.now_ns = now_ns
        self.word_ns = self.now_ns
        truth = self.truth
        handle = _DESK.get(type(event))
        if handle is None:
            truth.apply(event, self.now_ns)  # type: ignore[arg-type]
            if type(event) is NewOrder:
                self._decided(event)
        else:
            handle(self, event)
        if truth.notices:
            self._react(event.ingest_ns)

    def _decided(self, event: NewOrder) -> None:
        at_ns = event.event_ns if event.decision_ns is None else event.decision_ns
        self.control.decided(at_ns, event.cl_ord_id, event.parent_id, event.cap_sequence)

    def _attest(self, event: Attestation) -> None:
        if event.known_only:
            self._check_known(*event.orders_not_working, *event.orders_adopted)
        self.truth.attest(event, self.now_ns)

    def _check_known(self, *order_ids: str) -> None:
        """A mistyped id must not pass for an order that was vouched for. Raises ``Rejected``."""
        orders = self.truth.orders
        for order_id in order_ids:
            if not orders.known(order_id):
                working = {*orders.working(venue=False), *orders.working(venue=True)}
                nearest = get_close_matches(order_id, sorted(working)[:NEAREST_AMONG])
                told = f"; the nearest that work: {', '.join(nearest)}" if nearest else ""
                raise Rejected(f"no order goes by {order_id}{told}")

    def _safe_mode(self, event: SafeMode) -> None:
        check_role(event)
        self.truth.set_safe_mode(event)

    def _parent(self, event: ParentOrder) -> None:
        self.truth.set_parent(event)

    def _parent_done(self, event: ParentDone) -> None:
        self.truth.end_parent(event.parent_id)

    def _acknowledged(self, event: ProfileAck) -> None:
        self.control.acknowledged(event.cap_epoch, event.cap_sequence, self.now_ns)

    def _react(self, arrived_ns: int) -> None:
        """Do what follows from what truth noticed, in order.

        ``arrived_ns``: when our adapter had the message that showed it. Nanoseconds, UTC.
        """
        for notice in self.truth.notices:
            reaction, alert = CONSEQUENCES[notice.kind]
            if reaction == "policies":
                self.adopt()
            elif reaction != "none":
                self.control.react(notice, arrived_ns, self.now_ns)
                for shadow in self.shadows.values():
                    shadow.react(notice, arrived_ns, self.now_ns)
                self._collect()
            if alert is not None:
                self._alert(notice.kind, notice.detail)
        self.truth.notices.clear()

    def _alert(self, name: str, detail: str) -> None:
        self._alerts += 1
        session = self.truth.session
        alert_id = f"{session}/a{self._alerts}"
        self._effects.append(
            effects.Alert(
                session=session, event_ns=self.now_ns, id=alert_id, name=name, detail=detail
            )
        )

    def _collect(self) -> None:
        self._effects += self.control.effects
        self.control.effects.clear()

    # -- a batch ----------------------------------------------------------------------------------

    def settle(self, now_ns: int) -> list[Effect]:
        """Weigh truth as it stands now; every effect since the last settling, in order."""
        if now_ns > self.now_ns:
            self.now_ns = now_ns
        self.truth.expire(self.now_ns)
        if self.truth.notices:
            self._react(self.now_ns)
        self.control.settle(self.now_ns)
        for name, detail in self.control.found:
            self._alert(name, detail)
        self.control.found.clear()
        self._collect()
        for shadow in self.shadows.values():
            shadow.settle(self.now_ns)
            self._effects += shadow.effects
            shadow.effects.clear()
        self._handed_out = self._numbers()
        out, self._effects = self._effects, []
        return out

    def _numbers(self) -> list[int]:
        return [self._alerts, *self.control.numbers]

    def park(self, reason: str) -> None:
        """Stop trusting this session's truth: the floor cap, until truth is proven anew."""
        self.truth.park(reason)
        self._react(self.now_ns)

    @property
    def working(self) -> int:
        """Orders that work in at least one view: while there is one, nothing is forgotten."""
        return self.truth.orders.total.union

    @property
    def idle(self) -> bool:
        """A day has passed without a word, and no order works."""
        return not self.working and self.now_ns - self.word_ns >= IDLE_NS

    def successor(self, why: str) -> "Session":
        """An empty, parked session in the place of this one, which an error may have half changed.

        Its ids go on from those that were handed out, and the latch of the safe mode stays. What
        was decided since the last settling is dropped.
        """
        session = Session(self.truth.session, self.book, self.truth.venues)
        session.now_ns = self.now_ns
        session.word_ns = self.word_ns
        session._alerts, *numbers = session._handed_out = self._handed_out
        session.control.go_on_from(numbers)
        for policy_id, shadow in session.shadows.items():
            if policy_id in self.shadows:
                shadow.go_on_from(self.shadows[policy_id].numbers)
        session.truth.safe_mode = self.truth.safe_mode
        session._alert("poisoned", why)
        session.park(why)
        return session

    def next_deadline_ns(self) -> int:
        """When passing time alone may change something, and ``settle`` is due.

        A closed session is silent: it is looked at again when it may be forgotten.
        """
        found = (self.control.next_deadline_ns(self.now_ns), self.truth.sequences.next_deadline_ns)
        idle_ns = self.word_ns + IDLE_NS
        if idle_ns <= self.now_ns:  # an order works: only another word can change that
            idle_ns = self.now_ns + IDLE_NS
        return min([idle_ns, *(at_ns for at_ns in found if at_ns is not None)])

    # -- persistence ------------------------------------------------------------------------------

    def dump(self) -> Iterator[list[Any]]:
        """The whole session as rows of JSON values; ``load`` restores it."""
        shadows = {policy_id: control.dump() for policy_id, control in self.shadows.items()}
        yield ["control", self.now_ns, self.word_ns, self._alerts, self.control.dump(), shadows]
        yield from self.truth.dump()

    @classmethod
    def load(
        cls,
        name: str,
        book: PolicyBook,
        venues: Mapping[str, Venue],
        rows: Iterable[list[Any]],
    ) -> "Session":
        """The session that was dumped, under the same policies."""
        (_, now_ns, word_ns, alerts, control, shadows), *truth_rows = rows
        session = cls(name, book, venues)
        session.truth = Truth.load(name, venues, truth_rows)
        session.now_ns, session.word_ns, session._alerts = now_ns, word_ns, alerts
        named = book.named(name, session.truth.venue)
        session.control = Control.load(control, session.truth, named)
        session.shadows = {
            policy_id: Control.load(dumped, session.truth, {}, shadow=True)
            for policy_id, dumped in shadows.items()
        }
        session.truth.set_limits(session.control.policy.limits)
        session._handed_out = session._numbers()
        return session


_DESK: Final[dict[type, Callable[[Session, Any], None]]] = {
    Attestation: Session._attest,
    SafeMode: Session._safe_mode,
    ParentOrder: Session._parent,
    ParentDone: Session._parent_done,
    ProfileAck: Session._acknowledged,
}


def check_role(event: SafeMode) -> None:
    """A guardrail may set the latch; only an operator releases it. Raises ``Rejected``."""
    role = event.role or ("guardrail" if event.actor.startswith(GUARDRAIL_PREFIX) else "operator")
    if role == "guardrail" and not event.on:
        raise Rejected(f"{event.actor} is a guardrail: only an operator releases the safe mode")


def step(session: Session, event: SessionEvent, now_ns: int) -> list[Effect]:
    """One event in, its effects out: total, synchronous, deterministic."""
    session.apply(event, now_ns)
    return session.settle(now_ns)
