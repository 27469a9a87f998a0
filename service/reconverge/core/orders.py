"""Order truth of one session: every order seen by two views, and what they add up to (R16, R20-R34).

``Orders.apply`` takes each event to the orders that it is about; docs/orders.md has the table of
what each message does. This file holds the handlers of messages and the readings. Which record is
meant is found by ``order_index``, what a report does to a view is in ``order_view``, sums are kept
by ``order_counts``.

Nothing is concluded from silence (R29): an order leaves a view by a message that says so, by its
absence from a complete snapshot, by the venue's word that our request never reached it, or by an
operator's. A disconnect, a timeout or a failed snapshot moves nothing.
"""

from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple

from reconverge.core import events
from reconverge.core.events import ExecutionReport, OrderReport, StreamEvent
from reconverge.core.order_counts import Counts
from reconverge.core.order_index import Index, Order, Request, RequestKind, SentKey, real_id, real_order_id
from reconverge.core.order_snapshots import UNDER_WAY_MAX, MassCancel, Snapshot
from reconverge.core.order_table import EXEC_ROWS, FINAL, ExecRow
from reconverge.core.order_view import SOURCE_SHIFT, UNNUMBERED, View, take
from reconverge.core.similarity import Grace, Tally
from reconverge.core.units import decimal_text, nanos

ORDERS_MAX: Final = 2_000_000
"""Orders remembered in one session: 1.4 GB. No venue lets one session have so many at once."""
REQUESTS_MAX: Final = 256
"""Requests in flight for one order. A router that has more is not waiting for answers at all."""


class OrdersFull(Exception):
    """A bound of this session's truth is reached; the event that met it changed nothing."""


class Finding(NamedTuple):
    """An oddity worth a person's notice. ``kind`` is stable; ``detail`` is for reading."""

    kind: str
    order: str
    detail: str


class Disagreement(NamedTuple):
    """One order on which the views differ, or with a request in flight."""

    order: str
    symbol: str
    entry: str
    venue: str
    in_flight: tuple[str, ...]
    since_ns: int

    def __str__(self) -> str:
        waiting = f", in flight: {', '.join(self.in_flight)}" if self.in_flight else ""
        return f"{self.order} {self.symbol}: entry {self.entry}, venue {self.venue}{waiting}"


