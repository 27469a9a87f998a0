"""Implementation shortfall of one parent order (T1, T2, T10-T14).

    IS = Σ x σ s (P - m0) + (Q - Σ x σ) s (m_T - m0) + fees

``s`` is +1 for a buy and -1 for a sell, ``σ`` +1 for fills on the parent's side and -1 for fills on
the other side (unwinds), ``x`` their quantities, ``P`` their prices, ``m0`` the mid at arrival,
``m_T`` the mid at the end, ``Q`` the parent's quantity. What was not executed is marked to ``m_T``;
what was executed beyond ``Q`` likewise, with the opposite sign. Perold 1988; Kissell 2013, ch. 3.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np

from reconverge.tca.arrays import BPS, MONEY, Floats, Ints, cumulated, money, require
from reconverge.tca.fifo import Steps

BUY, SELL = 1, -1
INTENTS: Final = ("", "scheduled", "catch_up", "repost", "unwind", "other")
"""What a request was for, as the desk stated it; first: not stated. Fills carry the index."""


@dataclass(frozen=True, slots=True)
class Fills:
    """The fills of one parent, busts and corrections already applied. All of shape (fills,)."""

    at_ns: Ints
    """When each happened at the venue, not decreasing. Nanoseconds, UTC."""
    heard_ns: Ints
    """When the order-entry side first knew of it, at the end of the parent if never."""
    sign: Ints
    """σ: +1 on the parent's side, -1 on the other."""
    qty: Ints
    """Above 0. Nanos."""
    price: Ints
    """Nanos."""
    mid: Floats
    """The mid just before (T5). Nanos, NaN unknown."""
    fee: Floats
    """Quote currency, above 0 if paid; 0 where none was stated."""
    intent: Ints
    """Index into `INTENTS`."""

    def __post_init__(self) -> None:
        require(bool((np.diff(self.at_ns) >= 0).all()), "fills are not in time order")
        require(bool((self.qty > 0).all()), "a fill without quantity")
        require(bool((np.abs(self.sign) == 1).all()), "a fill's sign is neither +1 nor -1")
        cumulated(self.qty)


@dataclass(frozen=True, slots=True)
class Tranche:
    """Shares that a client ordered at one moment: the first of a parent, or an amendment (T11)."""

    at_ns: int
    qty: int
    """What it adds; what it takes away, if below 0. Nanos."""
    mid: float
    """The mid at that moment: m0 of these shares. Nanos, NaN unknown; not used for a cut."""


@dataclass(frozen=True)
class Parent:
    """One parent order, its legs pooled (T12): all that its shortfall follows from."""

    side: int
    """s: +1 buy, -1 sell."""
    tranches: tuple[Tranche, ...]
    """In time order; the first is the order itself."""
    schedule: Steps
    """In force at each moment (`fifo.in_force`)."""
    fills: Fills
    end_ns: int
    """T: when it was done, or the time of valuation of one still open."""
    end_mid: float
    """m_T. Nanos, NaN unknown."""
    open: bool = False
    """Not done: the shortfall is provisional, and enters no statistic (T14)."""

    def __post_init__(self) -> None:
        require(self.side in (BUY, SELL), "a parent's side is neither +1 nor -1")
        require(bool(self.tranches) and self.tranches[0].qty > 0, "a parent without quantity")
        late = self.fills.at_ns.size and int(self.fills.at_ns[-1]) > self.end_ns
        require(not late, "a parent ends before its last fill")

    @property
    def net(self) -> int:
        """Σ x σ: what was executed, unwinds taken off. Nanos."""
        return int((self.fills.qty * self.fills.sign).sum())

    @cached_property
    def layers(self) -> tuple[Ints, Floats]:
        """The shares in force at the end, as (quantity, m0) by tranche (T11).

        What a client cuts leaves from the last tranche; what was executed cannot be cut, and stays.
        """
        left: list[tuple[int, float]] = []
        executed = np.concatenate([[0], np.cumsum(self.fills.qty * self.fills.sign)])
        for tranche in self.tranches:
            if tranche.qty >= 0:
                left.append((tranche.qty, tranche.mid))
                continue
            done = int(executed[np.searchsorted(self.fills.at_ns, tranche.at_ns, side="left")])
            uncut = sum(qty for qty, _ in left) - max(0, done)
            cut = min(-tranche.qty, max(0, uncut))
            while cut:
                qty, mid = left.pop()
                if qty > cut or not left:
                    left.append((qty - cut, mid))
                cut -= min(cut, qty)
        return np.array([qty for qty, _ in left], np.int64), np.array([mid for _, mid in left])

    @cached_property
    def quantity(self) -> int:
        """Q in force at the end. Nanos."""
        return int(self.layers[0].sum())

    @cached_property
    def notional(self) -> float:
        """Σ Q·m0: what a basis point is of. Quote currency; NaN if a mid is unknown."""
        return float(money(*self.layers).sum())


