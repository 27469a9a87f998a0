"""The log of one kind of doubt: when each began, oldest first, and how far each reader has read."""

from bisect import bisect_right
from operator import itemgetter
from typing import Final

from reconverge.core.orders.doubt import ENTRY_LACKS, UNANSWERED
from reconverge.core.orders.index import Order

SWEEP_MIN: Final = 1024
"""Below this many entries a log is not swept: there is nothing to save."""


class Log:
    """One entry for every word owed, or request sent, of one kind of doubt.

    Written once, however many readers there are. Entries of what is owed no more are stale; they
    are swept when the log has doubled.
    """

    __slots__ = ("_head", "_sweep_at", "entries", "kind", "places")

    def __init__(self, kind: int) -> None:
        self.kind = kind
        self.entries: list[tuple[int, Order]] = []
        """When it began and whose it is, ascending in time."""
        self.places: list[int] = []
        """By reader: entries before this place have been read."""
        self._head = 0
        """Entries before this place are stale."""
        self._sweep_at = SWEEP_MIN

    def holds(self, order: Order, at_ns: int) -> bool:
        """Whether what began then is still in doubt."""
        if self.kind == UNANSWERED:
            return any(r.sent_ns == at_ns and not r.acknowledged for r in order.requests)
        doubt = order.doubt
        if doubt is None:
            return False
        words = doubt.entry_lacks if self.kind == ENTRY_LACKS else doubt.copy_lacks
        return any(word.at_ns == at_ns for word in words)

    @property
    def oldest_ns(self) -> int | None:
        """When the oldest that still holds began; None without one. Amortised O(1)."""
        entries = self.entries
        while self._head < len(entries):
            at_ns, order = entries[self._head]
            if self.holds(order, at_ns):
                return at_ns
            self._head += 1
        return None

    def add(self, at_ns: int, order: Order) -> None:
        """Something began; no other of the log began later."""
        self.entries.append((at_ns, order))
        if len(self.entries) >= self._sweep_at:
            self._sweep()

    def insert(self, at_ns: int, order: Order) -> None:
        """Something began then, which was another order's until now."""
        at = bisect_right(self.entries, at_ns, key=itemgetter(0))
        self.entries.insert(at, (at_ns, order))
        self._head = min(self._head, at)
        self.places = [place + (at < place) for place in self.places]

    def next_ns(self, reader: int) -> int | None:
        """When the oldest began that a reader has not read and that holds; None without one."""
        entries, place = self.entries, self.places[reader]
        found = None
        while place < len(entries) and found is None:
            at_ns, order = entries[place]
            if self.holds(order, at_ns):
                found = at_ns
            else:
                place += 1
        self.places[reader] = place
        return found

    def held(self) -> list[Order]:
        """Every order in doubt, in the order in which the doubts began. O(in doubt)."""
        return self.first(len(self.entries))

    def first(self, limit: int) -> list[Order]:
        """The orders in doubt longest: so many, and those that began with the last."""
        found: dict[Order, None] = {}
        last_ns = 0
        for at in range(self._head, len(self.entries)):
            at_ns, order = self.entries[at]
            if len(found) >= limit and at_ns > last_ns:
                break
            if order not in found and self.holds(order, at_ns):
                found[order] = None
                last_ns = at_ns
        return list(found)

    def _sweep(self) -> None:
        kept: list[tuple[int, Order]] = []
        went: list[int] = []
        seen: set[tuple[int, Order]] = set()
        for entry in self.entries:
            went.append(len(kept))
            if entry not in seen and self.holds(entry[1], entry[0]):
                seen.add(entry)
                kept.append(entry)
        went.append(len(kept))
        self.places = [went[place] for place in self.places]
        self.entries = kept
        self._head = 0
        self._sweep_at = max(2 * len(kept), SWEEP_MIN)
