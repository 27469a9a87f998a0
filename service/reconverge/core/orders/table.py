"""Which message moves which view of an order, and how: published data.

The core acts by ``EXEC_ROWS``; docs/orders.md prints both tables, so neither can drift from the
other. Nothing else lives here: no state, and no code but the printing.
"""

from dataclasses import dataclass
from typing import Final, Literal

from reconverge.core.messages.events import ExecType, OrdStatus

Booking = Literal["fill", "bust", "correct"]
Newer = Literal["no", "yes", "newer"]
Leg = Literal["order", "request"]


@dataclass(frozen=True, slots=True)
class ExecRow:
    """What an execution report of one type does to the view that it tells."""

    note: str
    """For the reader of the table."""
    books: Booking | None = None
    """What happens to booked executions (R23-R25)."""
    quantities: bool = True
    """Order quantity and price in it are in force; a pending replace's may be those asked for."""
    ends: str | None = None
    """How the order ends by it. An active status and something open show that it ended a request,
    or a part, and not the order."""
    ends_with_leaves: bool = False
    """It ends the order even so (R28)."""
    reopens: Newer = "no"
    """May an order that ended for good work again by it? ``newer``: if its number shows that it is
    later than what ended the order."""
    lowers: Newer = "newer"
    """Does a CumQty below what is known show that a bust was lost, or is it stale? ``newer`` as
    above."""
    names: Leg = "order"
    """What its client order id names: the order, or a request about ``orig_cl_ord_id``'s (R30)."""
    answers_new: bool = True
    """It answers a new order: that request is in flight no more."""


EXEC_ROWS: Final[dict[ExecType, ExecRow]] = {
    "pending_new": ExecRow(
        "Received, not yet accepted: it waits, and is no doubt (R41).", answers_new=False
    ),
    "new": ExecRow("Accepted."),
    "trade": ExecRow(
        "Booked once per execution id; all else in it applies every time.", "fill", lowers="no"
    ),
    "trade_cancel": ExecRow(
        "Unbooks the execution it refers to, once.", "bust", reopens="yes", lowers="no"
    ),
    "trade_correct": ExecRow(
        "Rebooks the execution it refers to, once.", "correct", reopens="yes", lowers="no"
    ),
    "pending_cancel": ExecRow(
        "The cancel is pending at the venue, and the order works on.",
        quantities=False, names="request",
    ),
    "pending_replace": ExecRow(
        "The replace is pending at the venue: the old id and quantity are in force (R21).",
        quantities=False, names="request",
    ),
    "replaced": ExecRow("The new id and quantity are in force.", reopens="yes"),
    "restated": ExecRow("The venue changed quantity or price by itself (R28).", reopens="yes"),
    "canceled": ExecRow(
        "Asked for or not (R26).", quantities=False, ends="canceled", names="request"
    ),
    "expired": ExecRow(
        "Its time in force ran out.", quantities=False, ends="expired", names="request"
    ),
    "rejected": ExecRow(
        "Of a request if it names a former id too (R27).",
        quantities=False, ends="rejected", names="request",
    ),
    "done_for_day": ExecRow(
        "Open quantity that cannot execute (R28). A later report may wake it.",
        quantities=False, ends="done_for_day", ends_with_leaves=True,
    ),
    "calculated": ExecRow(
        "Complete for the day. A later report may wake it.",
        quantities=False, ends="calculated", ends_with_leaves=True,
    ),
    "suspended": ExecRow("Open and not ended: it still works."),
    "stopped": ExecRow("Guaranteed, not executed: it still works."),
    "triggered": ExecRow("A stop became active."),
    "order_status": ExecRow(
        "The present state, in answer to a question.", reopens="newer"
    ),
}  # fmt: skip
"""Execution reports by type. The entry stream moves the entry view, drop copy the venue's."""

SNAPSHOT_ROW: Final = ExecRow(
    "A snapshot's row on an order not heard of since it began: newer than all that is known.",
    reopens="yes",
    lowers="yes",
)
"""What was received before the snapshot began was sent before it began. Rows on orders heard of
since are taken as ``order_status``."""

