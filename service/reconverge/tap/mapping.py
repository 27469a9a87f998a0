"""Which FIX message becomes which event, as data: the translator runs it, docs/tap.md shows it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final, Literal

from reconverge.core.messages.events import MassStatusBegin, StreamEvent
from reconverge.tap import admin, reports, requests, tags
from reconverge.tap.fields import Envelope
from reconverge.tap.wire import FixMessage

PARENT_TAGS: Final = (tags.CL_ORD_LINK_ID, tags.SECONDARY_CL_ORD_ID)
"""Where a parent's id is looked for, in this order, unless the user names other tags."""

CARRIED: Final = frozenset("89r")
"""Types that are read out of a message that carries them; its others are of another session."""

_CANCEL_ORDERS: Final = "3"  # MassActionType
_ALL_ORDERS, _ONE_SECURITY = "7", "1"  # MassStatusReqType
_NARROWING: Final = (
    tags.ACCOUNT,
    tags.SIDE,
    tags.TRADING_SESSION_ID,
    tags.NO_PARTY_IDS,
    tags.NO_TARGET_PARTY_IDS,
)

Way = Literal["sent", "received", "both"]
_REFUSALS: Final = (
    "`resend_rejected` for a resend request; a mass status request refused also gets its"
    " `mass_status_end`, failed"
)

_IF_HELD: Final = (
    "`unmodelled_request` if the contract cannot hold it: a cash amount (152), a side without"
    " direction, a quantity of ten decimals or more"
)

Build = Callable[[FixMessage, Envelope], StreamEvent | list[StreamEvent]]


@dataclass(frozen=True, slots=True)
class Row:
    """One message type, which way it goes, what it becomes."""

    msg_type: str
    name: str
    way: Way
    build: Build
    event: str
    remark: str = ""


def rows(parent_tags: tuple[str, ...] = PARENT_TAGS) -> tuple[Row, ...]:
    """The table. Whatever is not in it becomes ``other_message``, so that its number is used up."""
    new_order = partial(requests.new_order, parent_tags=parent_tags)
    new_list = partial(requests.new_list, parent_tags=parent_tags)
    report = partial(reports.execution_report, parent_tags=parent_tags)
    cancelled = partial(reports.mass_cancel_report, response_tag=tags.MASS_CANCEL_RESPONSE)
    return (
        Row("D", "NewOrderSingle", "sent", _or_unmodelled(new_order), "new_order", _IF_HELD),
        Row("G", "OrderCancelReplaceRequest", "sent", _or_unmodelled(requests.replace_request),
            "replace_request", _IF_HELD),
        Row("F", "OrderCancelRequest", "sent", requests.cancel_request, "cancel_request",
            "without OrigClOrdID (41) about OrderID (37)"),
        Row("E", "NewOrderList", "sent", new_list, "new_order", "one for each order of the list"),
        _in_flight("AB", "NewOrderMultileg", "a multileg order"),
        _in_flight("AC", "MultilegOrderCancelReplace", "a multileg order"),
        _in_flight("s", "NewOrderCross", "a cross"),
        _in_flight("t", "CrossOrderCancelReplaceRequest", "a cross"),
        Row("q", "OrderMassCancelRequest", "sent", requests.mass_cancel_request,
            "mass_cancel_request"),
        Row("CA", "OrderMassActionRequest", "sent", _mass_action_request, "mass_cancel_request",
            "if MassActionType (1373) is 3, cancel; else `other_message`"),
        Row("AF", "OrderMassStatusRequest", "sent", _mass_status_request, "mass_status_begin",
            "if for all orders or one security (585 = 7, 1), not narrowed by account, side, party"
            " or trading session; else `other_message`: a part does not show the rest is gone"),
        Row("8", "ExecutionReport", "received", report, "execution_report",
            "`mass_status_row` when it answers an open request (584), with a `mass_status_end`"
            " behind the last (911 rows came, or 912 = Y); or that alone (911 = 0, refused)"),
        Row("n", "XmlNonFIX", "received", admin.other, "other_message",
            "where XmlData (213) carries an 8, 9 or r, that is read, under the number of what"
            " carries it (CME's drop copy)"),
        Row("9", "OrderCancelReject", "received", reports.cancel_reject, "cancel_reject"),
        Row("r", "OrderMassCancelReport", "received", cancelled, "mass_cancel_report"),
        Row("BZ", "OrderMassActionReport", "received", _mass_action_report, "mass_cancel_report",
            "if MassActionType (1373) is 3, cancel; else `other_message`"),
        Row("3", "Reject", "received", reports.session_reject, "request_reject",
            _REFUSALS),
        Row("j", "BusinessMessageReject", "received", reports.business_reject, "request_reject",
            _REFUSALS),
        Row("A", "Logon", "both", admin.logon, "logon"),
        Row("5", "Logout", "both", admin.logout, "logout"),
        Row("0", "Heartbeat", "both", admin.heartbeat, "heartbeat"),
        Row("2", "ResendRequest", "both", admin.resend_request, "resend_requested",
            "EndSeqNo (16) 0 and 999999 mean everything up to now: `to_seq` null"),
        Row("4", "SequenceReset", "both", admin.sequence_reset, "gap_fill",
            "with GapFillFlag (123) Y; else `sequence_reset`"),
    )  # fmt: skip


