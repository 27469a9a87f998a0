"""Live-set similarity, kept incrementally (DOMAIN §6): counters, and the grace that ages them.

Each order knows what it has open in each view; a change moves counters here, at a cost that does
not depend on how many orders there are. Nothing here knows messages.

For one order with ``entry`` and ``venue`` open (nanos), ``high`` the larger and ``low`` the
smaller:

* it is in the union when ``high > 0`` and in the intersection when ``low > 0``;
* Ruzicka adds ``low`` to the numerator and ``high`` to the denominator;
* its open notional is ``exposure x price``, where exposure is ``high``, or what a request in flight
  would make it if that is more;
* its ambiguous notional is ``|entry - venue| x price``, and all of its open notional while a
  request is in flight: whether the venue acted on that is not known (R29). So the ambiguous part
  is never more than the whole.

Notional is in nanos x nanos (10^-18 of the price currency), an exact integer.
"""

from bisect import insort
from collections import deque
from operator import itemgetter
from typing import Final, NamedTuple, Protocol

STALE_FACTOR: Final = 4
"""A grace's queue is swept when it holds this many times the orders that disagree: settled ones stay
in it until their time comes, and a hot session must not pay for them with memory."""
STALE_MIN: Final = 1024
"""And not below this: sweeping a short queue saves nothing."""


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


class Counted(Protocol):
    """What a grace must know of an order."""

    tally: Tally
    since_ns: int
    """When it began to disagree; -1 while it agrees. Nanoseconds."""
    aged: int
    """One bit for each grace in which its disagreement counts."""

    @property
    def standing(self) -> "Change":
        """What it adds to the counters now."""


class Change(NamedTuple):
    """A change of an order's part in the counters that disagreements age into."""

    mismatch: int
    """1 when it works in exactly one view."""
    difference: int
    ambiguous: int


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


class Queue:
    """Disagreements in the order they began. Entries of orders that have agreed since are stale."""

    __slots__ = ("_entries", "_total")

    def __init__(self, total: Tally) -> None:
        self._entries: deque[tuple[int, Counted]] = deque()
        self._total = total

    def append(self, since_ns: int, order: Counted) -> None:
        """An order has begun to disagree."""
        entries = self._entries
        if entries and entries[-1][0] > since_ns:  # it had begun before it moved elsewhere
            insort(entries, (since_ns, order), key=itemgetter(0))
            return
        entries.append((since_ns, order))
        if len(entries) > STALE_MIN and len(entries) > STALE_FACTOR * self._total.disagreeing:
            self._entries = deque(entry for entry in entries if entry[1].since_ns == entry[0])

    def pop(self, begun_by_ns: int) -> Counted | None:
        """Take the oldest disagreement if it began by then."""
        entries = self._entries
        while entries and entries[0][0] <= begun_by_ns:
            since_ns, order = entries.popleft()
            if order.since_ns == since_ns:
                return order
        return None

    @property
    def oldest_ns(self) -> int | None:
        """When the oldest disagreement began; None without one."""
        entries = self._entries
        while entries and entries[0][1].since_ns != entries[0][0]:
            entries.popleft()
        return entries[0][0] if entries else None


class Grace:
    """The reading of one in-flight grace, settled forms and all, in amortised O(1) per change."""

    __slots__ = ("_aged", "_fresh", "_tallies", "_total", "bit", "grace_ns", "now_ns", "session")

    def __init__(
        self, grace_ns: int, bit: int, total: Tally, tallies: dict[str, Tally], now_ns: int
    ) -> None:
        self.grace_ns = max(grace_ns, 1)
        """What began at this very moment never counts."""
        self.bit = bit
        """Its bit in ``Counted.aged``."""
        self.now_ns = now_ns
        """When it was last settled."""
        self.session = Aged()
        self._total = total
        self._tallies = tallies
        self._aged: dict[str, Aged] = {}
        self._fresh = Queue(total)

    def begin(self, since_ns: int, order: Counted) -> None:
        """An order has begun to disagree; one that had before it moved here may count at once."""
        if since_ns + self.grace_ns <= self.now_ns:
            self._age(order)
        else:
            self._fresh.append(since_ns, order)

    def settle(self, now_ns: int) -> None:
        """Let time pass: disagreements that outlast the grace begin to count."""
        self.now_ns = now_ns
        begun_by_ns = now_ns - self.grace_ns
        order = self._fresh.pop(begun_by_ns)
        while order is not None:
            self._age(order)
            order = self._fresh.pop(begun_by_ns)

    def _age(self, order: Counted) -> None:
        if not order.aged & self.bit:
            order.aged |= self.bit
            self._count(order, order.standing, 1)

    def shift(self, order: Counted, change: Change) -> None:
        """An order that may count here has changed."""
        if order.aged & self.bit:
            self._count(order, change, 0)

    def release(self, order: Counted, change: Change) -> None:
        """An order agrees again; ``change`` takes back what it had added."""
        if order.aged & self.bit:
            order.aged ^= self.bit
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
        union = self._total.union
        return (union - self.session.mismatch) / union if union else 1.0

    @property
    def quantity(self) -> float:
        """Settled quantity-weighted similarity of the session."""
        total = self._total.sum_max
        return (total - self.session.difference) / total if total else 1.0

    @property
    def ambiguous_notional(self) -> int:
        """Ambiguous notional of the disagreements that count."""
        return self.session.ambiguous_notional

    @property
    def open_notional(self) -> int:
        """Open notional of the session: what the ambiguous part is a part of."""
        return self._total.open_notional

    def symbol(self, symbol: str) -> Settled:
        """The settled forms of one instrument."""
        return _settled(self._tallies.get(symbol, _ABSENT), self._aged.get(symbol, _AGREED))

    def symbols(self) -> list[str]:
        """Instruments in which a disagreement counts, in alphabetical order; most often none."""
        return sorted(self._aged) if self._aged else []

    @property
    def next_deadline_ns(self) -> int | None:
        """When the oldest disagreement that does not count yet will; None without one."""
        oldest = self._fresh.oldest_ns
        return None if oldest is None else oldest + self.grace_ns