INACTIVE: Final[frozenset[OrdStatus]] = frozenset(
    {"canceled", "expired", "rejected", "done_for_day", "calculated"}
)
"""Statuses in which an order is not active, whatever open quantity the report states: the
definition of FIX LeavesQty (151) lets it state one."""

PENDING: Final[frozenset[OrdStatus]] = frozenset(
    {"pending_new", "pending_cancel", "pending_replace"}
)
"""Statuses that say that a request is pending at the venue: it waits, and is no doubt (R41)."""

FINAL: Final = frozenset({"filled", "canceled", "expired", "rejected"})
"""Ends that the venue said of this order, for good. The others are lifted by any later report that
shows the order working: done for day wakes up, absence and attestation are inferences."""


@dataclass(frozen=True, slots=True)
class MessageRow:
    """What a message other than an execution report does."""

    message: str
    """The event's type."""
    entry: str
    """To the entry view; empty for nothing."""
    venue: str
    """To the venue view; empty for nothing."""
    in_flight: str = ""
    """To requests in flight; empty for nothing."""
    rules: str = ""


MESSAGE_ROWS: Final = (
    MessageRow("new_order", "known as sent; not working until answered", "", "begins", "R29"),
    MessageRow("replace_request", "", "", "begins", "R21"),
    MessageRow("cancel_request", "", "", "begins", "R30"),
    MessageRow("mass_cancel_request", "", "", "begins, for no order in particular"),
    MessageRow(
        "unmodelled_request",
        "as a new order or a replace, of unknown quantity",
        "",
        "begins",
        "R37",
    ),
    MessageRow("cancel_reject", "", "", "ends the rejected request", "R27"),
    MessageRow(
        "request_reject", "an order that was only sent ends", "", "ends the rejected request", "R27"
    ),
    MessageRow(
        "not_applied", "an order that was only sent ends", "", "ends those in the range", "R16"
    ),
    MessageRow(
        "mass_cancel_report",
        "on the entry stream: orders named end, once fragments agree in count",
        "on drop copy: likewise",
        "ends the mass cancel",
        "R33",
    ),
    MessageRow(
        "mass_status_row",
        "on the entry stream: as above",
        "as above",
        "as an execution report, on the entry stream",
        "R17, R29",
    ),
    MessageRow(
        "mass_status_end",
        "complete, on the entry stream: what is open and absent ends",
        "complete: what is open and absent ends",
        "complete, on the entry stream: those that it shows lost end",
        "R17, R29, R33",
    ),
    MessageRow(
        "attestation", "orders named end", "orders named end", "ends those of orders named", "R17"
    ),
    MessageRow(
        "logon, gateway_switched", "", "", "what was sent before is of an earlier connection"
    ),
    MessageRow("logout, disconnect, heartbeat_missed", "", "", "", "R26, R29, R34"),
)
"""Every other message that concerns orders; all others are ignored."""


def exec_table() -> str:
    """The table of execution reports, for docs/orders.md."""
    head = (
        "| ExecType | books | takes OrderQty and Price | ends | reopens | may lower CumQty"
        " | answers a new order | |"
    )
    lines = [_exec_line(f"`{name}`", row) for name, row in EXEC_ROWS.items()]
    lines.append(_exec_line("row of a snapshot", SNAPSHOT_ROW))
    return "\n".join([head, "|---|---|---|---|---|---|---|---|", *lines])


def _exec_line(name: str, row: ExecRow) -> str:
    ends = "" if row.ends is None else "always" if row.ends_with_leaves else "unless it works on"
    takes, answers = ("yes" if said else "" for said in (row.quantities, row.answers_new))
    when = {"no": "", "yes": "yes", "newer": "if numbered later"}
    reopens, lowers = when[row.reopens], when[row.lowers]
    cells = [name, row.books or "", takes, ends, reopens, lowers, answers, row.note]
    return f"| {' | '.join(cells)} |"


def message_table() -> str:
    """The table of all other messages, for docs/orders.md."""
    rows = (
        f"| `{row.message.replace(', ', '`, `')}` | {row.entry or '-'} | {row.venue or '-'}"
        f" | {row.in_flight or '-'} | {row.rules} |"
        for row in MESSAGE_ROWS
    )
    head = "| message | entry view | venue view | requests in flight | rules |"
    return "\n".join([head, "|---|---|---|---|---|", *rows])
