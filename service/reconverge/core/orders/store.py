"""Orders as rows, for snapshots and handover: compact lists that JSON can carry.

Sums are not stored but added up again on loading, so what is stored cannot contradict itself. A row
stays well below the record limit, whatever the number of orders, ids and executions.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from reconverge.core.orders.book import Book
from reconverge.core.orders.doubt import ENTRY_LACKS, Doubt, Word
from reconverge.core.orders.index import Index, Order, Request
from reconverge.core.orders.requests import Requests, mass_cancel_order
from reconverge.core.orders.snapshots import Snapshot, Snapshots
from reconverge.core.orders.states import ViewState
from reconverge.core.orders.view import View

ORDERS_PER_ROW: Final = 200
"""60 kB at common lengths of ids."""
ITEMS_PER_ROW: Final = 1_000
"""40 kB at common lengths of ids."""
INT_MAX: Final = (1 << 63) - 1
"""Larger integers are written as text: JSON libraries stop here, and nine decimals do not."""


def dump(book: Book) -> Iterator[list[Any]]:
    """The whole of it: rows that ``load`` takes in the same order."""
    found = book.index.orders()
    places = {order: place for place, order in enumerate(found)}
    yield ["session", _session(book)]
    for start in range(0, len(found), ORDERS_PER_ROW):
        yield ["orders", _columns(found[start : start + ORDERS_PER_ROW], book.requests)]
    yield from _parts("fills", _fill_rows(found))
    yield from _parts("others", _other_rows(found))
    yield from _parts("over", ([places[order], at_ns] for order, at_ns in book.index.over.items()))
    yield from _parts("doubts", _doubt_rows(found))
    yield from _parts("adopted", ([places[order]] for order in book.index.adopted))
    yield from _parts("owners", _owner_rows(found, places, book.index))
    executed = book.counts.parent_executed.items()
    yield from _parts("parents", ([parent_id, *_numbers(cum)] for parent_id, cum in executed))
    yield from _parts("spared", _spared_rows(book.snapshots, places))
    collected = enumerate(book.snapshots.mass_cancels.values())
    yield from _parts("affected", ([i, any_id] for i, named in collected for any_id in named))


def load(rows: Iterable[list[Any]], book: Book) -> None:
    """Take up dumped rows into a book that is empty."""
    found: list[Order] = []
    for kind, items in rows:
        _LOADERS[kind](items, found, book)
    for order in found:
        book.counts.add(order)
    book.counts.doubts.restore([*found, *(r.order for r in book.requests.mass_cancels.values())])


def _parts(kind: str, rows: Iterable[list[Any]]) -> Iterator[list[Any]]:
    part: list[list[Any]] = []
    for row in rows:
        part.append(row)
        if len(part) == ITEMS_PER_ROW:
            yield [kind, part]
            part = []
    if part:
        yield [kind, part]


def _numbers(*values: int) -> list[int] | list[str]:
    """Integers that JSON can carry: themselves, or all of them as text."""
    return list(values) if max(values) <= INT_MAX else [str(value) for value in values]


# -- orders -------------------------------------------------------------------------------------


def _columns(orders: list[Order], requests: Requests) -> list[list[Any]]:
    """The fields of some orders, field by field: shorter than row by row, and faster to load."""
    entries, venues = [o.entry for o in orders], [o.venue for o in orders]
    columns: list[list[Any]] = [
        [o.rank for o in orders],
        [o.order_id for o in orders],
        [o.former_ids or None for o in orders],
        [o.cl_ord_ids if len(o.cl_ord_ids) != 1 else o.cl_ord_ids[0] for o in orders],
        [o.parent_id for o in orders],
        [o.tally.symbol for o in orders],
        [o.submitted for o in orders],
        [-1 if o.doubt is None else o.doubt.oldest_ns for o in orders],
        _numbers(*[o.price for o in orders]),
        _numbers(*[o.requested for o in orders]),
        [[_request_row(r, requests) for r in o.requests] or None for o in orders],
    ]
    for views in (entries, venues):
        columns += [
            [view.state for view in views],
            [view.mark for view in views],
            [view.leg for view in views],
            _numbers(*[view.open for view in views]),
            _numbers(*[view.qty for view in views]),
            _numbers(*[view.cum for view in views]),
            _numbers(*[view.booked for view in views]),
        ]
    columns.append([o.limited for o in orders])
    return columns


def _load_orders(items: list[list[Any]], found: list[Order], book: Book) -> None:
    index, counts = book.index, book.counts
    limited = items[25]
    views = zip(_views(items[11:18]), _views(items[18:25]), limited, strict=True)
    for (entry, venue, is_limit), row in zip(views, zip(*items[:11], strict=True), strict=True):
        order = Order(row[0], counts.tally(row[5]), entry, venue)
        (
            _, order.order_id, former_ids, cl_ord_ids, parent_id, _, order.submitted,
            since_ns, price, requested, requests,
        ) = row  # fmt: skip
        order.limited = is_limit
        if since_ns >= 0:
            order.doubt = Doubt()
        order.price, order.requested = int(price), int(requested)
        order.cl_ord_ids = (cl_ord_ids,) if isinstance(cl_ord_ids, str) else tuple(cl_ord_ids)
        if former_ids is not None:
            order.former_ids = tuple(former_ids)
        if parent_id is not None:
            order.parent_id = counts.parent_name(parent_id)
        if requests is not None:
            order.requests = tuple(_load_request(each, order, book.requests) for each in requests)
        for cl_ord_id in order.cl_ord_ids:
            index.by_cl_ord_id[cl_ord_id] = order
        for order_id in order.order_ids():
            index.by_order_id[order_id] = order
        index.alive[order] = None
        found.append(order)


def _views(columns: list[list[Any]]) -> list[View]:
    """Quantities may be text: ``_numbers``."""
    return [
        View(ViewState(state), mark, leg, int(open_qty), int(qty), int(cum), int(booked))
        for state, mark, leg, open_qty, qty, cum, booked in zip(*columns, strict=True)
    ]


def _request_row(request: Request, requests: Requests) -> list[Any]:
    return [
        request.kind, request.cl_ord_id, *_numbers(request.qty), request.connection,
        request.sent_ns, request.sent_key, request.acknowledged, request in requests.failure,
    ]  # fmt: skip


def _load_request(fields: list[Any], order: Order, requests: Requests) -> Request:
    kind, cl_ord_id, qty, connection, sent_ns, key, acknowledged, of_failure = fields
    request = Request(kind, cl_ord_id, order, int(qty), connection, sent_ns)
    request.acknowledged = acknowledged
    if not acknowledged:
        requests.waiting[request] = None
    if of_failure:
        requests.failure[request] = None
    if key is not None:
        request.sent_key = tuple(key) if isinstance(key, list) else key
        requests.by_number[request.sent_key] = request
    return request


# -- what hangs on them -------------------------------------------------------------------------


def _fill_rows(found: list[Order]) -> Iterator[list[Any]]:
    for place, order in enumerate(found):
        for side, view in enumerate((order.entry, order.venue)):
            for exec_id, booked in (view.fills or {}).items():
                by_id = isinstance(booked, str)
                yield [place, side, exec_id, [booked] if by_id else _numbers(int(booked))[0]]


def _load_fills(items: list[Any], found: list[Order], _book: Book) -> None:
    for place, side, exec_id, booked in items:
        view: View = found[place].venue if side else found[place].entry
        if view.fills is None:
            view.fills = {}
        view.fills[exec_id] = booked[0] if isinstance(booked, list) else int(booked)


def _other_rows(found: list[Order]) -> Iterator[list[Any]]:
    """Marks beside the last: few orders hear of several sources in one view."""
    for place, order in enumerate(found):
        for side, view in enumerate((order.entry, order.venue)):
            if view.others:
                yield [place, side, *view.others]


def _load_others(items: list[Any], found: list[Order], _book: Book) -> None:
    for place, side, *others in items:
        view: View = found[place].venue if side else found[place].entry
        view.others = tuple(others)


def _doubt_rows(found: list[Order]) -> Iterator[list[Any]]:
    """Words that a side owes: few orders are in doubt at any moment."""
    for place, order in enumerate(found):
        if order.doubt is not None:
            for kind, words in enumerate((order.doubt.entry_lacks, order.doubt.copy_lacks), 1):
                for word in words:
                    yield [place, kind, word.at_ns, word.fact, *_numbers(word.level)]


def _load_doubts(items: list[Any], found: list[Order], _book: Book) -> None:
    for place, kind, at_ns, fact, level in items:
        doubt = found[place].doubt
        if doubt is not None:
            owed = doubt.entry_lacks if kind == ENTRY_LACKS else doubt.copy_lacks
            owed.append(Word(at_ns, fact, int(level)))


def _load_adopted(items: list[Any], found: list[Order], book: Book) -> None:
    for (place,) in items:
        book.index.adopted[found[place]] = None


def _load_over(items: list[Any], found: list[Order], book: Book) -> None:
    for place, at_ns in items:
        order = found[place]
        order.over = True
        del book.index.alive[order]
        book.index.over[order] = at_ns


def _owner_rows(found: list[Order], places: dict[Order, int], index: Index) -> Iterator[list[Any]]:
    """Ids that an order still lists though another has taken them over, or nobody has them."""
    by_order_id, by_cl_ord_id = index.by_order_id, index.by_cl_ord_id
    for order in found:
        own = by_order_id.get(order.order_id or "") is order and not order.former_ids
        ours = order.cl_ord_ids
        if own and len(ours) == 1 and by_cl_ord_id.get(ours[0]) is order:
            continue  # as a rule
        for by_client, ids in enumerate((order.order_ids(), order.cl_ord_ids)):
            by_id = by_cl_ord_id if by_client else by_order_id
            for text in ids:
                owner = by_id.get(text)
                if owner is not order:
                    yield [by_client, text, -1 if owner is None else places[owner]]


def _load_owners(items: list[Any], found: list[Order], book: Book) -> None:
    for by_client, text, place in items:
        by_id = book.index.by_cl_ord_id if by_client else book.index.by_order_id
        if place < 0:
            by_id.pop(text, None)
        else:
            by_id[text] = found[place]


def _load_parents(items: list[Any], _found: list[Order], book: Book) -> None:
    for parent_id, cum in items:
        book.counts.parent_executed[parent_id] = int(cum)


def _spared_rows(snapshots: Snapshots, places: dict[Order, int]) -> Iterator[list[Any]]:
    for which, snapshot in enumerate(snapshots.open.values()):
        for order in snapshot.spared:
            if order in places:  # else it has been forgotten
                yield [which, places[order], order in snapshot.pending]


def _load_spared(items: list[Any], found: list[Order], book: Book) -> None:
    opened = list(book.snapshots.open.values())
    for which, place, pending in items:
        opened[which].spared[found[place]] = None
        if pending:
            opened[which].pending[found[place]] = None


def _load_affected(items: list[Any], _found: list[Order], book: Book) -> None:
    collected = list(book.snapshots.mass_cancels.values())
    for which, any_id in items:
        collected[which].append(any_id)


# -- the session --------------------------------------------------------------------------------


def _session(book: Book) -> list[Any]:
    requests, marks, snapshots = book.requests, book.marks, book.snapshots
    doubts = book.counts.doubts
    return [
        book.index.rank, doubts.settled_ns, requests.connection, marks.count,
        list(marks.bases.items()),
        [_request_row(request, requests) for request in requests.mass_cancels.values()],
        [
            [*key, s.symbol, s.event_ns, s.now_ns, s.connection, s.rows, s.rows_total]
            for key, s in snapshots.open.items()
        ],
        list(snapshots.mass_cancels), doubts.covered_ns, book.counts.copy_heard,
        [[any_id, *answer] for any_id, answer in requests.early.items()],
        list(book.contradicting),
    ]  # fmt: skip


def _load_session(items: list[Any], _found: list[Order], book: Book) -> None:
    requests, marks = book.requests, book.marks
    book.index.rank, settled_ns, requests.connection, marks.count = items[:4]
    book.counts.doubts.settled_ns = settled_ns
    book.counts.doubts.covered_ns, book.counts.copy_heard = items[8:10]
    for any_id, unheard, at_ns in items[10]:
        requests.early[any_id] = (unheard, at_ns)
    book.contradicting.update(dict.fromkeys(items[11]))
    for key, base in items[4]:
        marks.bases[tuple(key) if isinstance(key, list) else key] = base
    for fields in items[5]:
        order = mass_cancel_order(fields[1], book.counts)
        order.requests = (_load_request(fields, order, requests),)
        order.doubt = Doubt()
        requests.mass_cancels[fields[1]] = order.requests[0]
        book.counts.requests_changed(order, 0)
        book.counts.add_request(order)
    for channel, request_id, symbol, event_ns, now_ns, connection, rows, rows_total in items[6]:
        snapshot = Snapshot(channel, symbol, event_ns, now_ns, connection)
        snapshot.rows, snapshot.rows_total = rows, rows_total
        book.snapshots.open[channel, request_id] = snapshot
    for channel, request_id in items[7]:
        book.snapshots.mass_cancels[channel, request_id] = []


_LOADERS: Final[dict[str, Callable[[Any, list[Order], Book], None]]] = {
    "session": _load_session, "orders": _load_orders, "fills": _load_fills,
    "others": _load_others, "doubts": _load_doubts, "adopted": _load_adopted, "over": _load_over,
    "owners": _load_owners, "parents": _load_parents, "spared": _load_spared,
    "affected": _load_affected,
}  # fmt: skip
