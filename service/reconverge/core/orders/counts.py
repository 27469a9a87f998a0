"""What all orders of a session add up to, moved by one order's change at a time.

Tallies of the session and of each instrument, disagreements and their graces, what each parent's
orders executed, and the rule by which finished orders are forgotten.
"""

from typing import Final, NamedTuple, cast

from reconverge.core.messages.units import decimal_text
from reconverge.core.orders.index import Index, Order
from reconverge.core.orders.similarity import UNCHANGED, Change, Disagreements, Tally

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
        "_index", "_parent_names", "_unknown", "disagreements", "over_max", "over_ns",
        "parent_executed",
        "symbols", "total",
    )  # fmt: skip

    def __init__(self, index: Index) -> None:
        self._index = index
        self.total = Tally("")
        self.symbols: dict[str, Tally] = {}
        self._unknown = Tally("")
        """Orders whose instrument no message has said yet."""
        self.disagreements = Disagreements(self.total, self.symbols)
        self.parent_executed: dict[str, int] = {}
        """Executed quantity of each parent's orders, by the view that has seen more. Nanos."""
        self._parent_names: dict[str, str] = {}
        self.over_ns = OVER_NS
        self.over_max = OVER_MAX

    def tally(self, symbol: str | None) -> Tally:
        """Counters of an instrument, made when first needed."""
        if not symbol:
            return self._unknown
        found = self.symbols.get(symbol)
        if found is None:
            found = self.symbols[symbol] = Tally(symbol)
        return found

    # -- one order's change ---------------------------------------------------------------------

    def moved(  # noqa: C901, PLR0912 - the hot spot of the fold: unrolled on purpose
        self,
        order: Order,
        entry_was: int,
        venue_was: int,
        price_was: int,
        requested_was: int,
        now_ns: int,
    ) -> None:
        """An order's open quantities, price or requests may have changed; say what they were.

        O(1), whatever the number of orders.
        """
        entry, venue = order.entry.open, order.venue.open
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
        total, tally = self.total, order.tally
        if union or both:
            total.union += union
            tally.union += union
            total.both += both
            tally.both += both
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
        if difference or requested >= 0:
            if order.since_ns < 0:
                self.disagreements.begin(order, now_ns)
            elif order.aged:
                self.disagreements.shift(order, Change(union - both, widening, ambiguous))
        elif order.since_ns >= 0:
            aged = order.aged
            self.disagreements.end(
                order, Change(union - both, widening, ambiguous) if aged else UNCHANGED
            )
        if (not high and requested < 0) is not order.over:
            self._keep(order, now_ns)

    def executed(self, order: Order, before: int) -> None:
        """The order's executed quantity was ``before``; its parent's follows what it is now."""
        parent_id = order.parent_id
        if parent_id is not None:
            entry, venue = order.entry.cum, order.venue.cum
            change = (entry if entry > venue else venue) - before
            self.parent_executed[parent_id] = self.parent_executed.get(parent_id, 0) + change

    def requests_changed(self, order: Order, change: int) -> None:
        """An order has so many requests in flight more than before."""
        self.total.in_flight += change
        order.tally.in_flight += change
        requested = -1
        if order.requests:
            requested, executed = 0, order.executed
            for request in order.requests:
                if request.qty - executed > requested:
                    requested = request.qty - executed
        order.requested = requested

    # -- an order's nature ----------------------------------------------------------------------

    def learn_symbol(self, order: Order, symbol: str) -> None:
        """The order's instrument has become known: what it adds moves there."""
        since_ns = self._withdraw(order)
        order.tally = self.tally(symbol)
        self.restore(order, since_ns)

    def learn_parent(self, order: Order, parent_id: str) -> None:
        """The order's parent has become known."""
        order.parent_id = self.parent_name(parent_id)
        self.executed(order, 0)

    def parent_name(self, parent_id: str) -> str:
        """The same text, but one copy of it for all orders of the parent."""
        return self._parent_names.setdefault(parent_id, parent_id)

    def absorb(self, kept: Order, other: Order, now_ns: int) -> None:
        """Two records turn out to be one order (R22): so does what they add."""
        began = []
        for order in (kept, other):
            if order.parent_id is not None:
                self.parent_executed[order.parent_id] -= order.executed
            since_ns = self._withdraw(order)
            if since_ns >= 0:
                began.append(since_ns)
        self._index.absorb(kept, other)
        if not kept.tally.symbol:
            kept.tally = other.tally
        self.executed(kept, 0)
        self.requests_changed(kept, 0)
        self.restore(kept, min(began, default=now_ns))
        self._keep(kept, now_ns)

    def _withdraw(self, order: Order) -> int:
        """Take all that an order adds out of the sums; returns since when it has disagreed."""
        since_ns = order.since_ns
        if since_ns >= 0:
            mismatch, difference, ambiguous = order.standing
            self.disagreements.end(order, Change(-mismatch, -difference, -ambiguous))
        self._carry(order, -1)
        return since_ns

    def restore(self, order: Order, since_ns: int) -> None:
        """Add an order to the sums, disagreeing, if it does, since then."""
        self._carry(order, 1)
        if order.entry.open != order.venue.open or order.requests:
            self.disagreements.resume(order, since_ns)

    def add(self, order: Order) -> None:
        """Take up a stored order. Those that disagree come in the order in which they began."""
        since_ns, order.since_ns = order.since_ns, -1
        for tally in (self.total, order.tally):
            tally.orders += 1
            tally.in_flight += len(order.requests)
        self.moved(order, 0, 0, order.price, -1, since_ns)

    def _carry(self, order: Order, sign: int) -> None:
        entry, venue = order.entry.open, order.venue.open
        high, standing = max(entry, venue), order.standing
        for tally in (self.total, order.tally):
            tally.orders += sign
            tally.union += sign * (high > 0)
            tally.both += sign * (min(entry, venue) > 0)
            tally.sum_max += sign * high
            tally.difference += sign * standing.difference
            tally.open_notional += sign * max(high, order.requested) * order.price
            tally.ambiguous_notional += sign * standing.ambiguous
            tally.in_flight += sign * len(order.requests)

    def first_disagreements(self, limit: int) -> list[Disagreement]:
        """The first orders that disagree, oldest disagreement first."""
        found = cast("list[Order]", self.disagreements.first(limit))
        found.sort(key=lambda order: (order.since_ns, order.rank))  # the same after a restore
        return [_disagreement(order) for order in found[:limit]]

    # -- forgetting -----------------------------------------------------------------------------

    def _keep(self, order: Order, now_ns: int) -> None:
        """Remember a finished order for a while only; forget those whose time has come."""
        alive, over = self._index.alive, self._index.over
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
        self._index.forget(order)
        for tally in (self.total, order.tally):
            tally.orders -= 1
        if not order.tally.orders and order.tally is not self._unknown:
            del self.symbols[order.tally.symbol]


def _disagreement(order: Order) -> Disagreement:
    entry, venue = (f"{v.state} {decimal_text(v.open)}" for v in (order.entry, order.venue))
    in_flight = tuple(f"{r.kind} {r.cl_ord_id}" for r in order.requests)
    return Disagreement(order.name, order.tally.symbol, entry, venue, in_flight, order.since_ns)
