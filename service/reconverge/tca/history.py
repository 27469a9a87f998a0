"""From tables to parents: orders, schedules, fills and caps as the arrays of an attribution.

Nothing is left out in silence: executions that belong to no parent are counted, parents that cannot
be built are listed with the reason.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import ibis
import numpy as np
import pyarrow as pa

from reconverge.core.messages.units import ONE
from reconverge.tca import build, fifo, marks, unintended
from reconverge.tca.arrays import Floats, Ints
from reconverge.tca.columns import Texts, coded, exact, groups, ids, mids, said, texts, whole
from reconverge.tca.delays import NO_RESTRICTION, Restrictions
from reconverge.tca.engine import Lake
from reconverge.tca.fifo import NONE, Steps
from reconverge.tca.hidden import Asked, Views, decisions
from reconverge.tca.lots import Fate
from reconverge.tca.marks import NO_MIDS, Mids
from reconverge.tca.reposts import Executed, in_defence, pairs, resets
from reconverge.tca.requests import Requests
from reconverge.tca.reset import Reset
from reconverge.tca.shortfall import (
    BUY,
    INTENTS,
    LEGS_DO_NOT_ADD_UP,
    SELL,
    Fills,
    Parent,
    Tranche,
    legs_add_up,
)

NORMAL_CAP: Final = 1.0
"""A cap below this restricts (T27)."""


@dataclass(frozen=True, slots=True)
class Order:
    """One parent, its legs pooled, with all that an attribution takes."""

    parent_id: str
    symbol: str
    sessions: tuple[str, ...]
    parent: Parent
    mids: Mids
    restrictions: Restrictions
    fate: Fate
    failed_ns: int | None
    """When the first episode that restricted it began; None if none did."""
    problem: str | None
    """Why its shortfall must not be told; its legs stand for themselves (T12)."""
    mixed_mids: bool
    """Whether its mids come from marks and stamps both (T4)."""


@dataclass(frozen=True, slots=True)
class History:
    """All parents of some tables."""

    orders: tuple[Order, ...]
    episodes: tuple[tuple[str, str], ...]
    """(session, episode id) of each episode index."""
    without_parent: int
    """Executions that no parent is known of."""
    refused: dict[str, str]
    """Parents that contradict themselves, with the reason."""


def history(lake: Lake) -> History:
    """Read all parents. Raises ValueError for quantities beyond 64 bits of nanos."""
    tables = _Tables(lake)
    orders, refused = [], {}
    for parent_id, rows in groups(tables.parents["parent_id"]):
        try:
            orders.append(tables.order(parent_id, tables.parents.take(rows)))
        except ValueError as error:
            refused[parent_id] = str(error)
    orphans = tables.executions["parent_id"].null_count
    return History(tuple(orders), tables.episodes, orphans, refused)


class _Tables:
    """What is read once, by parent and by symbol."""

    def __init__(self, lake: Lake) -> None:
        self.executions = lake.read(_executions(lake))
        self.parents = lake.read(lake.parents.order_by(build.PLACE))
        self._fills = dict(groups(self.executions["parent_id"]))
        points = lake.schedule.order_by([*build.PLACE, "point"])
        self._points = lake.read(points)
        self._points_of = dict(groups(self._points["parent_id"]))
        self._beliefs = lake.read(lake.beliefs.order_by(build.PLACE))
        self._beliefs_of = dict(groups(self._beliefs["parent_id"]))
        self._asked = lake.read(_new_orders(lake))
        self._asked_of = dict(groups(self._asked["parent_id"]))
        self._ends = lake.read(lake.parent_ends.order_by(build.PLACE))
        self._ends_of = dict(groups(self._ends["parent_id"]))
        self._quotes = lake.read(lake.quotes.order_by(["event_ns", "topic_offset"]))
        self._quotes_of = dict(groups(self._quotes["symbol"]))
        self._requests = Requests(lake, self._quotes, self._quotes_of)
        self._mids: dict[str, Mids] = {}
        self._caps = lake.read(lake.caps.order_by(build.PLACE))
        self._caps_of = dict(groups(self._caps["session"]))
        named = zip(texts(self._caps["session"]), texts(self._caps["episode_id"]), strict=True)
        self.episodes = tuple(dict.fromkeys((s, e) for s, e in named if e is not None))
        self._places = {name: place for place, name in enumerate(self.episodes)}
        self._restricted: dict[tuple[str, str], Restrictions] = {}
        last = lake.read(lake.batches.aggregate(at=lake.batches["batch_ns"].max()))["at"][0].as_py()
        self.known_until_ns = int(last or 0)

    def mids(self, symbol: str) -> Mids:
        """Consolidated quotes where there are some, else all of the symbol."""
        if symbol not in self._mids:
            self._mids[symbol] = self._mids_of(symbol)
        return self._mids[symbol]

    def _mids_of(self, symbol: str) -> Mids:
        if symbol not in self._quotes_of:
            return NO_MIDS
        rows = self._quotes.take(self._quotes_of[symbol])
        consolidated = rows.filter(rows["venue"].is_null())
        rows = consolidated if len(consolidated) else rows
        bid, ask = exact(rows["bid"])[0], exact(rows["ask"])[0]
        return marks.of_quotes(whole(rows["event_ns"]), bid, ask)

    def order(self, parent_id: str, rows: pa.Table) -> Order:
        """One parent from its rows, in the order of history."""
        symbol = str(rows["symbol"][0])
        sessions = tuple(dict.fromkeys(texts(rows["session"]).tolist()))
        side = BUY if rows["side"][0].as_py() == "buy" else SELL
        mids_ = self.mids(symbol)
        rows_of, fills, mixed = self._filled(parent_id, side, mids_)
        tranches = self._tranches(rows, mids_)
        end_ns, end_mid, is_open = self._end(parent_id, sessions, tranches, fills)
        if np.isnan(end_mid):
            end_mid = float(mids_.at(np.array([end_ns]))[0])
        schedule = self._schedule(parent_id, rows)
        parent = Parent(side, tranches, schedule, fills, end_ns, end_mid, is_open)
        life_ns = tranches[0].at_ns, end_ns
        caps = _joined([_lived(self._restrictions(name, symbol), *life_ns) for name in sessions])
        failed = int(caps.from_ns[0]) if caps.label else None
        fate = self._fate(parent, rows_of, parent_id, symbol, caps)
        problem = None if _whole(rows) else LEGS_DO_NOT_ADD_UP
        return Order(parent_id, symbol, sessions, parent, mids_, caps, fate, failed, problem, mixed)

    def _filled(self, parent_id: str, side: int, mids_: Mids) -> tuple[pa.Table, Fills, bool]:
        """Its executions in time order, as rows and as fills; whether mids are of two sources."""
        none = np.empty(0, np.int64)
        rows = self.executions.take(self._fills.get(parent_id, none))
        known = np.asarray(rows["at_ns"].is_valid())
        heard_ns = whole(rows["heard_entry_ns"], self.known_until_ns)
        # A fill of unknown time has its place among the others, but no mid (T7).
        at_ns = np.where(known, whole(rows["at_ns"]), np.minimum(heard_ns, whole(rows["heard_ns"])))
        order = np.argsort(at_ns, kind="stable")
        at_fill, mixed = marks.at_fills(mids_, at_ns, mids(rows["mid"]))
        fills = Fills(
            at_ns[order],
            np.maximum(heard_ns, at_ns)[order],
            np.where(said(rows["side"], "buy"), BUY, SELL)[order] * side,
            exact(rows["qty"])[0][order],
            exact(rows["px"])[0][order],
            np.where(known, at_fill, np.nan)[order],
            (exact(rows["fee"])[0] / ONE)[order],
            coded(texts(rows["intent"]).tolist(), INTENTS)[order],
        )
        return rows.take(order), fills, mixed

    def _fate(
        self, parent: Parent, rows: pa.Table, parent_id: str, symbol: str, caps: Restrictions
    ) -> Fate:
        """Which fills were unintended, and which would have been made at an old limit."""
        told = _stated(rows, parent.fills)
        seen = self._derived(parent_id, rows, parent.fills)
        bad = unintended.once([told, seen], parent.fills.qty)
        sent, cancelled, ahead = self._requests.of(parent_id)
        found = [pair for pair in pairs(sent, cancelled) if in_defence(pair, caps)]
        if not found:
            return Fate(bad)
        executed = Executed(ids(rows, "cl_ord_id"), parent.fills.at_ns, parent.fills.qty)
        market = self._requests.market(symbol, parent.side, executed)
        lost, basis = resets(found, executed, ahead, market)
        # A share is in one slice: what nobody wanted was not waiting in a queue.
        wanted = ~np.isin(lost.fill, bad.fill)
        return Fate(bad, Reset(*(column[wanted] for column in lost)), basis)

    def _derived(self, parent_id: str, rows: pa.Table, fills: Fills) -> unintended.Unintended:
        """What both views of the parent's orders say that nobody wanted twice (T40)."""
        none = np.empty(0, np.int64)
        beliefs = self._beliefs.take(self._beliefs_of.get(parent_id, none))
        asked = self._asked.take(self._asked_of.get(parent_id, none))
        if not len(beliefs) or not len(asked) or not len(rows):
            return unintended.NOTHING
        keys = ids(beliefs, "order")
        places = {key: place for place, key in enumerate(dict.fromkeys(keys))}
        first = dict(zip(ids(beliefs, "cl_ord_id"), keys, strict=True))
        news = [
            Asked(places[first[key]], decided_ns, qty)
            for key, decided_ns, qty in zip(
                ids(asked, "cl_ord_id"),
                whole(asked["at_ns"]).tolist(),
                exact(asked["qty"])[0].tolist(),
                strict=True,
            )
            if key in first
        ]
        found = decisions(news, list(_views(beliefs, keys, places)))
        order = np.array([places.get(key, NONE) for key in ids(rows, "order")], np.int64)
        own = np.where(fills.sign > 0, order, NONE)
        filled = unintended.Filled(own, fills.at_ns, fills.heard_ns, fills.qty)
        return unintended.derived(found, filled)

    def _tranches(self, rows: pa.Table, mids_: Mids) -> tuple[Tranche, ...]:
        """Each leg's first word is what was ordered, each later one an amendment (T11, T12)."""
        at_ns, (qty, _) = whole(rows["event_ns"]), exact(rows["qty"])
        arrival, looked_up = mids(rows["arrival_mid"]), mids_.at(at_ns)
        seen: dict[str, int] = {}
        found = []
        for i, session in enumerate(texts(rows["session"]).tolist()):
            first = session not in seen
            change = int(qty[i]) - seen.get(session, 0)
            stamped = first and not np.isnan(arrival[i])
            mid = float(arrival[i] if stamped else looked_up[i])
            if change:
                found.append(Tranche(int(at_ns[i]), change, mid))
            seen[session] = int(qty[i])
        return tuple(found)

    def _schedule(self, parent_id: str, rows: pa.Table) -> Steps:
        """The schedules of the legs, each as it was in force, together."""
        points = self._points.take(self._points_of.get(parent_id, np.empty(0, np.int64)))
        key = _place(points)
        legs: dict[str, list[tuple[int, Steps]]] = {}
        for i, place in enumerate(_place(rows).tolist()):
            mine = np.equal(key, place).all(axis=1)
            linear = rows["schedule_shape"][i].as_py() == "linear"
            at_ns, sums = whole(points["at_ns"])[mine], exact(points["cum_qty"])[0][mine]
            version = fifo.steps(at_ns, sums, "linear" if linear else "step")
            leg = legs.setdefault(str(rows["session"][i]), [])
            leg.append((int(whole(rows["event_ns"])[i]), version))
        each = [fifo.in_force(versions) for versions in legs.values()]
        due_ns = np.concatenate([steps.due_ns for steps in each])
        order = np.argsort(due_ns, kind="stable")
        return Steps(due_ns[order], np.concatenate([steps.qty for steps in each])[order])

    def _end(
        self, parent_id: str, sessions: Sequence[str], tranches: Sequence[Tranche], fills: Fills
    ) -> tuple[int, float, bool]:
        """When it was done, at which mid, and whether it is still open (T13)."""
        rows = self._ends.take(self._ends_of.get(parent_id, np.empty(0, np.int64)))
        last_ns = int(fills.at_ns[-1]) if fills.at_ns.size else 0
        if set(sessions) <= set(texts(rows["session"]).tolist()):
            end_ns = int(whole(rows["event_ns"]).max())
            return max(end_ns, last_ns), float(mids(rows["mid"])[-1]), False
        wanted = sum(tranche.qty for tranche in tranches)
        if int((fills.qty * fills.sign).sum()) >= wanted:
            return last_ns, float("nan"), False
        return max(self.known_until_ns, last_ns), float("nan"), True

    def _restrictions(self, session: str, symbol: str) -> Restrictions:
        """The caps below normal of one session's instrument, all of them."""
        if (session, symbol) not in self._restricted:
            rows = self._caps.take(self._caps_of.get(session, np.empty(0, np.int64)))
            found = _restrictions(rows, symbol, self.known_until_ns)
            names = [self._places[session, name] for name in found.episodes]
            self._restricted[session, symbol] = Restrictions(
                found.from_ns, found.to_ns, np.array(names, np.int64), found.labels
            )
        return self._restricted[session, symbol]