def venues_own(m: FixMessage, envelope: Envelope) -> StreamEvent:
    """What we sent that is in no row: a request of the venue's own, or nothing of orders."""
    if requests.is_venues_own(m):
        return requests.unmodelled("a message type of the venue's own")(m, envelope)
    return admin.other(m, envelope)


def table() -> str:
    """The table as Markdown, for docs/tap.md."""
    lines = ["| FIX message | way | event | remarks |", "|---|---|---|---|"]
    lines += [
        f"| {row.name} ({row.msg_type}) | {row.way} | `{row.event}` | {row.remark} |"
        for row in rows()
    ]
    lines.append(
        "| a type that FIX does not know, with ClOrdID (11) | sent | `unmodelled_request` |"
        " a venue's own cancel-replace, say |"
    )
    lines.append("| any other | both | `other_message` | so that its number is used up |")
    return "\n".join(lines)


def _or_unmodelled(build: Callable[[FixMessage, Envelope], StreamEvent]) -> Build:
    return partial(requests.or_unmodelled, build=build)


def _in_flight(msg_type: str, name: str, why: str) -> Row:
    """A request that the contract cannot hold is in flight all the same (R37)."""
    return Row(msg_type, name, "sent", requests.unmodelled(why), "unmodelled_request")


def _mass_action_request(m: FixMessage, envelope: Envelope) -> StreamEvent:
    if m.get(tags.MASS_ACTION_TYPE) != _CANCEL_ORDERS:
        return admin.other(m, envelope)
    return requests.mass_cancel_request(m, envelope)


def _mass_action_report(m: FixMessage, envelope: Envelope) -> StreamEvent:
    if m.get(tags.MASS_ACTION_TYPE) != _CANCEL_ORDERS:
        return admin.other(m, envelope)
    return reports.mass_cancel_report(m, envelope, tags.MASS_ACTION_RESPONSE)


def _mass_status_request(m: FixMessage, envelope: Envelope) -> StreamEvent:
    """Begin a snapshot, unless it will be of a part that the contract cannot name (R29)."""
    scope, symbol = m.get(tags.MASS_STATUS_REQ_TYPE), m.get(tags.SYMBOL)
    is_whole = scope == _ALL_ORDERS or (scope == _ONE_SECURITY and symbol is not None)
    if not is_whole or any(m.get(tag) is not None for tag in _NARROWING):
        return admin.other(m, envelope)
    return MassStatusBegin(
        **envelope,
        request_id=m.require(tags.MASS_STATUS_REQ_ID, "MassStatusReqID"),
        symbol=symbol if scope == _ONE_SECURITY else None,
    )
