"""What comes in: every input of the core, as one discriminated union on ``type``.

This file holds the wire contract of the four input topics (``order-entry``, ``drop-copy``,
``parents``, ``controls``) and nothing else: immutable models, no behaviour beyond reading a field
another way. JSON Schema and AsyncAPI under ``schemas/`` are generated from it, so each description
here is what a desk that writes its own adapter reads.

Conventions (docs/contract.md says the same to readers of the schemas):

* Times are integer nanoseconds since the Unix epoch, UTC, names ending ``_ns``.
* Prices and quantities are decimal strings with at most nine decimals, exact from end to end;
  ``units`` turns them into integers. No binary floating point enters order truth.
* ``channel`` is null on the order-entry stream and names the feed on a drop-copy stream.
* ``seq`` belongs to the sender's numbering: the venue's when ``outbound`` is false, ours when it is
  true.
* Evolution: unknown fields are ignored, an unknown ``type`` or major version ``v`` is quarantined,
  never guessed.
"""

from typing import Annotated, Literal

from msgspec import Meta

from reconverge.core.messages.desk import Attestation as Attestation
from reconverge.core.messages.desk import ParentDone as ParentDone
from reconverge.core.messages.desk import ParentOrder as ParentOrder
from reconverge.core.messages.desk import PolicyChange as PolicyChange
from reconverge.core.messages.desk import ProfileAck as ProfileAck
from reconverge.core.messages.desk import RetireSession as RetireSession
from reconverge.core.messages.desk import SafeMode as SafeMode
from reconverge.core.messages.wire import (
    Count,
    DecimalText,
    Envelope,
    EventTime,
    FreeText,
    Interval,
    QuantityText,
    SequenceNumber,
    Side,
    Text,
    says,
)

ExecType = Literal[
    "new", "done_for_day", "canceled", "replaced", "pending_cancel", "stopped", "rejected",
    "suspended", "pending_new", "calculated", "expired", "restated", "pending_replace", "trade",
    "trade_correct", "trade_cancel", "order_status", "triggered",
]  # fmt: skip
"""FIX ExecType (150) by name. FIX 4.2's partial fill and fill are ``trade``; its ExecTransType (20)
Cancel, Correct and Status are ``trade_cancel``, ``trade_correct`` and ``order_status``."""

OrdStatus = Literal[
    "new", "partially_filled", "filled", "done_for_day", "canceled", "replaced", "pending_cancel",
    "stopped", "rejected", "suspended", "pending_new", "calculated", "expired",
    "accepted_for_bidding", "pending_replace",
]  # fmt: skip
"""FIX OrdStatus (39) by name."""

Intent = Literal["scheduled", "catch_up", "repost", "unwind", "other"]
"""Why a router sent an order, as far as costs are told apart by it."""

CancelIntent = Literal["defensive", "strategy"]
"""Why a router cancelled: because it could not see, or because it wanted to."""

Liquidity = Literal["added", "removed", "auction"]
"""FIX LastLiquidityInd (851) by name, as far as it says who waited."""


class StreamEvent(Envelope, frozen=True, kw_only=True):
    """What every input of the two order streams carries besides."""

    gateway: Annotated[Text | None, says("Path that carried the message (primary, backup).")] = None
    channel: Annotated[
        Text | None,
        says("Drop-copy channel that said this; null on the order-entry stream."),
    ] = None
    segment: Annotated[
        Text | None,
        says(
            "Numbering scope, where the source has several at once (venue market segment, a"
            " gateway with numbers of its own, an earlier session identifier being retransmitted)."
            " Numbers are compared only within one segment."
        ),
    ] = None
    seq: Annotated[
        SequenceNumber | None,
        says("Message sequence number (FIX 34) in its sender's numbering; null if none."),
    ] = None
    outbound: Annotated[bool, says("True: we sent it. False: the venue sent it.")] = False
    poss_dup: Annotated[bool, says("FIX PossDupFlag (43): the number may have been seen.")] = False
    poss_resend: Annotated[
        bool,
        says("FIX PossResend (97): a new number, but the content may have been seen."),
    ] = False
    cycle_id: Annotated[Text | None, says("Failover cycle, where the source knows it.")] = None


# -- Orders: requests we send ----------------------------------------------------------------------


