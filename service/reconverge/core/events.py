"""What comes in: every input of the core, as one discriminated union on ``type``.

This file holds the wire contract of the four input topics (``order-entry``, ``drop-copy``,
``parents``, ``controls``) and nothing else: immutable models, no behaviour beyond reading a field
another way. JSON Schema and AsyncAPI under ``schemas/`` are generated from it, so each description
here is what a desk that writes its own adapter reads.

Conventions (docs/contract.md says the same to readers of the schemas):

* Times are integer nanoseconds since the Unix epoch, UTC, names ending ``_ns``.
* Prices and quantities are decimal strings with at most nine decimals, exact from end to end;
  ``core.units`` turns them into integers. No binary floating point enters order truth.
* ``channel`` is null on the order-entry stream and names the feed on a drop-copy stream.
* ``seq`` belongs to the sender's numbering: the venue's when ``outbound`` is false, ours when it is
  true.
* Evolution: unknown fields are ignored, an unknown ``type`` or major version ``v`` is quarantined,
  never guessed.
"""

from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from reconverge.core.desk import Attestation as Attestation
from reconverge.core.desk import ParentDone as ParentDone
from reconverge.core.desk import ParentOrder as ParentOrder
from reconverge.core.desk import PolicyChange as PolicyChange
from reconverge.core.desk import ProfileAck as ProfileAck
from reconverge.core.desk import SafeMode as SafeMode
from reconverge.core.wire import DecimalText, Envelope, Nanoseconds, SequenceNumber, Side, Text

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


class StreamEvent(Envelope):
    """What every input of the two order streams carries besides."""

    gateway: Text | None = Field(
        default=None, description="Path that carried the message (primary, backup)."
    )
    channel: Text | None = Field(
        default=None,
        description="Drop-copy channel that said this; null on the order-entry stream.",
    )
    segment: Text | None = Field(
        default=None,
        description="Numbering scope, where the source has several at once (venue market segment, a"
        " gateway with numbers of its own, an earlier session identifier being retransmitted)."
        " Numbers are compared only within one segment.",
    )
    seq: SequenceNumber | None = Field(
        default=None,
        description="Message sequence number (FIX 34) in its sender's numbering; null if none.",
    )
    outbound: bool = Field(default=False, description="True: we sent it. False: the venue sent it.")
    poss_dup: bool = Field(
        default=False, description="FIX PossDupFlag (43): the number may have been seen."
    )
    poss_resend: bool = Field(
        default=False,
        description="FIX PossResend (97): a new number, but the content may have been seen.",
    )
    cycle_id: Text | None = Field(
        default=None, description="Failover cycle, where the source knows it."
    )


# --------------------------------------------------------------------------------------------------
# ------------- Orders: requests we send -----------------------------------------------------------
# ----------------------------------------------------


class NewOrder(StreamEvent):
    """A new order left us for the venue (FIX D). In flight until the venue answers."""

    type: Literal["new_order"] = "new_order"
    cl_ord_id: Text = Field(description="Our id of the order (FIX 11).")
    parent_id: Text | None = Field(default=None, description="Parent order this child works for.")
    symbol: Text = Field(description="Instrument.")
    side: Side = Field(description="Direction; sell short and its variants count as sell.")
    qty: DecimalText = Field(description="Order quantity, in the instrument's units.")
    price: DecimalText | None = Field(
        default=None, description="Limit price; null for a market order."
    )
    persistent: bool = Field(
        default=False,
        description="Survives the venue's cancel-on-disconnect (good-till-cancel, say). R26.",
    )
    decision_ns: Nanoseconds | None = Field(
        default=None, description="When the router decided. Nanoseconds, UTC."
    )
    cap_epoch: int | None = Field(
        default=None, description="Epoch of the cap in force at the decision."
    )
    cap_sequence: int | None = Field(
        default=None, description="Sequence of the cap in force at the decision."
    )
    confidence: float | None = Field(
        default=None, description="Confidence the router acted on, 0 to 1."
    )
    mid: DecimalText | None = Field(
        default=None, description="Mid price as the router stamped it at decision."
    )
    spread: DecimalText | None = Field(
        default=None, description="Quoted spread at decision, in price units."
    )


