"""Records of orders, the ids they go by, and how two records become one (R22).

A record is found by the venue's order id, else by a client order id. Client ids form a chain
through replaces, and some drop copies omit parts of it, so two records of one order may exist until
a message names both. Nothing here weighs what a message says of the order.
"""

from collections import OrderedDict
from operator import attrgetter
from typing import Final, Literal

from reconverge.core.orders.doubt import NEVER, Doubt
from reconverge.core.orders.similarity import Part, Tally
from reconverge.core.orders.states import FINAL, ViewState, Word
from reconverge.core.orders.view import View, is_older

PLACEHOLDERS: Final = frozenset({"NONE", "UNKNOWN", "N/A", "NA", "[N/A]", "NULL", "-", "?"})
"""What is sent where an id is required and there is none, in upper case. FIX itself prescribes
``NONE`` as OrderID (37) of a cancel reject for an unknown order."""
IDS_MAX: Final = 64
"""Ids of one kind remembered for one order. A quote replaced all day has thousands; only
messages still on their way name old ones."""

RequestKind = Literal["new", "cancel", "replace", "mass_cancel"]
SentKey = int | tuple[str, int]
"""Our sequence number, with its segment where there is one."""
Figures = tuple[int, int, int, int, int, int]
"""What sums depend on: open and executed in the entry view, then in the venue's, price, and
``requested``."""


class Request:
    """A request of ours that the venue has not answered on the order-entry stream."""

    __slots__ = (
        "acknowledged", "cl_ord_id", "connection", "kind", "order", "qty", "sent_key", "sent_ns",
    )  # fmt: skip

    def __init__(
        self,
        kind: RequestKind,
        cl_ord_id: str,
        order: "Order",
        qty: int,
        connection: int,
        sent_ns: int,
    ) -> None:
        self.kind: RequestKind = kind
        self.cl_ord_id = cl_ord_id
        self.order = order
        """The order it is about; of a mass cancel, one that stands for it alone."""
        self.qty = qty
        """Total quantity requested, nanos; 0 for a cancel."""
        self.connection = connection
        """How many times the session had connected when it was sent."""
        self.sent_ns = sent_ns
        self.sent_key: SentKey | None = None
        """Its number in our numbering, where it has one (R16)."""
        self.acknowledged = False
        """The venue said that it is pending there: it waits, and is no doubt (R41)."""


class Order:
    """One order, seen by two views."""

    __slots__ = (
        "cl_ord_ids", "doubt", "entry", "former_ids", "limited", "order_id", "over", "parent_id",
        "price", "rank", "requested", "requests", "submitted", "tally", "venue",
    )  # fmt: skip

    def __init__(self, rank: int, tally: Tally, entry: View, venue: View) -> None:
        self.rank = rank
        """Order of first appearance in the session."""
        self.tally = tally
        """Counters of its instrument."""
        self.order_id: str | None = None
        """The venue's id of it, the newest if it gave several."""
        self.former_ids: tuple[str, ...] = ()
        """Earlier ids of the venue's."""
        self.cl_ord_ids: tuple[str, ...] = ()
        """Client ids that it and requests about it went by, in the order they were sent."""
        self.parent_id: str | None = None
        self.price = 0
        """Magnitude of its price: the limit, else the last trade's, else the mid that the router
        stamped at its decision; 0 while none is known. Nanos (R39)."""
        self.limited = False
        """``price`` is its limit."""
        self.entry = entry
        """What the order-entry stream says of it."""
        self.venue = venue
        """What drop copy and the venue's snapshots say of it."""
        self.requests: tuple[Request, ...] = ()
        self.requested = -1
        """Open quantity that unanswered requests may bring about, as of when the last of them was
        sent or answered; nanos. -1 without any."""
        self.doubt: Doubt | None = None
        """What is in doubt about it; None while nothing is."""
        self.submitted = False
        """We know the request that created it."""
        self.over = False
        """Nothing is open and nothing in flight: it may be forgotten in time."""

    @property
    def name(self) -> str:
        """What it is called: the venue's id, else our first id of it."""
        return self.order_id or self.cl_ord_ids[0]

    @property
    def executed(self) -> int:
        """Executed quantity, by the view that has seen more. Nanos."""
        return max(self.entry.cum, self.venue.cum)

    def figures(self) -> Figures:
        """What sums depend on, as of now."""
        entry, venue = self.entry, self.venue
        return entry.open, entry.cum, venue.open, venue.cum, self.price, self.requested

    @property
    def exposure(self) -> int:
        """What is open in the view that has more, or may be by a request in flight. Nanos."""
        return max(self.entry.open, self.venue.open, self.requested)

    @property
    def unanswered_ns(self) -> int:
        """When the oldest request that waits for its answer was sent; -1 for none."""
        waiting = [request.sent_ns for request in self.requests if not request.acknowledged]
        return min(waiting, default=NEVER)

    def part(self, *, unanswered: bool) -> Part:
        """What it takes away from agreement when its views are known to differ."""
        entry, venue = self.entry, self.venue
        difference, executed = abs(entry.open - venue.open), 0
        if not entry.open and not venue.open:
            executed = abs(entry.cum - venue.cum)
        ambiguous = (self.exposure if unanswered else difference) + executed
        return Part(
            mismatch=int((entry.open > 0) != (venue.open > 0)),
            difference=difference,
            executed=executed,
            ambiguous=ambiguous * self.price,
            executed_notional=executed * self.price,
        )

    def position(self, cl_ord_id: str) -> int:
        """Place of a client id in the chain; -1 if it is not in it."""
        ids = self.cl_ord_ids
        return ids.index(cl_ord_id) if cl_ord_id in ids else -1

    def order_ids(self) -> tuple[str, ...]:
        """Every id the venue gave it, oldest first."""
        return self.former_ids if self.order_id is None else (*self.former_ids, self.order_id)


