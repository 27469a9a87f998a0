"""What was asked and cancelled, and what the market traded meanwhile, from tables (T35, T36)."""

from collections.abc import Mapping
from typing import NamedTuple

import ibis
import numpy as np
import pyarrow as pa

from reconverge.tca import build
from reconverge.tca.arrays import Ints
from reconverge.tca.columns import exact, groups, ids, said, texts, whole
from reconverge.tca.engine import Lake
from reconverge.tca.reposts import Cancelled, Executed, Key, Market, Sent
from reconverge.tca.reset import Opposite, Trades
from reconverge.tca.shortfall import BUY

_NOBODY = np.empty(0, np.int64)


class Asked(NamedTuple):
    """The requests of one parent."""

    sent: list[Sent]
    cancelled: dict[Key, Cancelled]
    """How orders ended, by their own id; how replaces were accepted, by the new one."""
    ahead: dict[Key, int]
    """Quantity ahead of an order in the book, where the venue said it. Nanos."""


class Requests:
    """Requests by parent, ends and prints by what they are of."""

    def __init__(self, lake: Lake, quotes: pa.Table, quotes_of: Mapping[str, Ints]) -> None:
        """``quotes`` in time order, with the places of each symbol's."""
        self._quotes, self._quotes_of = quotes, quotes_of
        asked = lake.requests.filter(lake.requests["kind"].isin(["new", "replace"]))
        self._asked = lake.read(asked.order_by(build.PLACE))
        self._asked_of = dict(groups(self._asked["parent_id"]))
        self._defensive = _defensive(lake)
        self._ended = _ended(lake)
        self._ahead = _ahead(lake)
        self._prints = lake.read(lake.prints.order_by(["event_ns", "topic_offset"]))
        self._prints_of = dict(groups(self._prints["symbol"]))

    def of(self, parent_id: str) -> Asked:
        """What a parent's orders were and how they ended."""
        sent = list(_sent(self._asked.take(self._asked_of.get(parent_id, _NOBODY))))
        ends = {
            one.key: Cancelled(self._ended[one.key], one.key in self._defensive)
            for one in sent
            if one.key in self._ended
        }
        ahead = {one.key: self._ahead[one.key] for one in sent if one.key in self._ahead}
        return Asked(sent, ends, ahead)

    def market(self, symbol: str, side: int, own: Executed) -> Market:
        """Prints that are not one's own, and the best price of the other side."""
        prints = self._prints.take(self._prints_of.get(symbol, _NOBODY))
        at_ns, price, qty = (
            whole(prints["event_ns"]), exact(prints["price"])[0], exact(prints["qty"])[0],
        )  # fmt: skip
        mine = set(zip(own.at_ns.tolist(), own.qty.tolist(), strict=True))
        others = np.array(
            [pair not in mine for pair in zip(at_ns.tolist(), qty.tolist(), strict=True)], bool
        )
        # Auction and hidden prints have no aggressor, where the feed tells aggressors at all.
        told = np.asarray(prints["aggressor"].is_valid())
        lit = told if told.any() else np.ones(told.size, bool)
        quotes = self._quotes.take(self._quotes_of.get(symbol, _NOBODY))
        offered, known = exact(quotes["ask" if side == BUY else "bid"])
        step = np.diff(np.unique(np.concatenate([price, offered[known]])))
        tick = int(np.gcd.reduce(step)) if step.size else 1
        trades = Trades(at_ns[others], price[others], qty[others], lit[others])
        opposite = Opposite(whole(quotes["event_ns"])[known], offered[known])
        return Market(side, max(1, tick), trades, opposite)


def _sent(rows: pa.Table) -> list[Sent]:
    (qty, _), (limit, limited) = exact(rows["qty"]), exact(rows["price"])
    replaces = said(rows["kind"], "replace")
    old = np.where(replaces, texts(rows["orig_cl_ord_id"]), texts(rows["repost_of"])).tolist()
    columns = (
        ids(rows, "cl_ord_id"), old, replaces.tolist(), whole(rows["event_ns"]).tolist(),
        qty.tolist(), limit.tolist(), limited.tolist(),
    )  # fmt: skip
    return [
        Sent(key, (key[0], name) if name else None, again, at_ns, shares, price if known else None)
        for key, name, again, at_ns, shares, price, known in zip(*columns, strict=True)
    ]


def _defensive(lake: Lake) -> set[Key]:
    """Orders whose cancel was stated to be defensive."""
    asked = lake.requests
    rows = lake.read(asked.filter((asked["kind"] == "cancel") & (asked["intent"] == "defensive")))
    return set(ids(rows, "orig_cl_ord_id"))


def _ended(lake: Lake) -> dict[Key, int]:
    """When orders were cancelled, or replaced by the order of this id: first word of either stream.

    The answer to a cancel names the cancel by its own id (FIX 11) and the order by FIX 41; an
    unsolicited one names the order.
    """
    told = lake.reports.filter(lake.reports["exec_type"].isin(["canceled", "replaced"]))
    name = ibis.ifelse(
        told["exec_type"] == "canceled",
        ibis.coalesce(told["orig_cl_ord_id"], told["cl_ord_id"]),
        told["cl_ord_id"],
    )
    at_ns = ibis.coalesce(told["transact_ns"], told["event_ns"])
    named = told.mutate(_name=name, _at=at_ns).filter(lambda t: t["_name"].notnull())
    first = named.group_by(["session", "_name"]).agg(at=named["_at"].min())
    rows = lake.read(first.order_by(["session", "_name"]))
    return dict(zip(ids(rows, "_name"), whole(rows["at"]).tolist(), strict=True))


def _ahead(lake: Lake) -> dict[Key, int]:
    """The last quantity ahead that the venue said of each order."""
    told = lake.reports.filter(lake.reports["queue_ahead"].notnull())
    rows = lake.read(
        build.newest(told, ["session", "cl_ord_id"]).order_by(["session", "cl_ord_id"])
    )
    return dict(zip(ids(rows, "cl_ord_id"), exact(rows["queue_ahead"])[0].tolist(), strict=True))
