"""What each parent of some tables cost: from a folder to attributions (T14, T23, T29)."""

from collections.abc import Iterator
from dataclasses import dataclass

from reconverge.tca.attribution import Attribution, attribute
from reconverge.tca.engine import Lake
from reconverge.tca.history import History, Order, history
from reconverge.tca.usual import Usual, usual


@dataclass(frozen=True, slots=True)
class Cost:
    """One parent and what it cost."""

    order: Order
    usual: Usual
    attribution: Attribution


def attributed(lake: Lake) -> Iterator[Cost]:
    """The attribution of each parent in the tables, by parent id.

    κ0 and ℓ0 come from the parent's own fills before the first cap below normal, or from all of
    them where nothing restricted it. A parent with a `problem` is attributed too: its legs that are
    there. ``reconverge.tca.history.history`` says what could not be built.
    """
    return costs(history(lake))


def costs(read: History) -> Iterator[Cost]:
    """As `attributed`, of a history that was read."""
    for order in read.orders:
        parent = order.parent
        known = usual(parent, parent.end_ns + 1 if order.failed_ns is None else order.failed_ns)
        found = attribute(parent, known, order.mids, order.restrictions, order.fate)
        yield Cost(order, known, found)
