"""Which message says which word to which view of an order: data that the code acts on.

docs/orders.md prints both tables. What a word does to a view is in ``states``.
"""

from dataclasses import dataclass
from typing import Final, Literal

from reconverge.core.messages.events import ExecType, OrdStatus
from reconverge.core.orders.states import Word

Booking = Literal["fill", "bust", "correct"]
Newer = Literal["no", "yes", "newer"]
Lowers = Literal["no", "yes", "hole", "bust"]
Leg = Literal["order", "request"]
Views = Literal["none", "entry", "own", "told", "both"]


@dataclass(frozen=True, slots=True)
class ExecRow:
    """What an execution report of one type does to the view that it tells."""

    note: str
    """For the reader of the table."""
    books: Booking | None = None
    """What happens to booked executions (R23-R25)."""
    quantities: bool = True
    """Order quantity and price in it are in force; a pending replace's may be those asked for."""
    ends: Word | None = None
    """What it says of the order's end. An active status and something open show that it ended a
    request, or a part, and not the order."""
    ends_with_leaves: bool = False
    """It ends the order even so (R28)."""
    reopens: Newer = "no"
    """May an order that ended for good work again by it? ``newer``: if its number shows that it is
    later than what ended the order."""
    lowers: Lowers = "hole"
    """Does a CumQty below what is known show that a bust was lost, or is it stale (R38)? ``hole``:
    if it is numbered later than the last word, and numbers between the two are missing. ``bust``:
    then, and if more is booked than was executed."""
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
        "Booked once per execution id; all else in it applies every time.", "fill", lowers="bust"
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
        "Asked for or not (R26).", quantities=False, ends=Word.CANCELED, names="request"
    ),
    "expired": ExecRow(
        "Its time in force ran out.", quantities=False, ends=Word.EXPIRED, names="request"
    ),
    "rejected": ExecRow(
        "Of a request if it names a former id too (R27).",
        quantities=False, ends=Word.REJECTED, names="request",
    ),
    "done_for_day": ExecRow(
        "Open quantity that cannot execute (R28). A later report may wake it.",
        quantities=False, ends=Word.DONE_FOR_DAY, ends_with_leaves=True,
    ),
    "calculated": ExecRow(
        "Complete for the day. A later report may wake it.",
        quantities=False, ends=Word.CALCULATED, ends_with_leaves=True,
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

INACTIVE: Final[dict[OrdStatus, Word]] = {
    "canceled": Word.CANCELED, "expired": Word.EXPIRED, "rejected": Word.REJECTED,
    "done_for_day": Word.DONE_FOR_DAY, "calculated": Word.CALCULATED,
}  # fmt: skip
"""Statuses in which an order is not active, whatever open quantity the report states: the
definition of FIX LeavesQty (151) lets it state one."""


@dataclass(frozen=True, slots=True)
class MessageRow:
    """What a message other than an execution report says, and to which views."""

    word: Word | None
    """What it says of each order that it is about; None: nothing of its state."""
    views: Views
    """Which views it tells. ``told``: both on order entry, the venue's on drop copy."""
    in_flight: str
    """What becomes of requests in flight, for the reader; empty for nothing."""
    rules: str


MESSAGE_ROWS: Final[dict[str, MessageRow]] = {
    "new_order": MessageRow(Word.SENT, "entry", "begins", "R5, R29"),
    "replace_request": MessageRow(None, "none", "begins", "R21"),
    "cancel_request": MessageRow(None, "none", "begins", "R30"),
    "mass_cancel_request": MessageRow(None, "none", "begins, for no order in particular", "R37"),
    "unmodelled_request": MessageRow(
        Word.SENT, "entry", "begins, of unknown size; about an order, as a replace", "R37"
    ),
    "cancel_reject": MessageRow(None, "none", "ends the rejected request", "R27"),
    "request_reject": MessageRow(Word.REFUSED, "entry", "ends the rejected request", "R27"),
    "not_applied": MessageRow(Word.NOT_APPLIED, "entry", "ends those in the range", "R16"),
    "mass_cancel_report": MessageRow(
        Word.MASS_CANCELED, "own", "ends the mass cancel", "R33"
    ),
    "mass_status_end": MessageRow(
        Word.ABSENT, "told", "on order entry: ends those that it shows lost", "R17, R29, R33"
    ),
    "attestation": MessageRow(Word.ATTESTED, "both", "ends those of orders named", "R17"),
}  # fmt: skip
"""Every other message that says something of orders; rows of snapshots are told as reports. Those
of the session (logon, disconnect, ...) move no view (R26, R29, R34)."""


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
    reopens = {"no": "", "yes": "yes", "newer": "if numbered later"}[row.reopens]
    lowers = {
        "no": "", "yes": "yes", "hole": "after a hole",
        "bust": "after a hole, if more is booked",
    }[row.lowers]  # fmt: skip
    cells = [name, row.books or "", takes, ends, reopens, lowers, answers, row.note]
    return f"| {' | '.join(cells)} |"


_VIEWS: Final[dict[Views, str]] = {
    "none": "-", "entry": "entry", "own": "that of its stream", "both": "both",
    "told": "both on order entry, the venue's on drop copy",
}  # fmt: skip


def message_table() -> str:
    """The table of all other messages, for docs/orders.md."""
    rows = (
        f"| `{message}` | {row.word or '-'} | {_VIEWS[row.views]}"
        f" | {row.in_flight or '-'} | {row.rules} |"
        for message, row in MESSAGE_ROWS.items()
    )
    head = "| message | word | view | requests in flight | rules |"
    return "\n".join([head, "|---|---|---|---|---|", *rows])