class ReplaceRequest(StreamEvent):
    """A request to replace an order left us (FIX G). Takes effect only when confirmed (R21)."""

    type: Literal["replace_request"] = "replace_request"
    cl_ord_id: Text = Field(
        description="Id of this request; the order's id once confirmed (FIX 11)."
    )
    orig_cl_ord_id: Text = Field(description="Id of the order it replaces (FIX 41).")
    order_id: Text | None = Field(
        default=None, description="Venue's order id, where known (FIX 37)."
    )
    qty: DecimalText = Field(description="Requested total quantity.")
    price: DecimalText | None = Field(default=None, description="Requested limit price.")


class CancelRequest(StreamEvent):
    """A request to cancel an order left us (FIX F)."""

    type: Literal["cancel_request"] = "cancel_request"
    cl_ord_id: Text = Field(description="Id of this request (FIX 11).")
    orig_cl_ord_id: Text = Field(description="Id of the order to cancel (FIX 41).")
    order_id: Text | None = Field(
        default=None, description="Venue's order id, where known (FIX 37)."
    )


class MassCancelRequest(StreamEvent):
    """A request to cancel many orders left us (FIX q).

    Each cancel is reported by the venue on its own.
    """

    type: Literal["mass_cancel_request"] = "mass_cancel_request"
    cl_ord_id: Text = Field(description="Id of this request (FIX 11).")
    symbol: Text | None = Field(
        default=None, description="Only orders in this instrument; null for all."
    )


# --------------------------------------------------------------------------------------------------
# ------------- Orders: what the venue says --------------------------------------------------------
# -------------------------------------------------------


class OrderReport(StreamEvent):
    """The fields in which a venue describes one order, shared by reports and snapshot rows."""

    order_id: Text | None = Field(
        default=None, description="Venue's order id (FIX 37). R22 prefers it."
    )
    cl_ord_id: Text | None = Field(default=None, description="Client order id (FIX 11).")
    orig_cl_ord_id: Text | None = Field(
        default=None, description="Previous client order id of the chain (FIX 41)."
    )
    parent_id: Text | None = Field(
        default=None, description="Parent order, where the venue echoes it."
    )
    ord_status: OrdStatus = Field(
        description="Order status (FIX 39). Never decides alone what works (R20)."
    )
    symbol: Text | None = Field(default=None, description="Instrument.")
    side: Side | None = Field(default=None, description="Direction.")
    order_qty: DecimalText | None = Field(default=None, description="Total quantity (FIX 38).")
    price: DecimalText | None = Field(default=None, description="Limit price (FIX 44).")
    cum_qty: DecimalText | None = Field(
        default=None, description="Quantity executed so far (FIX 14)."
    )
    leaves_qty: DecimalText | None = Field(default=None, description="Quantity open (FIX 151).")
    persistent: bool | None = Field(
        default=None, description="Survives cancel-on-disconnect, where stated. R26."
    )


class ExecutionReport(OrderReport):
    """The venue reports on one order (FIX 8), on the entry stream or on drop copy."""

    type: Literal["execution_report"] = "execution_report"
    exec_type: ExecType = Field(description="What this report says (FIX 150).")
    exec_id: Text | None = Field(
        default=None, description="Execution id (FIX 17); fills are deduped by it (R23)."
    )
    exec_ref_id: Text | None = Field(
        default=None, description="Execution a bust or correction refers to (FIX 19). R25."
    )
    last_qty: DecimalText | None = Field(
        default=None, description="Quantity of this fill (FIX 32)."
    )
    last_px: DecimalText | None = Field(default=None, description="Price of this fill (FIX 31).")
    mid: DecimalText | None = Field(
        default=None, description="Mid price as the router stamped it at the fill."
    )
    spread: DecimalText | None = Field(
        default=None, description="Quoted spread at the fill, in price units."
    )
    text: str | None = Field(default=None, description="Free text (FIX 58).")


class CancelReject(StreamEvent):
    """The venue rejected a cancel or replace request (FIX 9).

    Never terminates an order by itself (R27).
    """

    type: Literal["cancel_reject"] = "cancel_reject"
    cl_ord_id: Text = Field(description="Id of the rejected request (FIX 11).")
    orig_cl_ord_id: Text | None = Field(
        default=None, description="Order the request was for (FIX 41)."
    )
    order_id: Text | None = Field(
        default=None, description="Venue's order id (FIX 37); often `NONE` if unknown."
    )
    ord_status: OrdStatus | None = Field(
        default=None, description="Order status as the venue has it (FIX 39)."
    )
    response_to: Literal["cancel", "replace"] = Field(
        description="Which request was rejected (FIX 434)."
    )
    reason: str | None = Field(default=None, description="Why, as the venue says it (FIX 102, 58).")


