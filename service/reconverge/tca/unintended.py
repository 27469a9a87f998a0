"""Unintended quantity: shares that filled although nobody wanted them any more (T40-T44).

Three detectors, first that applies: *stated* by the desk's `intent_id`, *derived* from what order
entry could not see when a new order was decided, *accounted* beyond the parent's quantity (found by
`lots`, where the shares are counted). A share is unintended once.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import numpy as np

from reconverge.tca.arrays import Ints, ints
from reconverge.tca.fifo import cut
from reconverge.tca.figures import Basis

STATED, DERIVED, ACCOUNTED = 0, 1, 2
DETECTORS: Final[tuple[Basis, ...]] = ("stated", "derived", "derived")
"""What each detector's finding rests on."""


class Unintended(NamedTuple):
    """Parts of fills that were unintended. All of shape (parts,)."""

    fill: Ints
    """Index of the fill."""
    qty: Ints
    """Nanos."""
    learnt_ns: Ints
    """When the router could know: both fills of the pair are in its view (T42)."""
    detector: Ints
    """Index into `DETECTORS`."""


def _of(parts: Sequence[tuple[int, int, int]], detector: int) -> Unintended:
    rows = ints(np.array(parts, dtype=np.int64).reshape(-1, 3))
    return Unintended(rows[:, 0], rows[:, 1], rows[:, 2], np.full(len(rows), detector))


NOTHING: Final = _of([], STATED)


def stated(intent_id: Ints, qty: Ints, heard_ns: Ints, wanted: Ints) -> Unintended:
    """Fills of one `intent_id` beyond its first order's quantity, in time order (T40).

    ``intent_id`` of each fill, in time order, is an index into ``wanted`` (the quantities of the
    first orders, nanos), below 0 where none was stated.
    """
    parts = []
    for intent in np.unique(intent_id[intent_id >= 0]).tolist():
        (index,) = np.nonzero(intent_id == intent)
        beyond = np.minimum(qty[index], np.cumsum(qty[index]) - wanted[intent])
        known_ns = np.maximum.accumulate(heard_ns[index])
        parts += [
            (int(fill), int(part), int(at_ns))
            for fill, part, at_ns in zip(index, beyond, known_ns, strict=True)
            if part > 0
        ]
    return _of(parts, STATED)


class Decision(NamedTuple):
    """A new order, and what order entry could not see when it was decided."""

    at_ns: int
    order: int
    """Its index, as fills carry it."""
    qty: int
    """Nanos."""
    hidden: tuple[tuple[int, int], ...]
    """(order, quantity): [(cum + open) in hindsight - (cum + open) in the entry view], where that
    is above 0, of the parent's other orders. Nanos. T40, T41."""


class Filled(NamedTuple):
    """What the detectors need of fills, in time order. All of shape (fills,)."""

    order: Ints
    at_ns: Ints
    heard_ns: Ints
    qty: Ints


def derived(decisions: Sequence[Decision], filled: Filled) -> Unintended:
    """Of each new order, ``min(q, H)`` duplicates what lived or had filled unseen (T40).

    Its first shares are paired with the hidden ones in the order of their fills; where both of a
    pair filled, the later fill is unintended. What one new order has duplicated is not there to be
    duplicated by the next.
    """
    used: Counter[int] = Counter()
    parts = [
        part
        for decision in sorted(decisions, key=lambda decision: decision.at_ns)
        for part in _duplicates(decision, filled, used)
    ]
    return _of(parts, DERIVED)


def _duplicates(
    decision: Decision, filled: Filled, used: Counter[int]
) -> Iterator[tuple[int, int, int]]:
    left = decision.qty
    seen: list[tuple[int, int]] = []
    for order, quantity in decision.hidden:
        taken = min(left, quantity - used[order])
        if taken <= 0:
            continue
        used[order] += taken
        left -= taken
        seen += _first(filled, order, taken, heard_after_ns=decision.at_ns)
    again = _first(filled, decision.order, decision.qty - left)
    seen.sort(key=lambda part: int(filled.at_ns[part[0]]))
    yield from _later_of_pairs(seen, again, filled)


def _first(
    filled: Filled, order: int, quantity: int, heard_after_ns: int = -1
) -> list[tuple[int, int]]:
    """The first fills of an order, up to a quantity, as (fill, part of it)."""
    (index,) = np.nonzero((filled.order == order) & (filled.heard_ns > heard_after_ns))
    before = np.cumsum(filled.qty[index]) - filled.qty[index]
    parts = np.minimum(filled.qty[index], quantity - before)
    return [(int(i), int(part)) for i, part in zip(index, parts, strict=True) if part > 0]


def _later_of_pairs(
    seen: list[tuple[int, int]], again: list[tuple[int, int]], filled: Filled
) -> Iterator[tuple[int, int, int]]:
    total = min(sum(part for _, part in seen), sum(part for _, part in again))
    if not total:
        return
    sums = [np.cumsum(np.array([part for _, part in parts], np.int64)) for parts in (seen, again)]
    qty, (one, two) = cut(total, *sums)
    for quantity, i, j in zip(qty.tolist(), one.tolist(), two.tolist(), strict=True):
        first, second = seen[i][0], again[j][0]
        later = second if filled.at_ns[second] >= filled.at_ns[first] else first
        yield later, quantity, int(max(filled.heard_ns[first], filled.heard_ns[second]))


def once(findings: Sequence[Unintended], fill_qty: Ints) -> Unintended:
    """Findings of several detectors, strongest first, so that no share is unintended twice.

    A later detector adds only what it finds of a fill beyond what earlier ones have found of it.
    """
    parts: list[tuple[int, int, int, int]] = []
    found: Counter[int] = Counter()
    for finding in findings:
        mine: Counter[int] = Counter()
        for fill, quantity, learnt_ns, detector in zip(
            *(column.tolist() for column in finding), strict=True
        ):
            mine[fill] = min(mine[fill] + quantity, int(fill_qty[fill]))
            new = mine[fill] - found[fill]
            if new > 0:
                parts.append((fill, new, learnt_ns, detector))
                found[fill] = mine[fill]
    rows = ints(np.array(parts, dtype=np.int64).reshape(-1, 4))
    return Unintended(*(rows[:, column] for column in range(4)))