def _lived(whole_: Restrictions, from_ns: int, to_ns: int) -> Restrictions:
    """Restrictions within a parent's life."""
    first = int(np.searchsorted(whole_.to_ns, from_ns, side="right"))
    last = int(np.searchsorted(whole_.from_ns, to_ns, side="left"))
    if first >= last:
        return NO_RESTRICTION
    return Restrictions(
        np.maximum(whole_.from_ns[first:last], from_ns),
        np.minimum(whole_.to_ns[first:last], to_ns),
        whole_.episode[first:last],
        whole_.label[first:last],
    )


def _place(rows: pa.Table) -> Ints:
    """The total order of rows, shape (rows, 3)."""
    return np.stack([whole(rows[name]) for name in build.PLACE], axis=1)


def _whole(rows: pa.Table) -> bool:
    """Whether the legs seen are all of the parent (T12)."""
    last: dict[str, int] = dict(
        zip(texts(rows["session"]).tolist(), exact(rows["qty"])[0].tolist(), strict=True)
    )
    total, known = exact(rows["total_qty"])
    stated = int(total[-1]) if known[-1] else None
    return legs_add_up(np.array(list(last.values()), np.int64), stated)


def _new_orders(lake: Lake) -> ibis.Table:
    """New orders with the moment that the router decided, else when they were sent (TCA 2.1)."""
    asked = lake.requests.filter(lake.requests["kind"] == "new")
    asked = asked.mutate(at_ns=ibis.coalesce(asked["decision_ns"], asked["event_ns"]))
    return asked.order_by(build.PLACE)


