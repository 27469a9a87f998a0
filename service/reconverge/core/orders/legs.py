"""Which leg of an order's chain of replaces a report is of (R21, R30)."""

from typing import Final

from reconverge.core.messages.events import OrderReport
from reconverge.core.orders.identity import NEW
from reconverge.core.orders.index import Order
from reconverge.core.orders.states import Word
from reconverge.core.orders.table import EXEC_ROWS, ExecRow
from reconverge.core.orders.view import FORMER, NEXT, View, ending

REPLACED: Final = EXEC_ROWS["replaced"]


def leg_of(order: Order, view: View, other: View, report: OrderReport, row: ExecRow) -> int:
    """Which leg a report is of: ``FORMER`` (R30), 0, or ``NEXT``, which then is the view's."""
    named = report.cl_ord_id
    if row.names == "request" and report.orig_cl_ord_id is not None:
        named = report.orig_cl_ord_id
    at = -1 if named is None else order.position(named)
    if at < 0:
        if report.order_id in order.former_ids:
            return FORMER
        if named is None:  # it is of the leg in force, and ends that
            view.leg = max(view.leg, other.leg)
        return 0
    if at > view.leg and row.names == "order" and _confirms(order, other, report, row, at):
        view.leg = at
        view.say(Word.LATER_LEG)
        return NEXT
    if at > view.leg and ending(report, row) is not None:
        view.leg = at  # whatever it was called, this is what ended: no word on it comes after
    return FORMER if at < view.leg else 0


def _confirms(order: Order, other: View, report: OrderReport, row: ExecRow, at: int) -> bool:
    """Does a report that names a later client id show that this is the leg in force?

    A cancel request's id never becomes a leg, though some venues put it on reports meanwhile.
    """
    if row is REPLACED or (row is NEW and report.orig_cl_ord_id is not None) or at <= other.leg:
        return True
    named = order.cl_ord_ids[at]
    asked = any(r.kind == "replace" and r.cl_ord_id == named for r in order.requests)
    return asked and report.ord_status not in {"pending_replace", "pending_cancel"}
