"""The firm's requests and the market's fills: one action after another, from seeded dice.

ClOrdID is `<parent>-<child>` for a new order and `<parent>-<child>.<n>` for the n-th request that
changes it; the parent's id travels in ClOrdLinkID (583) and the venue echoes it.
"""

import random
from collections.abc import Callable
from decimal import Decimal

from tests.engines.book import QUANTITY_MAX
from tests.engines.messages import (
    CL_ORD_ID,
    CL_ORD_LINK_ID,
    HANDL_INST,
    MASS_STATUS_REQ_ID,
    MASS_STATUS_REQ_TYPE,
    MSG_TYPE,
    ORD_TYPE,
    ORDER_QTY,
    ORIG_CL_ORD_ID,
    PRICE,
    SIDE,
    SYMBOL,
    TICK,
    TIME_IN_FORCE,
    TRANSACT_TIME,
    ExecKind,
    Fields,
    Order,
    utc_now,
)
from tests.engines.stage import Stage

MIDS = {
    "RCV.A": Decimal("182.40"),
    "RCV.B": Decimal("47.15"),
    "RCV.C": Decimal("312.60"),
    "RCV.D": Decimal("9.86"),
}
BUY, SELL = "1", "2"
PARENTS = {
    f"P{n + 1}": (symbol, BUY if n % 2 == 0 else SELL) for n, symbol in enumerate([*MIDS] * 2)
}
WORKING_MIN, WORKING_MAX = 12, 17
Action = Callable[[], None]


