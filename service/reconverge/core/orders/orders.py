"""Order truth of one session: every order seen by two views, and their sums (R16, R20-R34).

``Orders.apply`` takes each event to its handler: what we sent to ``sent``, what the venue says of
single orders to ``reported``, what is concluded about others to ``concluded``. docs/orders.md has
the table of what each message does.

Nothing is concluded from silence (R29): an order leaves a view by a message that says so, by its
absence from a complete snapshot, by the venue's word that our request never reached it, or by an
operator's. A disconnect, a timeout or a failed snapshot moves nothing (R26).
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, Self

from reconverge.core.findings import Finding
from reconverge.core.messages import events
from reconverge.core.messages.events import StreamEvent
from reconverge.core.orders import concluded, reported, sent, store
from reconverge.core.orders.book import Book
from reconverge.core.orders.counts import Disagreement
from reconverge.core.orders.doubt import COPY_LACKS, UNANSWERED
from reconverge.core.orders.doubts import Watch
from reconverge.core.orders.identity import ORDERS_MAX
from reconverge.core.orders.index import Order
from reconverge.core.orders.similarity import Tally
from reconverge.core.orders.snapshots import Snapshot
from reconverge.core.orders.view import Missing


class Orders:
    """All orders of one session."""

    __slots__ = ("book", "counts", "findings", "total")

    def __init__(self, orders_max: int = ORDERS_MAX) -> None:
        self.book = Book(orders_max)
        self.counts = self.book.counts
        self.total = self.counts.total
        """Counters over the whole session."""
        self.findings: list[Finding] = self.book.findings
        """What was odd; the session takes them away."""

    def watch_numbers(self, missing: Missing) -> None:
        """Who knows whether numbers of a source are missing: a bust may be lost in a hole (R38)."""
        self.book.missing = missing

    def set_fills_only(self, *, fills_only: bool) -> None:
        """Whether drop copy tells executions and nothing else (R31): from the next event on."""
        self.book.fills_only = fills_only

    def apply(self, event: StreamEvent, now_ns: int) -> None:
        """Account for one event; those that say nothing of orders are ignored.

        ``now_ns`` never decreases. Raises ``OrdersFull`` with nothing changed.
        """
        book, counts = self.book, self.counts
        book.snapshot_completed = None
        counts.doubts.echo_ns = None
        if event.channel is not None and not counts.copy_heard:
            counts.copy_begins()
        handler = _HANDLERS.get(type(event))
        if handler is not None:
            handler(book, event, now_ns)
            if event.poss_dup or event.channel is None:
                # Neither a replay nor a snapshot of order entry says how late drop copy's words are
                counts.doubts.echo_ns = None

    # -- readings -------------------------------------------------------------------------------

    def watch(self, grace_ns: int, hard_ns: int) -> Watch:
        """The settled reading of one policy: its in-flight grace and its hard lag. Nanoseconds.

        Whoever asks for it settles it: ``watch.settle(now_ns, covered_ns)``.
        """
        return self.counts.doubts.watch(grace_ns, hard_ns)

    @property
    def echo_ns(self) -> int | None:
        """When order entry had told the newest fact that the last event, of drop copy, told too;
        None if it told nothing that was owed, or by replay. Nanoseconds, the core's clock.
        """
        return self.counts.doubts.echo_ns

    @property
    def oldest_owed_ns(self) -> int | None:
        """When order entry told the oldest word that drop copy still lacks; None without one."""
        return self.counts.doubts.logs[COPY_LACKS].oldest_ns

    @property
    def oldest_unanswered_ns(self) -> int | None:
        """When the oldest request was sent that waits for its answer; None without one."""
        return self.counts.doubts.logs[UNANSWERED].oldest_ns

    def mark_failure(self) -> None:
        """A hard failure: what is unanswered now is what recovery must account for."""
        self.book.requests.mark_failure()

    @property
    def unanswered_of_failure(self) -> int:
        """Requests that waited for their answer at the last hard failure, and still do: neither
        answered since, nor shown lost by a snapshot, nor vouched for.
        """
        return len(self.book.requests.failure)

    @property
    def in_flight_total(self) -> int:
        """Requests sent and not answered on the order-entry stream."""
        return self.total.in_flight

    @property
    def snapshot_completed(self) -> Snapshot | None:
        """The snapshot that the last event completed."""
        return self.book.snapshot_completed

    @property
    def snapshot_under_way(self) -> bool:
        """A snapshot of the venue's orders has begun, and its end has not come."""
        return self.book.snapshots.under_way

    @property
    def oldest_disagreement_ns(self) -> int | None:
        """When the oldest disagreement that still holds began; None without one."""
        return self.counts.doubts.oldest_ns

    @property
    def parent_executed(self) -> dict[str, int]:
        """Executed quantity of each parent's orders. Nanos."""
        return self.counts.parent_executed

    def symbols(self) -> list[str]:
        """Instruments with orders remembered, in alphabetical order."""
        return sorted(self.counts.symbols)

    def symbol(self, symbol: str) -> Tally:
        """Counters of one instrument."""
        return self.counts.symbols.get(symbol) or Tally(symbol)

    def working(self, *, venue: bool) -> list[str]:
        """Orders working in one view, first seen first: the venue's id, else ours. O(n log n)."""
        found = self.book.index.live()
        return [o.name for o in found if (o.venue if venue else o.entry).open]

    def disagreements(self, limit: int) -> list[Disagreement]:
        """The first orders that disagree, oldest disagreement first."""
        return self.counts.first_disagreements(limit)

    def live(self) -> list[Order]:
        """The orders that are open or in flight in some view, first seen first. O(n log n)."""
        return self.book.index.live()

    def find(self, any_id: str) -> Order | None:
        """The order that goes by this id, of the venue's or ours."""
        return self.book.index.get(any_id)

    # -- an operator ----------------------------------------------------------------------------

    def known(self, any_id: str) -> bool:
        """Whether an order goes by this id, the venue's or ours."""
        return self.book.index.get(any_id) is not None

    def attested(self, order_ids: Iterable[str], now_ns: int) -> None:
        """An operator vouches that these orders work in neither view (R17)."""
        concluded.attested(self.book, order_ids, now_ns)

    def adopt(self, order_ids: Iterable[str], now_ns: int) -> None:
        """An operator vouches that orders which drop copy alone tells of are ours (R17): from here
        on both views say what drop copy says of them.
        """
        concluded.adopt(self.book, order_ids, now_ns)

    def excuse_drop_copy(self, told_by_ns: int, now_ns: int) -> None:
        """Drop copy has a hole, now proven harmless, in which words told by then may be (R17)."""
        concluded.excuse_drop_copy(self.book, told_by_ns, now_ns)

    # -- persistence ----------------------------------------------------------------------------

    def dump(self) -> Iterator[list[Any]]:
        """The whole truth of orders as rows of JSON values; findings are not part of it."""
        yield from store.dump(self.book)

    @classmethod
    def load(cls, rows: Iterable[list[Any]], orders_max: int = ORDERS_MAX) -> Self:
        """The truth that was dumped. It has the same future, whatever is watched then."""
        orders = cls(orders_max)
        store.load(iter(rows), orders.book)
        return orders


_HANDLERS: Final[dict[type, Callable[[Book, Any, int], None]]] = {
    events.NewOrder: sent.new_order,
    events.ReplaceRequest: sent.replace_request,
    events.CancelRequest: sent.cancel_request,
    events.MassCancelRequest: sent.mass_cancel_request,
    events.UnmodelledRequest: sent.unmodelled_request,
    events.ExecutionReport: reported.execution_report,
    events.CancelReject: reported.cancel_reject,
    events.RequestReject: reported.request_reject,
    events.NotApplied: reported.not_applied,
    events.MassCancelReport: concluded.mass_cancel_report,
    events.MassStatusBegin: concluded.snapshot_begin,
    events.MassStatusRow: concluded.snapshot_row,
    events.MassStatusEnd: concluded.snapshot_end,
    events.Logon: concluded.logon,
    events.GatewaySwitched: concluded.gateway_switched,
}
ORDER_EVENTS: Final = frozenset(_HANDLERS)
"""Types of events that ``Orders.apply`` accounts for."""
