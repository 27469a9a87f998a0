"""Requests of ours in flight: sent, and not answered on the order-entry stream (R16, R27, R29).

What is in flight is never guessed: a request leaves by the venue's answer, by its word that the
request never reached it, by a snapshot that shows it lost, or by an operator's attestation.
"""

from reconverge.core.messages.events import OrderReport, StreamEvent
from reconverge.core.orders.counts import Counts
from reconverge.core.orders.index import Index, Order, Request, RequestKind, SentKey
from reconverge.core.orders.table import FINAL, ExecRow


class Requests:
    """The requests in flight of one session."""

    __slots__ = ("_counts", "_index", "by_number", "connection", "mass_cancels")

    def __init__(self, index: Index, counts: Counts) -> None:
        self._index = index
        self._counts = counts
        self.connection = 0
        """How many times the session has connected, as far as seen."""
        self.by_number: dict[SentKey, Request] = {}
        """Those with a number of ours, in its present numbering."""
        self.mass_cancels: dict[str, Request] = {}
        """Mass cancels: requests about no order in particular."""

    def send(
        self,
        kind: RequestKind,
        cl_ord_id: str,
        order: Order | None,
        qty: int,
        event: StreamEvent,
        now_ns: int,
    ) -> None:
        """A request is in flight from now on."""
        request = Request(kind, cl_ord_id, order, qty, self.connection, now_ns)
        if event.seq is not None:
            key = sent_key(event.segment, event.seq)
            former = self.by_number.get(key)
            if former is not None:  # its number was of a numbering before this one
                former.sent_key = None
            request.sent_key = key
            self.by_number[key] = request
        if order is None:
            self.mass_cancels[cl_ord_id] = request
            self._counts.total.in_flight += 1
        else:
            order.requests += (request,)
            self._counts.requests_changed(order, 1)

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
        for request in order.requests:
            if request.sent_key is not None and request not in rest:
                del self.by_number[request.sent_key]
        gone = len(order.requests) - len(rest)
        order.requests = rest
        self._counts.requests_changed(order, -gone)

    def settle_mass_cancel(self, request: Request) -> None:
        """A mass cancel is in flight no more."""
        if request.sent_key is not None:
            del self.by_number[request.sent_key]
        del self.mass_cancels[request.cl_ord_id]
        self._counts.total.in_flight -= 1

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
        accepted = row.answers_new and report.ord_status != "pending_new"
        rest = []
        for request in order.requests:
            if request.kind == "new":
                open_still = not accepted
            elif request.cl_ord_id == report.cl_ord_id and row.ends is not None:
                open_still = False
            else:
                reached = order.position(request.cl_ord_id) <= order.entry.leg
                open_still = request.kind == "cancel" or not reached
            if open_still:
                rest.append(request)
        if len(rest) < len(order.requests):
            self.keep(order, tuple(rest))


def sent_key(segment: str | None, seq: int) -> SentKey:
    """Our number of a request, within its segment if there are several."""
    return seq if segment is None else (segment, seq)
