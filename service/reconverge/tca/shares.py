"""The shares of a parent, each with its times and mids (T21, T24-T26)."""

import math
from dataclasses import dataclass, fields

import numpy as np

from reconverge.tca import lots as lots_
from reconverge.tca.arrays import Bools, Floats, Ints
from reconverge.tca.fifo import NONE
from reconverge.tca.lots import INTENDED, Lots
from reconverge.tca.marks import Mids
from reconverge.tca.runs import CATCH_UP
from reconverge.tca.shortfall import Parent
from reconverge.tca.usual import Usual


@dataclass(frozen=True, slots=True)
class Shares:
    """Pieces of the quantity in force: of one step, one lot, one tranche each. Shape (pieces,)."""

    qty: Ints
    fill: Ints
    """Index of the fill, `NONE` for unfilled shares."""
    kind: Ints
    """Of `lots`: INTENDED, UNINTENDED, RESET."""
    due_ns: Ints
    """u0: when it would usually have filled; v where nothing says when it was due."""
    at_ns: Ints
    """v: when it filled; T for unfilled shares."""
    price: Floats
    """P; m_T for unfilled shares: they are filled at T at m_T (T26)."""
    mid: Floats
    """m_v; m_T for unfilled shares."""
    due_mid: Floats
    """m_u0."""
    arrival: Floats
    """m0 of its tranche."""
    limit: Ints
    """L of reset shares."""
    catch_up: Bools
    """Whether the desk stated that it was to catch up."""

    @property
    def filled(self) -> Bools:
        """Whether each was executed."""
        return np.not_equal(self.fill, NONE)

    def where(self, chosen: Bools) -> "Shares":
        """A selection."""
        return Shares(*(getattr(self, field.name)[chosen] for field in fields(self)))


def shares(parent: Parent, lots: Lots, usual: Usual, mids: Mids) -> Shares:
    """Cut what is in force at schedule steps and lots, and look every time and mid up once (T4).

    ``lots`` are those within the quantity, in FIFO order.
    """
    tranche_qty, tranche_mid = parent.layers
    qty, step, lot, tranche = lots_.pieces(parent, lots, tranche_qty)
    fills, end_ns, end_mid = parent.fills, parent.end_ns, parent.end_mid
    fill = np.where(lot != NONE, np.append(lots.fill, NONE)[lot], NONE)
    at_ns = np.append(fills.at_ns, end_ns)[fill]
    mid = np.append(fills.mid, end_mid)[fill]
    due_ns = _due(parent, usual, step, np.where(fill != NONE, at_ns, end_ns))
    due_mid = _due_mid(parent, usual, due_ns, mids)
    return Shares(
        qty,
        fill,
        np.append(lots.kind, INTENDED)[lot],
        due_ns,
        at_ns,
        np.append(fills.price.astype(np.float64), end_mid)[fill],
        mid,
        # A share that nothing says when to trade is never late.
        np.where(step != NONE, due_mid, mid),
        tranche_mid[tranche],
        np.append(lots.limit, 0)[lot],
        (fill != NONE) & (np.append(fills.intent, 0)[fill] == CATCH_UP),
    )


def _due(parent: Parent, usual: Usual, step: Ints, otherwise_ns: Ints) -> Ints:
    """u0 = min(u + ℓ0, T) (T24)."""
    lag_ns = 0 if math.isnan(usual.lag_ns.value) else round(usual.lag_ns.value)
    due_ns = np.append(np.minimum(parent.schedule.due_ns + lag_ns, parent.end_ns), 0)[step]
    return np.where(step != NONE, due_ns, otherwise_ns)


def _due_mid(parent: Parent, usual: Usual, due_ns: Ints, mids: Mids) -> Floats:
    """m_u0, the mid at the end being the parent's own; unknown where the usual lag is."""
    if math.isnan(usual.lag_ns.value):
        return np.full(due_ns.shape, np.nan)
    found = mids.at(due_ns)
    if math.isnan(parent.end_mid):
        return found
    return np.where(due_ns == parent.end_ns, parent.end_mid, found)
