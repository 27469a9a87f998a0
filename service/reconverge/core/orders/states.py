"""The state of an order in one view, and what moves it: one total table that the code acts on.

A message says a *word* of an order (``Word``). ``OUTCOMES`` tells, for every state and every word,
the state that follows; docs/orders.md prints it. Which word a message says is in ``table``.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final


class ViewState(StrEnum):
    """What one side's messages say of an order. Only in ``OPEN`` may it work (R20)."""

    UNKNOWN = "unknown"
    """No message of that side yet."""
    SENT = "sent"
    """Our request is all there is."""
    OPEN = "open"
    """The venue has it, as far as known."""
    FILLED = "filled"
    CANCELED = "canceled"
    EXPIRED = "expired"
    REJECTED = "rejected"
    DONE_FOR_DAY = "done_for_day"
    """Its open quantity cannot execute today (R28)."""
    CALCULATED = "calculated"
    PRESUMED = "presumed"
    """Executed quantity adds up to all that was ordered, but no message said the end (R35)."""
    MASS_CANCELED = "mass_canceled"
    """A mass-cancel report named it (R33)."""
    ABSENT = "absent"
    """A complete snapshot did not name it (R17)."""
    NOT_APPLIED = "not_applied"
    """The venue said that our request never reached it (R16)."""
    ATTESTED = "attested"
    """An operator vouched that it does not work (R17)."""


class Word(StrEnum):
    """What one message says of an order, to one view."""

    SENT = "we sent it"
    WORKS = "it works"
    WORKS_NOW = "it works, and that is the present"
    KNOWN = "it is there, nothing said of what is open"
    FILLED = "filled"
    CANCELED = "canceled"
    EXPIRED = "expired"
    REJECTED = "rejected"
    DONE_FOR_DAY = "done for day"
    CALCULATED = "calculated"
    ADDS_UP = "executed adds up to ordered"
    LATER_LEG = "a later leg is in force"
    MASS_CANCELED = "named in a mass cancel"
    ABSENT = "absent from a complete snapshot"
    LOST = "its request shown lost by a snapshot"
    NOT_APPLIED = "its request not applied"
    REFUSED = "its request refused before the book"
    ATTESTED = "an operator: it does not work"


S = ViewState
FINAL: Final = frozenset({S.FILLED, S.CANCELED, S.EXPIRED, S.REJECTED})
"""Ends that the venue said of this order, for good. The others are lifted by any later report that
shows the order working: done for day wakes up, the rest are inferences."""
_LIVE: Final = frozenset({S.UNKNOWN, S.SENT, S.OPEN})
_ALL: Final = frozenset(S)


@dataclass(frozen=True, slots=True)
class WordRow:
    """What a word does: every state of ``moves`` becomes ``to``, every other one stays."""

    to: ViewState
    moves: frozenset[ViewState]
    rules: str
    odd: dict[ViewState, str] = field(default_factory=dict)
    """States in which the outcome surprises, and why it is right."""


_STAYS: Final = "What ended it for good first stays the reason; only a present word takes it back."
_FINAL_STAYS: Final = dict.fromkeys(sorted(FINAL), _STAYS)

WORDS: Final[dict[Word, WordRow]] = {
    Word.SENT: WordRow(
        S.SENT, frozenset({S.UNKNOWN}), "R5, R29",
        {S.OPEN: "The request is seen after its answer: nothing is in flight."},
    ),
    Word.WORKS: WordRow(
        S.OPEN, _ALL - FINAL, "R20, R28, R29, R35",
        _FINAL_STAYS | {
            S.PRESUMED: "An end that was only inferred gives way to the venue's word.",
            S.ABSENT: "Absence was an inference.",
            S.DONE_FOR_DAY: "The venue wakes it.",
        },
    ),
    Word.WORKS_NOW: WordRow(
        S.OPEN, _ALL, "R21, R25, R28",
        {S.FILLED: "A bust, a correction, a replace, or the present state numbered later."},
    ),
    Word.KNOWN: WordRow(S.OPEN, frozenset({S.UNKNOWN}), "R20"),
    Word.FILLED: WordRow(S.FILLED, _ALL - FINAL, "R20", _FINAL_STAYS),
    Word.CANCELED: WordRow(
        S.CANCELED, _ALL - FINAL, "R26",
        _FINAL_STAYS | {S.FILLED: "Too late to cancel does not overwrite a fill (R27)."},
    ),
    Word.EXPIRED: WordRow(S.EXPIRED, _ALL - FINAL, "R20", _FINAL_STAYS),
    Word.REJECTED: WordRow(S.REJECTED, _ALL - FINAL, "R27", _FINAL_STAYS),
    Word.DONE_FOR_DAY: WordRow(S.DONE_FOR_DAY, _ALL - FINAL, "R28", _FINAL_STAYS),
    Word.CALCULATED: WordRow(S.CALCULATED, _ALL - FINAL, "R28", _FINAL_STAYS),
    Word.ADDS_UP: WordRow(
        S.PRESUMED, _LIVE, "R35",
        {S.ABSENT: "Another inference that it does not work says as much."},
    ),
    Word.LATER_LEG: WordRow(
        S.SENT, FINAL, "R21, R30",
        {S.FILLED: "What ended was the leg before."},
    ),
    Word.MASS_CANCELED: WordRow(S.MASS_CANCELED, frozenset({S.OPEN}), "R33"),
    Word.ABSENT: WordRow(
        S.ABSENT, frozenset({S.OPEN}), "R17, R29",
        {S.SENT: "The request may still be under way."},
    ),
    Word.LOST: WordRow(S.ABSENT, frozenset({S.SENT}), "R17"),
    Word.NOT_APPLIED: WordRow(
        S.NOT_APPLIED, frozenset({S.SENT}), "R16",
        {S.OPEN: "A cancel or replace in the range leaves its order as it was."},
    ),
    Word.REFUSED: WordRow(
        S.REJECTED, frozenset({S.SENT}), "R27",
        {S.OPEN: "It was a cancel or replace that was refused."},
    ),
    Word.ATTESTED: WordRow(S.ATTESTED, frozenset({S.OPEN, S.SENT}), "R17"),
}  # fmt: skip

OUTCOMES: Final[dict[Word, dict[ViewState, ViewState]]] = {
    word: {state: row.to if state in row.moves else state for state in S}
    for word, row in WORDS.items()
}
"""For every word and every state the state that follows."""


def outcome_table() -> str:
    """The table for docs/orders.md: what every word does in every state."""
    lines = [f"| word | {' | '.join(S)} | rules |", "|---|" + "---|" * (len(S) + 1)]
    for word, row in WORDS.items():
        cells = [
            (f"**{row.to}**" if state in row.moves and row.to is not state else "·")
            + ("\\*" if state in row.odd else "")
            for state in S
        ]
        lines.append(f"| {word} | {' | '.join(cells)} | {row.rules} |")
    notes: dict[str, None] = {}
    for word, row in WORDS.items():
        for state, why in row.odd.items():
            if why != _STAYS:
                notes[f"- {word}, when {state}: {why}"] = None
    return "\n".join([*lines, "", f"\\* {_STAYS} Besides:", "", *notes])