def real_id(text: str | None) -> str | None:
    """The id, unless it is a placeholder for none."""
    return None if text is None or text.upper() in PLACEHOLDERS else text


def real_order_id(text: str | None) -> str | None:
    """The venue's order id, unless it is a placeholder; reports of rejects also carry zeros."""
    return None if text is None or not text.strip("0") else real_id(text)


class Index:
    """The records of one session, by every id they go by."""

    __slots__ = ("adopted", "alive", "by_cl_ord_id", "by_order_id", "over", "rank")

    def __init__(self) -> None:
        self.by_order_id: dict[str, Order] = {}
        self.by_cl_ord_id: dict[str, Order] = {}
        self.alive: dict[Order, None] = {}
        """Orders with something open or in flight, or of which nothing has been said yet."""
        self.over: OrderedDict[Order, int] = OrderedDict()
        """Orders with nothing open and nothing in flight, and since when; the longest so first."""
        self.adopted: dict[Order, None] = {}
        """Orders that drop copy alone tells of, and an operator vouched to be ours: both views say
        what the venue's says (R17)."""
        self.rank = 0
        """Records ever made."""

    def create(self, tally: Tally) -> Order:
        """A new record, by no id yet."""
        order = Order(self.rank, tally, View(), View())
        self.rank += 1
        self.alive[order] = None
        return order

    @property
    def count(self) -> int:
        """Records held."""
        return len(self.alive) + len(self.over)

    def get(self, any_id: str) -> Order | None:
        """The record that goes by this id, the venue's meaning first."""
        return self.by_order_id.get(any_id) or self.by_cl_ord_id.get(any_id)

    def orders(self) -> list[Order]:
        """Every record, in order of first appearance. O(n log n)."""
        return sorted([*self.alive, *self.over], key=attrgetter("rank"))

    def live(self) -> list[Order]:
        """Those with something open or in flight, in order of first appearance. O(n log n)."""
        return sorted(self.alive, key=attrgetter("rank"))

    def name_order(self, order: Order, order_id: str) -> None:
        """The venue calls the order by this id, from here on if it had another."""
        if order_id in order.former_ids:
            return
        if order.order_id is not None and order.order_id != order_id:
            order.former_ids += (order.order_id,)
            if len(order.former_ids) > IDS_MAX:
                _unname(self.by_order_id, order.former_ids[0], order)
                order.former_ids = order.former_ids[1:]
        order.order_id = order_id
        self.by_order_id[order_id] = order

    def name_client(self, order: Order, cl_ord_id: str, before: str | None = None) -> None:
        """The order or a request about it goes by this id: the last, or just before another."""
        ids = order.cl_ord_ids
        if cl_ord_id in ids:
            return
        at = len(ids) if before is None or before not in ids else ids.index(before)
        order.cl_ord_ids = (*ids[:at], cl_ord_id, *ids[at:])
        self.by_cl_ord_id[cl_ord_id] = order
        for view in (order.entry, order.venue):
            if view.leg >= at and view.state is not ViewState.UNKNOWN:
                view.leg += 1
        if len(order.cl_ord_ids) > IDS_MAX:
            self._drop_oldest(order)

    def _drop_oldest(self, order: Order) -> None:
        """Forget the oldest client id that is neither in force nor of a request in flight."""
        ids = order.cl_ord_ids
        views = (order.entry, order.venue)
        needed = {ids[view.leg] for view in views if view.state is not ViewState.UNKNOWN}
        needed.update(request.cl_ord_id for request in order.requests)
        at = next(i for i, cl_ord_id in enumerate(ids) if cl_ord_id not in needed)
        _unname(self.by_cl_ord_id, ids[at], order)
        order.cl_ord_ids = (*ids[:at], *ids[at + 1 :])
        for view in views:
            view.leg -= view.leg > at

    def forget(self, order: Order) -> None:
        """Drop a record and its ids, but not an id that another record took over."""
        self.adopted.pop(order, None)
        for cl_ord_id in order.cl_ord_ids:
            _unname(self.by_cl_ord_id, cl_ord_id, order)
        for order_id in order.order_ids():
            _unname(self.by_order_id, order_id, order)

    def absorb(self, kept: Order, other: Order) -> None:
        """Make two records one (R22). Sums are the caller's to settle."""
        views = (kept.entry, kept.venue, other.entry, other.venue)
        ids = (kept.cl_ord_ids, kept.cl_ord_ids, other.cl_ord_ids, other.cl_ord_ids)
        legs = [of[view.leg] if of else "" for view, of in zip(views, ids, strict=True)]
        for cl_ord_id in other.cl_ord_ids:
            if self.by_cl_ord_id.get(cl_ord_id) is other:
                self.name_client(kept, cl_ord_id)
                self.by_cl_ord_id[cl_ord_id] = kept
        for order_id in other.order_ids():
            if self.by_order_id.get(order_id) is other:
                self.name_order(kept, order_id)
                self.by_order_id[order_id] = kept
        self.alive.pop(other, None)
        self.over.pop(other, None)
        self.adopted.pop(other, None)
        for view, leg in zip(views, legs, strict=True):
            view.leg = max(kept.position(leg), 0)
        kept.parent_id = kept.parent_id or other.parent_id
        if not kept.price or (other.limited and not kept.limited):
            kept.price, kept.limited = other.price, other.limited
        kept.submitted = kept.submitted or other.submitted
        for request in other.requests:
            request.order = kept
        kept.requests, other.requests = kept.requests + other.requests, ()
        kept.entry = _merged(kept.entry, other.entry)
        kept.venue = _merged(kept.venue, other.venue)