class RequestReject(StreamEvent):
    """A request of ours was rejected before it reached the book (FIX 3 session reject, j business
    reject).
    """

    type: Literal["request_reject"] = "request_reject"
    ref_seq: SequenceNumber | None = Field(
        default=None, description="Our number that was rejected (FIX 45)."
    )
    ref_id: Text | None = Field(
        default=None, description="Our request's id, where stated (FIX 379)."
    )
    ref_msg_type: str | None = Field(default=None, description="Message type rejected (FIX 372).")
    reason: str | None = Field(
        default=None, description="Why, as the venue says it (FIX 373 or 380, and 58)."
    )


class MassCancelReport(StreamEvent):
    """The venue's answer to a mass cancel (FIX r); may come in fragments (R33)."""

    type: Literal["mass_cancel_report"] = "mass_cancel_report"
    cl_ord_id: Text | None = Field(default=None, description="Id of the request (FIX 11).")
    accepted: bool = Field(description="False when the venue rejected the request (FIX 531 = 0).")
    affected_total: int | None = Field(
        default=None, ge=0, description="Orders affected, all fragments (FIX 533)."
    )
    affected_orders: tuple[Text, ...] = Field(
        default=(), description="Order ids in this fragment (FIX 41, 535)."
    )
    last_fragment: bool = Field(default=True, description="No fragment follows (FIX 893).")


class MassStatusBegin(StreamEvent):
    """A snapshot of the venue's orders begins (mass status requested, book download)."""

    type: Literal["mass_status_begin"] = "mass_status_begin"
    request_id: Text = Field(description="Snapshot id (FIX 584); rows and end carry the same.")
    symbol: Text | None = Field(
        default=None, description="Only this instrument; null for the whole session."
    )


class MassStatusRow(OrderReport):
    """One order of a snapshot (FIX 8 with ExecType I and MassStatusReqID)."""

    type: Literal["mass_status_row"] = "mass_status_row"
    request_id: Text = Field(description="Snapshot id (FIX 584).")


class MassStatusEnd(StreamEvent):
    """A snapshot ends: complete if its rows agree in count (R33); failed is not empty (R29)."""

    type: Literal["mass_status_end"] = "mass_status_end"
    request_id: Text = Field(description="Snapshot id (FIX 584).")
    rows_total: int | None = Field(
        default=None, ge=0, description="Rows the venue says it sent (FIX 911)."
    )
    failed: bool = Field(default=False, description="The venue rejected or aborted the snapshot.")
    reason: str | None = Field(default=None, description="Why it failed, as the venue says it.")


# --------------------------------------------------------------------------------------------------
# ------------- The session itself -----------------------------------------------------------------
# ----------------------------------------------


class Logon(StreamEvent):
    """A logon (FIX A). Received above the expected number: connected, not recovered (R6)."""

    type: Literal["logon"] = "logon"
    heartbeat_ms: int | None = Field(
        default=None, ge=0, description="Heartbeat interval (FIX 108). Milliseconds."
    )
    reset_numbers: bool = Field(
        default=False, description="FIX ResetSeqNumFlag (141): both sides restart at one."
    )
    next_expected: SequenceNumber | None = Field(
        default=None, description="Number the sender expects from its peer next (FIX 789)."
    )
    venue: Text | None = Field(
        default=None,
        description="Venue profile the session follows from here on; null keeps the one in force.",
    )


class Logout(StreamEvent):
    """A logout was sent or received (FIX 5)."""

    type: Literal["logout"] = "logout"
    reason: str | None = Field(default=None, description="Free text (FIX 58).")


class Disconnect(StreamEvent):
    """The transport closed: a hard failure, unless both sides had logged out."""

    type: Literal["disconnect"] = "disconnect"
    reason: str | None = Field(default=None, description="What the engine said of it.")