def _executions(lake: Lake) -> ibis.Table:
    """Executions with the parent, and the intent of the request they are of."""
    found = build.executions(lake.fills)
    beliefs = build.newest(lake.beliefs, ["session", "order"])
    of_order = beliefs.select("session", "order", _parent=beliefs["parent_id"])
    asked = lake.requests.filter(lake.requests["kind"].isin(["new", "replace"]))
    asked = build.newest(asked, ["session", "cl_ord_id"])
    asked = asked.select(
        "session", "cl_ord_id", "intent", "intent_id", _asked=asked["parent_id"], _qty=asked["qty"]
    )
    joined = found.left_join(of_order, ["session", "order"]).select(*found.columns, "_parent")
    joined = joined.left_join(asked, ["session", "cl_ord_id"]).select(
        *joined.columns, "intent", "intent_id", "_asked", wanted="_qty"
    )
    heard = ibis.coalesce(joined["heard_venue_ns"], joined["heard_entry_ns"])
    parent = ibis.coalesce(joined["parent_id"], joined["_parent"], joined["_asked"])
    joined = joined.mutate(parent_id=parent, heard_ns=heard).drop("_parent", "_asked")
    return joined.order_by(["parent_id", "at_ns", "session", "order", "exec_id"])


def _views(
    rows: pa.Table, keys: Sequence[tuple[str, str]], places: dict[tuple[str, str], int]
) -> Iterator[Views]:
    """Both views of the orders that the venue's view ever held more of: only there can something
    have been hidden. From rows in the order of history.
    """
    entry, venue = (
        exact(rows[f"{side}_open"])[0] + exact(rows[f"{side}_cum"])[0]
        for side in ("entry", "venue")
    )
    batch_ns, event_ns = whole(rows["batch_ns"]), whole(rows["event_ns"])
    of = np.array([places[key] for key in keys], np.int64)
    for place in np.unique(of[venue > entry]).tolist():
        (mine,) = np.nonzero(of == place)
        yield Views(place, batch_ns[mine], event_ns[mine], entry[mine], venue[mine])


