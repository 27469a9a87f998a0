"""What we ask of a venue, in the terms of the contract. Pure, one message at a time."""

import re
from collections.abc import Callable
from typing import Final

from reconverge.core.messages.events import (
    CancelRequest,
    MassCancelRequest,
    NewOrder,
    ReplaceRequest,
    StreamEvent,
    UnmodelledRequest,
)
from reconverge.core.messages.wire import NAME_LENGTH_MAX
from reconverge.tap import fields, tags, values
from reconverge.tap.fields import Envelope
from reconverge.tap.wire import FixError, FixMessage

_OF_FIX = re.compile(r"[0-9A-Za-z]|[A-E][A-Z]")
"""Message types of FIX itself, up to its latest extension packs; others are a venue's own."""
_IDS: Final = (tags.CL_ORD_ID, tags.CROSS_ID, tags.LIST_ID)


def new_order(m: FixMessage, envelope: Envelope, parent_tags: tuple[str, ...]) -> NewOrder:
    """NewOrderSingle (D), sent."""
    side = fields.SIDES.get(m.require(tags.SIDE, "Side"))
    if side is None:
        raise FixError(f"Side (54) {m.get(tags.SIDE)} has no direction")
    return NewOrder(
        **envelope,
        cl_ord_id=m.require(tags.CL_ORD_ID, "ClOrdID"),
        parent_id=fields.first(m, parent_tags),
        symbol=fields.symbol(m) or m.require(tags.SYMBOL, "Symbol"),
        side=side,
        qty=_quantity(m),
        price=fields.price(m),
        persistent=fields.persistent(m) or False,
    )


def replace_request(m: FixMessage, envelope: Envelope) -> ReplaceRequest:
    """OrderCancelReplaceRequest (G), sent."""
    return ReplaceRequest(
        **envelope,
        cl_ord_id=m.require(tags.CL_ORD_ID, "ClOrdID"),
        orig_cl_ord_id=_original(m),
        order_id=fields.order_id(m),
        qty=_quantity(m),
        price=fields.price(m),
    )


def cancel_request(m: FixMessage, envelope: Envelope) -> CancelRequest:
    """OrderCancelRequest (F), sent."""
    return CancelRequest(
        **envelope,
        cl_ord_id=m.require(tags.CL_ORD_ID, "ClOrdID"),
        orig_cl_ord_id=_original(m),
        order_id=fields.order_id(m),
    )


def mass_cancel_request(m: FixMessage, envelope: Envelope) -> MassCancelRequest:
    """OrderMassCancelRequest (q), or OrderMassActionRequest (CA) to cancel, sent."""
    return MassCancelRequest(
        **envelope, cl_ord_id=m.require(tags.CL_ORD_ID, "ClOrdID"), symbol=fields.symbol(m)
    )


def new_list(m: FixMessage, envelope: Envelope, parent_tags: tuple[str, ...]) -> list[StreamEvent]:
    """NewOrderList (E), sent, as its orders. The first carries the list's number, which is one."""
    head = m.pairs[: next((at for at, pair in enumerate(m.pairs) if pair[0] == "11"), 0)]
    orders = [FixMessage([*head, *each.pairs]) for each in m.groups(tags.CL_ORD_ID)]
    if not orders:
        raise FixError("a list without orders")
    events: list[StreamEvent] = []
    for each in orders:
        events.append(or_unmodelled(each, envelope, lambda m, e: new_order(m, e, parent_tags)))
        envelope = envelope | {"seq": None}
        m.faults += each.faults
    return events


def unmodelled(why: str) -> Callable[[FixMessage, Envelope], StreamEvent]:
    """How a request is built of which only this is known: it is under way (R37)."""

    def build(m: FixMessage, envelope: Envelope) -> StreamEvent:
        cl_ord_id = fields.first(m, _IDS)
        if cl_ord_id is None:
            raise FixError(f"{why}; and no id that an answer could name (11, 548, 66)")
        one = len(m.repeated(tags.CL_ORD_ID)) <= 1
        return UnmodelledRequest(
            **envelope,
            cl_ord_id=cl_ord_id,
            orig_cl_ord_id=m.name(tags.ORIG_CL_ORD_ID),
            symbol=fields.symbol(m),
            side=fields.side(m) if one else None,
            msg_type=m.require(tags.MSG_TYPE, "MsgType"),
            reason=why[:NAME_LENGTH_MAX],
        )

    return build


def or_unmodelled(
    m: FixMessage, envelope: Envelope, build: Callable[[FixMessage, Envelope], StreamEvent]
) -> StreamEvent:
    """The request, or, if the contract cannot hold it, that it is under way."""
    try:
        return build(m, envelope)
    except FixError as error:
        return unmodelled(str(error))(m, envelope)


def is_venues_own(m: FixMessage) -> bool:
    """Whether a type that FIX does not know names an order of ours, and so may change it."""
    return tags.CL_ORD_ID in m.fields and _OF_FIX.fullmatch(m.fields.get(tags.MSG_TYPE, "")) is None


def _original(m: FixMessage) -> str:
    """The order that a request is about; some venues take their own id of it instead of ours."""
    found = m.name(tags.ORIG_CL_ORD_ID) or fields.order_id(m)
    if found is None:
        raise FixError("no OrigClOrdID (41), and no OrderID (37)")
    return found


def _quantity(m: FixMessage) -> str:
    """A quantity exactly, for it may be all that is ever known of an order."""
    text = m.get(tags.ORDER_QTY)
    if text is None:
        cash = m.get(tags.CASH_ORDER_QTY)
        if cash is not None:
            raise FixError(f"CashOrderQty (152) {cash}: a cash amount, no quantity")
        raise FixError("no OrderQty (38)")
    try:
        quantity = values.decimal_text(text)
    except ValueError as error:
        raise FixError(f"OrderQty (38): {error}") from None
    if quantity.startswith("-"):
        raise FixError(f"OrderQty (38): {text!r} is no quantity")
    return quantity