class Decision(StreamEvent, frozen=True, kw_only=True):
    """What a request carries that the router decided on: what it knew then, and why it acted.

    Each may be null, which means unknown; docs/contract.md says what a figure becomes without it.
    """

    decision_ns: Annotated[EventTime | None, says("When the router decided. Nanoseconds, UTC.")] = (
        None
    )
    cap_epoch: Annotated[Count | None, says("Epoch of the cap in force at the decision.")] = None
    cap_sequence: Annotated[Count | None, says("Sequence of the cap in force at the decision.")] = (
        None
    )
    confidence: Annotated[float | None, says("Confidence the router acted on, 0 to 1.")] = None
    mid: Annotated[DecimalText | None, says("Mid price as the router stamped it at decision.")] = (
        None
    )
    spread: Annotated[DecimalText | None, says("Quoted spread at decision, in price units.")] = None
    intent: Annotated[
        Intent | None, says("Why the router sent it; phases of a recovery are then stated.")
    ] = None


class NewOrder(Decision, tag="new_order", frozen=True, kw_only=True):
    """A new order left us for the venue (FIX D). In flight until the venue answers."""

    cl_ord_id: Annotated[Text, says("Our id of the order (FIX 11).")]
    parent_id: Annotated[Text | None, says("Parent order this child works for.")] = None
    symbol: Annotated[Text, says("Instrument.")]
    side: Annotated[Side, says("Direction; sell short and its variants count as sell.")]
    qty: Annotated[QuantityText, says("Order quantity, in the instrument's units.")]
    price: Annotated[DecimalText | None, says("Limit price; null for a market order.")] = None
    persistent: Annotated[
        bool,
        says("Survives the venue's cancel-on-disconnect (good-till-cancel, say). R26."),
    ] = False
    intent_id: Annotated[
        Text | None,
        says(
            "One intention that several orders may serve: its fills beyond the first"
            " order's quantity are duplicates."
        ),
    ] = None
    repost_of: Annotated[
        Text | None, says("Client order id, cancelled, whose place in the queue it takes anew.")
    ] = None
    cap_applied: Annotated[
        Annotated[float, Meta(ge=0, le=1)] | None,
        says("Cap that the router really applied, its own safe cap included."),
    ] = None


class ReplaceRequest(Decision, tag="replace_request", frozen=True, kw_only=True):
    """A request to replace an order left us (FIX G). Takes effect only when confirmed (R21)."""

    cl_ord_id: Annotated[Text, says("Id of this request; the order's id once confirmed (FIX 11).")]
    orig_cl_ord_id: Annotated[Text, says("Id of the order it replaces (FIX 41).")]
    order_id: Annotated[Text | None, says("Venue's order id, where known (FIX 37).")] = None
    qty: Annotated[QuantityText, says("Requested total quantity.")]
    price: Annotated[DecimalText | None, says("Requested limit price.")] = None


class CancelRequest(StreamEvent, tag="cancel_request", frozen=True, kw_only=True):
    """A request to cancel an order left us (FIX F)."""

    cl_ord_id: Annotated[Text, says("Id of this request (FIX 11).")]
    orig_cl_ord_id: Annotated[Text, says("Id of the order to cancel (FIX 41).")]
    order_id: Annotated[Text | None, says("Venue's order id, where known (FIX 37).")] = None
    intent: Annotated[CancelIntent | None, says("Why the router cancelled.")] = None
    decision_ns: Annotated[EventTime | None, says("When the router decided. Nanoseconds, UTC.")] = (
        None
    )


class MassCancelRequest(StreamEvent, tag="mass_cancel_request", frozen=True, kw_only=True):
    """A request to cancel many orders left us (FIX q).

    Each cancel is reported by the venue on its own.
    """

    cl_ord_id: Annotated[Text, says("Id of this request (FIX 11).")]
    symbol: Annotated[Text | None, says("Only orders in this instrument; null for all.")] = None
    intent: Annotated[CancelIntent | None, says("Why the router cancelled.")] = None
    decision_ns: Annotated[EventTime | None, says("When the router decided. Nanoseconds, UTC.")] = (
        None
    )


