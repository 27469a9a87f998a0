"""What the numberings tell the session: the kinds of finding, and what each means."""

from typing import Final, Literal, NamedTuple

Kind = Literal[
    "sequence_violation", "gap_opened", "gap_closed", "resend_begun", "resend_chunk_completed",
    "resend_completed", "resend_incomplete", "resend_replaced", "resend_rejected",
    "resend_timed_out", "resend_released", "failover_during_resend", "unrecoverable",
    "range_excused", "gap_fill_beyond_request", "reset_refused", "numbers_restarted",
    "attempts_near_limit", "peer_gap", "peer_ahead", "gaps_full",
]  # fmt: skip

FINDINGS: Final[dict[Kind, str]] = {
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
    "numbers_restarted": "A logon restarted the numbers: the next epoch (R14).",
    "attempts_near_limit": "One more logon or resend request may close the port (R18).",
    "peer_gap": "The peer lacks messages of ours: the requests among them are ambiguous.",
    "peer_ahead": "The peer expects a number of ours that we never sent.",
    "gaps_full": "A bound is reached, numbers may count as missing that are not: park.",
}


class Finding(NamedTuple):
    """Something the session should know of its numbers. ``kind`` is stable; ``detail`` is not."""

    kind: Kind
    channel: str | None
    detail: str