def in_bps(amount: float, parent: Parent) -> float:
    """Money of a parent in basis points of its notional (T2)."""
    return amount / parent.notional * BPS


@dataclass(frozen=True, slots=True)
class Shortfall:
    """The shortfall in its classical parts. Quote currency; NaN where a mid is unknown."""

    trading: float
    """Executed shares against the arrival mid: Σ x σ s (P - m0)."""
    opportunity: float
    """What was left, or too much, marked to the end: (Q - Σ x σ) s (m_T - m0)."""
    fees: float

    @property
    def total(self) -> float:
        """IS of T10."""
        return math.fsum((self.trading, self.opportunity, self.fees))


def shortfall(parent: Parent) -> Shortfall:
    """IS by T10. With tranches, executed shares fill the tranches in their order (T11).

    The mid at the end is not needed, and may be unknown, where exactly Q was executed.
    """
    fills, (qty, mid) = parent.fills, parent.layers
    executed = parent.net
    filled = np.clip(executed - (np.cumsum(qty) - qty), 0, qty)
    filled[0] += min(0, executed)  # more unwound than executed: short of the parent's own side
    over = max(0, executed - int(qty.sum()))
    paid = float(money(fills.qty * fills.sign, fills.price.astype(np.float64)).sum())
    at_arrival = float(money(filled, mid).sum()) + over * mid[-1] * MONEY
    left = qty - filled
    rest = float(money(left[left > 0], parent.end_mid - mid[left > 0]).sum())
    excess = over * (parent.end_mid - mid[-1]) * MONEY if over else 0.0
    return Shortfall(
        parent.side * (paid - at_arrival), parent.side * (rest - excess), float(fills.fee.sum())
    )


@dataclass(frozen=True, slots=True)
class BeforeArrival:
    """What the wait between decision and arrival cost (Wagner's expanded shortfall). Money."""

    trading: float
    """On the shares that were executed."""
    opportunity: float
    """On those that were not."""

    @property
    def total(self) -> float:
        """Q s (m0 - m_decision)."""
        return self.trading + self.opportunity


def before_arrival(parent: Parent, decision_mid: float) -> BeforeArrival:
    """Delay cost before arrival. ``decision_mid`` in nanos; the IS from arrival is not affected."""
    moved = parent.side * (parent.tranches[0].mid - decision_mid) * MONEY
    ordered = parent.tranches[0].qty
    executed = min(ordered, max(0, parent.net))
    return BeforeArrival(executed * moved, (ordered - executed) * moved)


def legs_add_up(leg_qty: Ints, total_qty: int | None) -> bool:
    """Whether a parent's legs are the whole of it: one leg, or Σ leg qty = total_qty (T12)."""
    if total_qty is None:
        return leg_qty.size == 1
    return int(cumulated(leg_qty)[-1]) == total_qty


LEGS_DO_NOT_ADD_UP: Final = (
    "legs_do_not_add_up: its sessions hold other quantities than total_qty, or total_qty is "
    "missing; each leg is shown alone."
)
