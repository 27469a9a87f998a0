"""Order messages: what their fields say in the terms of the contract. Pure, one message at a time.

Codes are those of FIX 5.0 SP2 with FIX 4.2's where they differ; a code not listed is never guessed.
"""

from typing import Any, Final, Literal, get_args

from reconverge.core.messages.events import (
    CancelReject,
    CancelRequest,
    ExecType,
    ExecutionReport,
    MassCancelReport,
    MassCancelRequest,
    NewOrder,
    OrdStatus,
    ReplaceRequest,
    RequestReject,
)
from reconverge.core.messages.wire import Side
from reconverge.tap import tags
from reconverge.tap.wire import FixError, FixMessage

Envelope = dict[str, Any]

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

ORD_STATUSES: Final[dict[str, OrdStatus]] = dict(
    zip("0123456789ABCDE", get_args(OrdStatus), strict=True)
)

SIDES: Final[dict[str, Side]] = {
    "1": "buy",
    "2": "sell",
    "3": "buy",  # buy minus
    "4": "sell",  # sell plus
    "5": "sell",  # sell short
    "6": "sell",  # sell short exempt
    "D": "buy",  # subscribe
    "E": "sell",  # redeem
    "F": "sell",  # lend
    "G": "buy",  # borrow
    "H": "sell",  # sell undisclosed
}
"""Undisclosed and the crosses (7, 8, 9, A, B, C) have no direction of their own."""

_PERSISTENT_TIMES: Final = frozenset({"1", "6"})  # good till cancel, good till date
_KEPT_INSTRUCTIONS: Final = frozenset({"H", "n"})  # reinstate on system failure, on connection loss
_PULLED_INSTRUCTIONS: Final = frozenset({"Q", "o"})  # cancel on system failure, on connection loss
_PRICELESS: Final = frozenset({"1", "3"})  # market and stop orders: a zero price is no price
_RESPONSES: Final[dict[str, Literal["cancel", "replace"]]] = {"1": "cancel", "2": "replace"}
_NO_ORDER_ID: Final = "NONE"  # FIX's word for an order the venue does not know: an id of nothing
_NO_SYMBOL: Final = "[N/A]"  # FIX 4.4: the instrument is in SecurityID


def new_order(m: FixMessage, envelope: Envelope, parent_tags: tuple[str, ...]) -> NewOrder:
    """NewOrderSingle (D), sent."""
    side = SIDES.get(m.require(tags.SIDE, "Side"))
    if side is None:
        raise FixError(f"Side (54) {m.get(tags.SIDE)} has no direction")
    return NewOrder(
        **envelope,
        cl_ord_id=m.require(tags.CL_ORD_ID, "ClOrdID"),
        parent_id=_first(m, parent_tags),
        symbol=_symbol(m) or m.require(tags.SYMBOL, "Symbol"),
        side=side,
        qty=_quantity(m),
        price=_price(m),
        persistent=_persistent(m) or False,
    )


def replace_request(m: FixMessage, envelope: Envelope) -> ReplaceRequest:
    """OrderCancelReplaceRequest (G), sent."""
    return ReplaceRequest(
        **envelope,
        cl_ord_id=m.require(tags.CL_ORD_ID, "ClOrdID"),
        orig_cl_ord_id=m.require(tags.ORIG_CL_ORD_ID, "OrigClOrdID"),
        order_id=_order_id(m),
        qty=_quantity(m),
        price=_price(m),
    )


def cancel_request(m: FixMessage, envelope: Envelope) -> CancelRequest:
    """OrderCancelRequest (F), sent."""
    return CancelRequest(
        **envelope,
        cl_ord_id=m.require(tags.CL_ORD_ID, "ClOrdID"),
        orig_cl_ord_id=m.require(tags.ORIG_CL_ORD_ID, "OrigClOrdID"),
        order_id=_order_id(m),
    )


def mass_cancel_request(m: FixMessage, envelope: Envelope) -> MassCancelRequest:
    """OrderMassCancelRequest (q), or OrderMassActionRequest (CA) to cancel, sent."""
    return MassCancelRequest(
        **envelope, cl_ord_id=m.require(tags.CL_ORD_ID, "ClOrdID"), symbol=_symbol(m)
    )


def execution_report(
    m: FixMessage, envelope: Envelope, parent_tags: tuple[str, ...]
) -> ExecutionReport:
    """ExecutionReport (8), received."""
    exec_type = _exec_type(m)
    is_fill = exec_type in _ABOUT_FILLS
    return ExecutionReport(
        **envelope,
        **order_as_reported(m, parent_tags),
        exec_type=exec_type,
        exec_id=m.get(tags.EXEC_ID),
        exec_ref_id=m.get(tags.EXEC_REF_ID),
        # FIX 4.2 requires both on every report; only a fill's mean something.
        last_qty=m.decimal(tags.LAST_QTY) if is_fill else None,
        last_px=m.decimal(tags.LAST_PX) if is_fill else None,
        text=m.get(tags.TEXT),
    )


