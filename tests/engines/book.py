"""The venue's order book: what is really working and what really filled.

Pure: requests and market events in, reports out. Counterparties are scripted by the caller, who
names the order that trades; everything else is the venue's decision.
"""

from dataclasses import dataclass, field, replace
from decimal import Decimal

from tests.engines.messages import (
    CL_ORD_ID,
    CL_ORD_LINK_ID,
    LAST_RPT_REQUESTED,
    MASS_STATUS_REQ_ID,
    MSG_TYPE,
    ORD_REJ_REASON,
    ORDER_QTY,
    ORIG_CL_ORD_ID,
    PRICE,
    SIDE,
    SYMBOL,
    TERMINAL,
    TEXT,
    TIME_IN_FORCE,
    TOT_NUM_REPORTS,
    ExecKind,
    Fields,
    Report,
    Request,
    cancel_reject,
)

TICK = Decimal("0.01")
QUANTITY_MAX = 5_000  # the venue declines a replace above it


@dataclass(slots=True)
class Order:
    """One order as the venue holds it; `cl_ord_id` is the newest of its chain."""

    order_id: str
    cl_ord_id: str
    parent: str
    symbol: str
    side: str
    quantity: int
    price: Decimal
    persistent: bool
    status: str = "0"
    cum: int = 0
    paid: Decimal = Decimal(0)

    @property
    def leaves(self) -> int:
        """Open quantity; none once terminal."""
        return 0 if self.status in TERMINAL else self.quantity - self.cum

    @property
    def average(self) -> Decimal:
        """Average price of the executed quantity, to a hundredth of a tick."""
        return (self.paid / self.cum).quantize(TICK / 100) if self.cum else Decimal(0)


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
    seen: set[str] = field(default_factory=set)  # ClOrdIDs of requests that reached the venue
    exec_count: int = 0

    def working(self) -> list[Order]:
        """Orders with open quantity, oldest first."""
        return [order for order in self.orders.values() if order.leaves > 0]

    def handle(self, request: Request) -> list[Report | Fields]:
        """Answer a new order, cancel or replace; reports go to both streams, rejects to one."""
        self.seen.add(request[CL_ORD_ID])
        match request[MSG_TYPE]:
            case "D":
                return [self._new(request)]
            case "F":
                return [self._cancel(request)]
            case _:
                return [self._replace(request)]

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
        if order.status not in TERMINAL:
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

    def pend_cancel(self, order: Order) -> Report:
        """Say that a cancel is being worked on; the order still works."""
        return replace(self.report(order, ExecKind.PENDING_CANCEL), status="6")

    def cancel_on_disconnect(self, order: Order) -> Report:
        """Cancel an order because its session's connection was lost."""
        order.status = "4"
        return replace(self.report(order, ExecKind.CANCELED), restatement="disconnect")

    def report(self, order: Order, kind: ExecKind) -> Report:
        """Describe one order as it stands now under a fresh ExecID."""
        self.exec_count += 1
        return Report(
            kind=kind,
            exec_id=f"X{self.exec_count:05d}",
            order_id=order.order_id,
            cl_ord_id=order.cl_ord_id,
            parent=order.parent,
            symbol=order.symbol,
            side=order.side,
            quantity=order.quantity,
            price=order.price,
            persistent=order.persistent,
            status=order.status,
            cum=order.cum,
            leaves=order.leaves,
            average=order.average,
        )

    def _mass_status(self, request_id: str) -> list[Report]:
        orders = self.working()
        reports = [self.report(order, ExecKind.ORDER_STATUS) for order in orders]
        about = ((MASS_STATUS_REQ_ID, request_id), (TOT_NUM_REPORTS, str(len(orders))))
        return [
            replace(report, extra=(*about, (LAST_RPT_REQUESTED, "NY"[number == len(orders)])))
            for number, report in enumerate(reports, start=1)
        ]

    def _new(self, request: Request) -> Report:
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
        if order.symbol in self.symbols:
            return self.report(order, ExecKind.NEW)
        order.status = "8"
        why = ((ORD_REJ_REASON, "1"), (TEXT, "unknown symbol"))
        return replace(self.report(order, ExecKind.REJECTED), extra=why)

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
