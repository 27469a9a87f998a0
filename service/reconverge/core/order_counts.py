"""What all orders of a session add up to: tallies, graces, parents' executed quantity, and the rule by
which finished orders are forgotten. Everything here moves by one order's change at a time.
"""

from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from reconverge.core.order_index import Index, Order
from reconverge.core.similarity import Change, Grace, Queue, Tally

OVER_NS: Final = 24 * 3600 * 1_000_000_000
"""A finished order is remembered for a day: busts, corrections and replays of it come the same day."""
OVER_MAX: Final = 200_000
"""And no more than this many of them, oldest first: 150 MB. What comes after for a forgotten order
makes a new record of it, with the quantities that it states."""


class Counts:
    """Sums over the orders of one session."""

    __slots__ = (
        "_index", "_over", "_unknown", "disagreements", "graces", "over_max", "over_ns",
        "parent_executed", "restored_ns", "symbols", "total",
    )  # fmt: skip

    def __init__(self, index: Index) -> None:
        self._index = index
        self.total = Tally("")
        self.symbols: dict[str, Tally] = {}
        self._unknown = Tally("")
        """Orders whose instrument no message has said yet."""
        self.disagreements = Queue(self.total)
        self.graces: dict[int, Grace] = {}
        self.parent_executed: dict[str, int] = {}
        """Executed quantity of each parent's orders, by the view that has seen more. Nanos."""
        self._over: OrderedDict[Order, int] = OrderedDict()
        """Orders with nothing open and nothing in flight, since when; the longest so first."""
        self.restored_ns = 0
        """When the graces were last settled before a restore."""
        self.over_ns = OVER_NS
        self.over_max = OVER_MAX

    # -- instruments ----------------------------------------------------------------------------

    def tally(self, symbol: str | None) -> Tally:
        """Counters of an instrument, made when first needed."""
        if symbol is None:
            return self._unknown
        found = self.symbols.get(symbol)
        if found is None:
            found = self.symbols[symbol] = Tally(symbol)
        return found

    def learn_symbol(self, order: Order, symbol: str) -> None:
        """The order's instrument has become known: its counts move there."""
        since_ns = self.withdraw(order)
        order.tally.orders -= 1
        order.tally = self.tally(symbol)
        order.tally.orders += 1
        self.restore(order, since_ns)

    # -- one order's change ---------------------------------------------------------------------

    def withdraw(self, order: Order) -> int:
        """Take all that an order adds out of the sums; returns since when it has disagreed."""
        since_ns = order.since_ns
        entry, venue, requested = order.entry.open, order.venue.open, order.requested
        order.entry.open = order.venue.open = 0
        order.requested = -1
        self._request_count(order, -len(order.requests))
        self._shift(order, entry, venue, order.price, requested, since_ns)
        order.entry.open, order.venue.open, order.requested = entry, venue, requested
        return since_ns

    def restore(self, order: Order, since_ns: int) -> None:
        """Add an order back to the sums, disagreeing since when it has."""
        self._request_count(order, len(order.requests))
        self._shift(order, 0, 0, order.price, -1, since_ns)

    def absorb(self, kept: Order, other: Order, now_ns: int) -> None:
        """Two records turn out to be one order (R22): so does what they add."""
        executed = [max(order.entry.cum, order.venue.cum) for order in (kept, other)]
        began = [self.withdraw(order) for order in (kept, other)]
        for order, cum in zip((kept, other), executed, strict=True):
            if order.parent_id is not None:
                self.parent_executed[order.parent_id] -= cum
        if other.over:
            del self._over[other]
        tally = other.tally if not kept.tally.symbol else kept.tally
        self._index.absorb(kept, other)
        kept.tally.orders -= 1
        kept.tally = tally
        tally.orders += 1
        if kept.parent_id is not None:
            self.executed(kept, 0)
        self.requests_changed(kept, len(kept.requests))
        self.restore(kept, min((at for at in began if at >= 0), default=now_ns))
        self._keep(kept, now_ns)

    def requests_changed(self, order: Order, before: int) -> None:
        """The requests in flight of an order are others than the ``before`` that were."""
        requests = order.requests
        self._request_count(order, len(requests) - before)
        executed = max(order.entry.cum, order.venue.cum)
        order.requested = max((max(r.qty - executed, 0) for r in requests), default=-1)

    def _request_count(self, order: Order, change: int) -> None:
        self.total.in_flight += change
        order.tally.in_flight += change

    def moved(  # noqa: PLR0913 - what an order's part in the sums is made of
        self,
        order: Order,
        entry_was: int,
        venue_was: int,
        price_was: int,
        requested_was: int,
        now_ns: int,
    ) -> None:
        """An order's open quantities, price or requests may have changed; say what they were."""
        self._shift(order, entry_was, venue_was, price_was, requested_was, now_ns)
        self._keep(order, now_ns)

    def _keep(self, order: Order, now_ns: int) -> None:
        """Remember a finished order for a while only."""
        if order.entry.open or order.venue.open or order.requests:
            if order.over:
                order.over = False
                del self._over[order]
        elif not order.over:
            self._retire(order, now_ns)

    def _shift(  # noqa: PLR0913
        self,
        order: Order,
        entry_was: int,
        venue_was: int,
        price_was: int,
        requested_was: int,
        now_ns: int,
    ) -> None:
        """Move the counters. O(1), and the hot spot of the fold: plain arithmetic on purpose."""
        entry, venue = order.entry.open, order.venue.open
        price, requested = order.price, order.requested
        if entry > venue:
            high, low = entry, venue
        else:
            high, low = venue, entry
        if entry_was > venue_was:
            high_was, low_was = entry_was, venue_was
        else:
            high_was, low_was = venue_was, entry_was
        difference = high - low
        difference_was = high_was - low_was
        exposure = high if high > requested else requested
        exposure_was = high_was if high_was > requested_was else requested_was
        notional = exposure * price - exposure_was * price_was
        ambiguous = (exposure if requested >= 0 else difference) * price
        ambiguous -= (exposure_was if requested_was >= 0 else difference_was) * price_was
        union = (high > 0) - (high_was > 0)
        both = (low > 0) - (low_was > 0)
        for tally in (self.total, order.tally):
            tally.union += union
            tally.both += both
            tally.sum_max += high - high_was
            tally.difference += difference - difference_was
            tally.open_notional += notional
            tally.ambiguous_notional += ambiguous
        if difference or requested >= 0:
            if order.since_ns < 0:
                self._disagree(order, now_ns)
            elif order.aged:
                change = Change(union - both, difference - difference_was, ambiguous)
                for grace in self.graces.values():
                    grace.shift(order, change)
        elif order.since_ns >= 0:
            self._agree(order, Change(union - both, -difference_was, ambiguous))

    def _disagree(self, order: Order, now_ns: int) -> None:
        order.since_ns = now_ns
        self.total.disagreeing += 1
        order.tally.disagreeing += 1
        self.disagreements.append(now_ns, order)
        for grace in self.graces.values():
            grace.begin(now_ns, order)

    def _agree(self, order: Order, change: Change) -> None:
        order.since_ns = -1
        self.total.disagreeing -= 1
        order.tally.disagreeing -= 1
        if order.aged:
            for grace in self.graces.values():
                grace.release(order, change)

    def executed(self, order: Order, before: int) -> None:
        """The order's executed quantity may have changed from ``before``: its parent's follows."""
        parent = order.parent_id
        if parent is not None:
            now = max(order.entry.cum, order.venue.cum)
            if now != before:
                self.parent_executed[parent] = self.parent_executed.get(parent, 0) + now - before

    # -- forgetting -----------------------------------------------------------------------------

    def _retire(self, order: Order, now_ns: int) -> None:
        """Nothing is open or in flight any more: remember it a while, and forget the oldest."""
        over = self._over
        order.over = True
        over[order] = now_ns
        while over:
            oldest, since_ns = next(iter(over.items()))
            if since_ns + self.over_ns > now_ns and len(over) <= self.over_max:
                break
            del over[oldest]
            self.forget(oldest)

    def forget(self, order: Order) -> None:
        """Drop an order that adds nothing to the sums."""
        self._index.forget(order)
        tally = order.tally
        if not tally.orders and tally is not self._unknown:
            del self.symbols[tally.symbol]

    # -- graces ---------------------------------------------------------------------------------

    @property
    def settled_ns(self) -> int:
        """When the graces were last settled."""
        return max((grace.now_ns for grace in self.graces.values()), default=self.restored_ns)

    def watch(self, grace_ns: int, orders: Callable[[], list[Order]]) -> Grace:
        """The reading of one grace; the same one for the same grace."""
        grace = self.graces.get(grace_ns)
        if grace is None:
            bit = 1 << len(self.graces)
            grace = Grace(grace_ns, bit, self.total, self.symbols, self.settled_ns)
            self.graces[grace_ns] = grace
            for order in sorted((o for o in orders() if o.since_ns >= 0), key=_since):
                grace.begin(order.since_ns, order)
        return grace


def _since(order: Order) -> int:
    return order.since_ns
