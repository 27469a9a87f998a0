"""One view of one order: what one side's messages say of it, and nothing from the other side.

``take`` is where an execution report, or a snapshot's row, becomes quantities (R20-R28). What the
types of report do is data in ``order_table``.
"""

from typing import Final

from reconverge.core.events import ExecutionReport, OrderReport
from reconverge.core.order_table import FINAL, INACTIVE, ExecRow
from reconverge.core.units import nanos

SOURCE_SHIFT: Final = 48
"""A mark is ``source << SOURCE_SHIFT | seq``: two of one source compare by number. Numbers of 2^48 and
above (nobody counts so far) are taken as unnumbered."""
UNNUMBERED: Final = -1
FILLS_MAX: Final = 10_000
"""Executions remembered for one order and view. Beyond it the older half is forgotten: a duplicate of
those is then kept out by the cumulative quantity alone."""


class View:
    """What one side says of one order. Quantities in nanos."""

    __slots__ = ("booked", "cum", "fills", "leg", "mark", "open", "qty", "state")

    def __init__(self) -> None:
        self.open = 0
        """Open quantity if the order works here, else 0 (R20)."""
        self.qty = 0
        """Total quantity in force (R21)."""
        self.cum = 0
        """Executed quantity: the highest the venue said, lowered by busts only."""
        self.booked = 0
        """Executed quantity known execution by execution. Less than ``cum`` while some are unknown
        (R24, R32)."""
        self.state = "unknown"
        """``unknown``, ``sent`` (our request is all there is), ``open``, or how it ended."""
        self.fills: dict[str, int | str] | None = None
        """Booked quantity by execution id; 0 once busted; the id of its successor once corrected."""
        self.mark = UNNUMBERED
        """Source and number of the last message applied: tells what is older (R10)."""
        self.leg = 0
        """Position in the order's client ids of the one in force here (R21, R30)."""

    def end(self, reason: str) -> None:
        """The order does not work in this view any more. What ended it first for good stays."""
        self.open = 0
        if self.state not in FINAL:
            self.state = reason

    def clamp(self) -> None:
        """No more can be open than is not executed."""
        rest = self.qty - self.cum
        if self.open > rest:
            self.open = rest if rest > 0 else 0
            if not self.open:
                self.end("filled")


def take(  # noqa: PLR0913 - the two facts about the order that a view cannot know
    view: View,
    report: OrderReport,
    row: ExecRow,
    mark: int,
    superseded: bool,  # noqa: FBT001
    qty_elsewhere: int,
) -> bool:
    """Apply a report to a view. True when it is the newest word on the leg in force.

    ``superseded``: it names a leg that this view has seen replaced. ``qty_elsewhere``: the order's
    quantity as known on the other side, for reports that state none.
    """
    before = view.mark
    older = mark < before and not (mark ^ before) >> SOURCE_SHIFT
    cum = UNNUMBERED if report.cum_qty is None else nanos(report.cum_qty)
    if row.books is not None:
        assert isinstance(report, ExecutionReport)
        lowered = _book(view, report, row, UNNUMBERED if older else cum)
        if lowered:
            cum = view.cum
    if older:
        view.clamp()
        return False
    if cum > view.cum:
        view.cum = cum
    elif UNNUMBERED < cum < view.cum and view.booked > view.cum:
        # More is booked than was ever executed: a bust has not reached us, and this is after it.
        view.cum = view.booked = cum
    stale = UNNUMBERED < cum < view.cum
    if mark >= 0:
        view.mark = mark
    if superseded or stale:
        view.clamp()
        if stale and not superseded and row.ends is not None:
            view.end(row.ends)
        return False
    _quantities(view, report, row, qty_elsewhere, _reopens(view, row, before, mark))
    return True


def _reopens(view: View, row: ExecRow, before: int, mark: int) -> bool:
    if view.state not in FINAL or row.reopens == "yes":
        return True
    return row.reopens == "newer" and mark > before >= 0 and not (mark ^ before) >> SOURCE_SHIFT


def _quantities(
    view: View,
    report: OrderReport,
    row: ExecRow,
    qty_elsewhere: int,
    reopens: bool,  # noqa: FBT001
) -> None:
    """Quantity in force, open quantity and state, from a report that is current."""
    if row.quantities and report.order_qty is not None:
        view.qty = nanos(report.order_qty)
    elif not view.qty:
        view.qty = qty_elsewhere
    status = report.ord_status
    stated = report.leaves_qty
    if status in INACTIVE:
        view.end(row.ends or status)
        return
    if stated is not None:
        leaves = nanos(stated)
    elif status == "filled":
        leaves = 0
    else:
        leaves = view.qty - view.cum
    if row.ends is not None and (row.ends_with_leaves or stated is None or leaves <= 0):
        view.end(row.ends)
    elif leaves > 0:
        if reopens:
            view.open = leaves
            view.state = "open"
            if not view.qty:
                view.qty = view.cum + leaves
    elif view.qty or stated is not None or status == "filled":
        view.end("filled")


# -- booking ------------------------------------------------------------------------------------


def _book(view: View, report: ExecutionReport, row: ExecRow, cum: int) -> bool:
    """Book, unbook or rebook an execution. True when the cumulative quantity may go down by it."""
    if row.books == "fill":
        _fill(view, report, cum)
        return False
    if row.books == "bust":
        return _rebook(view, report, cum, 0, None)
    last = 0 if report.last_qty is None else nanos(report.last_qty)
    return _rebook(view, report, cum, last, report.exec_id)


def _fill(view: View, report: ExecutionReport, cum: int) -> None:
    """Book a fill unless its id is consumed (R23). What cannot be booked consumes no id (R24)."""
    exec_id, fills = report.exec_id, view.fills
    if exec_id is not None and fills is not None and exec_id in fills:
        return
    if report.last_qty is not None:
        last = nanos(report.last_qty)
    elif cum < 0:
        return
    else:
        last = max(cum - view.cum, 0)
    view.booked += last
    if cum < 0 and view.booked > view.cum:
        view.cum = view.booked
    if exec_id is not None:
        _remember(view, exec_id, last)


def _rebook(view: View, report: ExecutionReport, cum: int, last: int, exec_id: str | None) -> bool:
    """Replace what the referenced execution booked by ``last``, once (R25)."""
    ref = report.exec_ref_id
    fills = view.fills or {}
    if exec_id is not None and exec_id in fills:
        return False
    if ref is not None:
        ref = _newest(fills, ref)
    known = fills.get(ref, -1) if ref is not None else -1
    assert isinstance(known, int)
    if known == last and exec_id is None:
        return False  # said before
    if ref is not None:
        _remember(view, ref, 0 if exec_id is None else exec_id)
    if exec_id is not None:
        _remember(view, exec_id, last)
    was = max(known, 0)
    view.booked += last - was
    if cum >= 0:
        view.cum = cum
    elif known >= 0 and report.cum_qty is None:
        view.cum = max(view.cum + last - was, 0)
    return cum >= 0


def _newest(fills: dict[str, int | str], ref: str) -> str:
    """The last correction of an execution: a bust may refer to the first of the chain."""
    seen = fills.get(ref)
    while isinstance(seen, str):
        ref = seen
        seen = fills.get(ref)
    return ref


def _remember(view: View, exec_id: str, booked: int | str) -> None:
    fills = view.fills
    if fills is None:
        fills = view.fills = {}
    elif len(fills) >= FILLS_MAX:
        fills = view.fills = dict(list(fills.items())[FILLS_MAX // 2 :])
    fills[exec_id] = booked