def _stated(rows: pa.Table, fills: Fills) -> unintended.Unintended:
    """What the desk stated, by intention; shares beyond the quantity are found later (T40)."""
    own = fills.sign > 0
    names = texts(rows["intent_id"]).tolist()
    wanted: dict[str, int] = {}
    for name, quantity in zip(names, exact(rows["wanted"])[0].tolist(), strict=True):
        if name is not None:
            wanted.setdefault(name, quantity)
    places = {name: place for place, name in enumerate(wanted)}
    codes = np.array([NONE if name is None else places[name] for name in names], np.int64)
    codes = np.where(own, codes, NONE)
    quantities = np.array(list(wanted.values()), np.int64)
    return unintended.stated(codes, fills.qty, fills.heard_ns, quantities)


class _Spans(NamedTuple):
    """Times under a cap below normal, in time order."""

    from_ns: Ints
    to_ns: Ints
    episodes: tuple[str, ...]
    labels: tuple[str, ...]


def _restrictions(rows: pa.Table, symbol: str, known_until_ns: int) -> _Spans:
    """When the caps of one session restricted an instrument.

    A cap holds until the next is published or it expires; an expired one restricts too (T27). An
    instrument's own cap goes before its session's. What lies outside an episode is nobody's.
    """
    (session,) = np.nonzero(np.asarray(rows["symbol"].is_null()))
    (own,) = np.nonzero(said(rows["symbol"], symbol))
    # Rows of instruments follow the row of their session.
    begin = np.maximum.accumulate(whole(rows["batch_ns"])[session])
    end = np.append(begin[1:], max(known_until_ns, int(begin[-1]))) if begin.size else begin
    every, quiet = (_ratios(rows[name]) for name in ("cap", "instrument_cap"))
    cap = np.where(np.isnan(quiet), every, quiet)[session]
    cap[np.searchsorted(session, own) - 1] = every[own]
    stale = np.clip(whole(rows["valid_until_ns"])[session], begin, end)
    state, reason, episode = (texts(rows[n])[session] for n in ("state", "reason", "episode_id"))
    of_episode = np.asarray(rows["episode_id"].is_valid())[session]
    held = of_episode & (cap < NORMAL_CAP)
    parts = [(begin[held], stale[held], episode[held], (state + "/" + reason)[held])]
    expired = state[of_episode] + "/expired"
    parts.append((stale[of_episode], end[of_episode], episode[of_episode], expired))
    return _ordered(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _ratios(column: pa.ChunkedArray) -> Floats:
    return np.asarray(column.fill_null(float("nan")), np.float64)


def _ordered(from_ns: Ints, to_ns: Ints, episode: Texts, label: Texts) -> _Spans:
    """In time order, without empty ones, those that go on as they were joined: heartbeats."""
    order = np.argsort(from_ns, kind="stable")
    order = order[from_ns[order] < to_ns[order]]
    from_ns, to_ns, episode, label = from_ns[order], to_ns[order], episode[order], label[order]
    new = np.ones(order.size, bool)
    new[1:] = (
        (from_ns[1:] != to_ns[:-1]) | (episode[1:] != episode[:-1]) | (label[1:] != label[:-1])
    )
    ends = np.append(new[1:], True)[: order.size]
    return _Spans(from_ns[new], to_ns[ends], tuple(episode[new]), tuple(label[new]))


def _joined(each: list[Restrictions]) -> Restrictions:
    """Restrictions of several sessions: at any time the one of the first session that has one."""
    some = [one for one in each if one.label]
    if len(some) <= 1:
        return some[0] if some else NO_RESTRICTION
    edges = np.unique(np.concatenate([np.concatenate([one.from_ns, one.to_ns]) for one in some]))
    spans = []
    for low, high in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        for one in some:
            place = int(one.at(np.array([low]))[0])
            if place != NONE:
                spans.append((low, high, int(one.episode[place]), one.label[place]))
                break
    from_ns, to_ns, episode, labels = zip(*spans, strict=True)
    return Restrictions(
        np.array(from_ns, np.int64), np.array(to_ns, np.int64), np.array(episode, np.int64), labels
    )
