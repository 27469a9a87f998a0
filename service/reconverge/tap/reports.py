"""What a venue answers and reports, in the terms of the contract. Pure, one message at a time.

A report whose type or status is missing or unknown is read from what else it says (FIX 4.0 has no
ExecType, and some venues leave it out); one that says neither raises ``FixError``.
"""

from decimal import Decimal
from typing import Any, Final, Literal

from reconverge.core.messages.events import (
    CancelReject,
    ExecType,
    ExecutionReport,
    Liquidity,
    MassCancelReport,
    OrdStatus,
    RequestReject,
)
from reconverge.tap import fees, fields, tags
from reconverge.tap.fields import Envelope
from reconverge.tap.wire import FixError, FixMessage

EXEC_TYPES: Final[dict[str, ExecType]] = {
    "0": "new",
    "1": "trade",  # FIX 4.2: partial fill
    "2": "trade",  # FIX 4.2: fill
    "3": "done_for_day",
    "4": "canceled",
    "5": "replaced",
    "6": "pending_cancel",
    "7": "stopped",
    "8": "rejected",
    "9": "suspended",
    "A": "pending_new",
    "B": "calculated",
    "C": "expired",
    "D": "restated",
    "E": "pending_replace",
    "F": "trade",
    "G": "trade_correct",
    "H": "trade_cancel",
    "I": "order_status",
    "J": "order_status",  # trade in a clearing hold: the fill itself came as F
    "K": "order_status",  # trade released to clearing: likewise
    "L": "triggered",
    "M": "order_status",  # locked: says only how the order stands
    "N": "order_status",  # released: likewise
}
EXEC_TRANS_TYPES: Final[dict[str, ExecType]] = {
    "1": "trade_cancel",
    "2": "trade_correct",
    "3": "order_status",
}
"""FIX 4.2's ExecTransType, which comes before ExecType there; 0 (new) leaves it to ExecType."""
_ABOUT_FILLS: Final = frozenset({"trade", "trade_correct", "trade_cancel"})

_OF_STATUS: Final[dict[OrdStatus, ExecType]] = {
    "new": "new",
    "partially_filled": "order_status",
    "filled": "order_status",
    "done_for_day": "done_for_day",
    "canceled": "canceled",
    "replaced": "replaced",
    "pending_cancel": "pending_cancel",
    "stopped": "stopped",
    "rejected": "rejected",
    "suspended": "suspended",
    "pending_new": "pending_new",
    "calculated": "calculated",
    "expired": "expired",
    "accepted_for_bidding": "order_status",
    "pending_replace": "pending_replace",
}
"""What a report says that states no type, unless it is a fill."""
_MAY_BE_FILLED: Final = frozenset({
    "partially_filled", "filled", "pending_cancel", "pending_replace",
})  # fmt: skip
"""Statuses under which FIX 4.0 reports a fill: a LastShares above zero."""
_OF_TYPE: Final[dict[ExecType, OrdStatus]] = {
    exec_type: status for status, exec_type in _OF_STATUS.items() if exec_type != "order_status"
}
_LIQUIDITY: Final[dict[str, Liquidity]] = {"1": "added", "2": "removed", "4": "auction"}
_LEG: Final = "2"  # MultiLegReportingType: a leg of a multileg order
_RESPONSES: Final[dict[str, Literal["cancel", "replace"]]] = {"1": "cancel", "2": "replace"}


def execution_report(
    m: FixMessage, envelope: Envelope, parent_tags: tuple[str, ...]
) -> ExecutionReport:
    """ExecutionReport (8), received."""
    exec_type, status = _type_and_status(m)
    is_fill = exec_type in _ABOUT_FILLS
    order = order_as_reported(m, parent_tags, status)
    if m.get(tags.MULTI_LEG_REPORTING_TYPE) == _LEG:
        order = _leg_fill(m, order) if is_fill else _without_quantities(order)
    # FIX 4.2 requires both on every report; only a fill's mean something.
    last_qty = m.quantity(tags.LAST_QTY) if is_fill else None
    return ExecutionReport(
        **envelope,
        **order,
        exec_type=exec_type,
        exec_id=m.name(tags.EXEC_ID),
        exec_ref_id=m.name(tags.EXEC_REF_ID),
        last_qty=last_qty,
        last_px=m.price(tags.LAST_PX) if is_fill else None,
        transact_ns=m.time_ns(tags.TRANSACT_TIME),
        liquidity=_LIQUIDITY.get(m.get(tags.LAST_LIQUIDITY_IND) or "") if is_fill else None,
        fee=fees.of_fill(m, last_qty, order["symbol"]) if is_fill else None,
        text=m.free_text(tags.TEXT),
    )


def order_as_reported(
    m: FixMessage, parent_tags: tuple[str, ...], status: OrdStatus | None = None
) -> dict[str, Any]:
    """The fields of ``OrderReport``, shared by execution reports and mass status rows."""
    return {
        "order_id": fields.order_id(m),
        "cl_ord_id": m.name(tags.CL_ORD_ID),
        "orig_cl_ord_id": m.name(tags.ORIG_CL_ORD_ID),
        "parent_id": fields.first(m, parent_tags),
        "ord_status": status or _type_and_status(m)[1],
        "symbol": fields.symbol(m),
        "side": fields.side(m),
        "order_qty": m.quantity(tags.ORDER_QTY),
        "price": fields.price(m),
        "cum_qty": m.quantity(tags.CUM_QTY),
        "leaves_qty": m.quantity(tags.LEAVES_QTY),
        "persistent": fields.persistent(m),
    }


