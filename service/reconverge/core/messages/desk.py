"""What the desk says: parents and the router's acknowledgements, operators, guardrails and policy
changes.

The inputs of the topics ``parents`` and ``controls``; part of the union in ``events``.
"""

from itertools import pairwise
from typing import Annotated, Any, Literal

from msgspec import Meta

from reconverge.core.messages.units import nanos
from reconverge.core.messages.wire import (
    Count,
    DecimalText,
    Envelope,
    EventTime,
    Part,
    QuantityText,
    SequenceNumber,
    Side,
    Text,
    says,
)

# -- parents and the router ----------------------------------------------------------------------


class SchedulePoint(Part, frozen=True, kw_only=True):
    """A point of a parent's target schedule."""

    at_ns: Annotated[EventTime, says("Nanoseconds, UTC.")]
    cum_qty: Annotated[QuantityText, says("Quantity meant to be executed by then.")]


class ParentOrder(Envelope, tag="parent_order", frozen=True, kw_only=True):
    """A parent order and its target schedule; a later one with the same id replaces it."""

    parent_id: Annotated[Text, says("Id of the parent.")]
    symbol: Annotated[Text, says("Instrument.")]
    side: Annotated[Side, says("Direction.")]
    qty: Annotated[QuantityText, says("Quantity.")]
    arrival_mid: Annotated[DecimalText | None, says("Mid price at arrival.")] = None
    sigma_bps: Annotated[
        Annotated[float, Meta(ge=0.01, le=1e6)] | None,
        says(
            "Daily volatility of the instrument, basis points; bounds the catch-up.",
        ),
    ] = None
    total_qty: Annotated[
        QuantityText | None,
        says("Quantity over all sessions; null where the parent has this session alone."),
    ] = None
    arrival_spread: Annotated[DecimalText | None, says("Quoted spread at arrival.")] = None
    limit_price: Annotated[
        DecimalText | None, says("Limit of the parent: shares beyond it could not trade.")
    ] = None
    participation: Annotated[
        Annotated[float, Meta(ge=0, le=1)] | None, says("Planned share of the market's volume.")
    ] = None
    urgency: Annotated[Text | None, says("The desk's own label; parents are matched by it.")] = None
    adv_qty: Annotated[QuantityText | None, says("Average daily volume. Units a day.")] = None
    bucket: Annotated[Text | None, says("Liquidity bucket of the instrument.")] = None
    decision_mid: Annotated[DecimalText | None, says("Mid when it was decided on.")] = None
    decision_ns: Annotated[
        EventTime | None, says("When it was decided on, before it arrived. Nanoseconds, UTC.")
    ] = None
    multiplier: Annotated[QuantityText | None, says("Contract multiplier; null is 1.")] = None
    currency: Annotated[Text | None, says("Quote currency.")] = None
    schedule: Annotated[
        tuple[SchedulePoint, ...],
        says("Target, ascending in time and quantity; any other order is refused."),
    ] = ()
    schedule_shape: Annotated[
        Literal["step", "linear"],
        says(
            "`step`: each quantity is due at its point. `linear`: it comes due evenly from the"
            " point before."
        ),
    ] = "step"

    def __post_init__(self) -> None:
        """The schedule ascends: raises ValueError, which decoding tells as its own."""
        super().__post_init__()
        due = [(point.at_ns, nanos(point.cum_qty)) for point in self.schedule]
        if any(quantity < 0 for _, quantity in due):
            raise ValueError("a schedule holds a negative quantity")
        for (at_ns, qty), (later_ns, more) in pairwise(due):
            if later_ns < at_ns or more < qty:
                raise ValueError("a schedule must ascend in time and in quantity")


class ParentDone(Envelope, tag="parent_done", frozen=True, kw_only=True):
    """A parent order ended (filled, cancelled, expired)."""

    parent_id: Annotated[Text, says("Id of the parent.")]
    mid: Annotated[DecimalText | None, says("Mid price at the end.")] = None
    reason: Annotated[
        Literal["filled", "cancelled", "expired", "limit", "other"] | None, says("How it ended.")
    ] = None
    executed_qty: Annotated[QuantityText | None, says("Executed, as the desk has it: a check.")] = (
        None
    )
    fees: Annotated[
        DecimalText | None, says("Fees of the whole parent, quote currency; positive is paid.")
    ] = None


class ProfileAck(Envelope, tag="profile_ack", frozen=True, kw_only=True):
    """The router acknowledges the participation profile it now applies; ends the SDL clock."""

    cap_epoch: Annotated[Count, says("Epoch of the cap it applies.")]
    cap_sequence: Annotated[Count, says("Sequence of the cap it applies.")]


# -- operators, guardrails, policy ----------------------------------------------------------------


class SafeMode(Envelope, tag="safe_mode", frozen=True, kw_only=True):
    """Latches the session's cap to the safe-mode cap, or releases the latch.

    A guardrail may set the latch; only an operator releases it.
    """

    on: Annotated[bool, says("True latches, false releases.")]
    actor: Annotated[Text, says("Who: a person or the name of a guardrail.")]
    role: Annotated[
        Literal["operator", "guardrail"] | None,
        says(
            "What the actor is. Null in older records: a name that begins with `guardrail` is one."
        ),
    ] = None
    reason: Annotated[Text, says("Why.")]
    evidence: Annotated[
        Text | None, says("Id of the guardrail record behind it; null where the reason is all.")
    ] = None


class Attestation(Envelope, tag="attestation", frozen=True, kw_only=True):
    """An operator vouches for what no replay can prove; who and why is kept with it (R17)."""

    actor: Annotated[Text, says("Who vouches.")]
    reason: Annotated[Text, says("On what evidence.")]
    channel: Annotated[
        Text | None, says("Source of the range; null for the order-entry stream.")
    ] = None
    segment: Annotated[Text | None, says("Numbering segment of the range.")] = None
    from_seq: Annotated[SequenceNumber | None, says("First number vouched for; null for none.")] = (
        None
    )
    to_seq: Annotated[SequenceNumber | None, says("Last number vouched for.")] = None
    orders_not_working: Annotated[
        tuple[Text, ...],
        says("Ids of orders vouched to be not working in either view."),
    ] = ()
    orders_adopted: Annotated[
        tuple[Text, ...],
        says(
            "Ids of orders that drop copy alone tells of (placed by hand, say), vouched to be"
            " ours: from here on what drop copy says of them holds in both views."
        ),
    ] = ()
    channels_retired: Annotated[
        tuple[Text, ...],
        says("Drop-copy channels that are gone: no longer required until they are heard again."),
    ] = ()
    known_only: Annotated[
        bool, says("Refuse the whole of it where no order goes by an id that it names.")
    ] = False


class PolicyChange(Envelope, tag="policy_change", frozen=True, kw_only=True):
    """A policy takes effect from here on, or a shadow is retired; both at once promote a shadow.

    Refused, with every contradiction named, when the policy contradicts itself.
    """

    policy: Annotated[
        dict[str, Any] | None,
        says(
            "The whole policy document, as `schemas/policy.json` has it; null only where"
            " a shadow is retired."
        ),
    ] = None
    shadow: Annotated[bool, says("Evaluate it beside the one in force, acting on nothing.")] = False
    retire_shadow: Annotated[Text | None, says("Id of a shadow that is evaluated no longer.")] = (
        None
    )
    actor: Annotated[Text, says("Who changed it.")]


class RetireSession(Envelope, tag="retire_session", frozen=True, kw_only=True):
    """An operator has the session forgotten. Refused while an order of it works."""

    actor: Annotated[Text, says("Who.")]
    reason: Annotated[Text, says("Why.")]
