"""Order truth of one session: every order seen by two views, and their sums (R16, R20-R34).

``Orders.apply`` takes each event to the orders that it is about; docs/orders.md has the table of
what each message does. This file holds the handlers of messages and the readings. Which record is
meant is found by ``identity``, what a report does to a view is in ``view``, requests in
flight are kept by ``requests`` and sums by ``counts``.

Nothing is concluded from silence (R29): an order leaves a view by a message that says so, by its
absence from a complete snapshot, by the venue's word that our request never reached it, or by an
operator's. A disconnect, a timeout or a failed snapshot moves nothing (R26).
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, Self

from reconverge.core.findings import Finding, OrderKind
from reconverge.core.messages import events
from reconverge.core.messages.events import ExecutionReport, OrderReport, StreamEvent
from reconverge.core.messages.units import nanos
from reconverge.core.orders import store
from reconverge.core.orders.counts import Counts, Disagreement
from reconverge.core.orders.doubt import COPY_LACKS, ENTRY_LACKS, UNANSWERED
from reconverge.core.orders.doubts import Watch
from reconverge.core.orders.identity import (
    ORDERS_MAX,
    STATUS,
    Identity,
    OrdersFull,
)
from reconverge.core.orders.index import Index, Order, Request, RequestKind, real_order_id
from reconverge.core.orders.legs import leg_of
from reconverge.core.orders.requests import Requests, sent_key
from reconverge.core.orders.similarity import Tally
from reconverge.core.orders.snapshots import Snapshot, Snapshots
from reconverge.core.orders.table import EXEC_ROWS, FINAL, SNAPSHOT_ROW, ExecRow
from reconverge.core.orders.view import View, take

__all__ = ["ORDERS_MAX", "Disagreement", "Orders", "OrdersFull"]

REQUESTS_MAX: Final = 32
"""Requests in flight followed for one order. A router that sends more does not wait for answers at
all; the order is ambiguous as a whole already."""

UNKNOWN_SIZE: Final = 0
"""Quantity of a request that states none that we can hold. It counts as one order in flight, not by
its quantity (R37, R39)."""


class Orders:
    """All orders of one session."""

    __slots__ = (
        "_identity", "_index", "_marks", "_requests", "_snapshots", "counts", "findings",
        "snapshot_completed", "total",
    )  # fmt: skip

    def __init__(self, orders_max: int = ORDERS_MAX) -> None:
        self.findings: list[Finding] = []
        """What was odd; the session takes them away."""
        self._index = Index()
        self.counts = Counts(self._index)
        self.total = self.counts.total
        """Counters over the whole session."""
        self._identity = Identity(self._index, self.counts, self.findings, orders_max)
        self._marks = self._identity.marks
        self._requests = Requests(self._index, self.counts)
        self._snapshots = Snapshots(self.findings)
        self.snapshot_completed: Snapshot | None = None
        """The snapshot that the last event completed."""

    def apply(self, event: StreamEvent, now_ns: int) -> None:
        """Account for one event; those that say nothing of orders are ignored.

        ``now_ns`` never decreases. Raises ``OrdersFull`` with nothing changed.
        """
        self.snapshot_completed = None
        counts = self.counts
        counts.doubts.echo_ns = None
        if event.channel is not None and not counts.copy_heard:
            counts.copy_begins()
        handler = _HANDLERS.get(type(event))
        if handler is not None:
            handler(self, event, now_ns)
            if event.poss_dup:
                counts.doubts.echo_ns = None  # a replay says nothing of how late live words are

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
        self._requests.mark_failure()

    @property
    def unanswered_of_failure(self) -> int:
        """Requests that waited for their answer at the last hard failure, and still do: neither
        answered since, nor shown lost by a snapshot, nor vouched for.
        """
        return len(self._requests.failure)

    @property
    def in_flight_total(self) -> int:
        """Requests sent and not answered on the order-entry stream."""
        return self.total.in_flight

    @property
    def snapshot_under_way(self) -> bool:
        """A snapshot of the venue's orders has begun, and its end has not come."""
        return self._snapshots.under_way

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
        found = self._index.live()
        return [o.name for o in found if (o.venue if venue else o.entry).open]

    def disagreements(self, limit: int) -> list[Disagreement]:
        """The first orders that disagree, oldest disagreement first."""
        return self.counts.first_disagreements(limit)

    def live(self) -> list[Order]:
        """The orders that are open or in flight in some view, first seen first. O(n log n)."""
        return self._index.live()

    def find(self, any_id: str) -> Order | None:
        """The order that goes by this id, of the venue's or ours."""
        return self._index.get(any_id)

    # -- requests -------------------------------------------------------------------------------

    def _new_order(self, event: events.NewOrder, now_ns: int) -> None:
        qty, prices = nanos(event.qty), (event.price, event.mid)
        self._submit(event, event.symbol, qty, prices, event.parent_id, now_ns)

    def _submit(
        self,
        event: events.NewOrder | events.UnmodelledRequest,
        symbol: str | None,
        qty: int,
        prices: tuple[str | None, str | None],
        parent_id: str | None,
        now_ns: int,
    ) -> None:
        """A new order; ``prices``: its limit, and the mid that the router stamped."""
        cl_ord_id = event.cl_ord_id
        order = self._index.by_cl_ord_id.get(cl_ord_id)
        if order is not None:
            if (event.poss_dup or event.poss_resend) and order.entry.state != "unknown":
                return
            if _may_return(order):
                order = None
            elif order.submitted:
                self._odd("duplicate_client_id", order.name, "another new order carries it")
                return
        if order is None:
            order = self._identity.create(symbol)
            self._index.name_client(order, cl_ord_id)
        elif symbol is not None and not order.tally.symbol:
            self.counts.learn_symbol(order, symbol)
        was = order.figures()
        order.submitted = True
        entry = order.entry
        if entry.state == "unknown":
            entry.state = "sent"
            entry.qty = qty
            self._requests.send("new", cl_ord_id, order, qty, event, now_ns)
        _price(order, *prices)
        if order.parent_id is None and parent_id is not None:
            self.counts.learn_parent(order, parent_id)
        self._spare(order)
        self.counts.moved(order, was, now_ns)

    def _unmodelled_request(self, event: events.UnmodelledRequest, now_ns: int) -> None:
        """A request of unknown size is in flight like any other (R37)."""
        if event.orig_cl_ord_id is None:
            self._submit(event, event.symbol, UNKNOWN_SIZE, (None, None), None, now_ns)
        else:
            self._change(event, event.orig_cl_ord_id, None, "replace", UNKNOWN_SIZE, now_ns)

    def _replace_request(self, event: events.ReplaceRequest, now_ns: int) -> None:
        order_id = real_order_id(event.order_id)
        self._change(event, event.orig_cl_ord_id, order_id, "replace", nanos(event.qty), now_ns)

    def _cancel_request(self, event: events.CancelRequest, now_ns: int) -> None:
        order_id = real_order_id(event.order_id)
        self._change(event, event.orig_cl_ord_id, order_id, "cancel", 0, now_ns)

    def _change(
        self,
        event: events.ReplaceRequest | events.CancelRequest | events.UnmodelledRequest,
        former: str,
        order_id: str | None,
        kind: RequestKind,
        qty: int,
        now_ns: int,
    ) -> None:
        """A request about an order. One for an order that ended for good waits for nothing."""
        order = self._index.by_cl_ord_id.get(former)
        if order is None and order_id is not None:
            order = self._index.by_order_id.get(order_id)
        known = self._index.by_cl_ord_id.get(event.cl_ord_id)
        if known is not None and (known is order or not _may_return(known)):
            if known is not order:
                self._odd("duplicate_client_id", known.name, f"a {kind} request carries it")
            return  # sent again, or answered before we learnt of it
        if order is None:
            order = self._identity.create(None)
            if order_id is not None:
                self._index.name_order(order, order_id)
        elif len(order.requests) >= REQUESTS_MAX:
            self._odd("requests_full", order.name, f"{REQUESTS_MAX} are in flight")
            return
        self._index.name_client(order, former)
        self._index.name_client(order, event.cl_ord_id)
        was = order.figures()
        if order.entry.state not in FINAL:
            self._requests.send(kind, event.cl_ord_id, order, qty, event, now_ns)
        self._spare(order)
        self.counts.moved(order, was, now_ns)

    def _mass_cancel_request(self, event: events.MassCancelRequest, now_ns: int) -> None:
        if event.cl_ord_id not in self._requests.mass_cancels:
            self._requests.send_mass_cancel(event, now_ns)

    # -- answers to requests --------------------------------------------------------------------

    def _cancel_reject(self, event: events.CancelReject, now_ns: int) -> None:
        """The order is as it was (R27); the status in it says nothing that a fill has not."""
        request = self._requests.find(event.cl_ord_id)
        if request is not None and event.channel is None:
            self._settle(request, now_ns)

    def _request_reject(self, event: events.RequestReject, now_ns: int) -> None:
        request = self._requests.find(event.ref_id)
        if request is None and event.ref_seq is not None:
            request = self._requests.by_number.get(sent_key(event.segment, event.ref_seq))
        if request is not None and event.channel is None:
            self._settle(request, now_ns, "rejected")

    def _not_applied(self, event: events.NotApplied, now_ns: int) -> None:
        """Our requests in the range never reached the venue (R16)."""
        numbers = range(event.from_seq, event.from_seq + event.count)
        for key, request in list(self._requests.by_number.items()):
            segment, number = (None, key) if isinstance(key, int) else key
            if segment == event.segment and number in numbers:
                self._settle(request, now_ns, "not_applied")

    def _settle(self, request: Request, now_ns: int, refused: str | None = None) -> None:
        """A request is in flight no more; ``refused``: nor ever was the order it was to make."""
        order = request.order
        was = order.figures()
        if refused is not None and order.entry.state == "sent":
            order.entry.end(refused)
        self._requests.keep(order, tuple(r for r in order.requests if r is not request))
        self.counts.moved(order, was, now_ns)

    # -- reports --------------------------------------------------------------------------------

    def _execution_report(self, report: ExecutionReport, now_ns: int) -> None:
        row = EXEC_ROWS[report.exec_type]
        if row is _REJECTED and report.orig_cl_ord_id not in {None, report.cl_ord_id}:
            self._request_rejected(report, now_ns)
            return
        order = self._identity.find(report, row, now_ns)
        if order is None:
            return
        if row.books is not None and row.books != "fill":
            self._check_reference(order, report)
        if report.channel is None:
            self._tell(order, order.entry, order.venue, report, row, now_ns)
        else:
            self._tell(order, order.venue, order.entry, report, row, now_ns)

    def _request_rejected(self, report: ExecutionReport, now_ns: int) -> None:
        """A rejected report that names a former id is about a request, not the order (R27)."""
        request = self._requests.find(report.cl_ord_id)
        if request is not None and report.channel is None:
            self._settle(request, now_ns)

    def _check_reference(self, order: Order, report: ExecutionReport) -> None:
        """A bust or correction should refer to an execution booked in its view (R25)."""
        view = order.entry if report.channel is None else order.venue
        if view.fills is None or report.exec_ref_id not in view.fills:
            detail = f"{report.exec_type} of execution {report.exec_ref_id}"
            self._odd("unknown_execution", order.name, detail)

    def _tell(
        self, order: Order, view: View, other: View, report: OrderReport, row: ExecRow, now_ns: int
    ) -> None:
        """Take a report to the view that it tells, and the consequences to the sums."""
        was, cum_was = order.figures(), view.cum
        chained = len(order.cl_ord_ids) > 1 or order.former_ids
        leg = leg_of(order, view, other, report, row) if chained else 0
        mark = self._marks.mark(report)
        current = take(view, report, row, mark, other.qty, leg)
        if current and row.quantities and report.price is not None and nanos(report.price):
            order.price, order.limited = abs(nanos(report.price)), True
        elif not order.limited and isinstance(report, ExecutionReport) and report.last_px:
            order.price = abs(nanos(report.last_px)) or order.price
        if order.requests and view is order.entry:
            self._requests.answered(order, report, row)
        if view.cum != cum_was:
            self.counts.executed(order, max(cum_was, other.cum))
        if self._snapshots.open:
            self._spare(order)
        self.counts.moved(order, was, now_ns)

    # -- snapshots, mass cancels, operators -----------------------------------------------------

    def _snapshot_begin(self, event: events.MassStatusBegin, now_ns: int) -> None:
        self._snapshots.begin(event, now_ns, self._requests.connection)

    def _snapshot_row(self, row: events.MassStatusRow, now_ns: int) -> None:
        """Evidence for the order that it names at once, whether or not the snapshot completes."""
        order = self._identity.find(row, STATUS, now_ns)
        if order is not None:
            kind = SNAPSHOT_ROW if self._snapshots.is_first_word(row, order) else STATUS
            behind = row.channel is None and self._snapshots.is_behind(row, order)
            if row.channel is None:
                self._tell(order, order.entry, order.venue, row, kind, now_ns)
            if not behind:
                self._tell(order, order.venue, order.entry, row, kind, now_ns)
        for client_id in (row.cl_ord_id, row.orig_cl_ord_id):
            named = self._index.by_cl_ord_id.get(client_id or "")
            if named is not None and named is not order:  # not meant, but not absent either
                self._spare(named)
        self._conclude(self._snapshots.row(row, order), now_ns)

    def _snapshot_end(self, event: events.MassStatusEnd, now_ns: int) -> None:
        self._conclude(self._snapshots.end(event), now_ns)

    def _conclude(self, snapshot: Snapshot | None, now_ns: int) -> None:
        """A complete snapshot: what it does not name is not working at the venue (R33)."""
        self.snapshot_completed = snapshot
        if snapshot is None:
            return
        for order in self._index.live():
            if snapshot.symbol in {None, order.tally.symbol}:
                if order not in snapshot.spared:
                    self._end(order, snapshot.channel, "absent", now_ns)
                if snapshot.channel is None and order.requests:
                    self._lost(order, snapshot, now_ns)
        if snapshot.channel is None:
            self._accept_executed(snapshot, now_ns)
        if snapshot.channel is None and snapshot.symbol is None:
            for request in list(self._requests.mass_cancels.values()):
                if snapshot.shows_lost(request):
                    self._settle(request, now_ns)

    def _accept_executed(self, snapshot: Snapshot, now_ns: int) -> None:
        """Order entry's snapshot is complete: what it lacks will not come (R17).

        Of an order that works nowhere, what drop copy said was executed stands for both views.
        """
        for order in self.counts.doubts.logs[ENTRY_LACKS].held():
            behind = order.entry.cum < order.venue.cum and order not in snapshot.spared
            over = not order.entry.open and not order.venue.open
            if behind and over and snapshot.symbol in {None, order.tally.symbol}:
                was = order.figures()
                order.entry.cum = order.venue.cum
                self.counts.moved(order, was, now_ns)

    def _lost(self, order: Order, snapshot: Snapshot, now_ns: int) -> None:
        """Settle the requests about an order that a complete snapshot shows no effect of (R17)."""
        rest = tuple(r for r in order.requests if not snapshot.shows_lost(r))
        if len(rest) < len(order.requests):
            was = order.figures()
            if order.entry.state == "sent" and not any(r.kind == "new" for r in rest):
                order.entry.end("absent")
            self._requests.keep(order, rest)
            self.counts.moved(order, was, now_ns)

    def _end(self, order: Order, channel: str | None, reason: str, now_ns: int) -> None:
        """The order does not work: in both views, or only in the venue's if drop copy says so."""
        was = order.figures()
        views = (order.entry, order.venue) if channel is None else (order.venue,)
        for view in views:
            if view.open:
                view.end(reason)
        self.counts.moved(order, was, now_ns)

    def _mass_cancel_report(self, event: events.MassCancelReport, now_ns: int) -> None:
        """Named orders end once the fragments agree in count; others are reported one by one."""
        if event.channel is None and event.last_fragment:
            request = self._requests.find(event.cl_ord_id)
            if request is not None:
                self._settle(request, now_ns)
        mark = self._marks.mark(event)
        for any_id in self._snapshots.mass_cancelled(event):
            order = self._index.get(any_id)
            if order is not None:
                self._mass_canceled(order, event.channel, mark, now_ns)

    def _mass_canceled(self, order: Order, channel: str | None, mark: int, now_ns: int) -> None:
        view = order.entry if channel is None else order.venue
        if not view.is_past(mark):
            was = order.figures()
            view.heard(mark, last_word=False)
            if view.open:
                view.end("mass_canceled")
            self._spare(order)
            self.counts.moved(order, was, now_ns)

    def attested(self, order_ids: Iterable[str], now_ns: int) -> None:
        """An operator vouches that these orders work in neither view (R17)."""
        for any_id in order_ids:
            order = self._index.get(any_id)
            if order is None:
                self._odd("unknown_order_attested", any_id, "no order goes by this id")
                continue
            was = order.figures()
            executed = order.executed
            for view in (order.entry, order.venue):
                view.cum = executed
                if view.open or view.state == "sent":
                    view.end("attested")
            self._requests.keep(order, ())
            self.counts.moved(order, was, now_ns)

    def _spare(self, order: Order) -> None:
        """Absence from a snapshot under way will say nothing of an order heard of meanwhile."""
        for snapshot in self._snapshots.open.values():
            snapshot.spared.setdefault(order)

    def _odd(self, kind: OrderKind, order: str, detail: str) -> None:
        self.findings.append(Finding(kind, order, detail))

    # -- the session ----------------------------------------------------------------------------

    def _logon(self, event: events.Logon, now_ns: int) -> None:  # noqa: ARG002
        """The session connected: what was sent before, was sent on an earlier connection."""
        if event.reset_numbers:
            self._marks.restart(event.channel)
            if event.channel is None:
                self._requests.renumber()
        if event.channel is None and not event.outbound:
            self._requests.connection += 1

    def _gateway_switched(self, event: events.GatewaySwitched, now_ns: int) -> None:  # noqa: ARG002
        if event.channel is None:
            self._requests.connection += 1

    # -- persistence ----------------------------------------------------------------------------

    def dump(self) -> Iterator[list[Any]]:
        """The whole truth of orders as rows of JSON values; findings are not part of it."""
        yield from store.dump(self._room())

    @classmethod
    def load(cls, rows: Iterable[list[Any]], orders_max: int = ORDERS_MAX) -> Self:
        """The truth that was dumped. It has the same future, whatever graces are watched then."""
        orders = cls(orders_max)
        store.load(iter(rows), orders._room())
        return orders

    def _room(self) -> store.Room:
        return store.Room(self._index, self.counts, self._requests, self._marks, self._snapshots)


