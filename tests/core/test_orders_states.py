"""The table of states against the rules, written down here a second time and by hand.

Once word by word, and once through messages that say the words: what the code does is what the
table says.
"""

import itertools
from collections.abc import Callable
from typing import Any

import pytest

from reconverge.core.messages.events import OrderStreamEvent
from reconverge.core.messages.wire import kind
from reconverge.core.orders.check import check
from reconverge.core.orders.orders import ORDER_EVENTS
from reconverge.core.orders.states import OUTCOMES, WORDS, ViewState, Word
from reconverge.core.orders.table import EXEC_ROWS, MESSAGE_ROWS
from tests.core.order_script import Script, view

LETTERS = dict(zip("USOFCERDKPMANT", ViewState, strict=True))
"""Unknown, Sent, Open, Filled, Canceled, Expired, Rejected, Done for day, calKulated, Presumed,
Mass canceled, Absent, Not applied, aTtested."""

BY_HAND = {
    # word:             U S O  F C E R  D K P M A N T      the state before
    Word.SENT:         "S S O  F C E R  D K P M A N T",
    Word.WORKS:        "O O O  F C E R  O O O O O O O",
    Word.WORKS_NOW:    "O O O  O O O O  O O O O O O O",
    Word.KNOWN:        "O S O  F C E R  D K P M A N T",
    Word.FILLED:       "F F F  F C E R  F F F F F F F",
    Word.CANCELED:     "C C C  F C E R  C C C C C C C",
    Word.EXPIRED:      "E E E  F C E R  E E E E E E E",
    Word.REJECTED:     "R R R  F C E R  R R R R R R R",
    Word.DONE_FOR_DAY: "D D D  F C E R  D D D D D D D",
    Word.CALCULATED:   "K K K  F C E R  K K K K K K K",
    Word.ADDS_UP:      "P P P  F C E R  D K P M A N T",
    Word.LATER_LEG:    "U S O  S S S S  D K P M A N T",
    Word.MASS_CANCELED: "U S M  F C E R  D K P M A N T",
    Word.ABSENT:       "U S A  F C E R  D K P M A N T",
    Word.LOST:         "U A O  F C E R  D K P M A N T",
    Word.NOT_APPLIED:  "U N O  F C E R  D K P M A N T",
    Word.REFUSED:      "U R O  F C E R  D K P M A N T",
    Word.ATTESTED:     "U T T  F C E R  D K P M A N T",
}  # fmt: skip
"""R16, R17, R20, R26-R30, R33, R35."""


def by_hand(word: Word, state: ViewState) -> ViewState:
    letters = dict(zip(ViewState, BY_HAND[word].split(), strict=True))
    return LETTERS[letters[state]]


@pytest.mark.parametrize(("word", "state"), list(itertools.product(Word, ViewState)))
def test_every_word_in_every_state_has_the_outcome_that_the_rules_say(
    word: Word, state: ViewState
) -> None:
    assert OUTCOMES[word][state] is by_hand(word, state)


@pytest.mark.parametrize("word", Word)
def test_every_word_cites_a_rule_and_odd_outcomes_are_explained(word: Word) -> None:
    assert WORDS[word].rules.startswith("R")
    assert all(why.endswith(".") for why in WORDS[word].odd.values())