def _unname(by_id: dict[str, Order], any_id: str, order: Order) -> None:
    """The order goes by this id no more; if another has it by now, that one keeps it."""
    if by_id.get(any_id) is order:
        del by_id[any_id]


def _merged(one: View, two: View) -> View:
    """What two records said of one order in one view.

    The order is the same, so quantities are not added: the larger cumulative quantity is the later
    word, of equal ones the later number (R10), else the first record's. An end for good beats an
    open quantity, and executions are those of both.
    """
    if two.state is ViewState.UNKNOWN:
        return one
    if one.state is ViewState.UNKNOWN:
        return two
    is_later = two.cum > one.cum or (two.cum == one.cum and is_older(one.mark, two.mark))
    later, earlier = (two, one) if is_later else (one, two)
    if earlier.state in FINAL:
        later.say(Word(earlier.state))
    fills = later.fills or {}
    for exec_id, booked in (earlier.fills or {}).items():
        if exec_id not in fills:
            fills[exec_id] = booked
            later.booked += booked if isinstance(booked, int) else 0
    later.fills = fills or None
    later.cum = max(later.cum, later.booked)
    later.qty = later.qty or earlier.qty
    for mark in (earlier.mark, *earlier.others):
        if not later.is_past(mark):
            later.heard(mark, last_word=False)
    later.clamp()
    return later
