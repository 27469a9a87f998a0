"""Simulated parents as tables, written through the sink's own columns and store."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from reconverge.sink import Store
from reconverge.sink.columns import arrow
from reconverge.tables import TABLES, Window
from reconverge.tca.shortfall import INTENTS
from tests.tca.simulator import CHILDREN, Case

SESSION: Final = "EQ-1"
Row = Mapping[str, Any]


class Tables:
    """Rows by table, to be written as one window."""

    def __init__(self) -> None:
        self.rows: dict[str, list[Row]] = {name: [] for name in TABLES}
        self._offset = 0

    def add(self, table: str, at_ns: int, /, **cells: object) -> None:
        """A row of folded history, in its order."""
        self._offset += 1
        place = {"journal_offset": self._offset, "position": 0, "batch_ns": at_ns}
        self.rows[table].append({"session": SESSION} | place | cells)

    def write(self, folder: Path) -> None:
        """Everything, the spines included."""
        last = max((row["batch_ns"] for rows in self.rows.values() for row in rows
                    if "batch_ns" in row), default=0)  # fmt: skip
        self.rows["batches"] = [{"journal_offset": self._offset, "batch_ns": last}]
        self.rows["marks"] = [{"topic_offset": 0, "record_ms": 0, "kind": "quote"}]
        store, window = Store(str(folder)), Window(0, 0, self._offset, "2026-01-05")
        for name, rows in self.rows.items():
            table = TABLES[name]
            cells = [tuple(row.get(column) for column in table.names) for row in rows]
            store.write(window.path(name), arrow(table, cells))


def add(tables: Tables, case: Case, name: str) -> None:
    """One simulated parent, in a symbol of its own."""
    parent, fills = case.parent, case.parent.fills
    side = "buy" if parent.side > 0 else "sell"
    of = {"parent_id": name, "symbol": name, "side": side}
    order = parent.tranches[0]
    tables.add(
        "parents", 0, event_ns=0, qty=order.qty, arrival_mid=round(order.mid), **of,
        schedule_shape="step",
    )  # fmt: skip
    words = tables.rows["parents"][-1]
    place = {key: words[key] for key in ("journal_offset", "position", "batch_ns", "session")}
    total = 0
    for point, (due_ns, qty) in enumerate(zip(*parent.schedule, strict=True)):
        total += int(qty)
        tables.rows["schedule"].append(
            place | {"parent_id": name, "point": point, "at_ns": int(due_ns), "cum_qty": total}
        )
    for i in range(fills.qty.size):
        _fill(tables, case, of, i)
    _caps(tables, case)
    tables.add(
        "parent_ends", parent.end_ns, event_ns=parent.end_ns, parent_id=name,
        mid=round(parent.end_mid),
    )  # fmt: skip
    mids = case.mids
    for at_ns, mid in zip(mids.at_ns.tolist(), mids.mid.tolist(), strict=True):
        row = {"symbol": name, "event_ns": at_ns, "bid": round(mid) - 5, "ask": round(mid) + 5}
        tables.rows["quotes"].append(row | {"topic_offset": len(tables.rows["quotes"])})


def _fill(tables: Tables, case: Case, of: dict[str, str], i: int) -> None:
    """A request and its fill, as order entry and drop copy tell it. Unwinds are of the other side.

    The order that an unintended fill repeats is stated: both serve one intention.
    """
    fills, name = case.parent.fills, of["parent_id"]
    order = f"{name}-{i}"
    side = {"buy": "sell", "sell": "buy"}[of["side"]] if fills.sign[i] < 0 else of["side"]
    again = i in case.fate.unintended.fill
    tables.add(
        "requests", int(fills.at_ns[i]), **(of | {"side": side}), kind="new", cl_ord_id=order,
        qty=int(fills.qty[i]), intent=INTENTS[int(fills.intent[i])] or None,
        intent_id=f"{name}-again" if again or _repeated(case, i) else None,
    )  # fmt: skip
    word = {
        "symbol": name, "side": side, "order": order, "cl_ord_id": order, "exec_id": f"x{i}",
        "exec_type": "trade", "last_qty": int(fills.qty[i]), "last_px": int(fills.price[i]),
        "first_word": True, "at_ns": int(fills.at_ns[i]), "at_basis": "stated",
    }  # fmt: skip
    tables.add("fills", int(fills.at_ns[i]) + 1000, channel="DC", **word)
    heard = {"parent_id": name, "first_word": False}
    tables.add("fills", int(fills.heard_ns[i]), **(word | heard))


def _repeated(case: Case, i: int) -> bool:
    """The full lot filled last before an unintended fill: it is the one that was sent again."""
    unwanted = case.fate.unintended.fill
    if not unwanted.size:
        return False
    fills = case.parent.fills
    before = [
        j for j in range(int(unwanted[0]))
        if fills.sign[j] > 0 and fills.qty[j] == fills.qty[unwanted[0]]
    ]  # fmt: skip
    return bool(before) and i == before[-1]


def _caps(tables: Tables, case: Case) -> None:
    """The restrictions as published caps of the session, with heartbeats, then normal again."""
    found = case.restrictions
    rows = list(zip(found.from_ns.tolist(), found.to_ns.tolist(), found.label, strict=True))
    for from_ns, to_ns, label in rows:
        state, reason = label.split("/")
        tables.add(
            "caps", from_ns, epoch=1, sequence=len(tables.rows["caps"]), state=state, cap=0.2,
            reason=reason, episode_id=f"E-{case.failed_ns}", valid_until_ns=to_ns + CHILDREN,
        )  # fmt: skip
    tables.add(
        "caps", rows[-1][1], epoch=1, sequence=len(tables.rows["caps"]), state="HEALTHY", cap=1.0,
        reason="ceiling", episode_id=f"E-{case.failed_ns}", valid_until_ns=2**62,
    )  # fmt: skip
