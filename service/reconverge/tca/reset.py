"""Queue reset: what cancelling and reposting an order cost in queue position (T35-T39).

Of the quantity open at limit ``L`` that was cancelled at ``t_c`` and filled later at ``v``, the
part that the market would have filled at ``L`` by some ``w < v`` is *reset*. The counterfactual is
known: such a share costs ``s(P - L)`` more than it would have, which may be negative.
"""

from typing import Final, NamedTuple

import numpy as np

from reconverge.tca.arrays import Bools, Ints
from reconverge.tca.fifo import cut

NEVER: Final = np.iinfo(np.int64).max
"""The time at which a share that the market would not have filled was filled."""


class Reset(NamedTuple):
    """Parts of fills whose old order the market would have filled. All of shape (parts,)."""

    fill: Ints
    """Index of the fill."""
    qty: Ints
    """Nanos."""
    filled_ns: Ints
    """w: when the old order would have filled."""
    limit: Ints
    """L. Nanos."""


NOTHING: Final = Reset(*(np.empty(0, np.int64) for _ in range(4)))


class Repost(NamedTuple):
    """An order cancelled with quantity open, and the fills of what was sent in its place."""

    side: int
    """+1 buy, -1 sell."""
    limit: int
    """L. Nanos."""
    tick: int
    """Smallest price step. Nanos."""
    cancelled_ns: int
    """t_c."""
    open_qty: int
    """Nanos."""
    queue_ahead: int | None
    """Quantity ahead of it at t_c, nanos; None if unknown."""
    fill: Ints
    """Indices of the fills of its repost, in time order."""


class Trades(NamedTuple):
    """The prints of a symbol in time order, one's own excluded. All of shape (prints,)."""

    at_ns: Ints
    price: Ints
    qty: Ints
    lit: Bools
    """False for auction and hidden prints, which do not consume the queue at a limit."""


class Opposite(NamedTuple):
    """The best price on the other side over time (asks for a buy). Shape (quotes,)."""

    at_ns: Ints
    price: Ints


class Bracket(NamedTuple):
    """What was reset, at least and at most; the same where `queue_ahead` is known (T38)."""

    least: Reset
    most: Reset


def reset(
    repost: Repost, fill_ns: Ints, fill_qty: Ints, trades: Trades, quotes: Opposite
) -> Bracket:
    """The reset parts of a repost's fills (T36).

    (i) The first print through ``L``, or opposite quote through it by a tick, would have filled
    all; (ii) prints at ``L`` after ``t_c`` would have filled what they trade in excess of
    `queue_ahead`. Without it the least is (i) alone, the most is both with nothing ahead.
    ``fill_ns`` and ``fill_qty`` are those of the parent.
    """
    through_ns = _through(repost, trades, quotes)
    at_limit = (trades.at_ns > repost.cancelled_ns) & (trades.price == repost.limit) & trades.lit
    traded_ns, traded = trades.at_ns[at_limit], np.cumsum(trades.qty[at_limit])
    none = np.empty(0, np.int64)
    fills = fill_ns, fill_qty
    if repost.queue_ahead is not None:
        after = np.maximum(0, traded - repost.queue_ahead)
        exact = _parts(repost, fills, (traded_ns, after), through_ns)
        return Bracket(exact, exact)
    return Bracket(
        _parts(repost, fills, (none, none), through_ns),
        _parts(repost, fills, (traded_ns, traded), through_ns),
    )


def _through(repost: Repost, trades: Trades, quotes: Opposite) -> int:
    """The first moment after t_c at which the market traded or was offered through the limit."""
    printed = (trades.at_ns > repost.cancelled_ns) & (
        repost.side * (trades.price - repost.limit) < 0
    )
    offered = (quotes.at_ns > repost.cancelled_ns) & (
        repost.side * (quotes.price - repost.limit) <= -repost.tick
    )
    first = [
        int(times[0]) for times in (trades.at_ns[printed], quotes.at_ns[offered]) if times.size
    ]
    return min(first, default=NEVER)


def _parts(
    repost: Repost, fills: tuple[Ints, Ints], volume: tuple[Ints, Ints], through_ns: int
) -> Reset:
    """Match the cancelled shares, in their order, to when the market would have filled them."""
    fill_ns, fill_qty = (column[repost.fill] for column in fills)
    total = min(repost.open_qty, int(fill_qty.sum()))
    if not total:
        return NOTHING
    traded_ns, traded = volume
    qty, (which, when) = cut(total, np.cumsum(fill_qty), traded)
    by_volume = np.append(traded_ns, NEVER)[when]
    would_ns = np.minimum(by_volume, through_ns)
    early = would_ns < fill_ns[which]
    limit = np.full(int(early.sum()), repost.limit)
    return Reset(repost.fill[which[early]], qty[early], would_ns[early], limit)


def joined(resets: list[Reset]) -> Reset:
    """Several reposts' parts as one."""
    if not resets:
        return NOTHING
    return Reset(*(np.concatenate(columns) for columns in zip(*resets, strict=True)))