def order_as_reported(m: FixMessage, parent_tags: tuple[str, ...]) -> dict[str, Any]:
    """The fields of ``OrderReport``, shared by execution reports and mass status rows."""
    return {
        "order_id": _order_id(m),
        "cl_ord_id": m.get(tags.CL_ORD_ID),
        "orig_cl_ord_id": m.get(tags.ORIG_CL_ORD_ID),
        "parent_id": _first(m, parent_tags),
        "ord_status": _ord_status(m.require(tags.ORD_STATUS, "OrdStatus")),
        "symbol": _symbol(m),
        "side": SIDES.get(m.get(tags.SIDE) or ""),
        "order_qty": m.decimal(tags.ORDER_QTY),
        "price": _price(m),
        "cum_qty": m.decimal(tags.CUM_QTY),
        "leaves_qty": m.decimal(tags.LEAVES_QTY),
        "persistent": _persistent(m),
    }


def cancel_reject(m: FixMessage, envelope: Envelope) -> CancelReject:
    """OrderCancelReject (9), received."""
    response_to = _RESPONSES.get(m.require(tags.CXL_REJ_RESPONSE_TO, "CxlRejResponseTo"))
    if response_to is None:
        raise FixError(f"CxlRejResponseTo (434) {m.get(tags.CXL_REJ_RESPONSE_TO)} is not known")
    status = m.get(tags.ORD_STATUS)
    return CancelReject(
        **envelope,
        cl_ord_id=m.require(tags.CL_ORD_ID, "ClOrdID"),
        orig_cl_ord_id=m.get(tags.ORIG_CL_ORD_ID),
        order_id=_order_id(m),
        ord_status=None if status is None else _ord_status(status),
        response_to=response_to,
        reason=reason(m, tags.CXL_REJ_REASON),
    )


def session_reject(m: FixMessage, envelope: Envelope) -> RequestReject:
    """Reject (3), received."""
    return RequestReject(
        **envelope,
        ref_seq=m.integer(tags.REF_SEQ_NUM),
        ref_msg_type=m.get(tags.REF_MSG_TYPE),
        reason=reason(m, tags.SESSION_REJECT_REASON),
    )


def business_reject(m: FixMessage, envelope: Envelope) -> RequestReject:
    """BusinessMessageReject (j), received."""
    return RequestReject(
        **envelope,
        ref_seq=m.integer(tags.REF_SEQ_NUM),
        ref_id=m.get(tags.BUSINESS_REJECT_REF_ID),
        ref_msg_type=m.get(tags.REF_MSG_TYPE),
        reason=reason(m, tags.BUSINESS_REJECT_REASON),
    )


def mass_cancel_report(m: FixMessage, envelope: Envelope, response_tag: str) -> MassCancelReport:
    """OrderMassCancelReport (r), or OrderMassActionReport (BZ) on a cancel, received."""
    affected = m.repeated(tags.AFFECTED_ORDER_ID)
    return MassCancelReport(
        **envelope,
        cl_ord_id=m.get(tags.CL_ORD_ID),
        accepted=m.require(response_tag, "the response") != "0",
        affected_total=m.integer(tags.TOTAL_AFFECTED_ORDERS),
        affected_orders=affected or m.repeated(tags.ORIG_CL_ORD_ID, tags.AFFECTED_ORIG_CL_ORD_ID),
        last_fragment=m.get(tags.LAST_FRAGMENT) != "N",
    )


def reason(m: FixMessage, code_tag: str) -> str | None:
    """A venue's reason: its code as ``tag=code`` and its words."""
    code, text = m.get(code_tag), m.get(tags.TEXT)
    parts = [] if code is None else [f"{code_tag}={code}"]
    return " ".join([*parts, *([] if text is None else [text])]) or None


def _exec_type(m: FixMessage) -> ExecType:
    by_transaction = EXEC_TRANS_TYPES.get(m.get(tags.EXEC_TRANS_TYPE) or "0")
    if by_transaction is not None:
        return by_transaction
    code = m.require(tags.EXEC_TYPE, "ExecType")
    exec_type = EXEC_TYPES.get(code)
    if exec_type is None:
        raise FixError(f"ExecType (150) {code} is not known")
    return exec_type


def _ord_status(code: str) -> OrdStatus:
    status = ORD_STATUSES.get(code)
    if status is None:
        raise FixError(f"OrdStatus (39) {code} is not known")
    return status


def _order_id(m: FixMessage) -> str | None:
    order_id = m.get(tags.ORDER_ID)
    return None if order_id == _NO_ORDER_ID else order_id


def _symbol(m: FixMessage) -> str | None:
    symbol = m.get(tags.SYMBOL)
    return m.get(tags.SECURITY_ID) if symbol is None or symbol == _NO_SYMBOL else symbol


def _quantity(m: FixMessage) -> str:
    qty = m.decimal(tags.ORDER_QTY)
    if qty is None:
        raise FixError("no OrderQty (38)")
    return qty


def _price(m: FixMessage) -> str | None:
    return None if m.get(tags.ORD_TYPE) in _PRICELESS else m.decimal(tags.PRICE)


def _persistent(m: FixMessage) -> bool | None:
    """Whether the order survives cancel-on-disconnect (R26); None where it is not said."""
    time_in_force, instructions = (
        m.get(tags.TIME_IN_FORCE),
        set((m.get(tags.EXEC_INST) or "").split()),
    )
    if instructions & _PULLED_INSTRUCTIONS:
        return False
    if instructions & _KEPT_INSTRUCTIONS:
        return True
    return None if time_in_force is None else time_in_force in _PERSISTENT_TIMES


def _first(m: FixMessage, wanted: tuple[str, ...]) -> str | None:
    return next((value for tag in wanted if (value := m.get(tag)) is not None), None)