class Orders:
    """All orders of one session."""

    __slots__ = (
        "_connection", "_index", "_mass_cancels", "_numberings", "_sent", "_session_requests",
        "_snapshots", "_sources", "counts", "findings", "orders_max", "snapshot_completed",
        "total", "venue_seen",
    )  # fmt: skip

    def __init__(self, orders_max: int = ORDERS_MAX) -> None:
        self.orders_max = orders_max
        self._index = Index()
        self.counts = Counts(self._index)
        self.total = self.counts.total
        """Counters over the whole session."""
        self.findings: list[Finding] = []
        """What was odd; the session takes them away."""
        self.venue_seen = False
        """Drop copy has spoken. Until then the venue's view is empty for want of a witness (R29)."""
        self.snapshot_completed: Snapshot | None = None
        """The snapshot that the last event completed."""
        self._connection = 0
        """How many times the session has connected, as far as seen."""
        self._sources: dict[tuple[str | None, str | None], int] = {}
        """Number of each numbering (R14): messages compare by number within one."""
        self._numberings = 0
        """Numberings ever met; one that restarts is another (R14)."""
        self._snapshots: dict[tuple[str | None, str], Snapshot] = {}
        self._mass_cancels: dict[tuple[str | None, str], MassCancel] = {}
        self._sent: dict[SentKey, Request] = {}
        """Requests in flight by our number."""
        self._session_requests: dict[str, Request] = {}
        """Mass cancels in flight: requests about no order in particular."""

    def apply(self, event: StreamEvent, now_ns: int) -> None:
        """Account for one event; those that say nothing of orders are ignored.

        ``now_ns`` never decreases. Raises ``OrdersFull`` with nothing changed.
        """
        self.snapshot_completed = None
        handler = _HANDLERS.get(type(event))
        if handler is not None:
            handler(self, event, now_ns)

    # -- readings -------------------------------------------------------------------------------

    def watch_grace(self, grace_ns: int) -> Grace:
        """The settled reading of one in-flight grace. Nanoseconds."""
        return self.counts.watch(grace_ns, self._index.orders)

    @property
    def in_flight_total(self) -> int:
        """Requests sent and not answered on the order-entry stream."""
        return self.total.in_flight

    @property
    def snapshot_under_way(self) -> bool:
        """A snapshot of the venue's orders has begun and is not complete, failed or given up."""
        return any(snapshot.rows_total is None for snapshot in self._snapshots.values())

    @property
    def oldest_disagreement_ns(self) -> int | None:
        """When the oldest disagreement that still holds began; None without one."""
        return self.counts.disagreements.oldest_ns

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
        """Orders working in one view, oldest first: the venue's id, else our first. O(n log n)."""
        found = self._index.orders()
        return [o.name for o in found if (o.venue if venue else o.entry).open]

    def disagreements(self, limit: int) -> list[Disagreement]:
        """The first orders that disagree, oldest disagreement first. O(n log n)."""
        found = [order for order in self._index.orders() if order.since_ns >= 0]
        found.sort(key=lambda order: order.since_ns)
        return [_disagreement(order) for order in found[:limit]]

    def find(self, any_id: str) -> Order | None:
        """The order that goes by this id, of the venue's or ours."""
        return self._index.get(any_id)

    # -- requests -------------------------------------------------------------------------------

    def _new_order(self, event: events.NewOrder, now_ns: int) -> None:
        order = self._index.by_cl_ord_id.get(event.cl_ord_id)
        if order is not None and order.submitted:
            if event.poss_dup or event.poss_resend:
                return
            if not order.over or order.entry.state not in FINAL:
                self._odd("duplicate_client_id", order.name, "a second new order carries it")
                return
            order = None
        if order is None:
            order = self._create(event.symbol)
            self._index.name_client(order, event.cl_ord_id)
        elif not order.tally.symbol:
            self.counts.learn_symbol(order, event.symbol)
        order.submitted = True
        price_was = order.price
        price = event.price or event.mid
        if price is not None:
            order.price = abs(nanos(price))
        if event.parent_id is not None:
            self._learn_parent(order, event.parent_id)
        entry = order.entry
        qty = nanos(event.qty)
        if entry.state == "unknown":
            entry.state = "sent"
            entry.qty = qty
            self._request(order, "new", event, qty, price_was, now_ns)
        elif price_was != order.price:
            open_now = (entry.open, order.venue.open)
            self.counts.moved(order, *open_now, price_was, order.requested, now_ns)

    def _replace_request(self, event: events.ReplaceRequest, now_ns: int) -> None:
        self._change_request(event, "replace", nanos(event.qty), now_ns)

    def _cancel_request(self, event: events.CancelRequest, now_ns: int) -> None:
        self._change_request(event, "cancel", 0, now_ns)

    def _change_request(
        self,
        event: events.ReplaceRequest | events.CancelRequest,
        kind: RequestKind,
        qty: int,
        now_ns: int,
    ) -> None:
        order_id = real_order_id(event.order_id)
        by_client = self._index.by_cl_ord_id
        order = by_client.get(event.orig_cl_ord_id)
        if order is None and order_id is not None:
            order = self._index.by_order_id.get(order_id)
        known = by_client.get(event.cl_ord_id)
        if known is not None and (known is order or order is None):
            return  # sent again, or already answered
        if order is None:
            order = self._create(None)
            if order_id is not None:
                self._index.name_order(order, order_id)
        elif len(order.requests) >= REQUESTS_MAX:
            raise OrdersFull(f"{REQUESTS_MAX} requests in flight for order {order.name}")
        self._index.name_client(order, event.orig_cl_ord_id)
        self._index.name_client(order, event.cl_ord_id)
        if order.entry.state not in FINAL:
            self._request(order, kind, event, qty, order.price, now_ns)

    def _request(  # noqa: PLR0913
        self,
        order: Order,
        kind: RequestKind,
        event: events.NewOrder | events.ReplaceRequest | events.CancelRequest,
        qty: int,
        price_was: int,
        now_ns: int,
    ) -> None:
        """A request about an order is in flight from now on."""
        request = Request(kind, event.cl_ord_id, order, qty, self._connection)
        self._number(request, event)
        requested_was = order.requested
        order.requests += (request,)
        self.counts.requests_changed(order, len(order.requests) - 1)
        open_now = (order.entry.open, order.venue.open)
        self.counts.moved(order, *open_now, price_was, requested_was, now_ns)

    def _number(self, request: Request, event: StreamEvent) -> None:
        if event.seq is not None:
            key = event.seq if event.segment is None else (event.segment, event.seq)
            request.sent_key = key
            self._sent[key] = request

    def _mass_cancel_request(self, event: events.MassCancelRequest, now_ns: int) -> None:
        if event.cl_ord_id not in self._session_requests:
            request = Request("mass_cancel", event.cl_ord_id, None, 0, self._connection)
            self._number(request, event)
            self._session_requests[event.cl_ord_id] = request
            self.total.in_flight += 1

    # -- answers to requests --------------------------------------------------------------------

    def _settle_request(self, request: Request, now_ns: int) -> None:
        """A request is in flight no more."""
        order = request.order
        if order is not None:
            rest = tuple(r for r in order.requests if r is not request)
            self._keep_requests(order, rest, now_ns)
            return
        self._drop_number(request)
        del self._session_requests[request.cl_ord_id]
        self.total.in_flight -= 1

    def _keep_requests(self, order: Order, rest: tuple[Request, ...], now_ns: int) -> None:
        requested_was = order.requested
        self._replace_requests(order, rest)
        open_now = (order.entry.open, order.venue.open)
        self.counts.moved(order, *open_now, order.price, requested_was, now_ns)

    def _replace_requests(self, order: Order, rest: tuple[Request, ...]) -> None:
        before = order.requests
        for request in before:
            if request not in rest:
                self._drop_number(request)
        order.requests = rest
        self.counts.requests_changed(order, len(before))

    def _drop_number(self, request: Request) -> None:
        key = request.sent_key
        if key is not None and self._sent.get(key) is request:
            del self._sent[key]

    def _request_of(self, cl_ord_id: str | None) -> Request | None:
        if cl_ord_id is None:
            return None
        order = self._index.by_cl_ord_id.get(cl_ord_id)
        if order is not None:
            for request in order.requests:
                if request.cl_ord_id == cl_ord_id:
                    return request
        return self._session_requests.get(cl_ord_id)

    def _cancel_reject(self, event: events.CancelReject, now_ns: int) -> None:
        """The order is as it was (R27); its status there says nothing that a fill has not said."""
        request = self._request_of(event.cl_ord_id)
        if request is not None and event.channel is None:
            self._settle_request(request, now_ns)

    def _request_reject(self, event: events.RequestReject, now_ns: int) -> None:
        request = self._request_of(event.ref_id)
        if request is None and event.ref_seq is not None:
            key = event.ref_seq if event.segment is None else (event.segment, event.ref_seq)
            request = self._sent.get(key)
        if request is not None and event.channel is None:
            self._not_accepted(request, "rejected", now_ns)

    def _not_applied(self, event: events.NotApplied, now_ns: int) -> None:
        """Our requests in the range never reached the venue (R16)."""
        numbers = range(event.from_seq, event.from_seq + event.count)
        for key, request in list(self._sent.items()):
            segment, number = (None, key) if isinstance(key, int) else key
            if segment == event.segment and number in numbers:
                self._not_accepted(request, "not_applied", now_ns)

    def _not_accepted(self, request: Request, reason: str, now_ns: int) -> None:
        order = request.order
        if order is not None and request.kind == "new" and not order.entry.open:
            order.entry.end(reason)
        self._settle_request(request, now_ns)

    # -- reports --------------------------------------------------------------------------------

    def _execution_report(self, report: ExecutionReport, now_ns: int) -> None:
        row = EXEC_ROWS[report.exec_type]
        channel = report.channel
        if channel is not None:
            self.venue_seen = True
        order = self._identify(report, row, now_ns)
        if order is None:
            return
        view = order.entry if channel is None else order.venue
        self._tell(order, (view,), report, row, now_ns)

    def _tell(
        self, order: Order, views: tuple[View, ...], report: OrderReport, row: ExecRow, now_ns: int
    ) -> None:
        """Take a report to the views that it tells, and the consequences to the sums."""
        entry, venue = order.entry, order.venue
        entry_was, venue_was = entry.open, venue.open
        price_was, requested_was = order.price, order.requested
        executed_was = max(entry.cum, venue.cum)
        mark = self._mark(report)
        current = False
        for view in views:
            other = venue if view is entry else entry
            superseded = len(order.cl_ord_ids) > 1 and self._superseded(order, view, report, row)
            current = take(view, report, row, mark, superseded, other.qty) or current
        if current and report.price is not None and row.quantities:
            order.price = abs(nanos(report.price))
        elif not order.price and type(report) is ExecutionReport and report.last_px is not None:
            order.price = abs(nanos(report.last_px))
        if order.requests and report.channel is None:
            self._answer(order, report, row)
        if order.parent_id is not None:
            self.counts.executed(order, executed_was)
        if self._snapshots:
            for snapshot in self._snapshots.values():
                snapshot.spared[order] = None
        self.counts.moved(order, entry_was, venue_was, price_was, requested_was, now_ns)

    def _mark(self, report: StreamEvent) -> int:
        """Source and number of a message, to tell what is older (R10, R14)."""
        seq = report.seq
        if seq is None or seq >> SOURCE_SHIFT:
            return UNNUMBERED
        key = (report.channel, report.segment)
        source = self._sources.get(key)
        if source is None:
            source = self._sources[key] = self._numberings
            self._numberings += 1
        return source << SOURCE_SHIFT | seq

    def _superseded(self, order: Order, view: View, report: OrderReport, row: ExecRow) -> bool:
        """Does the report name a leg that this view has seen replaced (R30)? Advances the leg."""
        named = report.cl_ord_id
        if row.names == "request" and report.orig_cl_ord_id is not None:
            named = report.orig_cl_ord_id
        at = -1 if named is None else order.position(named)
        if at < 0:
            return report.order_id in order.former_ids
        if at > view.leg and row.names == "order" and _confirms(order, view, report, at):
            view.leg = at
            if view.state in FINAL:
                view.state = "sent"  # what ended was the former leg
        return at < view.leg

    def _answer(self, order: Order, report: OrderReport, row: ExecRow) -> None:
        """Which requests does a report on the order-entry stream answer?"""
        if order.entry.state in FINAL:
            self._replace_requests(order, ())
            return
        accepted = row.answers_new and report.ord_status != "pending_new"
        named, leg = report.cl_ord_id, order.entry.leg
        rest = []
        for request in order.requests:
            if request.kind == "new":
                answered = accepted
            elif request.cl_ord_id == named and row.ends is not None:
                answered = True
            else:
                answered = request.kind == "replace" and order.position(request.cl_ord_id) <= leg
            if not answered:
                rest.append(request)
        if len(rest) < len(order.requests):
            self._replace_requests(order, tuple(rest))

    # -- which order ----------------------------------------------------------------------------

    def _identify(self, report: OrderReport, row: ExecRow, now_ns: int) -> Order | None:
        """The order that a report is about, made if it is news. The quick way: nothing is new."""
        order_id, named, former = report.order_id, report.cl_ord_id, report.orig_cl_ord_id
        order = None if order_id is None else self._index.by_order_id.get(order_id)
        if order is None or order.over or not order.tally.symbol:
            return self._link(report, row, now_ns)
        by_client = self._index.by_cl_ord_id
        if named is not None and by_client.get(named) is not order:
            return self._link(report, row, now_ns)
        if former is not None and by_client.get(former) is not order:
            return self._link(report, row, now_ns)
        if order.parent_id is None and report.parent_id is not None:
            self._learn_parent(order, report.parent_id)
        return order

    def _link(self, report: OrderReport, row: ExecRow, now_ns: int) -> Order | None:
        """The slow way: placeholders, new ids, records to merge, orders unknown so far (R22)."""
        order_id = real_order_id(report.order_id)
        named, former = real_id(report.cl_ord_id), real_id(report.orig_cl_ord_id)
        if order_id is None and row is _STATUS and report.ord_status == "rejected":
            return None  # "unknown order" is an error, not evidence (R29)
        if order_id is None and named is None and former is None:
            self._odd("unidentified_report", "", "it carries no id")
            return None
        by_order_id, by_client = self._index.by_order_id, self._index.by_cl_ord_id
        by_order = by_order_id.get(order_id) if order_id is not None else None
        by_name = by_client.get(named) if named is not None else None
        by_former = by_client.get(former) if former is not None else None
        if row is _NEW and former is None:
            if by_order is not None and by_name is None and named is not None:
                by_order = self._unless_reused(by_order, report)
            elif by_name is not None and by_order is None and by_name.order_id is not None:
                by_name = self._unless_reused(by_name, report)
        order = self._one(self._one(by_name, by_former, now_ns), by_order, now_ns)
        if order is None:
            order = self._create(report.symbol)
        if by_former is None or by_client[former or ""] is order:
            self._name_client(order, former, named)
        self._name_client(order, named, None)
        if order_id is not None and (by_order is None or by_order_id[order_id] is order):
            self._index.name_order(order, order_id)
        if report.symbol is not None and not order.tally.symbol:
            self.counts.learn_symbol(order, report.symbol)
        if order.parent_id is None and report.parent_id is not None:
            self._learn_parent(order, report.parent_id)
        return order

    def _name_client(self, order: Order, cl_ord_id: str | None, before: str | None) -> None:
        if cl_ord_id is not None:
            self._index.name_client(order, cl_ord_id, before)

    def _one(self, first: Order | None, second: Order | None, now_ns: int) -> Order | None:
        """The one order that two ids of a message mean. ``first``, if they cannot be one."""
        if first is None or second is None or first is second:
            return first or second
        symbols = first.tally.symbol, second.tally.symbol
        if (first.submitted and second.submitted) or ("" not in symbols and symbols[0] != symbols[1]):
            self._odd("identity_conflict", first.name, f"a message takes it for {second.name} too")
            return first
        kept, other = (first, second) if first.rank < second.rank else (second, first)
        self._odd("records_merged", kept.name, f"{other.name} is the same order")
        self.counts.absorb(kept, other, now_ns)
        return kept

    def _unless_reused(self, order: Order, report: OrderReport) -> Order | None:
        """None when a finished order's id comes back for another order (R14: venues reuse numbers)."""
        view = order.entry if report.channel is None else order.venue
        mark = self._mark(report)
        older = mark < view.mark and not (mark ^ view.mark) >> SOURCE_SHIFT
        return None if order.over and view.state in FINAL and not older else order

    def _create(self, symbol: str | None) -> Order:
        if self._index.count >= self.orders_max:
            raise OrdersFull(f"{self.orders_max} orders are remembered in this session")
        return self._index.create(self.counts.tally(symbol))

    def _learn_parent(self, order: Order, parent_id: str) -> None:
        order.parent_id = parent_id
        self.counts.executed(order, 0)

    def _odd(self, kind: str, order: str, detail: str) -> None:
        self.findings.append(Finding(kind, order, detail))

    # -- snapshots and mass cancels (R33) -------------------------------------------------------

    def _snapshot_begin(self, event: events.MassStatusBegin, now_ns: int) -> None:
        key = (event.channel, event.request_id)
        if key in self._snapshots:
            return
        if len(self._snapshots) >= UNDER_WAY_MAX:
            self._give_up(next(iter(self._snapshots)), "too many are under way")
        self._snapshots[key] = Snapshot(
            event.request_id, event.channel, event.symbol, event.event_ns, now_ns, self._connection
        )

    def _snapshot_row(self, row: events.MassStatusRow, now_ns: int) -> None:
        """Evidence for the order that it names at once, whether or not the snapshot completes."""
        if row.channel is not None:
            self.venue_seen = True
        order = self._identify(row, _STATUS, now_ns)
        if order is not None:
            views = (order.venue,) if row.channel is not None else (order.entry, order.venue)
            self._tell(order, views, row, _STATUS, now_ns)
        snapshot = self._snapshots.get((row.channel, row.request_id))
        if snapshot is not None:
            snapshot.rows += 1
            self._conclude(snapshot, now_ns)

    def _snapshot_end(self, event: events.MassStatusEnd, now_ns: int) -> None:
        key = (event.channel, event.request_id)
        snapshot = self._snapshots.get(key)
        if snapshot is None:
            self._odd("snapshot_incomplete", event.request_id, "its end came without its begin")
        elif event.failed:
            self._give_up(key, event.reason or "the venue failed it")
        elif event.rows_total is None:
            self._give_up(key, "its end states no count")
        else:
            snapshot.rows_total = event.rows_total
            self._conclude(snapshot, now_ns)
            if not snapshot.complete:
                detail = f"{snapshot.rows} of {event.rows_total} rows came"
                self._odd("snapshot_incomplete", event.request_id, detail)

    def _give_up(self, key: tuple[str | None, str], why: str) -> None:
        del self._snapshots[key]
        self._odd("snapshot_incomplete", key[1], why)

    def _conclude(self, snapshot: Snapshot, now_ns: int) -> None:
        """A complete snapshot: what it does not name is not working at the venue."""
        if not snapshot.complete:
            return
        del self._snapshots[snapshot.channel, snapshot.request_id]
        self.snapshot_completed = snapshot
        for order in self._index.orders():
            if snapshot.symbol is not None and order.tally.symbol != snapshot.symbol:
                continue
            if order not in snapshot.spared:
                views = (order.entry, order.venue) if snapshot.channel is None else (order.venue,)
                self._end(order, views, "absent", now_ns)
            if snapshot.channel is None and order.requests:
                self._lost(order, snapshot, now_ns)

    def _lost(self, order: Order, snapshot: Snapshot, now_ns: int) -> None:
        """Requests sent on an earlier connection that a whole snapshot of a later one shows no
        effect of never arrived; on the same connection they may still be under way (R29)."""
        rest = tuple(r for r in order.requests if r.connection >= snapshot.connection)
        if len(rest) < len(order.requests):
            if order.entry.state == "sent" and not any(r.kind == "new" for r in rest):
                order.entry.end("absent")
            self._keep_requests(order, rest, now_ns)

    def _end(self, order: Order, views: tuple[View, ...], reason: str, now_ns: int) -> None:
        """The order does not work in these views, by inference or by report."""
        open_was = (order.entry.open, order.venue.open)
        for view in views:
            if view.open:
                view.end(reason)
        self.counts.moved(order, *open_was, order.price, order.requested, now_ns)

    def _mass_cancel_report(self, event: events.MassCancelReport, now_ns: int) -> None:
        """Named orders end when the fragments agree in count; without names they are reported singly."""
        key = (event.channel, event.cl_ord_id or "")
        report = self._mass_cancels.setdefault(key, MassCancel())
        report.affected.extend(event.affected_orders)
        if len(self._mass_cancels) > UNDER_WAY_MAX:
            del self._mass_cancels[next(iter(self._mass_cancels))]
        if not event.last_fragment:
            return
        del self._mass_cancels[key]
        request = self._session_requests.get(event.cl_ord_id or "")
        if request is not None and event.channel is None:
            self._settle_request(request, now_ns)
        named, total = report.affected, event.affected_total
        if not event.accepted or not named:
            return
        if total is not None and total != len(named):
            self._odd("mass_cancel_incomplete", key[1], f"{len(named)} of {total} orders are named")
            return
        mark = self._mark(event)
        for any_id in named:
            order = self._index.get(any_id)
            if order is not None:
                view = order.entry if event.channel is None else order.venue
                if mark >= 0:
                    view.mark = max(view.mark, mark)
                self._end(order, (view,), "mass_canceled", now_ns)

    def attested(self, order_ids: Iterable[str], now_ns: int) -> list[str]:
        """An operator vouches that these orders work in neither view (R17). Returns unknown ids."""
        unknown = []
        for any_id in order_ids:
            order = self._index.get(any_id)
            if order is None:
                unknown.append(any_id)
                continue
            if order.entry.state == "sent":
                order.entry.end("attested")
            self._end(order, (order.entry, order.venue), "attested", now_ns)
            self._keep_requests(order, (), now_ns)
        return unknown

    # -- the session ----------------------------------------------------------------------------

    def _logon(self, event: events.Logon, now_ns: int) -> None:  # noqa: ARG002
        """The session connected: requests sent before are on an earlier connection."""
        if event.reset_numbers:
            for key in [key for key in self._sources if key[0] == event.channel]:
                del self._sources[key]
            if event.channel is None:
                self._sent.clear()
        if event.channel is None and not event.outbound:
            self._connection += 1

    def _gateway_switched(self, event: events.GatewaySwitched, now_ns: int) -> None:  # noqa: ARG002
        if event.channel is None:
            self._connection += 1


