"""Which message moves which view of an order, and how: published data.

The core acts by these rows and docs/orders.md prints them, so neither can drift from the other.
Nothing else lives here: no state, and no code but the printing of the tables.
"""

from typing import Final, Literal, NamedTuple

from reconverge.core.events import ExecType, OrdStatus

Booking = Literal["fill", "bust", "correct"]
Reopens = Literal["no", "yes", "newer"]
Leg = Literal["order", "request"]


class ExecRow(NamedTuple):
    """What an execution report of one type does to the view that it tells."""

    books: Booking | None
    """What happens to booked executions (R23-R25)."""
    quantities: bool
    """Order quantity and price in it are in force (a pending replace's may be the requested ones)."""
    ends: str | None
    """How the order ends by it, where it does."""
    ends_with_leaves: bool
    """It ends the order even if it states an open quantity (R28). Otherwise an active status with
    something open shows that only a request, or a part, ended."""
    reopens: Reopens
    """May an order that ended for good work again by it? ``newer``: when its number shows that it is
    later than what ended the order."""
    names: Leg
    """What its client order id names: the order, or a request about ``orig_cl_ord_id``'s (R30)."""
    answers_new: bool
    """It answers a new order: the request is no longer in flight."""
    note: str
    """For the reader of the table."""


EXEC_ROWS: Final[dict[ExecType, ExecRow]] = {
    "pending_new": ExecRow(None, True, None, False, "no", "order", False, "Received, not yet accepted: still in flight."),
    "new": ExecRow(None, True, None, False, "no", "order", True, "Accepted."),
    "trade": ExecRow("fill", True, None, False, "no", "order", True, "Booked once per execution id; the rest applies every time."),
    "trade_cancel": ExecRow("bust", True, None, False, "yes", "order", True, "Unbooks the execution it refers to, once; may reopen quantity."),
    "trade_correct": ExecRow("correct", True, None, False, "yes", "order", True, "Rebooks the execution it refers to, once; may reopen quantity."),
    "pending_cancel": ExecRow(None, False, None, False, "no", "request", True, "The cancel stays in flight; the order works on."),
    "pending_replace": ExecRow(None, False, None, False, "no", "request", True, "The replace stays in flight; old id and quantity stay in force (R21)."),
    "replaced": ExecRow(None, True, None, False, "yes", "order", True, "The new id and quantity are in force."),
    "restated": ExecRow(None, True, None, False, "yes", "order", True, "The venue changed quantity or price by itself (R28)."),
    "canceled": ExecRow(None, False, "canceled", False, "no", "request", True, "Solicited or not (R26)."),
    "expired": ExecRow(None, False, "expired", False, "no", "request", True, "Its time in force ran out."),
    "rejected": ExecRow(None, False, "rejected", False, "no", "request", True, "With an active status and open quantity it rejects a repeated request, not the order."),
    "done_for_day": ExecRow(None, False, "done_for_day", True, "no", "order", True, "Open quantity that cannot execute (R28); a later report may wake it."),
    "calculated": ExecRow(None, False, "calculated", True, "no", "order", True, "Complete for the day; a later report may wake it."),
    "suspended": ExecRow(None, True, None, False, "no", "order", True, "Open and not ended: still working."),
    "stopped": ExecRow(None, True, None, False, "no", "order", True, "Guaranteed, not executed: still working."),
    "triggered": ExecRow(None, True, None, False, "no", "order", True, "A stop became active."),
    "order_status": ExecRow(None, True, None, False, "newer", "order", True, "The venue's answer to a question; also what a snapshot row is taken as."),
}  # fmt: skip
"""Execution reports by type. The entry stream moves the entry view, drop copy the venue view."""

INACTIVE: Final[frozenset[OrdStatus]] = frozenset(
    {"canceled", "expired", "rejected", "done_for_day", "calculated"}
)
"""Statuses in which an order is no longer active, whatever open quantity the report states (the
definition of FIX LeavesQty 151 allows it to state one)."""

FINAL: Final = frozenset({"filled", "canceled", "expired", "rejected"})
"""Ends said by the venue of this order, for good. The others are lifted by any later report that
shows the order working: done for day wakes up, absence and attestation are inferences."""
