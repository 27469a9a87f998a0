"""Findings: what truth noticed, by kind, and the rule behind each kind.

Truth says what it saw. What control does about it, and what a person is told, is decided in
``control.notices``: no consequence stands here.
"""

from typing import Final, Literal, NamedTuple

SequenceKind = Literal[
    "sequence_violation", "gap_opened", "gap_closed", "resend_begun", "resend_chunk_completed",
    "resend_completed", "resend_incomplete", "resend_replaced", "resend_rejected",
    "resend_timed_out", "resend_released", "failover_during_resend", "unrecoverable",
    "range_excused", "gap_fill_beyond_request", "reset_refused", "numbers_restarted",
    "attempts_near_limit", "peer_gap", "peer_ahead", "gaps_full",
]  # fmt: skip
"""What the numberings notice; ``Finding.about`` is the channel."""
OrderKind = Literal[
    "duplicate_client_id", "identity_conflict", "leaves_contradicts", "mass_cancel_incomplete",
    "requests_full",
    "snapshot_incomplete", "unidentified_report", "unknown_execution", "unknown_order_attested",
]  # fmt: skip
"""What the orders notice; ``Finding.about`` is the order, or the message that was to name it."""
SessionKind = Literal[
    "hard_failure", "failure_repeated", "path_down", "path_up", "witness_violated", "attested",
    "parked", "unparked", "venue_followed", "unknown_venue", "safe_mode_on", "safe_mode_off",
    "poisoned",
    "clock_ahead_source", "content_set_aside", "unknown_channel_attested", "one_step_schedule",
]  # fmt: skip
"""What truth notices of the session as a whole."""
Kind = SequenceKind | OrderKind
NoticeKind = SequenceKind | OrderKind | SessionKind


class Finding(NamedTuple):
    """Something noticed in a room of truth. ``kind`` is stable; ``detail`` is for reading."""

    kind: Kind
    about: str | None
    """The channel (None: order entry) or the order."""
    detail: str


class SessionNotice(NamedTuple):
    """Something noticed in a session, for control to react to, in order."""

    kind: NoticeKind
    detail: str
    event_ns: int
    """Event time of the message that showed it. Nanoseconds, UTC."""


SEQUENCE_FINDINGS: Final[dict[SequenceKind, str]] = {
    "sequence_violation": "A number too low without possible-duplicate: a hard failure (R2, R4).",
    "gap_opened": "Numbers are missing. Not told for what a resend under way continues (R9).",
    "gap_closed": "Nothing of the source is missing or lost any more.",
    "resend_begun": "We requested a range, or our logon said that we expect it (FIX 789).",
    "resend_chunk_completed": "As much came as one answer can hold; request the rest (R8).",
    "resend_completed": "All of a request came.",
    "resend_incomplete": "The source calls its answer complete; numbers are still missing (R17).",
    "resend_replaced": "A further request while as many as the venue serves were under way (R8).",
    "resend_rejected": "The venue refused a request: released, not recovered (R12).",
    "resend_timed_out": "An answer fell silent: released, not recovered (R12).",
    "resend_released": "The connection of an answer ended: released, not recovered (R12).",
    "failover_during_resend": "A path was left while an answer was under way (R13).",
    "unrecoverable": "Numbers that no replay can bring (R3, R8, R14, R17).",
    "range_excused": "Unseen numbers that a snapshot or an operator proved harmless (R17).",
    "gap_fill_beyond_request": "A gap fill ran past what was requested: sources conflict (R11).",
    "reset_refused": "A sequence reset or a gap fill pointed backwards (R3).",
    "numbers_restarted": "A logon restarted the numbers, saying so or not (R14, R36).",
    "attempts_near_limit": "One more logon or resend request may close the port (R18).",
    "peer_gap": "The peer lacks messages of ours: the requests among them are ambiguous.",
    "peer_ahead": "The peer expects a number of ours that we never sent.",
    "gaps_full": "A bound is reached, numbers may count as missing that are not: park.",
}
ORDER_FINDINGS: Final[dict[OrderKind, str]] = {
    "duplicate_client_id": "A request carries the client id of another order that still works.",
    "identity_conflict": "One message names two orders that cannot be one (R22).",
    "leaves_contradicts": "A source says nothing is open of an order that it shows alive (R35).",
    "mass_cancel_incomplete": "A mass-cancel report names fewer orders than it counts (R33).",
    "requests_full": "More requests are in flight for one order than are followed.",
    "snapshot_incomplete": "A snapshot failed or did not agree in count (R33, R29).",
    "unidentified_report": "A report carries no usable order id (R22).",
    "unknown_execution": "A bust or correction refers to an execution never booked here (R25).",
    "unknown_order_attested": "An operator vouched for an order that no message has named (R17).",
}
