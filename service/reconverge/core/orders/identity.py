"""Which order a report is about (R22): found, made, or two records recognised as one."""

from typing import Final

from reconverge.core.findings import Finding
from reconverge.core.messages.events import OrderReport, StreamEvent
from reconverge.core.orders.counts import Counts
from reconverge.core.orders.index import Index, Order, real_id, real_order_id
from reconverge.core.orders.states import FINAL
from reconverge.core.orders.table import EXEC_ROWS, ExecRow
from reconverge.core.orders.view import NUMBER_MAX, SOURCE_SHIFT, UNNUMBERED

ORDERS_MAX: Final = 2_000_000
"""Orders remembered in one session: 1.4 GB. No venue lets one session have so many at once."""
NEW: Final = EXEC_ROWS["new"]
STATUS: Final = EXEC_ROWS["order_status"]


class OrdersFull(Exception):
    """A bound of this session's order truth is reached; the event that met it changed nothing."""


Source = str | None | tuple[str | None, str]
"""A channel (None for the entry stream), with the segment where its numbering has several."""


class Marks:
    """Numbers of the numberings that messages came in, to tell which of two is older (R10, R14)."""

    __slots__ = ("bases", "count")

    def __init__(self) -> None:
        self.count = 0
        """Numberings ever met; one that restarts is another."""
        self.bases: dict[Source, int] = {}

    def mark(self, event: StreamEvent) -> int:
        """Source and number of a message as one integer; -1 for none."""
        seq = event.seq
        if seq is None or seq >= NUMBER_MAX:
            return UNNUMBERED
        channel, segment = event.channel, event.segment
        key = channel if segment is None else (channel, segment)
        base = self.bases.get(key)
        if base is None:
            base = self.bases[key] = self.count << SOURCE_SHIFT
            self.count += 1
        return base + seq

    def restart(self, channel: str | None) -> None:
        """A channel's numbers begin anew: the old ones compare with none to come."""
        for key in list(self.bases):
            if key == channel or (isinstance(key, tuple) and key[0] == channel):
                del self.bases[key]


class Identity:
    """Finds the record that a report means, and keeps its ids, instrument and parent."""

    __slots__ = ("_counts", "_findings", "index", "marks", "orders_max")

    def __init__(
        self, index: Index, counts: Counts, findings: list[Finding], orders_max: int
    ) -> None:
        self.index = index
        self.marks = Marks()
        self.orders_max = orders_max
        self._counts = counts
        self._findings = findings

    def create(self, symbol: str | None) -> Order:
        """A new record. Raises ``OrdersFull``."""
        if self.index.count >= self.orders_max:
            raise OrdersFull(f"{self.orders_max} orders are remembered in this session")
        tally = self._counts.tally(symbol)
        tally.orders += 1
        self._counts.total.orders += 1
        return self.index.create(tally)

    def find(self, report: OrderReport, row: ExecRow, now_ns: int) -> Order | None:
        """The order that a report is about; None when it is evidence for none.

        The quick way: the venue's id is known, and nothing else in the report is news.
        """
        order_id, named, former = report.order_id, report.cl_ord_id, report.orig_cl_ord_id
        order = None if order_id is None else self.index.by_order_id.get(order_id)
        if order is None or order.over or not order.tally.symbol:
            return self._link(report, row, now_ns)
        by_client = self.index.by_cl_ord_id
        if named is not None and by_client.get(named) is not order:
            return self._link(report, row, now_ns)
        if former is not None and by_client.get(former) is not order:
            return self._link(report, row, now_ns)
        if order.parent_id is None and report.parent_id is not None:
            self._counts.learn_parent(order, report.parent_id)
        return order

    def _link(self, report: OrderReport, row: ExecRow, now_ns: int) -> Order | None:
        """The slow way: placeholders, new ids, records to merge, orders not known so far."""
        order_id = real_order_id(report.order_id)
        named, former = real_id(report.cl_ord_id), real_id(report.orig_cl_ord_id)
        if order_id is None:
            if row is STATUS and report.ord_status == "rejected":
                return None  # "unknown order" is an error, not evidence (R29)
            if named is None and former is None:
                self._findings.append(Finding("unidentified_report", "", "it carries no id"))
                return None
        if row is NEW and former is None:
            self._release_reused(order_id, named, report)
        venues = order = self.index.by_order_id.get(order_id or "")
        rival = None
        for client_id in (named, former):
            meant = self.index.by_cl_ord_id.get(client_id or "")
            if meant is not rival:  # one finding is enough
                order, rival = self._one(order, meant, report.symbol, now_ns), meant
        if order is None:
            order = self.create(report.symbol)
        if row.names == "request" and former is None and venues is not None and order.cl_ord_ids:
            named = None  # may be a mass cancel's id, which is on reports of other orders too
        self._name(order, order_id, named, former)
        self._describe(order, report)
        return order

    def _name(
        self, order: Order, order_id: str | None, named: str | None, former: str | None
    ) -> None:
        """The ids of a message are the order's from now on, but for those that are another's."""
        by_order_id, by_client = self.index.by_order_id, self.index.by_cl_ord_id
        if former is not None and by_client.get(former, order) is order:
            self.index.name_client(order, former, named)
        if named is not None and by_client.get(named, order) is order:
            self.index.name_client(order, named)
        if order_id is not None and by_order_id.get(order_id, order) is order:
            self.index.name_order(order, order_id)

    def _release_reused(self, order_id: str | None, named: str | None, report: OrderReport) -> None:
        """The id of a finished order comes back for another: venues reuse numbers (R14).

        So it is when one of the two ids is a finished order's, and the other is new or of an order
        that is not over.
        """
        by_order = self.index.by_order_id.get(order_id or "")
        by_name = self.index.by_cl_ord_id.get(named or "")
        if by_order is by_name:
            return
        if by_order is not None and named is not None and (by_name is None or not by_name.over):
            if self._is_finished(by_order, report):
                self.index.by_order_id.pop(order_id or "")
        elif by_name is not None and by_name.order_id is not None:  # noqa: SIM102
            if (by_order is None or not by_order.over) and self._is_finished(by_name, report):
                self.index.by_cl_ord_id.pop(named or "")

    def _is_finished(self, order: Order, report: OrderReport) -> bool:
        view = order.entry if report.channel is None else order.venue
        return order.over and view.state in FINAL and not view.is_past(self.marks.mark(report))

    def _describe(self, order: Order, report: OrderReport) -> None:
        if report.symbol is not None and not order.tally.symbol:
            self._counts.learn_symbol(order, report.symbol)
        if report.parent_id is not None and order.parent_id is None:
            self._counts.learn_parent(order, report.parent_id)

    def _one(
        self, first: Order | None, second: Order | None, symbol: str | None, now_ns: int
    ) -> Order | None:
        """The one order that two ids of a message mean.

        If they cannot mean one it is ``first``, by the venue's id before ours. But of two
        instruments the stated one is meant, for some venues number the orders of each.
        """
        if first is None or second is None or first is second:
            return first or second
        symbols = {first.tally.symbol, second.tally.symbol} - {""}
        if (first.submitted and second.submitted) or len(symbols) > 1:
            if symbol == second.tally.symbol != first.tally.symbol:
                first, second = second, first
            detail = f"one message takes it and {second.name} for one order"
            self._findings.append(Finding("identity_conflict", first.name, detail))
            return first
        kept, other = (first, second) if first.rank < second.rank else (second, first)
        self._counts.absorb(kept, other, now_ns)
        return kept
