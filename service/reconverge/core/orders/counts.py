"""What all orders of a session add up to, moved by one order's change at a time.

Tallies of the session and of each instrument, disagreements and their graces, what each parent's
orders executed, and the rule by which finished orders are forgotten.
"""

from operator import itemgetter
from typing import Final, NamedTuple

from reconverge.core.messages.units import decimal_text
from reconverge.core.orders.doubts import Doubts
from reconverge.core.orders.index import Figures, Index, Order
from reconverge.core.orders.similarity import Tally

OVER_NS: Final = 24 * 3600 * 1_000_000_000
"""A finished order is remembered for a day: busts, corrections and replays of it come in that time.
"""
OVER_MAX: Final = 200_000
"""And no more of them than this, the longest finished go first: 150 MB. What still comes for a
forgotten order makes a new record of it, with the quantities that it states."""


class Disagreement(NamedTuple):
    """One order on which the views differ, or with a request in flight."""

    order: str
    symbol: str
    entry: str
    venue: str
    in_flight: tuple[str, ...]
    since_ns: int

    def __str__(self) -> str:
        waiting = f", in flight: {', '.join(self.in_flight)}" if self.in_flight else ""
        return f"{self.order} {self.symbol}: entry {self.entry}, venue {self.venue}{waiting}"


