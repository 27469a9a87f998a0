"""Live-set similarity, kept incrementally (DOMAIN §6): counters, and the graces that age them.

Each order knows what it has open in each view; a change moves counters here, at a cost that does
not depend on how many orders there are. Nothing here knows messages.

For one order with ``entry`` and ``venue`` open (nanos), ``high`` the larger and ``low`` the
smaller:

* it is in the union when ``high > 0`` and in the intersection when ``low > 0``;
* Ruzicka adds ``low`` to the numerator and ``high`` to the denominator;
* its open notional is ``exposure x price``, where exposure is ``high``, or what a request in flight
  may make it if that is more;
* its ambiguous notional is ``|entry - venue| x price``, and all of its open notional while a
  request is in flight: whether the venue acted on that is not known (R29). So the ambiguous part is
  never more than the whole.

Notional is in nanos x nanos (10^-18 of the price currency), an exact integer.
"""

from bisect import bisect_right
from itertools import islice
from operator import itemgetter
from typing import Final, NamedTuple, Protocol

SWEEP_MIN: Final = 1024
"""Below this many entries the log of disagreements is not swept: there is nothing to save."""


class Tally:
    """Counters of one set of orders: a session, or one instrument in it."""

    __slots__ = (
        "ambiguous_notional", "both", "difference", "disagreeing", "in_flight", "open_notional",
        "orders", "sum_max", "symbol", "union",
    )  # fmt: skip

    def __init__(self, symbol: str) -> None:
        self.symbol = symbol
        """The instrument; empty for the session as a whole and for orders of unknown instrument."""
        self.orders = 0
        """Orders remembered, working or not."""
        self.union = 0
        """Orders working in at least one view."""
        self.both = 0
        """Orders working in both views."""
        self.sum_max = 0
        """Sum over orders of the larger open quantity. Nanos."""
        self.difference = 0
        """Sum over orders of |entry open - venue open|. Nanos."""
        self.open_notional = 0
        self.ambiguous_notional = 0
        self.in_flight = 0
        """Requests sent and not answered."""
        self.disagreeing = 0
        """Orders that disagree: open quantities differ, or a request is in flight."""

    @property
    def sum_min(self) -> int:
        """Sum over orders of the smaller open quantity. Nanos."""
        return self.sum_max - self.difference

    @property
    def similarity(self) -> float:
        """Raw live-set similarity: intersection over union; 1 when nothing works anywhere."""
        return self.both / self.union if self.union else 1.0

    @property
    def quantity(self) -> float:
        """Raw quantity-weighted similarity (Ruzicka)."""
        return self.sum_min / self.sum_max if self.sum_max else 1.0


class Change(NamedTuple):
    """A change of one order's part in the counters that disagreements age into."""

    mismatch: int
    """1 when it works in exactly one view."""
    difference: int
    ambiguous: int


UNCHANGED: Final = Change(0, 0, 0)


class Counted(Protocol):
    """What a grace must know of an order."""

    tally: Tally
    since_ns: int
    """When it began to disagree; -1 while it agrees. Nanoseconds."""
    aged: int
    """One bit for each grace in which its disagreement counts."""

    @property
    def standing(self) -> Change:
        """What it adds to the counters now."""


class Aged:
    """Disagreements older than a grace, of a session or of one instrument in it."""

    __slots__ = ("ambiguous_notional", "difference", "disagreeing", "mismatch")

    def __init__(self) -> None:
        self.disagreeing = 0
        """Orders that have disagreed for longer than the grace."""
        self.mismatch = 0
        """Those of them that work in exactly one view."""
        self.difference = 0
        """Their |entry open - venue open|. Nanos."""
        self.ambiguous_notional = 0


class Settled(NamedTuple):
    """A tally as a grace sees it: what is younger than the grace counts as agreement."""

    similarity: float
    quantity: float
    ambiguous: float
    """Ambiguous notional over open notional, 0 to 1."""