class Trader:
    """Acts for the firm and for its counterparties."""

    def __init__(self, stage: Stage, seed: int) -> None:
        self._stage = stage
        self._dice = random.Random(seed)
        self._children = dict.fromkeys(PARENTS, 0)
        self._revisions: dict[str, int] = {}  # OrderID -> requests that would change it

    # --- requests -----------------------------------------------------------------------------

    def new(self, *, persistent: bool | None = None, symbol: str = "") -> Fields:
        """A new limit order of the parent with the fewest children, a few ticks from the mid."""
        parent = min(self._children, key=lambda p: self._children[p])
        self._children[parent] += 1
        own_symbol, side = PARENTS[parent]
        away = self._dice.randint(1, 9) * TICK
        lasting = self._dice.random() < 0.5 if persistent is None else persistent
        return [
            (MSG_TYPE, "D"),
            (CL_ORD_ID, f"{parent}-{self._children[parent]:02d}"),
            (CL_ORD_LINK_ID, parent),
            (HANDL_INST, "1"),
            (SYMBOL, symbol or own_symbol),
            (SIDE, side),
            (ORDER_QTY, str(self._dice.randint(2, 9) * 100)),
            (ORD_TYPE, "2"),
            (PRICE, str(MIDS[own_symbol] - away if side == BUY else MIDS[own_symbol] + away)),
            (TIME_IN_FORCE, "1" if lasting else "0"),
            (TRANSACT_TIME, utc_now()),
        ]

    def replace(self, order: Order, *, quantity: int = 0) -> Fields:
        """One tick nearer the market; the quantity as it was, unless given."""
        better = TICK if order.side == BUY else -TICK
        return [
            *self._change("G", order),
            (HANDL_INST, "1"),
            (ORDER_QTY, str(quantity or order.quantity)),
            (ORD_TYPE, "2"),
            (PRICE, str(order.price + better)),
            (TIME_IN_FORCE, "1" if order.persistent else "0"),
        ]

    def cancel(self, order: Order) -> Fields:
        """Cancel what is open of an order."""
        return [*self._change("F", order), (ORDER_QTY, str(order.quantity))]

    def status(self, cl_ord_id: str, symbol: str, side: str) -> Fields:
        """Ask for one order."""
        return [(MSG_TYPE, "H"), (CL_ORD_ID, cl_ord_id), (SYMBOL, symbol), (SIDE, side)]

    def mass_status(self, request_id: str) -> Fields:
        """Ask for all working orders."""
        about = (MASS_STATUS_REQ_ID, request_id), (MASS_STATUS_REQ_TYPE, "7")
        return [(MSG_TYPE, "AF"), *about]

    def _change(self, msg_type: str, order: Order) -> Fields:
        count = self._revisions.get(order.order_id, 0) + 1
        self._revisions[order.order_id] = count
        root = order.cl_ord_id.partition(".")[0]
        return [
            (MSG_TYPE, msg_type),
            (CL_ORD_ID, f"{root}.{count}"),
            (ORIG_CL_ORD_ID, order.cl_ord_id),
            (CL_ORD_LINK_ID, order.parent),
            (SYMBOL, order.symbol),
            (SIDE, order.side),
            (TRANSACT_TIME, utc_now()),
        ]

    # --- one step of trading ------------------------------------------------------------------

    def act(self) -> None:
        """One action of the firm or of a counterparty, keeping a dozen orders or more working."""
        working = self._stage.book.working()
        if len(working) < WORKING_MIN:
            self._stage.ask(self.new())
            return
        order = self._dice.choice(working)
        actions: list[tuple[Action, int]] = [
            (lambda: self._stage.ask(self.new()), 0 if len(working) > WORKING_MAX else 25),
            (lambda: self.fill(order, 100), 30),
            (lambda: self.fill(order, order.leaves), 15),
            (lambda: self._stage.ask(self.replace(order)), 18),
            (lambda: self._stage.ask(self.cancel(order)), 12),
        ]
        self._dice.choices(*zip(*actions, strict=True))[0]()

    def fill(self, order: Order, quantity: int) -> None:
        """A counterparty trades with one working order."""
        self._stage.publish(self._stage.book.trade(order, quantity))

    def fill_lasting(self) -> None:
        """A counterparty trades a round lot with the persistent order that has most left."""
        lasting = [order for order in self._stage.book.working() if order.persistent]
        self.fill(max(lasting, key=lambda order: order.leaves), 100)

    def oddities(self) -> list[Action]:
        """Each kind of reject, and each thing a venue does unasked, once."""
        return [
            lambda: self._stage.ask(self.new(symbol="RCV.X")),
            self._cancel_unknown,
            lambda: self._stage.ask(self.replace(self._any(), quantity=QUANTITY_MAX + 100)),
            self._unsupported_request,
            self._invalid_side,
            self._bust,
            self._correct,
            lambda: self._stage.publish(self._stage.book.restate(self._largest(), 100)),
            lambda: self._stage.publish(self._stage.book.expire(self._any())),
            lambda: self._stage.publish(self._stage.book.done_for_day(self._any())),
            lambda: self._stage.publish(self._stage.book.say(self._any(), ExecKind.STOPPED)),
            lambda: self._stage.ask(self.new(), slowly=True),
            lambda: self._stage.ask(self.replace(self._any()), slowly=True),
            lambda: self._stage.ask(self.cancel(self._any()), slowly=True),
        ]

    def _any(self) -> Order:
        return self._dice.choice(self._stage.book.working())

    def _largest(self) -> Order:
        return max(self._stage.book.working(), key=lambda order: order.leaves)

    def _cancel_unknown(self) -> None:
        fields = dict(self.cancel(self._any()))
        fields |= {CL_ORD_ID: "P0-01.1", ORIG_CL_ORD_ID: "P0-01"}
        self._stage.ask(list(fields.items()))

    def _unsupported_request(self) -> None:
        """A security status request: the venue's engine answers with a business reject."""
        fields = [(MSG_TYPE, "e"), (324, "S1"), (SYMBOL, "RCV.A"), (263, "0")]
        self._refused(fields, "j")

    def _invalid_side(self) -> None:
        """A new order whose side FIX does not know: the venue's engine rejects the message."""
        self._refused([(t, "Z" if t == SIDE else v) for t, v in self.new()], "3")

    def _refused(self, fields: Fields, msg_type: str) -> None:
        heard = self._stage.message_types
        before = heard[msg_type]
        self._stage.request(fields)
        self._stage.until(lambda: heard[msg_type] > before, f"a reject (35={msg_type})")

    def _traded(self) -> Order:
        """A partially filled order that still works; fills one when there is none."""
        partly = [order for order in self._stage.book.working() if order.cum]
        if partly:
            return self._dice.choice(partly)
        self.fill(self._largest(), 100)
        return self._traded()

    def _bust(self) -> None:
        order, book = self._traded(), self._stage.book
        fills = [f for f in book.fills.values() if f.order_id == order.order_id and not f.busted]
        self._stage.publish(book.bust(fills[-1]))

    def _correct(self) -> None:
        order, book = self._traded(), self._stage.book
        fills = [f for f in book.fills.values() if f.order_id == order.order_id and not f.busted]
        self._stage.publish(book.correct(fills[-1], fills[-1].price - TICK))