BROUGHT_ABOUT = {
    ViewState.UNKNOWN: "DC< new X 0/100",
    ViewState.SENT: "> new X 100",
    ViewState.OPEN: "< new X 0/100",
    ViewState.FILLED: "< trade X 100 100/0 exec=f",
    ViewState.CANCELED: "< canceled X 0/0 qty=100",
    ViewState.EXPIRED: "< expired X 0/0 qty=100",
    ViewState.REJECTED: "< rejected X 0/0 qty=100",
    ViewState.DONE_FOR_DAY: "< done_for_day X 0/100",
    ViewState.CALCULATED: "< calculated X 0/100",
    ViewState.PRESUMED: "< trade X 30 -/0 status=partially_filled exec=p",
    ViewState.MASS_CANCELED: "< new X 0/100\n< mass-cancel-report - 1 X",
    ViewState.ABSENT: "< new X 0/100\n< mass-status A\n< mass-end A 0",
    ViewState.NOT_APPLIED: "> new X 100 #1\n< not-applied 1 1",
    ViewState.ATTESTED: "< new X 0/100\nattest orders=X",
}
SAID = {
    Word.WORKS: "< suspended X 100/200",
    Word.WORKS_NOW: "< restated X 100/200",
    Word.FILLED: "< trade X 200 300/0 exec=z",
    Word.CANCELED: "< canceled X 100/0 qty=300",
    Word.EXPIRED: "< expired X 100/0 qty=300",
    Word.REJECTED: "< rejected X 100/0 qty=300",
    Word.DONE_FOR_DAY: "< done_for_day X 100/200",
    Word.CALCULATED: "< calculated X 100/200",
    Word.ADDS_UP: "< trade X 500 status=partially_filled exec=y",
    Word.MASS_CANCELED: "< mass-cancel-report - 1 X",
    Word.ABSENT: "< mass-status Q\n< mass-end Q 0",
    Word.NOT_APPLIED: "< not-applied 1 9",
    Word.REFUSED: "< reject ref_id=X",
    Word.ATTESTED: "attest orders=X",
}


@pytest.mark.parametrize(("word", "state"), list(itertools.product(SAID, ViewState)))
def test_a_message_that_says_the_word_does_so(word: Word, state: ViewState) -> None:
    script = Script()
    script.run(BROUGHT_ABOUT[state])
    assert view(script.orders, "X")[0] is state
    script.run(SAID[word])
    assert view(script.orders, "X")[0] is by_hand(word, state)
    found, open_qty, _ = view(script.orders, "X")
    assert found is ViewState.OPEN or not open_qty


@pytest.mark.parametrize(
    "spoil",
    [
        lambda order, book: setattr(order.entry, "open", 1),
        lambda order, book: setattr(order.entry, "state", ViewState.FILLED),
        lambda order, book: setattr(order.venue, "leg", 9),
        lambda order, book: setattr(order, "over", True),
        lambda order, book: setattr(order, "price", 7),
        lambda order, book: setattr(order, "doubt", None),
        lambda order, book: setattr(order.doubt, "unanswered_ns", 5),
        lambda order, book: order.doubt.copy_lacks.clear(),
        lambda order, book: setattr(book.counts.total, "orders", 3),
        lambda order, book: setattr(order.tally, "in_play", 0),
        lambda order, book: book.requests.waiting.clear(),
    ],
)
def test_a_fault_in_the_sums_is_found(spoil: Callable[[Any, Any], None]) -> None:
    """The check of the invariants bites."""
    script = Script()
    script.run("> new X 100\n< new X 0/100\n> cancel C of X\n> mass-cancel M")
    book = script.orders.book
    check(book)
    spoil(script.orders.find("X"), book)
    with pytest.raises(AssertionError):
        check(book)


def test_a_request_that_a_snapshot_shows_lost() -> None:
    script = Script()
    script.run("> new X 100\n@5 tick\n< mass-status Q\n< mass-end Q 0")
    assert view(script.orders, "X")[0] is by_hand(Word.LOST, ViewState.SENT)


def test_a_quantity_that_nobody_stated() -> None:
    script = Script()
    script.run("< new X status=new")
    assert view(script.orders, "X")[0] is by_hand(Word.KNOWN, ViewState.UNKNOWN)


def test_what_is_in_the_tables_is_all_that_the_core_accounts_for() -> None:
    """Reports have their rows by type; of the session's events only connections are counted."""
    tags = {kind(event) for event in ORDER_EVENTS}
    session = {"logon", "gateway_switched"}
    snapshots = {"mass_status_begin", "mass_status_row"}
    assert tags - session - snapshots - {"execution_report"} == set(MESSAGE_ROWS) - {"attestation"}
    assert tags <= {kind(event) for event in OrderStreamEvent.__args__}
    assert len(EXEC_ROWS) == 18