class UnmodelledRequest(StreamEvent, tag="unmodelled_request", frozen=True, kw_only=True):
    """A request left us that the contract cannot hold, so its size is unknown (R37).

    A cross, a cash amount, an unknown side, a type of the venue's own. In flight until the venue
    answers, like any other request.
    """

    cl_ord_id: Annotated[Text, says("Our id of the request (FIX 11, or what the type has for it).")]
    orig_cl_ord_id: Annotated[
        Text | None, says("Order that it is about (FIX 41); null for a new order.")
    ] = None
    symbol: Annotated[Text | None, says("Instrument, where it is stated and only one.")] = None
    side: Annotated[Side | None, says("Direction, where it is stated and only one.")] = None
    msg_type: Annotated[Text, says("Message type (FIX 35) as the venue names it.")]
    reason: Annotated[Text, says("Why it cannot be held: the field and what stands in it.")]


# -- Orders: what the venue says -------------------------------------------------------------------


class OrderReport(StreamEvent, frozen=True, kw_only=True):
    """The fields in which a venue describes one order, shared by reports and snapshot rows."""

    order_id: Annotated[Text | None, says("Venue's order id (FIX 37). R22 prefers it.")] = None
    cl_ord_id: Annotated[Text | None, says("Client order id (FIX 11).")] = None
    orig_cl_ord_id: Annotated[
        Text | None, says("Previous client order id of the chain (FIX 41).")
    ] = None
    parent_id: Annotated[Text | None, says("Parent order, where the venue echoes it.")] = None
    ord_status: Annotated[
        OrdStatus, says("Order status (FIX 39). Never decides alone what works (R20).")
    ]
    symbol: Annotated[Text | None, says("Instrument.")] = None
    side: Annotated[Side | None, says("Direction.")] = None
    order_qty: Annotated[QuantityText | None, says("Total quantity (FIX 38).")] = None
    price: Annotated[DecimalText | None, says("Limit price (FIX 44).")] = None
    cum_qty: Annotated[QuantityText | None, says("Quantity executed so far (FIX 14).")] = None
    leaves_qty: Annotated[QuantityText | None, says("Quantity open (FIX 151).")] = None
    persistent: Annotated[
        bool | None, says("Survives cancel-on-disconnect, where stated. R26.")
    ] = None


class ExecutionReport(OrderReport, tag="execution_report", frozen=True, kw_only=True):
    """The venue reports on one order (FIX 8), on the entry stream or on drop copy."""

    exec_type: Annotated[ExecType, says("What this report says (FIX 150).")]
    exec_id: Annotated[
        Text | None, says("Execution id (FIX 17); fills are deduped by it (R23).")
    ] = None
    exec_ref_id: Annotated[
        Text | None, says("Execution a bust or correction refers to (FIX 19). R25.")
    ] = None
    last_qty: Annotated[QuantityText | None, says("Quantity of this fill (FIX 32).")] = None
    last_px: Annotated[DecimalText | None, says("Price of this fill (FIX 31).")] = None
    transact_ns: Annotated[
        EventTime | None,
        says(
            "Venue's own time of what this report says (FIX 60), the same whenever it is sent."
            " Nanoseconds, UTC."
        ),
    ] = None
    liquidity: Annotated[
        Liquidity | None, says("Whether this fill added liquidity or removed it (FIX 851).")
    ] = None
    fee: Annotated[
        DecimalText | None,
        says("What this fill cost in fees, in the quote currency: positive is paid (FIX 12, 137)."),
    ] = None
    mid: Annotated[DecimalText | None, says("Mid price as the router stamped it at the fill.")] = (
        None
    )
    spread: Annotated[DecimalText | None, says("Quoted spread at the fill, in price units.")] = None
    queue_ahead: Annotated[
        QuantityText | None,
        says("Quantity ahead of it in the book, when acknowledged, replaced or cancelled."),
    ] = None
    text: Annotated[FreeText | None, says("Free text (FIX 58).")] = None


class CancelReject(StreamEvent, tag="cancel_reject", frozen=True, kw_only=True):
    """The venue rejected a cancel or replace request (FIX 9).

    Never terminates an order by itself (R27).
    """

    cl_ord_id: Annotated[Text, says("Id of the rejected request (FIX 11).")]
    orig_cl_ord_id: Annotated[Text | None, says("Order the request was for (FIX 41).")] = None
    order_id: Annotated[
        Text | None, says("Venue's order id (FIX 37); often `NONE` if unknown.")
    ] = None
    ord_status: Annotated[OrdStatus | None, says("Order status as the venue has it (FIX 39).")] = (
        None
    )
    response_to: Annotated[
        Literal["cancel", "replace"], says("Which request was rejected (FIX 434).")
    ]
    reason: Annotated[FreeText | None, says("Why, as the venue says it (FIX 102, 58).")] = None


