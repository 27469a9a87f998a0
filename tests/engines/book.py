"""The venue's order book: what is really working and what really filled.

Pure: requests and market events in, reports out. Counterparties are scripted by the caller, who
names the order that trades; everything else is the venue's decision.
"""

from dataclasses import dataclass, field, replace
from decimal import Decimal

from tests.engines.messages import (
    CL_ORD_ID,
    CL_ORD_LINK_ID,
    INACTIVE,
    LAST_RPT_REQUESTED,
    MASS_STATUS_REQ_ID,
    MSG_TYPE,
    ORD_REJ_REASON,
    ORDER_QTY,
    ORIG_CL_ORD_ID,
    PRICE,
    SIDE,
    SYMBOL,
    TEXT,
    TICK,
    TIME_IN_FORCE,
    TOT_NUM_REPORTS,
    ExecKind,
    Fields,
    Order,
    Report,
    Request,
    cancel_reject,
)

QUANTITY_MAX = 5_000  # the venue declines a replace above it


@dataclass(slots=True)
class Fill:
    """One execution as the venue booked it; `busted` once it was cancelled."""

    exec_id: str
    order_id: str
    cl_ord_id: str
    symbol: str
    side: str
    quantity: int
    price: Decimal
    busted: bool = False


@dataclass(slots=True)
class Book:
    """Orders, fills, and the numbering of both."""

    symbols: frozenset[str]
    orders: dict[str, Order] = field(default_factory=dict)  # by OrderID
    chain: dict[str, Order] = field(default_factory=dict)  # by every ClOrdID ever accepted
    fills: dict[str, Fill] = field(default_factory=dict)  # by ExecID of the trade
    exec_count: int = 0

    def working(self) -> list[Order]:
        """Orders with open quantity, oldest first."""
        return [order for order in self.orders.values() if order.leaves > 0]

    def handle(self, request: Request, *, slowly: bool = False) -> list[Report | Fields]:
        """Answer a new order, cancel or replace; reports go to both streams, rejects to one.

        Slowly: a pending report comes before the answer.
        """
        match request[MSG_TYPE]:
            case "D":
                order = self._enter(request)
                pending = [self.say(order, ExecKind.PENDING_NEW)] if slowly else []
                return [*pending, self._accept(order)]
            case "F":
                pending = self._pending(request, ExecKind.PENDING_CANCEL) if slowly else []
                return [*pending, self._cancel(request)]
            case _:
                pending = self._pending(request, ExecKind.PENDING_REPLACE) if slowly else []
                return [*pending, self._replace(request)]

    def statuses(self, request: Request) -> list[Report]:
        """Answer a status request: the one order asked for, or all working orders, counted."""
        if request[MSG_TYPE] == "AF":
            return self._mass_status(request[MASS_STATUS_REQ_ID])
        order = self.chain.get(request[CL_ORD_ID])
        if order is not None:
            return [self.report(order, ExecKind.ORDER_STATUS)]
        unknown = Order(
            order_id="NONE",
            cl_ord_id=request[CL_ORD_ID],
            parent="",
            symbol=request[SYMBOL],
            side=request[SIDE],
            quantity=0,
            price=TICK,
            persistent=False,
            status="8",
        )
        report = self.report(unknown, ExecKind.ORDER_STATUS)
        return [replace(report, extra=((TEXT, "unknown order"),))]

    def trade(self, order: Order, quantity: int) -> Report:
        """Execute against one working order at its limit."""
        quantity = min(quantity, order.leaves)
        order.cum += quantity
        order.paid += quantity * order.price
        order.status = "2" if order.cum == order.quantity else "1"
        report = replace(
            self.report(order, ExecKind.TRADE), last_quantity=quantity, last_price=order.price
        )
        self.fills[report.exec_id] = Fill(
            exec_id=report.exec_id,
            order_id=order.order_id,
            cl_ord_id=order.cl_ord_id,
            symbol=order.symbol,
            side=order.side,
            quantity=quantity,
            price=order.price,
        )
        return report

    def bust(self, fill: Fill) -> Report:
        """Cancel a trade: its quantity is open again on the working order it came from."""
        order = self.orders[fill.order_id]
        fill.busted = True
        order.cum -= fill.quantity
        order.paid -= fill.quantity * fill.price
        if order.status not in INACTIVE:
            order.status = "1" if order.cum else "0"
        return replace(
            self.report(order, ExecKind.TRADE_CANCEL),
            exec_ref_id=fill.exec_id,
            last_quantity=fill.quantity,
            last_price=fill.price,
        )

    def correct(self, fill: Fill, price: Decimal) -> Report:
        """Correct the price of a trade."""
        order = self.orders[fill.order_id]
        order.paid += fill.quantity * (price - fill.price)
        fill.price = price
        return replace(
            self.report(order, ExecKind.TRADE_CORRECT),
            exec_ref_id=fill.exec_id,
            last_quantity=fill.quantity,
            last_price=price,
        )

    def restate(self, order: Order, quantity: int) -> Report:
        """Reduce an order unasked, never below what it has executed."""
        order.quantity = max(quantity, order.cum + 1)
        return replace(self.report(order, ExecKind.RESTATED), restatement="declined")

    def say(self, order: Order, kind: ExecKind) -> Report:
        """Report a passing status (pending, stopped): the order works as before."""
        return replace(self.report(order, kind), status=kind.value)

    def expire(self, order: Order) -> Report:
        """End an order whose time is over."""
        order.status = "C"
        return self.report(order, ExecKind.EXPIRED)

    def done_for_day(self, order: Order) -> Report:
        """Stop an order for the day: it keeps open quantity that cannot execute."""
        order.status = "3"
        leaves = order.quantity - order.cum
        return replace(self.report(order, ExecKind.DONE_FOR_DAY), leaves=leaves)

    def cancel_on_disconnect(self, order: Order) -> Report:
        """Cancel an order because its session's connection was lost."""
        order.status = "4"
        return replace(self.report(order, ExecKind.CANCELED), restatement="disconnect")

    def report(self, order: Order, kind: ExecKind) -> Report:
        """Describe one order as it stands now under a fresh ExecID."""
        self.exec_count += 1
        now = replace(order)  # which goes on changing
        exec_id = f"X{self.exec_count:05d}"
        return Report(kind, exec_id, now, now.cl_ord_id, now.status, now.leaves)

    def _mass_status(self, request_id: str) -> list[Report]:
        orders = self.working()
        reports = [self.report(order, ExecKind.ORDER_STATUS) for order in orders]
        about = ((MASS_STATUS_REQ_ID, request_id), (TOT_NUM_REPORTS, str(len(orders))))
        return [
            replace(report, extra=(*about, (LAST_RPT_REQUESTED, "NY"[number == len(orders)])))
            for number, report in enumerate(reports, start=1)
        ]

    def _enter(self, request: Request) -> Order:
        order = Order(
            order_id=f"V{len(self.orders) + 1:05d}",
            cl_ord_id=request[CL_ORD_ID],
            parent=request.get(CL_ORD_LINK_ID, ""),
            symbol=request[SYMBOL],
            side=request[SIDE],
            quantity=int(request[ORDER_QTY]),
            price=Decimal(request[PRICE]),
            persistent=request.get(TIME_IN_FORCE) == "1",
        )
        self.orders[order.order_id] = order
        self.chain[order.cl_ord_id] = order
        return order

    def _accept(self, order: Order) -> Report:
        if order.symbol in self.symbols:
            return self.report(order, ExecKind.NEW)
        order.status = "8"
        why = ((ORD_REJ_REASON, "1"), (TEXT, "unknown symbol"))
        return replace(self.report(order, ExecKind.REJECTED), extra=why)

    def _pending(self, request: Request, kind: ExecKind) -> list[Report]:
        order = self.chain[request[ORIG_CL_ORD_ID]]
        report = self.say(order, kind)
        return [replace(report, cl_ord_id=request[CL_ORD_ID], orig_cl_ord_id=order.cl_ord_id)]

    def _cancel(self, request: Request) -> Report | Fields:
        order = self.chain.get(request[ORIG_CL_ORD_ID])
        if order is None:
            return cancel_reject(request, "NONE", "8", "1", "unknown order")
        if not order.leaves:
            return cancel_reject(request, order.order_id, order.status, "0", "too late to cancel")
        order.status = "4"
        return self._renamed(order, request, ExecKind.CANCELED)

    def _replace(self, request: Request) -> Report | Fields:
        order = self.chain.get(request[ORIG_CL_ORD_ID])
        if order is None:
            return cancel_reject(request, "NONE", "8", "1", "unknown order")
        if not order.leaves:
            return cancel_reject(request, order.order_id, order.status, "0", "too late to replace")
        quantity = int(request[ORDER_QTY])
        if not order.cum < quantity <= QUANTITY_MAX:
            return cancel_reject(request, order.order_id, order.status, "2", "quantity not allowed")
        order.quantity, order.price = quantity, Decimal(request[PRICE])
        return self._renamed(order, request, ExecKind.REPLACED)

    def _renamed(self, order: Order, request: Request, kind: ExecKind) -> Report:
        """Let the request's ClOrdID become the order's."""
        original, order.cl_ord_id = order.cl_ord_id, request[CL_ORD_ID]
        self.chain[order.cl_ord_id] = order
        return replace(self.report(order, kind), orig_cl_ord_id=original)
