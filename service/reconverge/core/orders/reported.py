"""What the venue says of single orders, and of our requests (R16, R20-R28)."""

from typing import Final

from reconverge.core.messages import events
from reconverge.core.messages.events import ExecutionReport, OrderReport
from reconverge.core.messages.units import nanos
from reconverge.core.orders.book import Book
from reconverge.core.orders.index import Order
from reconverge.core.orders.legs import leg_of
from reconverge.core.orders.requests import sent_key
from reconverge.core.orders.table import EXEC_ROWS, MESSAGE_ROWS, ExecRow
from reconverge.core.orders.view import take

_REJECTED: Final = EXEC_ROWS["rejected"]


def cancel_reject(book: Book, event: events.CancelReject, now_ns: int) -> None:
    """The order is as it was (R27). Its OrdStatus is ignored: fills already carry it."""
    request = book.requests.find(event.cl_ord_id)
    if event.channel is not None:
        return
    if request is None:
        book.requests.refused_early(event.cl_ord_id, now_ns, unheard=False)
    else:
        book.answer(request, now_ns)


def request_reject(book: Book, event: events.RequestReject, now_ns: int) -> None:
    """A request never reached the book: nor is there the order that it was to make."""
    request = book.requests.find(event.ref_id)
    if request is None and event.ref_seq is not None:
        request = book.requests.by_number.get(sent_key(event.segment, event.ref_seq))
    if event.channel is not None:
        return
    if request is None:
        book.requests.refused_early(event.ref_id, now_ns, unheard=True)
    else:
        book.answer(request, now_ns, MESSAGE_ROWS["request_reject"].word)


def not_applied(book: Book, event: events.NotApplied, now_ns: int) -> None:
    """Our requests in the range never reached the venue (R16)."""
    numbers = range(event.from_seq, event.from_seq + event.count)
    for key, request in list(book.requests.by_number.items()):
        segment, number = (None, key) if isinstance(key, int) else key
        if segment == event.segment and number in numbers:
            book.answer(request, now_ns, MESSAGE_ROWS["not_applied"].word)


def execution_report(book: Book, report: ExecutionReport, now_ns: int) -> None:
    """A report on one order: order entry tells the entry view, drop copy the venue's."""
    row = EXEC_ROWS[report.exec_type]
    if row is _REJECTED and report.orig_cl_ord_id not in {None, report.cl_ord_id}:
        _request_rejected(book, report, now_ns)
        return
    order = book.identity.find(report, row, now_ns)
    if order is None:
        return
    if row.books is not None and row.books != "fill":
        _check_reference(book, order, report)
    tell(book, order, report, row, now_ns, venue=report.channel is not None)


def _request_rejected(book: Book, report: ExecutionReport, now_ns: int) -> None:
    """A rejected report that names a former id is about a request, not the order (R27)."""
    request = book.requests.find(report.cl_ord_id)
    if request is not None and report.channel is None:
        book.answer(request, now_ns)


def _check_reference(book: Book, order: Order, report: ExecutionReport) -> None:
    """A bust or correction should refer to an execution booked in its view (R25)."""
    view = order.entry if report.channel is None else order.venue
    if view.fills is None or report.exec_ref_id not in view.fills:
        detail = f"{report.exec_type} of execution {report.exec_ref_id}"
        book.odd("unknown_execution", order.name, detail)


def tell(
    book: Book, order: Order, report: OrderReport, row: ExecRow, now_ns: int, *, venue: bool
) -> None:
    """Take a report to one view of its order, and the consequences to the sums."""
    view, other = order.entry, order.venue
    if venue:
        view, other = other, view
    entry, cum_was = order.entry, view.cum
    seen = view if venue else other
    was = (entry.open, entry.cum, seen.open, seen.cum, order.price, order.requested)
    chained = len(order.cl_ord_ids) > 1 or order.former_ids
    leg = leg_of(order, view, other, report, row) if chained else 0
    mark = book.marks.mark(report)
    current = take(view, report, row, mark, other.qty, leg, book.missing)
    if current and row.quantities and report.price is not None and nanos(report.price):
        order.price, order.limited = abs(nanos(report.price)), True
    elif not order.limited and isinstance(report, ExecutionReport) and report.last_px:
        order.price = abs(nanos(report.last_px)) or order.price
    if view.open and report.leaves_qty is not None and current and not nanos(report.leaves_qty):
        _contradicts(book, order, report)
    if not venue and book.index.adopted:
        book.index.adopted.pop(order, None)  # order entry speaks of it by itself
    if order.requests and not venue:
        book.requests.answered(order, report, row)
    if view.cum != cum_was:
        book.counts.executed(order, max(cum_was, other.cum))
    if book.snapshots.open:
        book.spare(order)
    if book.index.adopted or book.fills_only:
        book.moved(order, was, now_ns)
    else:
        book.counts.moved(order, was, now_ns)  # the same, a call less


def _contradicts(book: Book, order: Order, report: OrderReport) -> None:
    """A source says that nothing is open of an order that it shows alive (R35): told once, until it
    connects again.
    """
    if report.channel not in book.contradicting:
        book.contradicting[report.channel] = None
        detail = f"{report.channel or 'entry'}: nothing open, and {report.ord_status}"
        book.odd("leaves_contradicts", order.name, detail)
