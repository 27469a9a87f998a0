"""What order entry could not see when a new order was decided: hidden quantity (T40, T41).

    H(d) = Σ_orders [(cum + open) in hindsight - (cum + open) in the entry view]⁺

*Hindsight* is what either stream says happened by then, by event time, however late it was heard;
the *entry view* is what order entry had said by then, by the time of the batch that folded it.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from reconverge.tca.arrays import Ints
from reconverge.tca.unintended import Decision


class Views(NamedTuple):
    """Both views of one order after each event that changed one, in the order of history."""

    order: int
    """Its index, as fills carry it."""
    batch_ns: Ints
    """Shape (rows,): when the service knew."""
    event_ns: Ints
    """Shape (rows,): when it happened."""
    entry: Ints
    """cum + open in the entry view. Nanos."""
    venue: Ints
    """cum + open in the venue view. Nanos."""


class Asked(NamedTuple):
    """A new order of the parent, as it was sent."""

    order: int
    decided_ns: int
    qty: int


def decisions(asked: Sequence[Asked], views: Sequence[Views]) -> list[Decision]:
    """The new orders that something was hidden from, with what was hidden.

    An order that no view shows yet is known to the router by its own request: nothing is hidden.
    """
    times = np.array([one.decided_ns for one in asked], np.int64)
    found: list[list[tuple[int, int]]] = [[] for _ in asked]
    for view in views:
        amounts = _hidden(view, times)
        for place in np.nonzero(amounts > 0)[0].tolist():
            if asked[place].order != view.order:
                found[place].append((view.order, int(amounts[place])))
    return [
        Decision(one.decided_ns, one.order, one.qty, tuple(hidden))
        for one, hidden in zip(asked, found, strict=True)
        if hidden
    ]


def _hidden(view: Views, at_ns: Ints) -> Ints:
    """[hindsight - entry view]⁺ of one order at each time."""
    batch_ns = np.maximum.accumulate(view.batch_ns)
    known = np.searchsorted(batch_ns, at_ns, side="right") - 1
    order = np.argsort(view.event_ns, kind="stable")
    happened = np.searchsorted(view.event_ns[order], at_ns, side="right") - 1
    truth = np.maximum(view.entry, view.venue)[order][happened]
    amount = np.maximum(0, truth - view.entry[known])
    return np.where((known >= 0) & (happened >= 0), amount, 0)