def _settled(tally: Tally, aged: Aged) -> Settled:
    union, total, notional = tally.union, tally.sum_max, tally.open_notional
    return Settled(
        (union - aged.mismatch) / union if union else 1.0,
        (total - aged.difference) / total if total else 1.0,
        aged.ambiguous_notional / notional if notional else 0.0,
    )


_AGREED: Final = Aged()
_ABSENT: Final = Tally("")


class Disagreements:
    """All disagreements of a session in the order they began, and the graces that read along.

    The log is written once, however many graces read it. An entry is stale when its order has
    agreed since (then ``since_ns`` is another); stale ones are swept when the log has doubled.
    """

    __slots__ = ("_head", "_sweep_at", "entries", "graces", "restored_ns", "tallies", "total")

    def __init__(self, total: Tally, tallies: dict[str, Tally]) -> None:
        self.total = total
        self.tallies = tallies
        self.entries: list[tuple[int, Counted]] = []
        self.graces: dict[int, Grace] = {}
        self.restored_ns = 0
        """When the graces had last been settled when this state was restored."""
        self._head = 0
        """Entries before this place are stale."""
        self._sweep_at = SWEEP_MIN

    def watch(self, grace_ns: int) -> "Grace":
        """The reading of one grace, made when first asked for. Nanoseconds."""
        grace = self.graces.get(grace_ns)
        if grace is None:
            grace = self.graces[grace_ns] = Grace(grace_ns, 1 << len(self.graces), self)
            grace.settle(self.settled_ns)
        return grace

    @property
    def settled_ns(self) -> int:
        """When the graces were last settled."""
        return max([self.restored_ns, *(grace.now_ns for grace in self.graces.values())])

    @property
    def oldest_ns(self) -> int | None:
        """When the oldest disagreement that still holds began; None without one."""
        entries = self.entries
        while self._head < len(entries):
            since_ns, order = entries[self._head]
            if order.since_ns == since_ns:
                return since_ns
            self._head += 1
        return None

    def first(self, limit: int) -> list[Counted]:
        """The orders that have disagreed longest: so many, and those that began with the last.

        Never O(orders).
        """
        found: dict[Counted, None] = {}
        last_ns = 0
        for since_ns, order in islice(self.entries, self._head, None):
            if len(found) >= limit and since_ns > last_ns:
                break
            if order.since_ns == since_ns:
                found[order] = None
                last_ns = since_ns
        return list(found)

    def begin(self, order: Counted, since_ns: int) -> None:
        """An order has begun to disagree; no other began later."""
        order.since_ns = since_ns
        self.total.disagreeing += 1
        order.tally.disagreeing += 1
        entries = self.entries
        entries.append((since_ns, order))
        if len(entries) >= self._sweep_at:
            self._sweep()

    def resume(self, order: Counted, since_ns: int) -> None:
        """An order disagrees, and has since then: it was counted as another until now."""
        order.since_ns = since_ns
        self.total.disagreeing += 1
        order.tally.disagreeing += 1
        place = bisect_right(self.entries, since_ns, key=itemgetter(0))
        self.entries.insert(place, (since_ns, order))
        self._head = min(self._head, place)
        for grace in self.graces.values():
            grace.inserted(place, order)

    def end(self, order: Counted, change: Change) -> None:
        """An order agrees again; ``change`` takes back what it had added."""
        order.since_ns = -1
        self.total.disagreeing -= 1
        order.tally.disagreeing -= 1
        if order.aged:
            for grace in self.graces.values():
                grace.release(order, change)

    def shift(self, order: Counted, change: Change) -> None:
        """An order that counts in a grace has changed, and still disagrees."""
        for grace in self.graces.values():
            grace.shift(order, change)

    def _sweep(self) -> None:
        kept = [entry for entry in dict.fromkeys(self.entries) if entry[1].since_ns == entry[0]]
        for grace in self.graces.values():
            grace.swept(kept)
        self.entries = kept
        self._head = 0
        self._sweep_at = max(2 * len(kept), SWEEP_MIN)


