"""What becomes of each executed share before it is compared with the schedule (T22, T29, T43).

Fills are split into lots: intended, unintended, reset. Unwound ones leave in pairs; the others take
their places in the FIFO by matching time, and those beyond the quantity in force are beyond it.
"""

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from reconverge.tca.arrays import Bools, Ints, require
from reconverge.tca.fifo import cut
from reconverge.tca.figures import Basis
from reconverge.tca.reset import NOTHING as NO_RESET
from reconverge.tca.reset import Reset
from reconverge.tca.shortfall import Parent
from reconverge.tca.unintended import NOTHING as NO_UNINTENDED
from reconverge.tca.unintended import Unintended

INTENDED, UNINTENDED, RESET = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Fate:
    """What is known about the fills of a parent beyond the fills themselves."""

    unintended: Unintended = NO_UNINTENDED
    reset: Reset = NO_RESET
    reset_basis: Basis = "stated"
    """What the repost pairs and the queue ahead rest on: `inferred` for trade-through only."""


NOTHING_KNOWN: Final = Fate()


class Lots(NamedTuple):
    """Parts of fills on the parent's side. All of shape (lots,)."""

    fill: Ints
    qty: Ints
    kind: Ints
    """INTENDED, UNINTENDED or RESET."""
    match_ns: Ints
    """Where it stands in the FIFO (T22)."""
    learnt_ns: Ints
    """When an unwind may be of it."""
    limit: Ints
    """L of reset ones, nanos; 0 for others."""

    def where(self, index: Ints | Bools) -> "Lots":
        """A selection, or another order."""
        return Lots(*(column[index] for column in self))

    def resized(self, qty: Ints) -> "Lots":
        """Other quantities; lots left with none are gone."""
        return self._replace(qty=qty).where(qty > 0)


class Unwound(NamedTuple):
    """Unintended shares and the opposite fills that undid them. All of shape (pairs,)."""

    fill: Ints
    unwind: Ints
    """Index of the opposite fill."""
    qty: Ints


class Placed(NamedTuple):
    """Every executed share, in one of four places."""

    within: Lots
    """In FIFO order, together at most the quantity in force."""
    beyond: Lots
    """Beyond it."""
    unwound: Unwound
    unwound_too_much: tuple[Ints, Ints]
    """Opposite fills that no unintended share is left for: (fill, quantity). T43: an alert."""


def split(parent: Parent, fate: Fate, lag_ns: int) -> Lots:
    """The lots of a parent in FIFO order.

    Matching time: an intended share's own; for unintended ones when the router learnt of it plus
    the usual lag, as if it had been sent then; for reset ones when the old order would have filled.
    """
    fills = parent.fills
    bad, lost = fate.unintended, fate.reset
    named = np.zeros(fills.qty.size, np.int64)
    np.add.at(named, bad.fill, bad.qty)
    np.add.at(named, lost.fill, lost.qty)
    require(bool((named <= fills.qty).all()), "more of a fill is unintended or reset than it holds")
    (own,) = np.nonzero((fills.sign > 0) & (fills.qty > named))
    kinds = [(own, INTENDED), (bad.fill, UNINTENDED), (lost.fill, RESET)]
    lots = Lots(
        np.concatenate([own, bad.fill, lost.fill]),
        np.concatenate([(fills.qty - named)[own], bad.qty, lost.qty]),
        np.concatenate([np.full(index.size, kind) for index, kind in kinds]),
        np.concatenate([fills.at_ns[own], bad.learnt_ns + lag_ns, lost.filled_ns]),
        np.concatenate([fills.heard_ns[own], bad.learnt_ns, fills.heard_ns[lost.fill]]),
        np.concatenate([np.zeros(own.size + bad.fill.size, np.int64), lost.limit]),
    )
    return lots.where(np.lexsort((lots.kind, lots.fill, lots.match_ns)))


def place(parent: Parent, lots: Lots) -> Placed:
    """Take unwound shares out, and those beyond the quantity in force at their time (T29, T43)."""
    (opposite,) = np.nonzero(parent.fills.sign < 0)
    undone = parent.fills.qty[opposite]
    known = lots.where(lots.kind == UNINTENDED)
    pairs, undone, left = _unwind(parent, known, opposite, undone)
    lots = _merged(lots.where(lots.kind != UNINTENDED), left)
    inside = np.diff(_accepted(parent, lots), prepend=0)
    within, beyond = lots.resized(inside), lots.resized(lots.qty - inside)
    more, undone, beyond = _unwind(parent, beyond, opposite, undone)
    some = undone > 0
    unwound = Unwound(*(np.concatenate(columns) for columns in zip(pairs, more, strict=True)))
    return Placed(within, beyond, unwound, (opposite[some], undone[some]))


def _merged(one: Lots, other: Lots) -> Lots:
    both = Lots(*(np.concatenate(columns) for columns in zip(one, other, strict=True)))
    return both.where(np.lexsort((both.kind, both.fill, both.match_ns)))


def _unwind(parent: Parent, lots: Lots, opposite: Ints, undone: Ints) -> tuple[Unwound, Ints, Lots]:
    """Opposite fills undo the shares learnt of before them, first learnt first (T43).

    Gives the pairs, what is left of the opposite fills, and the lots that stay.
    """
    if not opposite.size or not lots.qty.size:
        none = np.empty(0, np.int64)
        return Unwound(none, none, none), undone, lots
    lots = lots.where(np.argsort(lots.learnt_ns, kind="stable"))
    have, want = lots.qty.tolist(), undone.tolist()
    pairs: list[tuple[int, int, int]] = []
    for j, fill in enumerate(opposite.tolist()):
        for i in np.nonzero(lots.learnt_ns <= parent.fills.at_ns[fill])[0].tolist():
            taken = min(have[i], want[j])
            if taken:
                pairs.append((int(lots.fill[i]), fill, taken))
                have[i] -= taken
                want[j] -= taken
    rows = np.array(pairs, np.int64).reshape(-1, 3)
    return (
        Unwound(rows[:, 0], rows[:, 1], rows[:, 2]),
        np.array(want, np.int64),
        lots.resized(np.array(have, np.int64)),
    )


def _accepted(parent: Parent, lots: Lots) -> Ints:
    """Cumulative quantity within the quantity in force at each lot's matching time (T11)."""
    sums = np.cumsum(lots.qty)
    if len(parent.tranches) == 1:
        return np.minimum(sums, parent.tranches[0].qty)
    times = np.array([tranche.at_ns for tranche in parent.tranches], np.int64)
    limits = np.cumsum([tranche.qty for tranche in parent.tranches])
    place_ = np.maximum(np.searchsorted(times, lots.match_ns, side="right") - 1, 0)
    last = parent.quantity
    accepted, reached = [], 0
    for qty, limit in zip(lots.qty.tolist(), limits[place_].tolist(), strict=True):
        reached = min(max(reached, min(reached + qty, limit)), last)
        accepted.append(reached)
    return np.array(accepted, np.int64)


def pieces(parent: Parent, lots: Lots, tranche_qty: Ints) -> tuple[Ints, Ints, Ints, Ints]:
    """Cut the shares in force at schedule steps, lots and tranches (T21).

    Gives quantity, schedule step, lot and tranche of each piece; `fifo.NONE` for no step or lot.
    """
    total = int(tranche_qty.sum())
    sums = np.cumsum(parent.schedule.qty), np.cumsum(lots.qty), np.cumsum(tranche_qty)
    qty, (step, lot, tranche) = cut(total, *sums)
    return qty, step, lot, tranche
