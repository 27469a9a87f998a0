"""Application messages of the toy market, per FIX version: tags, requests, execution reports.

A message is a list of (tag, value) pairs, MsgType (35) first; the engines add header and trailer.
Nothing here knows an engine, a socket or a clock.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Literal

Version = Literal["4.2", "4.4", "5.0SP2"]
Fields = list[tuple[int, str]]
Request = dict[int, str]

BEGIN_STRING: dict[Version, str] = {"4.2": "FIX.4.2", "4.4": "FIX.4.4", "5.0SP2": "FIXT.1.1"}

# Tags, by their names in the FIX specification.
AVG_PX, CL_ORD_ID, CUM_QTY, EXEC_ID, EXEC_REF_ID, EXEC_TRANS_TYPE = 6, 11, 14, 17, 19, 20
HANDL_INST, LAST_PX, LAST_QTY, MSG_SEQ_NUM, MSG_TYPE = 21, 31, 32, 34, 35
ORDER_ID, ORDER_QTY = 37, 38
ORD_STATUS, ORD_TYPE, ORIG_CL_ORD_ID, POSS_DUP_FLAG, PRICE = 39, 40, 41, 43, 44
SIDE, SYMBOL, TEXT, TIME_IN_FORCE, TRANSACT_TIME = 54, 55, 58, 59, 60
POSS_RESEND, CXL_REJ_REASON, ORD_REJ_REASON, EXEC_TYPE, LEAVES_QTY = 97, 102, 103, 150, 151
EXEC_RESTATEMENT_REASON, CXL_REJ_RESPONSE_TO = 378, 434
CL_ORD_LINK_ID, MASS_STATUS_REQ_ID, MASS_STATUS_REQ_TYPE = 583, 584, 585
TOT_NUM_REPORTS, LAST_RPT_REQUESTED = 911, 912

SOH = "\x01"
TICK = Decimal("0.01")
# OrdStatus of an order that cannot execute: filled, done for day, canceled, rejected, expired.
INACTIVE = frozenset("2348C")


class ExecKind(StrEnum):
    """What an execution report tells; the value is ExecType (150) from FIX 4.3 on."""

    NEW = "0"
    DONE_FOR_DAY = "3"
    CANCELED = "4"
    REPLACED = "5"
    PENDING_CANCEL = "6"
    STOPPED = "7"
    REJECTED = "8"
    PENDING_NEW = "A"
    EXPIRED = "C"
    RESTATED = "D"
    PENDING_REPLACE = "E"
    TRADE = "F"
    TRADE_CORRECT = "G"
    TRADE_CANCEL = "H"
    ORDER_STATUS = "I"


# ExecTransType (20), which FIX 4.3 folded into ExecType.
_EXEC_TRANS_TYPE_42 = {
    ExecKind.TRADE_CANCEL: "1",
    ExecKind.TRADE_CORRECT: "2",
    ExecKind.ORDER_STATUS: "3",
}


@dataclass(slots=True)
class Order:
    """One order as the venue holds it; `cl_ord_id` is the newest of its chain."""

    order_id: str
    cl_ord_id: str
    parent: str
    symbol: str
    side: str
    quantity: int
    price: Decimal
    persistent: bool
    status: str = "0"
    cum: int = 0
    paid: Decimal = Decimal(0)

    @property
    def leaves(self) -> int:
        """Open quantity that can execute."""
        return 0 if self.status in INACTIVE else self.quantity - self.cum

    @property
    def average(self) -> Decimal:
        """Average price of the executed quantity, to a hundredth of a tick."""
        return (self.paid / self.cum).quantize(TICK / 100) if self.cum else Decimal(0)


@dataclass(frozen=True, slots=True)
class Report:
    """One execution report before it is encoded: the order as it stands and what happened to it."""

    kind: ExecKind
    exec_id: str
    order: Order
    cl_ord_id: str
    """The order's, or that of the request which is pending."""
    status: str
    """The order's, or a passing one."""
    leaves: int
    """The order's, or what is open and cannot execute."""
    last_quantity: int = 0
    last_price: Decimal = Decimal(0)
    orig_cl_ord_id: str = ""
    exec_ref_id: str = ""
    restatement: Literal["", "disconnect", "declined"] = ""
    extra: tuple[tuple[int, str], ...] = ()