class Grace:
    """The settled reading of one in-flight grace, at amortised O(1) per disagreement."""

    __slots__ = ("_aged", "_bit", "_log", "_place", "grace_ns", "now_ns", "session")

    def __init__(self, grace_ns: int, bit: int, log: Disagreements) -> None:
        self.grace_ns = max(grace_ns, 1)
        """What began at this very moment never counts."""
        self.now_ns = 0
        """When it was last settled."""
        self.session = Aged()
        """What counts, over the whole session."""
        self._bit = bit
        self._log = log
        self._place = 0
        """Entries of the log before this place have been read."""
        self._aged: dict[str, Aged] = {}

    def settle(self, now_ns: int) -> None:
        """Let time pass: disagreements that outlast the grace begin to count."""
        self.now_ns = now_ns
        entries, begun_by_ns = self._log.entries, now_ns - self.grace_ns
        while self._place < len(entries) and entries[self._place][0] <= begun_by_ns:
            since_ns, order = entries[self._place]
            self._place += 1
            if order.since_ns == since_ns:
                self._age(order)

    def _age(self, order: Counted) -> None:
        if not order.aged & self._bit:
            order.aged |= self._bit
            self._count(order, order.standing, 1)

    def inserted(self, place: int, order: Counted) -> None:
        """An entry was put into the log at ``place``."""
        if order.since_ns + self.grace_ns <= self.now_ns:
            self._place += 1
            self._age(order)
        else:
            self._place = min(self._place, place)

    def swept(self, kept: list[tuple[int, Counted]]) -> None:
        """The log will be ``kept``, what was read still being its first part."""
        begun_by_ns = self.now_ns - self.grace_ns
        self._place = bisect_right(kept, begun_by_ns, key=itemgetter(0))

    def shift(self, order: Counted, change: Change) -> None:
        """An order that may count here has changed."""
        if order.aged & self._bit:
            self._count(order, change, 0)

    def release(self, order: Counted, change: Change) -> None:
        """An order agrees again, or leaves; ``change`` takes back what it had added."""
        if order.aged & self._bit:
            order.aged ^= self._bit
            self._count(order, change, -1)

    def _count(self, order: Counted, change: Change, orders: int) -> None:
        symbol = order.tally.symbol
        aged = self._aged.get(symbol)
        if aged is None:
            aged = self._aged[symbol] = Aged()
        for each in (self.session, aged):
            each.disagreeing += orders
            each.mismatch += change.mismatch
            each.difference += change.difference
            each.ambiguous_notional += change.ambiguous
        if not aged.disagreeing:
            del self._aged[symbol]

    # -- readings -------------------------------------------------------------------------------

    @property
    def disagreeing(self) -> int:
        """Orders that have disagreed for longer than the grace."""
        return self.session.disagreeing

    @property
    def similarity(self) -> float:
        """Settled live-set similarity of the session."""
        union = self._log.total.union
        return (union - self.session.mismatch) / union if union else 1.0

    @property
    def quantity(self) -> float:
        """Settled quantity-weighted similarity of the session."""
        total = self._log.total.sum_max
        return (total - self.session.difference) / total if total else 1.0

    @property
    def ambiguous_notional(self) -> int:
        """Ambiguous notional of the disagreements that count."""
        return self.session.ambiguous_notional

    @property
    def open_notional(self) -> int:
        """Open notional of the session: what the ambiguous part is a part of."""
        return self._log.total.open_notional

    def symbol(self, symbol: str) -> Settled:
        """The settled forms of one instrument."""
        tally = self._log.tallies.get(symbol, _ABSENT)
        return _settled(tally, self._aged.get(symbol, _AGREED))

    def symbols(self) -> list[str]:
        """Instruments in which a disagreement counts, in alphabetical order; most often none."""
        return sorted(self._aged)

    @property
    def next_deadline_ns(self) -> int | None:
        """When the oldest disagreement that does not count yet will; None without one."""
        entries = self._log.entries
        while self._place < len(entries):
            since_ns, order = entries[self._place]
            if order.since_ns == since_ns:
                return since_ns + self.grace_ns
            self._place += 1
        return None
