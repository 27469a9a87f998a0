"""What we sent: requests that are in flight from here on (R5, R21, R29, R30, R37)."""

from typing import Final

from reconverge.core.messages import events
from reconverge.core.messages.events import StreamEvent
from reconverge.core.messages.units import nanos
from reconverge.core.orders.book import Book
from reconverge.core.orders.index import Order, RequestKind, real_order_id
from reconverge.core.orders.states import FINAL, ViewState, Word

REQUESTS_MAX: Final = 32
"""Requests in flight followed for one order. A router that sends more does not wait for answers at
all; the order is ambiguous as a whole already."""
UNKNOWN_SIZE: Final = 0
"""Quantity of a request that states none that we can hold. It counts as one order in flight, not by
its quantity (R37, R39)."""


def new_order(book: Book, event: events.NewOrder, now_ns: int) -> None:
    """A new order is known as sent; it does not work before the venue has answered (R29)."""
    _submit(book, event, event.symbol, nanos(event.qty), now_ns)


def replace_request(book: Book, event: events.ReplaceRequest, now_ns: int) -> None:
    """A replace is in flight; the order is as it was until the venue confirms it (R21)."""
    order = _named(book, event.orig_cl_ord_id, event.order_id)
    _change(book, event, order, "replace", nanos(event.qty), now_ns)


def cancel_request(book: Book, event: events.CancelRequest, now_ns: int) -> None:
    """A cancel is in flight; its id never becomes a leg of the order (R30)."""
    order = _named(book, event.orig_cl_ord_id, event.order_id)
    _change(book, event, order, "cancel", 0, now_ns)


def unmodelled_request(book: Book, event: events.UnmodelledRequest, now_ns: int) -> None:
    """A request of unknown size is in flight like any other (R37)."""
    if event.orig_cl_ord_id is None:
        _submit(book, event, event.symbol, UNKNOWN_SIZE, now_ns)
    else:
        order = _named(book, event.orig_cl_ord_id, None)
        _change(book, event, order, "replace", UNKNOWN_SIZE, now_ns)


def mass_cancel_request(book: Book, event: events.MassCancelRequest, now_ns: int) -> None:
    """A mass cancel is in flight, for no order in particular."""
    early = book.requests.early_answer(event.cl_ord_id, event)
    if event.cl_ord_id not in book.requests.mass_cancels and early is None:
        book.requests.send_mass_cancel(event, now_ns)


def _submit(
    book: Book,
    event: events.NewOrder | events.UnmodelledRequest,
    symbol: str | None,
    qty: int,
    now_ns: int,
) -> None:
    """An order of ours leaves, of known size or not."""
    cl_ord_id = event.cl_ord_id
    order = book.index.by_cl_ord_id.get(cl_ord_id)
    if order is not None:
        if (event.poss_dup or event.poss_resend) and order.entry.state is not ViewState.UNKNOWN:
            return
        if _may_return(order) and not _is_answered(book, order, event):
            order = None
        elif order.submitted:
            book.odd("duplicate_client_id", order.name, "another new order carries it")
            return
    if order is None:
        order = book.identity.create(symbol)
        book.index.name_client(order, cl_ord_id)
    elif symbol is not None and not order.tally.symbol:
        book.counts.learn_symbol(order, symbol)
    was = order.figures()
    order.submitted = True
    if order.entry.state is ViewState.UNKNOWN:
        _leave(book, order, event, qty, now_ns)
    if isinstance(event, events.NewOrder):
        _describe(book, order, event)
    book.spare(order)
    book.moved(order, was, now_ns)


def _leave(
    book: Book,
    order: Order,
    event: events.NewOrder | events.UnmodelledRequest,
    qty: int,
    now_ns: int,
) -> None:
    """An order of which nothing was heard is in flight, unless it was refused already (R5)."""
    unheard = book.requests.early_answer(event.cl_ord_id, event)
    order.entry.say(Word.SENT)
    order.entry.qty = qty
    if unheard is None:
        book.requests.send("new", event.cl_ord_id, order, qty, event, now_ns)
    elif unheard:
        order.entry.say(Word.REFUSED)


def _describe(book: Book, order: Order, event: events.NewOrder) -> None:
    """Parent and reference price, as far as not known (R39). Price zero is no limit to go by."""
    if event.price is not None and not order.limited and nanos(event.price):
        order.price, order.limited = abs(nanos(event.price)), True
    elif event.mid is not None and not order.price:
        order.price = abs(nanos(event.mid))
    if order.parent_id is None and event.parent_id is not None:
        book.counts.learn_parent(order, event.parent_id)


def _named(book: Book, former: str, order_id: str | None) -> Order | None:
    """The order that a request is about."""
    found = book.index.by_cl_ord_id.get(former)
    if found is None:
        found = book.index.by_order_id.get(real_order_id(order_id) or "")
    return found


def _change(
    book: Book,
    event: events.ReplaceRequest | events.CancelRequest | events.UnmodelledRequest,
    order: Order | None,
    kind: RequestKind,
    qty: int,
    now_ns: int,
) -> None:
    """A request about an order. One for an order that ended for good waits for nothing."""
    known = book.index.by_cl_ord_id.get(event.cl_ord_id)
    if known is not None and (known is order or not _may_return(known)):
        if known is not order:
            book.odd("duplicate_client_id", known.name, f"a {kind} request carries it")
        return  # sent again, or answered before we learnt of it
    if order is None:
        order = book.identity.create(None)
        order_id = None if isinstance(event, events.UnmodelledRequest) else event.order_id
        if (venues := real_order_id(order_id)) is not None:
            book.index.name_order(order, venues)
    elif len(order.requests) >= REQUESTS_MAX:
        book.odd("requests_full", order.name, f"{REQUESTS_MAX} are in flight")
        return
    book.index.name_client(order, event.orig_cl_ord_id or "")
    book.index.name_client(order, event.cl_ord_id)
    was = order.figures()
    early = book.requests.early_answer(event.cl_ord_id, event)
    if order.entry.state not in FINAL and early is None:
        book.requests.send(kind, event.cl_ord_id, order, qty, event, now_ns)
    book.spare(order)
    book.moved(order, was, now_ns)


def _is_answered(book: Book, order: Order, event: StreamEvent) -> bool:
    """Is an order that ended, whose request was never seen, the answer to this one (R5)?

    It is if it ended no earlier than the request was sent, whatever the order of equal times.
    """
    return not order.submitted and event.event_ns <= book.index.over.get(order, -1)


def _may_return(order: Order) -> bool:
    """May an id of this order come back for another? Another day, another order (R14)."""
    return order.over and order.entry.state in FINAL
