"""Alerts: what a person should know that is not a transition, by name, and what to do about it.

Only this table. An alert that is not in it cannot be raised; docs/alerts.md is made from it.
"""

from typing import Final

ALERTS: Final[dict[str, str]] = {
    "attempts_near_limit": (
        "Logons and resend requests are close to what the venue tolerates before it closes the"
        " port (R18). Stop reconnecting by hand; find out why the session does not come up."
    ),
    "duplicate_client_id": (
        "A second new order carries a client order id that is still working. Check the"
        " router for duplicate intent."
    ),
    "failover_during_resend": (
        "The path was left while a resend was in flight (R13): its range was released, unrecovered."
        " Do not fail over again until the replay is done."
    ),
    "gap_fill_beyond_request": (
        "The venue gap-filled past the range that was asked for (R11): sources conflict. The rest"
        " stays missing unless the venue profile says `unbounded`."
    ),
    "identity_conflict": (
        "One message names two orders that cannot be one (R22). Each keeps what it has; check the"
        " adapter's ids."
    ),
    "mass_cancel_incomplete": (
        "A mass-cancel report names fewer orders than it counts (R33): none is taken as cancelled."
    ),
    "numbers_restarted": (
        "Sequence numbers restarted (R14). What was missing before is unrecoverable by replay."
    ),
    "parked": (
        "This session's truth cannot be trusted at all; its cap is at the floor. Request a mass"
        " status from the venue, or attest."
    ),
    "peer_ahead": (
        "The venue expects a number of ours that we never sent: two engines may share one session."
    ),
    "peer_gap": (
        "The venue says that it lacks messages of ours: requests among them are ambiguous until it"
        " answers them."
    ),
    "range_excused": (
        "Missing numbers were proven harmless by a snapshot or an operator (R17), not recovered."
    ),
    "requests_full": (
        "More requests are in flight for one order than are followed; further ones are not counted."
        " Is the router repeating a request that gets no answer?"
    ),
    "resend_incomplete": (
        "The venue says its answer is complete, but numbers are missing (R17). Request a snapshot."
    ),
    "resend_rejected": "The venue refused a resend request (R12). Request a snapshot.",
    "resend_timed_out": "A resend request went unanswered (R12): released, still missing.",
    "reset_refused": "A sequence reset or gap fill pointed backwards (R3) and was not applied.",
    "safe_mode_off": "The safe-mode latch was released, by whom and why.",
    "safe_mode_on": "The safe-mode latch was set, by whom and why. Only an operator releases it.",
    "snapshot_incomplete": (
        "A snapshot failed or did not agree in count (R33). It proves nothing of orders it does not"
        " name (R29); request another."
    ),
    "unidentified_report": "A report carries no usable order id: it moves nothing.",
    "unknown_execution": (
        "A bust or correction refers to an execution that was never booked here (R25): quantities"
        " are taken as it states them. Expected after a start in the middle of the day."
    ),
    "unknown_order_attested": "An operator vouched for an order that no message has named.",
    "unknown_venue": "A logon names a venue profile that is not known here; the former stays.",
    "unparked": "A parked session's truth was proven anew, and by what.",
    "unrecoverable": (
        "Numbers can never be replayed (R3, R8, R17). Only a snapshot or an attestation ends the"
        " divergence."
    ),
}
"""Alert names and what they mean to the person on call."""


def table() -> str:
    """The table of docs/alerts.md."""
    rows = [f"| `{name}` | {meaning} |" for name, meaning in sorted(ALERTS.items())]
    return "\n".join(["| alert | what it means, and what to do |", "|---|---|", *rows])