def _confirms(order: Order, view: View, report: OrderReport, at: int) -> bool:
    """Does a report that names a later client id show that it is the leg in force?"""
    if type(report) is ExecutionReport and (
        report.exec_type == "replaced" or (report.exec_type == "new" and report.orig_cl_ord_id)
    ):
        return True
    other = order.venue if view is order.entry else order.entry
    if at <= other.leg:
        return True
    named = order.cl_ord_ids[at]
    asked = any(r.kind == "replace" and r.cl_ord_id == named for r in order.requests)
    return asked and report.ord_status not in {"pending_replace", "pending_cancel"}


def _disagreement(order: Order) -> Disagreement:
    entry, venue = (f"{v.state} {decimal_text(v.open)}" for v in (order.entry, order.venue))
    in_flight = tuple(f"{r.kind} {r.cl_ord_id}" for r in order.requests)
    return Disagreement(order.name, order.tally.symbol, entry, venue, in_flight, order.since_ns)


_NEW: Final = EXEC_ROWS["new"]
_STATUS: Final = EXEC_ROWS["order_status"]
_HANDLERS: Final[dict[type, Callable[[Orders, Any, int], None]]] = {
    events.NewOrder: Orders._new_order,
    events.ReplaceRequest: Orders._replace_request,
    events.CancelRequest: Orders._cancel_request,
    events.MassCancelRequest: Orders._mass_cancel_request,
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
