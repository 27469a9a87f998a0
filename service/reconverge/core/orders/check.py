"""The invariants of a session's orders, checked against the orders themselves.

For tests and for whoever suspects a fault: O(orders). Raises AssertionError by itself, so no
optimisation strips it.
"""

from collections.abc import Iterable
from typing import Final

from reconverge.core.orders.book import Book
from reconverge.core.orders.index import Order
from reconverge.core.orders.similarity import Tally
from reconverge.core.orders.states import ViewState

_COUNTERS: Final = (
    "ambiguous_notional", "both", "difference", "disagreeing", "in_flight", "in_play",
    "open_notional", "sum_max", "union",
)  # fmt: skip


def check(book: Book) -> None:
    """Every sum is what its orders add up to, every view and every doubt is coherent."""
    remembered = book.index.orders()
    mass_cancels = [request.order for request in book.requests.mass_cancels.values()]
    counts = book.counts
    _equal("the session", counts.total, [*remembered, *mass_cancels], len(remembered))
    of_unknown = [order for order in remembered if order.tally is counts.unknown]
    _equal("unknown instrument", counts.unknown, [*of_unknown, *mass_cancels], len(of_unknown))
    for symbol, tally in counts.symbols.items():
        members = [order for order in remembered if order.tally is tally]
        _equal(symbol, tally, members, len(members))
    for order in remembered:
        _check_order(book, order)
    waiting = {request for order in (*remembered, *mass_cancels) for request in order.requests}
    if set(book.requests.waiting) != {each for each in waiting if not each.acknowledged}:
        raise AssertionError("requests that wait are not those of the orders")
    if not set(book.requests.failure) <= set(book.requests.waiting):
        raise AssertionError("a request of the failure does not wait")


def _equal(name: str, tally: Tally, orders: Iterable[Order], remembered: int) -> None:
    sums = _sums(orders)
    found = {counter: getattr(tally, counter) for counter in _COUNTERS}
    if found != sums or tally.orders != remembered:
        raise AssertionError(f"{name}: counted {found}, in fact {sums}, {remembered} orders")


def _sums(orders: Iterable[Order]) -> dict[str, int]:
    sums = dict.fromkeys(_COUNTERS, 0)
    for order in orders:
        entry, venue, price = order.entry.open, order.venue.open, order.price
        waiting = sum(not request.acknowledged for request in order.requests)
        difference = abs(entry - venue)
        sums["both"] += min(entry, venue) > 0
        sums["union"] += max(entry, venue) > 0
        sums["in_play"] += max(entry, venue) > 0 or waiting > 0
        sums["sum_max"] += max(entry, venue)
        sums["difference"] += difference
        sums["disagreeing"] += order.doubt is not None
        sums["in_flight"] += waiting
        sums["open_notional"] += order.exposure * price
        sums["ambiguous_notional"] += (order.exposure if waiting else difference) * price
    return sums


def _check_order(book: Book, order: Order) -> None:
    for view in (order.entry, order.venue):
        if view.open < 0 or view.cum < 0 or (view.open and view.state is not ViewState.OPEN):
            raise AssertionError(f"{order.name}: {view.open} open, {view.cum} done, {view.state}")
        if not 0 <= view.leg <= max(len(order.cl_ord_ids) - 1, 0):
            raise AssertionError(f"{order.name}: no leg {view.leg} in {order.cl_ord_ids}")
    idle = not (order.entry.open or order.venue.open or order.requests)
    if order.over is not idle or (order in book.index.over) is not idle:
        raise AssertionError(f"{order.name}: over is {order.over}, and idle is {idle}")
    doubt, differs = order.doubt, book.counts.differs(order)
    owed = [] if doubt is None else [*doubt.entry_lacks, *doubt.copy_lacks]
    waits = order.unanswered_ns
    if bool(owed) is not differs or (doubt is None) is (differs or waits >= 0):
        raise AssertionError(f"{order.name}: differs is {differs}, owed {owed}")
    if doubt is not None and doubt.unanswered_ns != waits:
        raise AssertionError(f"{order.name}: waits since {waits}, not {doubt.unanswered_ns}")