def _price(order: Order, limit: str | None, mid: str | None) -> None:
    """The reference price of a new order (R39). At price zero there is no limit to go by."""
    if limit is not None and not order.limited and nanos(limit):
        order.price, order.limited = abs(nanos(limit)), True
    elif mid is not None and not order.price:
        order.price = abs(nanos(mid))


def _may_return(order: Order) -> bool:
    """May an id of this order come back for another? Another day, another order (R14)."""
    return order.over and order.entry.state in FINAL


_REJECTED: Final = EXEC_ROWS["rejected"]
_HANDLERS: Final[dict[type, Callable[[Orders, Any, int], None]]] = {
    events.NewOrder: Orders._new_order,
    events.ReplaceRequest: Orders._replace_request,
    events.CancelRequest: Orders._cancel_request,
    events.MassCancelRequest: Orders._mass_cancel_request,
    events.UnmodelledRequest: Orders._unmodelled_request,
    events.ExecutionReport: Orders._execution_report,
    events.CancelReject: Orders._cancel_reject,
    events.RequestReject: Orders._request_reject,
    events.NotApplied: Orders._not_applied,
    events.MassCancelReport: Orders._mass_cancel_report,
    events.MassStatusBegin: Orders._snapshot_begin,
    events.MassStatusRow: Orders._snapshot_row,
    events.MassStatusEnd: Orders._snapshot_end,
    events.Logon: Orders._logon,
    events.GatewaySwitched: Orders._gateway_switched,
}
ORDER_EVENTS: Final = frozenset(_HANDLERS)
"""Types of events that ``Orders.apply`` accounts for."""
