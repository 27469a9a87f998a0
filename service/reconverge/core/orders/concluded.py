"""What is concluded about orders that a message does not name one by one (R17, R29, R33).

Snapshots of the venue's orders, mass-cancel reports, an operator's word, and connections that
begin. Nothing is concluded from silence: an order leaves a view by its absence from a complete
snapshot, never by a disconnect, a timeout or a failed snapshot.
"""

from collections.abc import Iterable

from reconverge.core.messages import events
from reconverge.core.orders.book import Book
from reconverge.core.orders.doubt import COPY_LACKS, ENTRY_LACKS, EXECUTED
from reconverge.core.orders.identity import STATUS
from reconverge.core.orders.index import Order
from reconverge.core.orders.reported import tell
from reconverge.core.orders.snapshots import Snapshot
from reconverge.core.orders.states import Word
from reconverge.core.orders.table import SNAPSHOT_ROW
from reconverge.core.orders.view import View


def snapshot_begin(book: Book, event: events.MassStatusBegin, now_ns: int) -> None:
    """A snapshot of the venue's orders begins."""
    book.snapshots.begin(event, now_ns, book.requests.connection)


def snapshot_row(book: Book, row: events.MassStatusRow, now_ns: int) -> None:
    """Evidence for the order that it names at once, whether or not the snapshot completes."""
    order = book.identity.find(row, STATUS, now_ns)
    if order is not None:
        kind = SNAPSHOT_ROW if book.snapshots.is_first_word(row, order) else STATUS
        behind = row.channel is None and book.snapshots.is_behind(row, order)
        if row.channel is None:
            tell(book, order, row, kind, now_ns, venue=False)
        if not behind:
            tell(book, order, row, kind, now_ns, venue=True)
    for client_id in (row.cl_ord_id, row.orig_cl_ord_id):
        named = book.index.by_cl_ord_id.get(client_id or "")
        if named is not None and named is not order:  # not meant, but not absent either
            book.spare(named)
    _conclude(book, book.snapshots.row(row, order), now_ns)


def snapshot_end(book: Book, event: events.MassStatusEnd, now_ns: int) -> None:
    """A snapshot ends; it may be complete with that, or a lost row is still to come."""
    _conclude(book, book.snapshots.end(event), now_ns)


def _conclude(book: Book, snapshot: Snapshot | None, now_ns: int) -> None:
    """A complete snapshot: what it does not name is not working at the venue (R33)."""
    book.snapshot_completed = snapshot
    if snapshot is None:
        return
    for order in book.index.live():
        if snapshot.symbol in {None, order.tally.symbol}:
            if order not in snapshot.spared:
                _absent(book, order, snapshot.channel, now_ns)
            if snapshot.channel is None and order.requests:
                _lost(book, order, snapshot, now_ns)
    if snapshot.channel is None:
        _excuse_entry(book, snapshot, now_ns)
    if snapshot.channel is None and snapshot.symbol is None:
        for request in list(book.requests.mass_cancels.values()):
            if snapshot.shows_lost(request):
                book.answer(request, now_ns)


def _excuse_entry(book: Book, snapshot: Snapshot, now_ns: int) -> None:
    """Order entry's snapshot is complete: what it lacks will not come (R17).

    Of an order that works nowhere, what drop copy said was executed stands for both views.
    """
    for order in book.counts.doubts.logs[ENTRY_LACKS].held():
        if order not in snapshot.spared and snapshot.symbol in {None, order.tally.symbol}:
            _accept_executed(book, order, order.entry, order.venue, now_ns)


def excuse_drop_copy(book: Book, told_by_ns: int, now_ns: int) -> None:
    """Drop copy has a hole, now proven harmless, in which words told by then may be (R17).

    Of an order that works nowhere, what order entry said was executed stands for both views.
    """
    for order in book.counts.doubts.logs[COPY_LACKS].held():
        owed = [] if order.doubt is None else order.doubt.copy_lacks
        if all(word.at_ns <= told_by_ns for word in owed if word.fact == EXECUTED):
            _accept_executed(book, order, order.venue, order.entry, now_ns)


def _accept_executed(book: Book, order: Order, behind: View, ahead: View, now_ns: int) -> None:
    if behind.cum < ahead.cum and not behind.open and not ahead.open:
        was = order.figures()
        behind.cum = ahead.cum
        book.moved(order, was, now_ns)


def _lost(book: Book, order: Order, snapshot: Snapshot, now_ns: int) -> None:
    """Settle the requests about an order that a complete snapshot shows no effect of (R17)."""
    rest = tuple(r for r in order.requests if not snapshot.shows_lost(r))
    if len(rest) < len(order.requests):
        was = order.figures()
        if not any(r.kind == "new" for r in rest):
            order.entry.say(Word.LOST)
        book.requests.keep(order, rest)
        book.moved(order, was, now_ns)


def _absent(book: Book, order: Order, channel: str | None, now_ns: int) -> None:
    """The order does not work: in both views, or only in the venue's if drop copy says so."""
    was = order.figures()
    if channel is None:
        order.entry.say(Word.ABSENT)
    order.venue.say(Word.ABSENT)
    book.moved(order, was, now_ns)


def mass_cancel_report(book: Book, event: events.MassCancelReport, now_ns: int) -> None:
    """Named orders end once the fragments agree in count; others are reported one by one."""
    if event.channel is None and event.last_fragment:
        request = book.requests.find(event.cl_ord_id)
        if request is not None:
            book.answer(request, now_ns)
    mark = book.marks.mark(event)
    for any_id in book.snapshots.mass_cancelled(event):
        order = book.index.get(any_id)
        if order is not None:
            _mass_canceled(book, order, event.channel, mark, now_ns)


def _mass_canceled(book: Book, order: Order, channel: str | None, mark: int, now_ns: int) -> None:
    view = order.entry if channel is None else order.venue
    if not view.is_past(mark):
        was = order.figures()
        view.heard(mark, last_word=False)
        view.say(Word.MASS_CANCELED)
        book.spare(order)
        book.moved(order, was, now_ns)


def attested(book: Book, order_ids: Iterable[str], now_ns: int) -> None:
    """An operator vouches that these orders work in neither view (R17)."""
    for any_id in order_ids:
        order = book.index.get(any_id)
        if order is None:
            book.odd("unknown_order_attested", any_id, "no order goes by this id")
            continue
        was = order.figures()
        executed = order.executed
        for view in (order.entry, order.venue):
            view.cum = executed
            view.say(Word.ATTESTED)
        book.requests.keep(order, ())
        book.moved(order, was, now_ns)


def adopt(book: Book, order_ids: Iterable[str], now_ns: int) -> None:
    """An operator vouches that orders which drop copy alone tells of are ours (R17)."""
    for any_id in order_ids:
        order = book.index.get(any_id)
        if order is None:
            book.odd("unknown_order_attested", any_id, "no order goes by this id")
            continue
        was = order.figures()
        book.index.adopted[order] = None
        book.requests.keep(order, ())
        book.moved(order, was, now_ns)


def logon(book: Book, event: events.Logon, _now_ns: int) -> None:
    """The session connected: what was sent before, was sent on an earlier connection."""
    book.contradicting.pop(event.channel, None)
    if event.reset_numbers:
        book.marks.restart(event.channel)
        if event.channel is None:
            book.requests.renumber()
    if event.channel is None and not event.outbound:
        book.requests.connection += 1


def gateway_switched(book: Book, event: events.GatewaySwitched, _now_ns: int) -> None:
    """Another path: what was sent before, was sent on an earlier connection."""
    if event.channel is None:
        book.requests.connection += 1