class Heartbeat(StreamEvent):
    """A heartbeat (FIX 0). Proves the path, never completeness (R31)."""

    type: Literal["heartbeat"] = "heartbeat"


class HeartbeatMissed(StreamEvent):
    """The engine gave up waiting for a heartbeat: a hard failure."""

    type: Literal["heartbeat_missed"] = "heartbeat_missed"


class OtherMessage(StreamEvent):
    """A message that says nothing of orders (test request, news): it uses up its number."""

    type: Literal["other_message"] = "other_message"
    msg_type: str = Field(description="Message type (FIX 35) as the venue names it.")


class GapOpened(StreamEvent):
    """The source itself says that a range is missing."""

    type: Literal["gap_opened"] = "gap_opened"
    from_seq: SequenceNumber = Field(description="First missing number.")
    to_seq: SequenceNumber | None = Field(
        default=None, description="Last missing number; null while unknown."
    )


class ResendRequested(StreamEvent):
    """A resend was requested (FIX 2): by us when ``outbound``, of us otherwise."""

    type: Literal["resend_requested"] = "resend_requested"
    from_seq: SequenceNumber = Field(description="First number requested (FIX 7).")
    to_seq: SequenceNumber | None = Field(
        default=None,
        description="Last number requested (FIX 16); null for all up to now (FIX 0 or 999999).",
    )


class ResendRejected(StreamEvent):
    """The venue refused our resend request: the range is released, not recovered (R12)."""

    type: Literal["resend_rejected"] = "resend_rejected"
    reason: str | None = Field(default=None, description="Why, as the venue says it.")
    unrecoverable: bool = Field(
        default=False,
        description="The venue says the range can never be resent (older than its window). R8.",
    )


class ResendCompleted(StreamEvent):
    """The source says that its answer to our resend request is complete."""

    type: Literal["resend_completed"] = "resend_completed"


class GapFill(StreamEvent):
    """FIX 4 with GapFillFlag: numbers ``seq`` to ``new_seq - 1`` carry nothing (R1, R2)."""

    type: Literal["gap_fill"] = "gap_fill"
    seq: SequenceNumber = Field(description="Its own number, which it also fills.")
    new_seq: SequenceNumber = Field(description="The next number to expect (FIX 36).")


class SequenceReset(StreamEvent):
    """FIX 4 in reset mode: its own number is ignored, what it skips is lost (R3)."""

    type: Literal["sequence_reset"] = "sequence_reset"
    new_seq: SequenceNumber = Field(description="The next number to expect (FIX 36).")


class GatewaySwitched(StreamEvent):
    """The session now runs over another ``gateway``: a hard failure unless ``clean``."""

    type: Literal["gateway_switched"] = "gateway_switched"
    clean: bool = Field(
        default=False, description="The old path was logged out in an orderly way first."
    )


class NotApplied(StreamEvent):
    """Requests of ours in this range never reached the venue: they work no orders (R16)."""

    type: Literal["not_applied"] = "not_applied"
    from_seq: SequenceNumber = Field(description="First of our numbers that was not applied.")
    count: int = Field(ge=1, lt=1 << 31, description="How many numbers.")


OrderStreamEvent = (
    NewOrder | ReplaceRequest | CancelRequest | MassCancelRequest | ExecutionReport
    | CancelReject | RequestReject | MassCancelReport | MassStatusBegin | MassStatusRow
    | MassStatusEnd | Logon | Logout | Disconnect | Heartbeat | HeartbeatMissed | OtherMessage
    | GapOpened | ResendRequested | ResendRejected | ResendCompleted | GapFill | SequenceReset
    | GatewaySwitched | NotApplied
)  # fmt: skip
"""What the topics ``order-entry`` and ``drop-copy`` carry."""
ParentsEvent = ParentOrder | ParentDone | ProfileAck
"""What the topic ``parents`` carries."""
ControlEvent = SafeMode | Attestation | PolicyChange
"""What the topic ``controls`` carries."""
Event = Annotated[OrderStreamEvent | ParentsEvent | ControlEvent, Field(discriminator="type")]
"""Every input of the core."""

EVENTS: TypeAdapter[OrderStreamEvent | ParentsEvent | ControlEvent] = TypeAdapter(Event)
"""Decodes (``validate_json``) and encodes (``dump_json``) any input."""