class RequestReject(StreamEvent, tag="request_reject", frozen=True, kw_only=True):
    """A request of ours was rejected before it reached the book (FIX 3 session reject, j business
    reject).
    """

    ref_seq: Annotated[SequenceNumber | None, says("Our number that was rejected (FIX 45).")] = None
    ref_id: Annotated[Text | None, says("Our request's id, where stated (FIX 379).")] = None
    ref_msg_type: Annotated[FreeText | None, says("Message type rejected (FIX 372).")] = None
    reason: Annotated[
        FreeText | None, says("Why, as the venue says it (FIX 373 or 380, and 58).")
    ] = None


class MassCancelReport(StreamEvent, tag="mass_cancel_report", frozen=True, kw_only=True):
    """The venue's answer to a mass cancel (FIX r); may come in fragments (R33)."""

    cl_ord_id: Annotated[Text | None, says("Id of the request (FIX 11).")] = None
    accepted: Annotated[bool, says("False when the venue rejected the request (FIX 531 = 0).")]
    affected_total: Annotated[Count | None, says("Orders affected, all fragments (FIX 533).")] = (
        None
    )
    affected_orders: Annotated[
        tuple[Text, ...], says("Order ids in this fragment (FIX 41, 535).")
    ] = ()
    last_fragment: Annotated[bool, says("No fragment follows (FIX 893).")] = True


class MassStatusBegin(StreamEvent, tag="mass_status_begin", frozen=True, kw_only=True):
    """A snapshot of the venue's orders begins (mass status requested, book download)."""

    request_id: Annotated[Text, says("Snapshot id (FIX 584); rows and end carry the same.")]
    symbol: Annotated[Text | None, says("Only this instrument; null for the whole session.")] = None


class MassStatusRow(OrderReport, tag="mass_status_row", frozen=True, kw_only=True):
    """One order of a snapshot (FIX 8 with ExecType I and MassStatusReqID)."""

    request_id: Annotated[Text, says("Snapshot id (FIX 584).")]


class MassStatusEnd(StreamEvent, tag="mass_status_end", frozen=True, kw_only=True):
    """A snapshot ends: complete if its rows agree in count (R33); failed is not empty (R29)."""

    request_id: Annotated[Text, says("Snapshot id (FIX 584).")]
    rows_total: Annotated[Count | None, says("Rows the venue says it sent (FIX 911).")] = None
    failed: Annotated[bool, says("The venue rejected or aborted the snapshot.")] = False
    reason: Annotated[FreeText | None, says("Why it failed, as the venue says it.")] = None


# -- The session itself ----------------------------------------------------------------------------


class Logon(StreamEvent, tag="logon", frozen=True, kw_only=True):
    """A logon (FIX A). Received above the expected number: connected, not recovered (R6)."""

    heartbeat_ms: Annotated[
        Interval | None, says("Heartbeat interval (FIX 108). Milliseconds.")
    ] = None
    reset_numbers: Annotated[
        bool, says("FIX ResetSeqNumFlag (141): both sides restart at one.")
    ] = False
    next_expected: Annotated[
        SequenceNumber | None,
        says("Number the sender expects from its peer next (FIX 789)."),
    ] = None
    venue: Annotated[
        Text | None,
        says("Venue profile the session follows from here on; null keeps the one in force."),
    ] = None
    session_type: Annotated[
        Text | None, says("Kind of session, as the desk names it; slices go by it.")
    ] = None


class Logout(StreamEvent, tag="logout", frozen=True, kw_only=True):
    """A logout was sent or received (FIX 5)."""

    reason: Annotated[FreeText | None, says("Free text (FIX 58).")] = None


class Disconnect(StreamEvent, tag="disconnect", frozen=True, kw_only=True):
    """The transport closed: a hard failure, unless both sides had logged out."""

    reason: Annotated[FreeText | None, says("What the engine said of it.")] = None


class Heartbeat(StreamEvent, tag="heartbeat", frozen=True, kw_only=True):
    """A heartbeat (FIX 0). Proves the path, never completeness (R31)."""


class HeartbeatMissed(StreamEvent, tag="heartbeat_missed", frozen=True, kw_only=True):
    """The engine gave up waiting for a heartbeat: a hard failure."""