def utc_now() -> str:
    """The UTC time as FIX writes it, to the millisecond."""
    return datetime.now(UTC).strftime("%Y%m%d-%H:%M:%S.%f")[:-3]


def execution_report(version: Version, report: Report) -> Fields:
    """Encode one execution report (35=8) in the given version."""
    order = report.order
    fields: Fields = [
        (MSG_TYPE, "8"),
        (ORDER_ID, order.order_id),
        (EXEC_ID, report.exec_id),
        *_exec_type(version, report),
        (CL_ORD_ID, report.cl_ord_id),
        *([(CL_ORD_LINK_ID, order.parent)] if order.parent else []),
        (SYMBOL, order.symbol),
        (SIDE, order.side),
        (ORDER_QTY, str(order.quantity)),
        (ORD_TYPE, "2"),
        (PRICE, str(order.price)),
        (TIME_IN_FORCE, "1" if order.persistent else "0"),
        (CUM_QTY, str(order.cum)),
        (LEAVES_QTY, str(report.leaves)),
        (AVG_PX, str(order.average)),
        (TRANSACT_TIME, utc_now()),
        *report.extra,
    ]
    if report.last_quantity:
        fields += [(LAST_QTY, str(report.last_quantity)), (LAST_PX, str(report.last_price))]
    elif version == "4.2":
        fields += [(LAST_QTY, "0"), (LAST_PX, "0")]  # required there, whatever happened
    if report.orig_cl_ord_id:
        fields.append((ORIG_CL_ORD_ID, report.orig_cl_ord_id))
    if report.exec_ref_id:
        fields.append((EXEC_REF_ID, report.exec_ref_id))
    return fields + _restatement(version, report)


def _exec_type(version: Version, report: Report) -> Fields:
    """ExecType and OrdStatus, with ExecTransType where the version still has it."""
    status = report.status
    if version != "4.2":
        return [(EXEC_TYPE, report.kind.value), (ORD_STATUS, status)]
    if report.kind is ExecKind.REPLACED and status == "0":
        status = "5"
    trans_type = _EXEC_TRANS_TYPE_42.get(report.kind, "0")
    by_status = report.kind is ExecKind.TRADE or trans_type != "0"
    exec_type = status if by_status else report.kind.value
    return [(EXEC_TRANS_TYPE, trans_type), (EXEC_TYPE, exec_type), (ORD_STATUS, status)]


def _restatement(version: Version, report: Report) -> Fields:
    """Why the venue acted unasked; before 5.0 no code said "connection lost", before 4.4 none."""
    if report.restatement == "declined":
        return [(EXEC_RESTATEMENT_REASON, "5")]
    if report.restatement != "disconnect":
        return []
    reason = {"4.2": [], "4.4": ["7"], "5.0SP2": ["12"]}[version]
    return [
        *((EXEC_RESTATEMENT_REASON, code) for code in reason),
        (TEXT, "canceled on disconnect"),
    ]


def cancel_reject(request: Request, order_id: str, status: str, reason: str, text: str) -> Fields:
    """OrderCancelReject (35=9) to a cancel or replace request."""
    return [
        (MSG_TYPE, "9"),
        (ORDER_ID, order_id),
        (CL_ORD_ID, request[CL_ORD_ID]),
        (ORIG_CL_ORD_ID, request[ORIG_CL_ORD_ID]),
        (ORD_STATUS, status),
        (CXL_REJ_RESPONSE_TO, "1" if request[MSG_TYPE] == "F" else "2"),
        (CXL_REJ_REASON, reason),
        (TEXT, text),
        (TRANSACT_TIME, utc_now()),
    ]


def pairs(raw: str) -> Fields:
    """Split an encoded message into its (tag, value) pairs, in order."""
    parts = (part.partition("=") for part in raw.rstrip(SOH).split(SOH))
    return [(int(tag), value) for tag, _, value in parts]


def as_request(fields: Iterable[Iterable[int | str]]) -> Request:
    """Return the pairs of one message as a mapping; messages here have no repeating groups."""
    return {int(tag): str(value) for tag, value in fields}
