"""Which way a message went."""

import pytest

from reconverge.tap import pipeline
from reconverge.tap.pipeline import UnknownDirectionError
from tests.tap.fixtext import FORMATS, Tapped, inn, out, pieces, tap

PLAIN = FORMATS["QuickFIX C++"]
OUTWARD = [True, False, True]


def directions(tapped: Tapped) -> list[bool]:
    assert tapped.rejects == []
    return [event.outbound for event in tapped.events if event.seq]


TALK = [out("A", 1), inn("A", 1), out("0", 2)]
LATE = [out("0", 7), inn("0", 9), out("0", 8)]


def test_given_it_is_believed() -> None:
    text = b"".join(map(PLAIN, TALK))
    assert directions(tap(pieces(text), ours="DESK")) == OUTWARD
    assert directions(tap(pieces(text), ours="VENUE")) == [not each for each in OUTWARD]


def test_the_first_logon_was_ours() -> None:
    assert directions(tap(pieces(b"".join(map(PLAIN, TALK))), ours=None)) == OUTWARD


def test_messages_before_the_logon_wait_for_it() -> None:
    talk = [inn("0", 8), out("0", 6), *TALK]
    assert directions(tap(pieces(b"".join(map(PLAIN, talk))), ours=None)) == [False, True, *OUTWARD]


@pytest.mark.parametrize("format_", ["QuickFIX/J screen", "QuickFIX/J SLF4J", "QuickFIX/n screen"])
def test_the_line_says_it(format_: str) -> None:
    """Also in an acceptor's log, where the first logon is theirs, and without any logon."""
    acceptor = [inn("A", 1), out("A", 1), inn("0", 2)]
    for talk, expected in ((LATE, OUTWARD), (acceptor, [False, True, False])):
        text = b"".join(map(FORMATS[format_], talk))
        assert directions(tap(pieces(text), ours=None)) == expected


@pytest.mark.parametrize(
    "name", ["FIX.4.4-DESK-VENUE.messages.current.log", "FIX.4.4-DESK-VENUE-Q1.messages.log"]
)
def test_the_file_name_says_it(name: str) -> None:
    text = b"".join(map(PLAIN, LATE))
    assert directions(tap(pieces(text, name), ours=None)) == OUTWARD
    swapped = name.replace("DESK-VENUE", "VENUE-DESK")
    assert directions(tap(pieces(text, swapped), ours=None)) == [not each for each in OUTWARD]


def test_where_nothing_says_it_the_user_is_asked() -> None:
    with pytest.raises(UnknownDirectionError, match=r"DESK->VENUE, VENUE->DESK.*--comp-id"):
        tap(pieces(b"".join(map(PLAIN, LATE))), ours=None)


def test_it_is_not_waited_for_without_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "HELD_MAX", 5)
    with pytest.raises(UnknownDirectionError):
        tap(pieces(b"".join(map(PLAIN, LATE * 3 + TALK))), ours=None)


def test_rejects_alone_need_no_direction() -> None:
    assert len(tap(pieces(b"nonsense\n"), ours=None).rejects) == 1


def test_messages_of_others_are_counted_not_taken() -> None:
    talk = [out("A", 1), out("A", 1, theirs="OTHER"), inn("A", 1), inn("0", 2, ours="ELSE")]
    text = b"".join(map(PLAIN, talk))
    tapped = tap(pieces(text), ours="DESK", peers=("VENUE",))
    assert directions(tapped) == [True, False]
    assert tapped.tap.counts.other_sessions == {"DESK->OTHER": 1, "VENUE->ELSE": 1}
    assert (tapped.tap.counts.messages, tapped.tap.counts.rejects) == (2, 0)


def test_the_session_asked_for_tells_it() -> None:
    """One log, two of our own CompIDs."""
    talk = [out("A", 1, ours="X", theirs="P"), out("A", 1), inn("A", 1), inn("0", 2, ours="X")]
    tapped = tap(pieces(b"".join(map(PLAIN, talk))), ours=None, peers=("VENUE",))
    assert directions(tapped) == [True, False]
    assert tapped.tap.counts.other_sessions == {"X->P": 1, "VENUE->X": 1}


def test_a_message_without_comp_ids_is_rejected() -> None:
    body = b"35=0\x0134=1\x01"
    text = b"8=FIX.4.4\x019=%d\x01" % len(body) + body
    text += b"10=%03d\x01\n" % (sum(text) % 256)
    for ours in ("DESK", None):
        tapped = tap(pieces(text + b"".join(map(PLAIN, TALK))), ours=ours)
        assert [each.reason for each in tapped.rejects] == ["no SenderCompID (49)"]
        assert len(tapped.events) == 3
