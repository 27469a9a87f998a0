"""Requests of ours in flight: sent, and not answered on the order-entry stream (R16, R27, R29).

What is in flight is never guessed: a request leaves by the venue's answer, by its word that the
request never reached it, by a snapshot that shows it lost, or by an operator's attestation.
"""

from typing import Final

from reconverge.core.messages.events import MassCancelRequest, OrderReport, StreamEvent
from reconverge.core.orders.counts import Counts
from reconverge.core.orders.doubt import UNANSWERED
from reconverge.core.orders.index import Index, Order, Request, RequestKind, SentKey
from reconverge.core.orders.states import FINAL
from reconverge.core.orders.table import ExecRow
from reconverge.core.orders.view import View

EARLY_MAX: Final = 256
"""Refusals remembered of requests not seen yet. Streams of one session are milliseconds apart."""


class Requests:
    """The requests in flight of one session."""

    __slots__ = (
        "_counts", "_index", "by_number", "connection", "early", "failure", "mass_cancels",
        "waiting",
    )  # fmt: skip

    def __init__(self, index: Index, counts: Counts) -> None:
        self._index = index
        self._counts = counts
        self.connection = 0
        """How many times the session has connected, as far as seen."""
        self.by_number: dict[SentKey, Request] = {}
        """Those with a number of ours, in its present numbering."""
        self.mass_cancels: dict[str, Request] = {}
        """Mass cancels: requests about no order in particular."""
        self.waiting: dict[Request, None] = {}
        """All that have no answer and were not acknowledged as pending, oldest first."""
        self.early: dict[str, tuple[bool, int]] = {}
        """Refusals of requests not seen yet, by the request's id: whether it never reached the
        book, and when the refusal came."""
        self.failure: dict[Request, None] = {}
        """Those that waited at the last hard failure and still do."""

    def send(
        self,
        kind: RequestKind,
        cl_ord_id: str,
        order: Order,
        qty: int,
        event: StreamEvent,
        now_ns: int,
    ) -> None:
        """A request about an order is in flight from now on."""
        request = Request(kind, cl_ord_id, order, qty, self.connection, now_ns)
        if event.seq is not None:
            key = sent_key(event.segment, event.seq)
            former = self.by_number.get(key)
            if former is not None:  # its number was of a numbering before this one
                former.sent_key = None
            request.sent_key = key
            self.by_number[key] = request
        order.requests += (request,)
        self.waiting[request] = None
        self._counts.requests_changed(order, 1)
        self._counts.doubts.logs[UNANSWERED].add(now_ns, order)

    def send_mass_cancel(self, event: MassCancelRequest, now_ns: int) -> None:
        """A request about many orders: an order of unknown instrument stands for it (R37)."""
        order = mass_cancel_order(event.cl_ord_id, self._counts)
        was = order.figures()
        self.send("mass_cancel", event.cl_ord_id, order, 0, event, now_ns)
        self.mass_cancels[event.cl_ord_id] = order.requests[0]
        self._counts.moved(order, was, now_ns)

    def find(self, cl_ord_id: str | None) -> Request | None:
        """The request in flight with this id."""
        if cl_ord_id is None:
            return None
        order = self._index.by_cl_ord_id.get(cl_ord_id)
        if order is not None:
            for request in order.requests:
                if request.cl_ord_id == cl_ord_id:
                    return request
        return self.mass_cancels.get(cl_ord_id)

    def keep(self, order: Order, rest: tuple[Request, ...]) -> None:
        """Of an order's requests only ``rest`` are still in flight."""
        answered = 0
        for request in order.requests:
            if request not in rest:
                answered += self._stop_waiting(request)
                if request.sent_key is not None:
                    del self.by_number[request.sent_key]
                if request.kind == "mass_cancel":
                    del self.mass_cancels[request.cl_ord_id]
        order.requests = rest
        self._counts.requests_changed(order, -answered)

    def acknowledge(self, order: Order, requests: list[Request]) -> None:
        """The venue said that these are pending there: they wait, and are no doubt (R41)."""
        for request in requests:
            request.acknowledged = True
        self._counts.requests_changed(order, -sum(map(self._stop_waiting, requests)))

    def _stop_waiting(self, request: Request) -> bool:
        waited = request in self.waiting
        self.waiting.pop(request, None)
        self.failure.pop(request, None)
        return waited

    def refused_early(self, cl_ord_id: str | None, now_ns: int, *, unheard: bool) -> None:
        """A refusal came of a request that is not known here: it may be seen yet (R5)."""
        if cl_ord_id is not None:
            self.early[cl_ord_id] = (unheard, now_ns)
            if len(self.early) > EARLY_MAX:
                del self.early[next(iter(self.early))]

    def early_answer(self, cl_ord_id: str, event: StreamEvent) -> bool | None:
        """The refusal that came before its request: whether it never reached the book; None for no
        such refusal. One that came before the request was sent is of another (R14).
        """
        found = self.early.pop(cl_ord_id, None)
        return None if found is None or found[1] < event.event_ns else found[0]

    def mark_failure(self) -> None:
        """A hard failure: what waits now is what recovery must account for."""
        self.failure = dict(self.waiting)

    def renumber(self) -> None:
        """Our numbers begin anew: none refers to a request sent before."""
        for request in self.by_number.values():
            request.sent_key = None
        self.by_number.clear()

    def answered(self, order: Order, report: OrderReport, row: ExecRow) -> None:
        """Settle what a report on the order-entry stream answers, the order being as it says."""
        if order.entry.state in FINAL:
            self.keep(order, ())
            return
        pending = report.ord_status == "pending_new" or not row.answers_new
        rest, acknowledged = [], []
        for request in order.requests:
            named = request.cl_ord_id == report.cl_ord_id
            if request.kind == "new":
                open_still = pending
                received = pending
            elif named and row.ends is not None:
                open_still = received = False
            else:
                reached = order.position(request.cl_ord_id) <= order.entry.leg
                open_still = request.kind == "cancel" or not reached
                received = named and report.ord_status == f"pending_{request.kind}"
            if open_still:
                rest.append(request)
                if received and not request.acknowledged:
                    acknowledged.append(request)
        if len(rest) < len(order.requests):
            self.keep(order, tuple(rest))
        if acknowledged:
            self.acknowledge(order, acknowledged)


def mass_cancel_order(cl_ord_id: str, counts: Counts) -> Order:
    """What stands for a mass cancel: an order of unknown instrument that no index holds."""
    order = Order(-1, counts.unknown, View(), View())
    order.cl_ord_ids = (cl_ord_id,)
    return order


def sent_key(segment: str | None, seq: int) -> SentKey:
    """Our number of a request, within its segment if there are several."""
    return seq if segment is None else (segment, seq)
