"""What the desk says: parents and the router's acknowledgements, operators, guardrails and policy
changes.

The inputs of the topics ``parents`` and ``controls``; part of the union in ``core.events``.
"""

from typing import Any, Literal

from pydantic import Field

from reconverge.core.wire import (
    DecimalText,
    Envelope,
    Message,
    Nanoseconds,
    SequenceNumber,
    Side,
    Text,
)

# --------------------------------------------------------------------------------------------------
# ------------- Parents and the router -------------------------------------------------------------
# --------------------------------------------------


class SchedulePoint(Message):
    """A point of a parent's target schedule."""

    at_ns: Nanoseconds = Field(description="Nanoseconds, UTC.")
    cum_qty: DecimalText = Field(description="Quantity meant to be executed by then.")


class ParentOrder(Envelope):
    """A parent order and its target schedule; a later one with the same id replaces it."""

    type: Literal["parent_order"] = "parent_order"
    parent_id: Text = Field(description="Id of the parent.")
    symbol: Text = Field(description="Instrument.")
    side: Side = Field(description="Direction.")
    qty: DecimalText = Field(description="Quantity.")
    arrival_mid: DecimalText | None = Field(default=None, description="Mid price at arrival.")
    sigma_bps: float | None = Field(
        default=None,
        gt=0,
        description="Daily volatility of the instrument, basis points; bounds the catch-up.",
    )
    schedule: tuple[SchedulePoint, ...] = Field(
        default=(), description="Target, ascending in time and quantity."
    )


class ParentDone(Envelope):
    """A parent order ended (filled, cancelled, expired)."""

    type: Literal["parent_done"] = "parent_done"
    parent_id: Text = Field(description="Id of the parent.")


class ProfileAck(Envelope):
    """The router acknowledges the participation profile it now applies; ends the SDL clock."""

    type: Literal["profile_ack"] = "profile_ack"
    cap_epoch: int = Field(description="Epoch of the cap it applies.")
    cap_sequence: int = Field(description="Sequence of the cap it applies.")


# --------------------------------------------------------------------------------------------------
# ------------- Operators, guardrails, policy ------------------------------------------------------
# ---------------------------------------------------------


class SafeMode(Envelope):
    """Latches the session's cap to the safe-mode cap, or releases the latch.

    Only an operator releases it.
    """

    type: Literal["safe_mode"] = "safe_mode"
    on: bool = Field(description="True latches, false releases.")
    actor: Text = Field(description="Who: a person or the name of a guardrail.")
    reason: Text = Field(description="Why.")


class Attestation(Envelope):
    """An operator vouches for what no replay can prove; who and why is kept with it (R17)."""

    type: Literal["attestation"] = "attestation"
    actor: Text = Field(description="Who vouches.")
    reason: Text = Field(description="On what evidence.")
    channel: Text | None = Field(
        default=None, description="Source of the range; null for the order-entry stream."
    )
    segment: Text | None = Field(default=None, description="Numbering segment of the range.")
    from_seq: SequenceNumber | None = Field(
        default=None, description="First number vouched for; null for none."
    )
    to_seq: SequenceNumber | None = Field(default=None, description="Last number vouched for.")
    orders_not_working: tuple[Text, ...] = Field(
        default=(), description="Ids of orders vouched to be not working in either view."
    )


class PolicyChange(Envelope):
    """A policy takes effect from here on, or a shadow is retired; both at once promote a shadow.

    Refused, with every contradiction named, when the policy contradicts itself.
    """

    type: Literal["policy_change"] = "policy_change"
    policy: dict[str, Any] | None = Field(
        default=None,
        description="The whole policy document, as `schemas/policy.json` has it; null only where"
        " a shadow is retired.",
    )
    shadow: bool = Field(
        default=False, description="Evaluate it beside the one in force, acting on nothing."
    )
    retire_shadow: Text | None = Field(
        default=None, description="Id of a shadow that is evaluated no longer."
    )
    actor: Text = Field(description="Who changed it.")
