"""Mids: what the market was worth at a moment (T4-T6).

One look-up rule for all terms: at a fill the last quote strictly before it, since a quote of the
same instant may already show the trade; at any other time the last one at or before. Among quotes
of one instant the last in the topic counts.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from reconverge.tca.arrays import SECOND_NS, Bools, Floats, Ints, floats, ints, require

STALE_NS: Final = 5 * SECOND_NS
"""A quote older than this gives no mid: the setting `marks.stale_s`."""


@dataclass(frozen=True, slots=True)
class Mids:
    """The mids of one symbol over time."""

    at_ns: Ints
    """Shape (quotes,), not decreasing; of one instant, in the order of the topic."""
    mid: Floats
    """Shape (quotes,). Nanos; NaN where a quote gave none."""
    until_ns: Ints
    """Shape (quotes,). The last moment at which each may be used."""

    def at(self, at_ns: Ints) -> Floats:
        """Mids at schedule times and window edges: last quote at or before. Nanos, NaN unknown."""
        return self._found(np.searchsorted(self.at_ns, at_ns, side="right") - 1, at_ns)

    def before(self, at_ns: Ints) -> Floats:
        """Mids at fills: last quote strictly before. Nanos, NaN unknown."""
        return self._found(np.searchsorted(self.at_ns, at_ns, side="left") - 1, at_ns)

    def _found(self, place: Ints, at_ns: Ints) -> Floats:
        if not self.at_ns.size:
            return np.full(at_ns.shape, np.nan)
        usable = (place >= 0) & (at_ns <= self.until_ns[place])
        return np.where(usable, self.mid[place], np.nan)


def of_quotes(at_ns: Ints, bid: Ints, ask: Ints, stale_ns: int = STALE_NS) -> Mids:
    """Mids of quotes in the order of the topic; prices in nanos, 0 or below for a missing side.

    A crossed (bid above ask) or one-sided quote gives no mid, and does not let the one before it
    live on: the market was unknown then (T6). Times may come out of order.
    """
    order = np.argsort(ints(at_ns), kind="stable")
    at_ns, bid, ask = ints(at_ns)[order], ints(bid)[order], ints(ask)[order]
    usable: Bools = (bid > 0) & (ask > 0) & (bid <= ask)
    mid = np.where(usable, bid / 2 + ask / 2, np.nan)
    return Mids(at_ns, mid, at_ns + stale_ns)


def of_bars(from_ns: Ints, to_ns: Ints, open_mid: Floats, close_mid: Floats) -> Mids:
    """Mids where only bars are known: a bar's first mid holds to its end, its last for as long
    again.
    """
    require(bool((to_ns > from_ns).all()), "a bar ends before it begins")
    at_ns = np.concatenate([from_ns, to_ns])
    until_ns = np.concatenate([to_ns, 2 * to_ns - from_ns])
    mid = np.concatenate([floats(open_mid), floats(close_mid)])
    rank = np.concatenate([np.ones(from_ns.size), np.zeros(to_ns.size)])
    order = np.lexsort((rank, at_ns))
    return Mids(at_ns[order], mid[order], until_ns[order])


NO_MIDS: Final = Mids(np.empty(0, np.int64), np.empty(0), np.empty(0, np.int64))
"""A symbol without marks: every mid is unknown."""


def at_fills(mids: Mids, at_ns: Ints, stamped: Floats) -> tuple[Floats, bool]:
    """Mids at fills, from marks and else from the stamps of the requests; and whether a parent's
    come from both (`mixed_mids`, T4).
    """
    marked = mids.before(at_ns)
    missing = np.isnan(marked)
    stamps = missing & ~np.isnan(stamped)
    return np.where(missing, stamped, marked), bool(stamps.any() and not missing.all())