def cancel_reject(m: FixMessage, envelope: Envelope) -> CancelReject:
    """OrderCancelReject (9), received. Before FIX 4.2 it does not say to what: R27 makes no
    difference.
    """
    code = m.get(tags.CXL_REJ_RESPONSE_TO)
    if code is not None and code not in _RESPONSES:
        m.fault(tags.CXL_REJ_RESPONSE_TO, f"CxlRejResponseTo {code} is not known")
    return CancelReject(
        **envelope,
        cl_ord_id=m.require(tags.CL_ORD_ID, "ClOrdID"),
        orig_cl_ord_id=m.name(tags.ORIG_CL_ORD_ID),
        order_id=fields.order_id(m),
        ord_status=_known_status(m),
        response_to=_RESPONSES.get(code or "", "cancel"),
        reason=fields.reason(m, tags.CXL_REJ_REASON),
    )


def session_reject(m: FixMessage, envelope: Envelope) -> RequestReject:
    """Reject (3), received."""
    return RequestReject(
        **envelope,
        ref_seq=m.integer(tags.REF_SEQ_NUM),
        ref_msg_type=m.get(tags.REF_MSG_TYPE),
        reason=fields.reason(m, tags.SESSION_REJECT_REASON),
    )


def business_reject(m: FixMessage, envelope: Envelope) -> RequestReject:
    """BusinessMessageReject (j), received."""
    return RequestReject(
        **envelope,
        ref_seq=m.integer(tags.REF_SEQ_NUM),
        ref_id=m.name(tags.BUSINESS_REJECT_REF_ID),
        ref_msg_type=m.get(tags.REF_MSG_TYPE),
        reason=fields.reason(m, tags.BUSINESS_REJECT_REASON),
    )


def mass_cancel_report(m: FixMessage, envelope: Envelope, response_tag: str) -> MassCancelReport:
    """OrderMassCancelReport (r), or OrderMassActionReport (BZ) on a cancel, received."""
    affected = m.repeated(tags.AFFECTED_ORDER_ID)
    return MassCancelReport(
        **envelope,
        cl_ord_id=m.name(tags.CL_ORD_ID),
        accepted=m.require(response_tag, "the response") != "0",
        affected_total=m.integer(tags.TOTAL_AFFECTED_ORDERS),
        affected_orders=affected or m.repeated(tags.ORIG_CL_ORD_ID, tags.AFFECTED_ORIG_CL_ORD_ID),
        last_fragment=m.get(tags.LAST_FRAGMENT) != "N",
    )


def _type_and_status(m: FixMessage) -> tuple[ExecType, OrdStatus]:
    """What a report says, and how the order stands; each from the other where one is no help."""
    exec_type, status = _known_type(m), _known_status(m)
    if exec_type is not None:
        return exec_type, status or _status_of(m, exec_type)
    if status is None:
        raise FixError("neither ExecType (150) nor OrdStatus (39) says what the report is")
    is_fill = status in _MAY_BE_FILLED and _amount(m, tags.LAST_QTY)
    return "trade" if is_fill else _OF_STATUS[status], status


def _known_type(m: FixMessage) -> ExecType | None:
    by_transaction = EXEC_TRANS_TYPES.get(m.get(tags.EXEC_TRANS_TYPE) or "0")
    if by_transaction is not None:
        return by_transaction
    code = m.get(tags.EXEC_TYPE)
    if code is not None and code not in EXEC_TYPES:
        m.fault(tags.EXEC_TYPE, f"ExecType {code} is not known; OrdStatus (39) must do")
    return EXEC_TYPES.get(code or "")


def _known_status(m: FixMessage) -> OrdStatus | None:
    code = m.get(tags.ORD_STATUS)
    if code is not None and code not in fields.ORD_STATUSES:
        m.fault(tags.ORD_STATUS, f"OrdStatus {code} is not known")
    return fields.ORD_STATUSES.get(code or "")


def _status_of(m: FixMessage, exec_type: ExecType) -> OrdStatus:
    """The status of an order of which only the type of a report is known (R20: never what
    decides).
    """
    stated = _OF_TYPE.get(exec_type)
    if stated is not None:
        return stated
    executed = _amount(m, tags.CUM_QTY)
    if not executed and exec_type != "trade":
        return "new"
    ordered, is_done = _amount(m, tags.ORDER_QTY), _amount(m, tags.LEAVES_QTY) == 0
    return "filled" if is_done and executed == ordered else "partially_filled"


def _amount(m: FixMessage, tag: str) -> Decimal | None:
    text = m.quantity(tag)
    return None if text is None else Decimal(text)


def _leg_fill(m: FixMessage, order: dict[str, Any]) -> dict[str, Any]:
    """A fill of one leg books on an order of the leg's own, which never works: the multileg order,
    with its summary, is the one that does (R38).
    """
    parent = order["order_id"] or order["cl_ord_id"]
    leg = m.name(tags.LEG_REF_ID) or order["symbol"]
    if parent is None or leg is None:
        raise FixError("a report on a leg (442=2) names no order (37, 11) or no leg (654, 55)")
    ids = {"order_id": f"{parent}/{leg}", "cl_ord_id": None, "orig_cl_ord_id": None}
    return _without_quantities(order) | ids | {"ord_status": "filled", "leaves_qty": "0"}


def _without_quantities(order: dict[str, Any]) -> dict[str, Any]:
    """What a report on a leg says of quantities and prices concerns the leg."""
    return order | dict.fromkeys(("order_qty", "price", "cum_qty", "leaves_qty"))
