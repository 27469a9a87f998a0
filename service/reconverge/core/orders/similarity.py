"""Live-set similarity (DOMAIN §6): the counters, and the numbers that are read from them.

Each order knows what it has open in each view; a change moves counters here, at a cost that does
not depend on how many orders there are. Nothing here knows messages or time: which doubts count by
now is for ``doubts``.

For one order with ``entry`` and ``venue`` open (nanos), ``high`` the larger and ``low`` the
smaller:

* it is in the union when ``high > 0`` and in the intersection when ``low > 0``;
* Ruzicka adds ``low`` to the numerator and ``high`` to the denominator;
* its open notional is ``exposure x price``, where exposure is ``high``, or what a request in flight
  may make it if that is more;
* its ambiguous notional is ``|entry - venue| x price``, and all of its open notional while a
  request waits for its answer: whether the venue acted on that is not known (R29). So the ambiguous
  part is never more than the whole;
* with nothing open in either view it counts only if the executed quantities differ, and then by
  their difference, as if that were open in one view.

Whatever its price, a doubtful order also counts as one order (R39). Notional is in nanos x nanos
(10^-18 of the price currency), an exact integer.
"""

from typing import Final, NamedTuple


class Tally:
    """Counters of one set of orders: a session, or one instrument in it.

    Every counter is the sum of what its orders add now, and never negative; ``both <= union <=
    in_play <= orders`` but for mass cancels in flight, which are in play and no orders.
    """

    __slots__ = (
        "ambiguous_notional", "both", "difference", "disagreeing", "in_flight", "in_play",
        "open_notional", "orders", "sum_max", "symbol", "union", "watched",
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
        self.in_play = 0
        """Orders working in at least one view, or with a request that waits for its answer."""
        self.sum_max = 0
        """Sum over orders of the larger open quantity. Nanos."""
        self.difference = 0
        """Sum over orders of |entry open - venue open|. Nanos."""
        self.open_notional = 0
        self.ambiguous_notional = 0
        self.in_flight = 0
        """Requests sent and not answered."""
        self.disagreeing = 0
        """Orders in doubt, however young the doubt is."""
        self.watched = 0
        """In how many readings a doubt of this instrument counts: they must hear of changes."""

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


class Part(NamedTuple):
    """What one doubtful order takes away from agreement."""

    mismatch: int
    """1 when it works in exactly one view."""
    difference: int
    """|entry open - venue open|. Nanos."""
    executed: int
    """|entry executed - venue executed| of an order with nothing open, else 0. Nanos."""
    ambiguous: int
    """Its ambiguous notional, what ``executed`` comes to among it."""
    executed_notional: int


NO_PART: Final = Part(0, 0, 0, 0, 0)


class Sums:
    """Doubts that count in one reading, of a session or of one instrument in it: sums of parts."""

    __slots__ = (
        "ambiguous_notional", "difference", "executed", "executed_notional", "executed_orders",
        "mismatch", "orders",
    )  # fmt: skip

    def __init__(self) -> None:
        self.orders = 0
        """Orders whose doubt counts."""
        self.mismatch = 0
        self.difference = 0
        self.executed = 0
        self.executed_orders = 0
        """Those with nothing open whose executed quantities differ."""
        self.ambiguous_notional = 0
        self.executed_notional = 0

    def add(self, part: Part, sign: int) -> None:
        """Count an order's part, or take it back (``sign`` -1)."""
        self.orders += sign
        self.mismatch += sign * part.mismatch
        self.difference += sign * part.difference
        self.executed += sign * part.executed
        self.executed_orders += sign * (part.executed > 0)
        self.ambiguous_notional += sign * part.ambiguous
        self.executed_notional += sign * part.executed_notional


NO_SUMS: Final = Sums()


class Agreement(NamedTuple):
    """How far the two views agree, a doubt that does not count yet taken as agreement (settled)."""

    similarity: float
    """Live-set similarity, 0 to 1."""
    quantity: float
    """Quantity-weighted similarity, 0 to 1."""
    ambiguous: float
    """Ambiguous over open notional, 0 to 1. Says nothing of orders without a price (R39)."""
    ambiguous_orders: int
    """Orders whose doubt counts; never more than ``orders``."""
    orders: int
    """Orders working in either view or with a request in flight, and those with nothing open whose
    executed quantities are known to differ."""
    working: int
    """Orders that ``similarity`` and ``quantity`` are about: those of the union, and the last."""


AGREED: Final = Agreement(1.0, 1.0, 0.0, 0, 0, 0)


def agreement(tally: Tally, sums: Sums) -> Agreement:
    """The settled reading of one set of orders."""
    union, total = tally.union, tally.sum_max + sums.executed
    notional = tally.open_notional + sums.executed_notional
    differing = sums.executed_orders
    return Agreement(
        similarity=(union - sums.mismatch) / union if union else 1.0,
        quantity=(total - sums.difference - sums.executed) / total if total else 1.0,
        ambiguous=sums.ambiguous_notional / notional if notional else 0.0,
        ambiguous_orders=sums.orders,
        orders=tally.in_play + differing,
        working=union + differing,
    )