class OtherMessage(StreamEvent, tag="other_message", frozen=True, kw_only=True):
    """A message that says nothing of orders (test request, news), or nothing that can be used: it
    uses up its number all the same (R19).
    """

    msg_type: Annotated[FreeText, says("Message type (FIX 35) as the venue names it.")]
    set_aside: Annotated[
        FreeText | None,
        says(
            "Why what it says of an order or of the session could not be used. The order that the"
            " ids below name, or the session where there are none, is in doubt until something"
            " later settles it. Null: it says nothing of orders. R19."
        ),
    ] = None
    order_id: Annotated[Text | None, says("Venue's id of that order (FIX 37).")] = None
    cl_ord_id: Annotated[Text | None, says("Client order id of it (FIX 11).")] = None
    orig_cl_ord_id: Annotated[Text | None, says("Previous client order id of it (FIX 41).")] = None


class GapOpened(StreamEvent, tag="gap_opened", frozen=True, kw_only=True):
    """The source itself says that a range is missing."""

    from_seq: Annotated[SequenceNumber, says("First missing number.")]
    to_seq: Annotated[SequenceNumber | None, says("Last missing number; null while unknown.")] = (
        None
    )


class ResendRequested(StreamEvent, tag="resend_requested", frozen=True, kw_only=True):
    """A resend was requested (FIX 2): by us when ``outbound``, of us otherwise."""

    from_seq: Annotated[SequenceNumber, says("First number requested (FIX 7).")]
    to_seq: Annotated[
        SequenceNumber | None,
        says("Last number requested (FIX 16); null for all up to now (FIX 0 or 999999)."),
    ] = None


class ResendRejected(StreamEvent, tag="resend_rejected", frozen=True, kw_only=True):
    """The venue refused our resend request: the range is released, not recovered (R12)."""

    reason: Annotated[FreeText | None, says("Why, as the venue says it.")] = None
    unrecoverable: Annotated[
        bool,
        says("The venue says the range can never be resent (older than its window). R8."),
    ] = False


class ResendCompleted(StreamEvent, tag="resend_completed", frozen=True, kw_only=True):
    """The source says that its answer to our resend request is complete."""


class GapFill(StreamEvent, tag="gap_fill", frozen=True, kw_only=True):
    """FIX 4 with GapFillFlag: numbers ``seq`` to ``new_seq - 1`` carry nothing (R1, R2)."""

    seq: Annotated[SequenceNumber, says("Its own number, which it also fills.")]
    new_seq: Annotated[SequenceNumber, says("The next number to expect (FIX 36).")]


class SequenceReset(StreamEvent, tag="sequence_reset", frozen=True, kw_only=True):
    """FIX 4 in reset mode: its own number is ignored, what it skips is lost (R3)."""

    new_seq: Annotated[SequenceNumber, says("The next number to expect (FIX 36).")]


class GatewaySwitched(StreamEvent, tag="gateway_switched", frozen=True, kw_only=True):
    """The session now runs over another ``gateway``: a hard failure unless ``clean``."""

    clean: Annotated[bool, says("The old path was logged out in an orderly way first.")] = False


class NotApplied(StreamEvent, tag="not_applied", frozen=True, kw_only=True):
    """Requests of ours in this range never reached the venue: they work no orders (R16)."""

    from_seq: Annotated[SequenceNumber, says("First of our numbers that was not applied.")]
    count: Annotated[int, Meta(ge=1, le=(1 << 31) - 1), says("How many numbers.")]


OrderStreamEvent = (
    NewOrder | ReplaceRequest | CancelRequest | MassCancelRequest | UnmodelledRequest
    | ExecutionReport | CancelReject | RequestReject | MassCancelReport
    | MassStatusBegin | MassStatusRow | MassStatusEnd
    | Logon | Logout | Disconnect | Heartbeat | HeartbeatMissed | OtherMessage
    | GapOpened | ResendRequested | ResendRejected | ResendCompleted | GapFill | SequenceReset
    | GatewaySwitched | NotApplied
)  # fmt: skip
"""What the topics ``order-entry`` and ``drop-copy`` carry."""
ParentsEvent = ParentOrder | ParentDone | ProfileAck
"""What the topic ``parents`` carries."""
ControlEvent = SafeMode | Attestation | PolicyChange | RetireSession
"""What the topic ``controls`` carries."""
Event = OrderStreamEvent | ParentsEvent | ControlEvent
"""Every input of the core."""
