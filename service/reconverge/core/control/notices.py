"""What control does about each notice of truth, and what a person is told: one total table.

Truth says what it saw (``core.findings``, with the rule behind each kind). Here stands what follows
from it, for every kind, those that nothing follows from included. docs/alerts.md is made from this
table and that of ``alarms``, and an alert that is in neither cannot be raised.
"""

from typing import Final, Literal, NamedTuple

from reconverge.core.control.alarms import ALARMS
from reconverge.core.findings import NoticeKind

Reaction = Literal[
    "failure", "in_flight", "witness", "link_down", "link_up", "attested", "policies", "none"
]
"""What control does at once: the machine's hard failure, or another look at the requests in flight
at it; the broken witness; the episode's link clock and attestations; policies resolved anew for
another venue. What is levels, not edges (gaps, lost ranges, failed recoveries) is read at
the next settling."""


class Consequence(NamedTuple):
    """What follows from a notice."""

    reaction: Reaction
    alert: str | None
    """What it means to the person on call and what to do; None: nobody is called."""


def _tell(alert: str) -> Consequence:
    return Consequence("none", alert)


_NOTHING: Final = Consequence("none", None)

CONSEQUENCES: Final[dict[NoticeKind, Consequence]] = {
    # -- the session as a whole
    "hard_failure": Consequence("failure", None),
    "failure_repeated": Consequence("in_flight", None),
    "witness_violated": Consequence(
        "witness",
        "Drop copy sent a number too low without possible-duplicate (R2, R4): the witness is"
        " broken, the path is not. Do two feeds share one channel? Request a snapshot.",
    ),
    "path_down": Consequence("link_down", None),
    "path_up": Consequence("link_up", None),
    "attested": Consequence("attested", None),
    "venue_followed": Consequence("policies", None),
    "unknown_venue": _tell(
        "A logon names a venue profile that is not known here; the former stays."
    ),
    "clock_ahead_source": _tell(
        "Event times of a source are too far ahead of their arrival, and are taken as the arrival."
        " Told once until one is right again. Check its clock, and ours."
    ),
    "content_set_aside": _tell(
        "A message came that could not be used, and why (R19). Its number counts as seen; the order"
        " it names, or the session, is in doubt until a later word, a snapshot or an operator"
        " settles it."
    ),
    "unknown_channel_attested": _tell(
        "An operator retired a drop-copy channel that was never heard. Check its name."
    ),
    "one_step_schedule": _tell(
        "A parent's schedule is one step at its end: nothing counts as backlog before. Is it meant"
        " as a line? Then say `schedule_shape: linear`."
    ),
    "parked": _tell(
        "This session's truth cannot be trusted at all; its cap is at the floor. Request a mass"
        " status from the venue, or attest."
    ),
    "poisoned": _tell(
        "A record, or the weighing of the session, led to an error of this service. The session was"
        " replaced by an empty one and parked; the record is in `dlq` as `poison`. Report it with"
        " the log's traceback. Request a mass status from the venue, or attest."
    ),
    "unparked": _tell("A parked session's truth was proven anew, and by what."),
    "safe_mode_on": _tell(
        "The safe-mode latch was set, by whom and why. Only an operator releases it."
    ),
    "safe_mode_off": _tell("The safe-mode latch was released, by whom and why."),
    # -- numbers
    "gap_opened": _NOTHING,
    "gap_closed": _NOTHING,
    "resend_begun": _NOTHING,
    "resend_chunk_completed": _NOTHING,
    "resend_completed": _NOTHING,
    "resend_replaced": _NOTHING,
    "resend_released": _NOTHING,
    "sequence_violation": _NOTHING,  # truth fails the path: that is the notice to react to
    "gaps_full": _NOTHING,  # truth parks the session: that is the alert
    "attempts_near_limit": _tell(
        "Logons and resend requests are close to what the venue tolerates before it closes the"
        " port (R18). Stop reconnecting by hand; find out why the session does not come up."
    ),
    "failover_during_resend": _tell(
        "The path was left while a resend was in flight (R13): its range was released, unrecovered."
        " Do not fail over again until the replay is done."
    ),
    "gap_fill_beyond_request": _tell(
        "The venue gap-filled past the range that was asked for (R11): sources conflict. The rest"
        " stays missing unless the venue profile says `unbounded`."
    ),
    "numbers_restarted": _tell(
        "Sequence numbers restarted (R14), by ResetSeqNumFlag or by two logons numbered one (R36)."
        " What was missing before is unrecoverable by replay."
    ),
    "peer_ahead": _tell(
        "The venue expects a number of ours that we never sent: two engines may share one session."
    ),
    "peer_gap": _tell(
        "The venue says that it lacks messages of ours: requests among them are ambiguous until it"
        " answers them."
    ),
    "range_excused": _tell(
        "Missing numbers were proven harmless by a snapshot or an operator (R17), not recovered."
    ),
    "resend_incomplete": _tell(
        "The venue says its answer is complete, but numbers are missing (R17). Request a snapshot."
    ),
    "resend_rejected": _tell("The venue refused a resend request (R12). Request a snapshot."),
    "resend_timed_out": _tell("A resend request went unanswered (R12): released, still missing."),
    "reset_refused": _tell(
        "A sequence reset or gap fill pointed backwards (R3) and was not applied."
    ),
    "unrecoverable": _tell(
        "Numbers can never be replayed (R3, R8, R17). Only a snapshot or an attestation ends the"
        " divergence."
    ),
    # -- orders
    "duplicate_client_id": _tell(
        "A second new order carries a client order id that is still working. Check the"
        " router for duplicate intent."
    ),
    "identity_conflict": _tell(
        "One message names two orders that cannot be one (R22). Each keeps what it has; check the"
        " adapter's ids."
    ),
    "leaves_contradicts": _tell(
        "A source says that nothing is open of an order that it shows alive (R35): open quantity is"
        " what is not executed. Check the adapter's LeavesQty."
    ),
    "mass_cancel_incomplete": _tell(
        "A mass-cancel report names fewer orders than it counts (R33): none is taken as cancelled."
    ),
    "requests_full": _tell(
        "More requests are in flight for one order than are followed; further ones are not counted."
        " Is the router repeating a request that gets no answer?"
    ),
    "snapshot_incomplete": _tell(
        "A snapshot failed or did not agree in count (R33). It proves nothing of orders it does not"
        " name (R29); request another."
    ),
    "unidentified_report": _tell("A report carries no usable order id: it moves nothing."),
    "unknown_execution": _tell(
        "A bust or correction refers to an execution that was never booked here (R25): quantities"
        " are taken as it states them. Expected after a start in the middle of the day."
    ),
    "unknown_order_attested": _tell("An operator vouched for an order that no message has named."),
}


def alerts() -> dict[str, str]:
    """Every alert by name, with what it means and what to do."""
    told: dict[str, str] = dict(ALARMS.items())
    for kind, row in CONSEQUENCES.items():
        if row.alert is not None:
            told[kind] = row.alert
    return dict(sorted(told.items()))


def table() -> str:
    """The table of docs/alerts.md."""
    rows = [f"| `{name}` | {meaning} |" for name, meaning in alerts().items()]
    return "\n".join(["| alert | what it means, and what to do |", "|---|---|", *rows])
