"""From tables to what an analysis reads, as Ibis expressions that run on any engine (T93-T95).

Never used here: `asof_join` (not on Spark), `first` and `last` in windows (other meanings on other
engines), an engine's own quantiles, row order without `order_by`. Every window's order is total.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import ibis
import ibis.expr.types as ir

PLACE: Final = ("p", "journal_offset", "position")
"""A total order of the rows of folded history of one partition."""


def newest(table: ir.Table, by: Sequence[str]) -> ir.Table:
    """Of each group the row that history has last."""
    rank = ibis.row_number().over(
        group_by=list(by), order_by=[ibis.desc(table[column]) for column in PLACE]
    )
    return table.mutate(_rank=rank).filter(lambda t: t["_rank"] == 0).drop("_rank")


class AsOf(NamedTuple):
    """Which rows of two tables belong together by time."""

    by: str
    """Column of the group, in both."""
    left_at: str
    right_at: str
    key: tuple[str, ...]
    """What identifies a left row."""
    order: tuple[str, ...]
    """What breaks ties among right rows of one time: the last counts."""
    strict: bool = False
    """Before the left row's time, not at it."""


def asof(left: ir.Table, right: ir.Table, on: AsOf) -> ir.Table:
    """Each left row with the last right row of its group at or before its time; nulls if none.

    Right rows are numbered; how many come before a left row is counted; the two are joined by that
    number. One expression, equal on every engine. Columns of both, the right's renamed
    ``NAME_right`` where the left has that name.
    """
    by, ids = on.by, list(dict.fromkeys([on.by, *on.key]))
    number = ibis.row_number().over(group_by=by, order_by=[on.right_at, *on.order])
    numbered = right.mutate(_n=1 + number.cast("int64"))
    mine = left.select(*ids, _at=left[on.left_at], _asks=ibis.literal(1, "int64"))
    unnamed = {name: ibis.null(left[name].type()) for name in ids if name != by}
    theirs = right.select(
        by, **unnamed, _at=right[on.right_at], _asks=ibis.literal(0, "int64")
    ).select(*mine.columns)
    both = mine.union(theirs)
    # At one time right rows come first, unless only earlier ones count.
    both = both.mutate(_turn=1 - both["_asks"] if on.strict else both["_asks"])
    window = ibis.cumulative_window(group_by=by, order_by=["_at", "_turn", *on.key])
    counted = both.mutate(_n=(1 - both["_asks"]).sum().over(window).cast("int64"))
    counted = counted.filter(counted["_asks"] == 1).select(*ids, "_n")
    placed = left.join(counted, ids, how="left").select(*left.columns, "_n")
    found = placed.join(numbered, [by, "_n"], how="left", rname="{name}_right")
    double = {"_n", "_n_right", f"{by}_right"} & set(found.columns)
    return found.drop(*double)


def executions(fills: ir.Table) -> ir.Table:
    """What was executed, each execution once, with both streams' hearing times.

    A row of `fills` is one stream's word; here a row is one execution: corrections are applied,
    busts leave no row. A bust may name the execution or the correction of it. Sorted by nothing.
    Columns: session, order, exec_id, parent_id, symbol, side, cl_ord_id, qty, px, mid, fee,
    liquidity, at_ns (null if unknown, T7), at_basis, heard_entry_ns, heard_venue_ns.
    """
    named = ("session", "order")
    words = fills.mutate(_entry=fills["channel"].isnull())
    trades = words.filter(words["exec_type"] == "trade")
    found = trades.group_by([*named, "exec_id"]).agg(
        **{name: trades[name].max() for name in ("parent_id", "symbol", "side")},
        **{name: trades[name].max() for name in ("mid", "fee", "liquidity")},
        cl_ord_id=ibis.coalesce(
            trades["cl_ord_id"].max(where=trades["_entry"]), trades["cl_ord_id"].max()
        ),
        qty=trades["last_qty"].max(),
        px=trades["last_px"].max(),
        at_ns=trades["at_ns"].min(),
        # "derived" comes before "stated": the weaker word counts only if it is the only one.
        at_basis=ibis.coalesce(
            trades["at_basis"].max(where=trades["at_basis"] == "stated"), trades["at_basis"].min()
        ),
        heard_entry_ns=trades["batch_ns"].min(where=trades["_entry"]),
        heard_venue_ns=trades["batch_ns"].min(where=~trades["_entry"]),
    )
    changes = words.filter(words["exec_type"] == "trade_correct")
    corrected = newest(changes, [*named, "exec_ref_id"]).select(
        *named, exec_id="exec_ref_id", _new="exec_id", _qty="last_qty", _px="last_px"
    )
    merged = found.left_join(corrected, [*named, "exec_id"]).select(
        *found.columns, "_new", "_qty", "_px"
    )
    merged = merged.mutate(
        qty=ibis.coalesce(merged["_qty"], merged["qty"]),
        px=ibis.coalesce(merged["_px"], merged["px"]),
        _name=ibis.coalesce(merged["_new"], merged["exec_id"]),
    )
    busts = words.filter(words["exec_type"] == "trade_cancel")
    for name in ("exec_id", "_name"):
        gone = busts.select(*named, **{name: busts["exec_ref_id"]}).distinct()
        merged = merged.anti_join(gone, [*named, name])
    return merged.select(*found.columns)


def last_episodes(episodes: ir.Table) -> ir.Table:
    """The last record of each episode."""
    return newest(episodes, ["session", "episode_id"])