class Counts:
    """Sums over the orders of one session."""

    __slots__ = (
        "_index", "_parent_names", "copy_heard", "doubts", "over_max", "over_ns",
        "parent_executed", "symbols", "total", "unknown",
    )  # fmt: skip

    def __init__(self, index: Index) -> None:
        self._index = index
        self.total = Tally("")
        self.symbols: dict[str, Tally] = {}
        self.unknown = Tally("")
        """Orders whose instrument no message has said yet, and mass cancels in flight."""
        self.doubts = Doubts(self.total, self.symbols, self.unknown)
        self.copy_heard = False
        """Drop copy has ever been heard. Before, it has nothing to say of what was executed."""
        self.parent_executed: dict[str, int] = {}
        """Executed quantity of each parent's orders, by the view that has seen more. Nanos."""
        self._parent_names: dict[str, str] = {}
        self.over_ns = OVER_NS
        self.over_max = OVER_MAX

    def tally(self, symbol: str | None) -> Tally:
        """Counters of an instrument, made when first needed."""
        if not symbol:
            return self.unknown
        found = self.symbols.get(symbol)
        if found is None:
            found = self.symbols[symbol] = Tally(symbol)
        return found

    # -- one order's change ---------------------------------------------------------------------

    def moved(  # noqa: C901, PLR0912, PLR0915 - the hot spot of the fold: unrolled
        self, order: Order, was: Figures, now_ns: int
    ) -> None:
        """An order's figures may have changed; say what they were. O(1), however many orders."""
        entry_was, _, venue_was, _, price_was, requested_was = was
        entry_view, venue_view = order.entry, order.venue
        entry, venue = entry_view.open, venue_view.open
        price, requested = order.price, order.requested
        high, low = (entry, venue) if entry > venue else (venue, entry)
        if entry_was > venue_was:
            high_was, low_was = entry_was, venue_was
        else:
            high_was, low_was = venue_was, entry_was
        difference = high - low
        rise, widening = high - high_was, difference - high_was + low_was
        if price == price_was and requested < 0 and requested_was < 0:
            notional, ambiguous = rise * price, widening * price
        else:
            exposed = (high if high > requested else requested) * price
            exposed_was = (high_was if high_was > requested_was else requested_was) * price_was
            notional = exposed - exposed_was
            ambiguous = exposed if requested >= 0 else difference * price
            ambiguous -= exposed_was if requested_was >= 0 else (high_was - low_was) * price_was
        union = (high > 0) - (high_was > 0)
        both = (low > 0) - (low_was > 0)
        in_play = (high > 0 or requested >= 0) - (high_was > 0 or requested_was >= 0)
        total, tally = self.total, order.tally
        if union or both:
            total.union += union
            tally.union += union
            total.both += both
            tally.both += both
        if in_play:
            total.in_play += in_play
            tally.in_play += in_play
        if rise:
            total.sum_max += rise
            tally.sum_max += rise
        if notional:
            total.open_notional += notional
            tally.open_notional += notional
        if widening:
            total.difference += widening
            tally.difference += widening
        if ambiguous:
            total.ambiguous_notional += ambiguous
            tally.ambiguous_notional += ambiguous
        if not difference and not high and self.copy_heard:
            difference = entry_view.cum - venue_view.cum
        if difference or requested >= 0 or order.doubt is not None:
            self.doubts.weigh(order, was, now_ns, differs=difference != 0)
        if tally.watched:
            self.doubts.touch(tally.symbol)
        if (not high and not order.requests) is not order.over:
            self._keep(order, now_ns)

    def executed(self, order: Order, before: int) -> None:
        """The order's executed quantity was ``before``; its parent's follows what it is now."""
        parent_id = order.parent_id
        if parent_id is not None:
            entry, venue = order.entry.cum, order.venue.cum
            change = (entry if entry > venue else venue) - before
            self.parent_executed[parent_id] = self.parent_executed.get(parent_id, 0) + change

    def requests_changed(self, order: Order, change: int) -> None:
        """So many requests about an order more than before wait for their answer."""
        self.total.in_flight += change
        order.tally.in_flight += change
        requested, executed = -1, order.executed
        for request in order.requests:
            if not request.acknowledged:
                requested = max(requested, request.qty - executed, 0)
        order.requested = requested

    # -- an order's nature ----------------------------------------------------------------------

    def learn_symbol(self, order: Order, symbol: str) -> None:
        """The order's instrument has become known: what it adds moves there."""
        self._carry(order, -1)
        order.tally = self.tally(symbol)
        self._carry(order, 1)
        if order.doubt is not None and order.doubt.counted:
            self.doubts.refresh(order)

    def learn_parent(self, order: Order, parent_id: str) -> None:
        """The order's parent has become known."""
        order.parent_id = self.parent_name(parent_id)
        self.executed(order, 0)

    def parent_name(self, parent_id: str) -> str:
        """The same text, but one copy of it for all orders of the parent."""
        return self._parent_names.setdefault(parent_id, parent_id)

    def absorb(self, kept: Order, other: Order, now_ns: int) -> None:
        """Two records turn out to be one order (R22): so does what they add."""
        in_doubt = []
        for order in (kept, other):
            if order.parent_id is not None:
                self.parent_executed[order.parent_id] -= order.executed
            doubt = self.doubts.drop(order)
            if doubt is not None:
                in_doubt.append(doubt)
            self._carry(order, -1)
        self._index.absorb(kept, other)
        if not kept.tally.symbol:
            kept.tally = other.tally
        self.executed(kept, 0)
        self.requests_changed(kept, 0)
        self._carry(kept, 1)
        if in_doubt or self.differs(kept) or kept.requested >= 0:
            self.doubts.resume(kept, in_doubt, now_ns, differs=self.differs(kept))
        self._keep(kept, now_ns)

    def differs(self, order: Order) -> bool:
        """Whether the views of an order differ: in what is open, or was executed of one over."""
        entry, venue = order.entry, order.venue
        if entry.open or venue.open:
            return entry.open != venue.open
        return self.copy_heard and entry.cum != venue.cum

    def copy_begins(self) -> None:
        """Drop copy is heard for the first time: it owes nothing of orders that are over (R40)."""
        self.copy_heard = True
        for order in (*self._index.over, *self._index.alive):
            if not order.entry.open and not order.venue.open:
                order.venue.cum = max(order.venue.cum, order.entry.cum)

    def add(self, order: Order) -> None:
        """Take up a stored order, its doubt with it."""
        self._carry(order, 1)

    def add_request(self, order: Order) -> None:
        """Take up a stored mass cancel: an order of its own, but none that is remembered."""
        self._carry(order, 1)
        self.total.orders -= 1
        order.tally.orders -= 1

    def _carry(self, order: Order, sign: int) -> None:
        entry, venue, requested = order.entry.open, order.venue.open, order.requested
        high, difference, price = max(entry, venue), abs(entry - venue), order.price
        exposed = max(high, requested)
        waiting = sum(not request.acknowledged for request in order.requests)
        for tally in (self.total, order.tally):
            tally.orders += sign
            tally.union += sign * (high > 0)
            tally.both += sign * (min(entry, venue) > 0)
            tally.in_play += sign * (high > 0 or requested >= 0)
            tally.sum_max += sign * high
            tally.difference += sign * difference
            tally.open_notional += sign * exposed * price
            tally.ambiguous_notional += sign * (exposed if requested >= 0 else difference) * price
            tally.in_flight += sign * waiting
            tally.disagreeing += sign * (order.doubt is not None)

    def first_disagreements(self, limit: int) -> list[Disagreement]:
        """The first orders that disagree, oldest disagreement first."""
        found = [(order.doubt, order) for order in self.doubts.first(limit)]
        rows = [(doubt.oldest_ns, order.rank, order) for doubt, order in found if doubt is not None]
        rows.sort(key=itemgetter(0, 1))  # the same after a restore
        return [_disagreement(order, since_ns) for since_ns, _, order in rows[:limit]]

    # -- forgetting -----------------------------------------------------------------------------

    def _keep(self, order: Order, now_ns: int) -> None:
        """Remember a finished order for a while only; forget those whose time has come."""
        alive, over = self._index.alive, self._index.over
        if order.rank < 0:  # it stands for a mass cancel, and is in no index
            return
        order.over = not (order.entry.open or order.venue.open or order.requests)
        if not order.over:
            over.pop(order, None)
            alive[order] = None
            return
        alive.pop(order, None)
        over.setdefault(order, now_ns)
        while over:
            oldest, since_ns = next(iter(over.items()))
            if since_ns + self.over_ns > now_ns and len(over) <= self.over_max:
                break
            del over[oldest]
            self._forget(oldest)

    def _forget(self, order: Order) -> None:
        self.doubts.drop(order)
        self._index.forget(order)
        for tally in (self.total, order.tally):
            tally.orders -= 1
        if not order.tally.orders and order.tally is not self.unknown:
            del self.symbols[order.tally.symbol]


def _disagreement(order: Order, since_ns: int) -> Disagreement:
    entry, venue = (f"{v.state} {decimal_text(v.open)}" for v in (order.entry, order.venue))
    in_flight = tuple(f"{r.kind} {r.cl_ord_id}" for r in order.requests)
    return Disagreement(order.name, order.tally.symbol, entry, venue, in_flight, since_ns)
