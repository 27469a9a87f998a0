"""Which orders were cancelled in defence and sent again: the pairs that queue reset is about (T35).

A pair is a replace with another price or more quantity, or a new order that states `repost_of`;
nothing else is guessed. It counts if the cancel was *defensive*: stated so, or made in a state in
which expansion is frozen, by us or by the venue.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np

from reconverge.core.control import FROZEN
from reconverge.tca import reset
from reconverge.tca.arrays import Ints
from reconverge.tca.delays import Restrictions
from reconverge.tca.fifo import NONE
from reconverge.tca.figures import Basis, weakest
from reconverge.tca.reset import Opposite, Repost, Reset, Trades

Key = tuple[str, str]
"""(session, client order id)."""

_FROZEN: Final = frozenset(state.value for state in FROZEN)


class Sent(NamedTuple):
    """A new order or a replace, as it was sent."""

    key: Key
    old: Key | None
    """The order that it stands for, by `repost_of` or FIX 41."""
    replaces: bool
    at_ns: int
    qty: int
    limit: int | None
    """Nanos; None for a market order."""


class Cancelled(NamedTuple):
    """How an order ended."""

    at_ns: int
    defensive: bool
    """Stated as defensive."""


class Pair(NamedTuple):
    """An order and what was sent in its place."""

    old: Sent
    new: Sent
    cancelled: Cancelled


def pairs(sent: Sequence[Sent], cancelled: Mapping[Key, Cancelled]) -> Iterator[Pair]:
    """The pairs of T35 whose old order had a limit, and an end that is known."""
    by_key = {one.key: one for one in sent}
    for new in sent:
        old = by_key.get(new.old) if new.old else None
        if old is None or old.limit is None:
            continue
        if new.replaces:
            if new.limit != old.limit or new.qty > old.qty:
                yield Pair(old, new, cancelled.get(new.key, Cancelled(new.at_ns, defensive=False)))
        elif old.key in cancelled:
            yield Pair(old, new, cancelled[old.key])


def in_defence(pair: Pair, restrictions: Restrictions) -> bool:
    """Whether the cancel was defensive: stated so, or in a frozen state."""
    place = int(restrictions.at(np.array([pair.cancelled.at_ns]))[0])
    frozen = place != NONE and restrictions.label[place].split("/")[0] in _FROZEN
    return pair.cancelled.defensive or frozen


class Executed(NamedTuple):
    """The fills of a parent, as far as a repost needs them; shape (fills,), in time order."""

    key: Sequence[Key]
    at_ns: Ints
    qty: Ints


class Market(NamedTuple):
    """What traded and was offered, on the other side of the parent."""

    side: int
    tick: int
    """Smallest price step. Nanos."""
    trades: Trades
    quotes: Opposite


def resets(
    found: Sequence[Pair], executed: Executed, ahead: Mapping[Key, int], market: Market
) -> tuple[Reset, Basis]:
    """The least that was reset of all pairs, and what that rests on (T36, T38).

    ``ahead`` is the quantity ahead of an old order, where the venue said it.
    """
    parts: list[Reset] = []
    bases: list[Basis] = []
    for pair in found:
        mine = np.array([key == pair.new.key for key in executed.key], bool)
        (fill,) = np.nonzero(mine & (executed.at_ns > pair.cancelled.at_ns))
        before = np.array([key == pair.old.key for key in executed.key], bool)
        done = int(executed.qty[before & (executed.at_ns <= pair.cancelled.at_ns)].sum())
        repost = Repost(
            market.side,
            pair.old.limit or 0,
            market.tick,
            pair.cancelled.at_ns,
            max(0, pair.old.qty - done),
            ahead.get(pair.old.key),
            fill,
        )
        parts.append(
            reset.reset(repost, executed.at_ns, executed.qty, market.trades, market.quotes).least
        )
        bases.append("derived" if pair.old.key in ahead else "inferred")
    return reset.joined(parts), weakest(bases)
