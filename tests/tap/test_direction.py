"""Which way a message went."""

import pytest

from reconverge.tap import pipeline
from reconverge.tap.pipeline import NothingOfOursError, UnknownDirectionError
from reconverge.tap.translate import Identity
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
    ("word", "outward"),
    [
        ("2024-01-02 09:30:00.1 [653] (INFO) Sending : ", True),
        ("2024-01-02 09:30:00.1 [653] (INFO) Receiving : ", False),
        ("20240102-09:30:00.1 [out] : ", True),
        ("20240102-09:30:00.1 [in] : ", False),
        ("ToApp: ", True),
        ("FromAdmin: ", False),
        ("RECV -> ", False),
    ],
)
def test_so_do_bridges_and_applications(word: str, outward: bool) -> None:
    """Just before the message: the word may stand elsewhere for anything."""
    m = (out if outward else inn)("0", 7)
    assert directions(tap(pieces(word.encode() + m.encode()), ours=None)) == [outward]
    with pytest.raises(UnknownDirectionError):
        tap(pieces(b"receiving desk, sending done | " + m.encode()), ours=None)


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


MASKED = PLAIN(out("A", 1, (554, "secret"))).replace(b"secret", b"***")


@pytest.mark.parametrize(
    "first",
    [
        MASKED,
        MASKED.replace(b"35=A\x01", b""),  # of no type that could be read
        PLAIN(out("A", 1)).replace(b"56=VENUE", b"56=VENUES"),
        PLAIN(out("A", 1))[:60] + b"\n",
    ],
)
def test_a_first_logon_that_cannot_be_read_ends_the_guess(first: bytes) -> None:
    """Else the answer to it would pass for the first, and all be taken the wrong way round."""
    text = first + b"".join(map(PLAIN, [inn("A", 1), out("0", 2)]))
    with pytest.raises(
        UnknownDirectionError, match=r"some.log:1 cannot be read.*first logon.*seen"
    ):
        tap(pieces(text), ours=None)
    assert [event.outbound for event in tap(pieces(text)).events] == [False, True]


def test_what_else_cannot_be_read_does_not() -> None:
    """A line of prose, or a message of another type, is no logon."""
    for first in (b"what?\n", PLAIN(inn("0", 7)).replace(b"34=7", b"34=8")):
        tapped = tap(pieces(first + b"".join(map(PLAIN, TALK))), ours=None)
        assert [event.outbound for event in tapped.events] == OUTWARD


def test_nor_where_the_line_says_the_way() -> None:
    text = MASKED + b"".join(map(FORMATS["QuickFIX/J screen"], [inn("A", 1), out("0", 2)]))
    assert [event.outbound for event in tap(pieces(text), ours=None).events] == [False, True]


REPORT = ((37, "V"), (11, "c"), (17, "x"), (150, "0"), (39, "0"))
ORDER = ((11, "c"), (55, "X"), (54, "1"), (38, "1"))


@pytest.mark.parametrize(("msg_type", "body"), [("8", REPORT), ("9", REPORT)])
def test_a_guess_that_a_report_contradicts_is_given_up(
    msg_type: str, body: tuple[tuple[int, str], ...]
) -> None:
    """The log of an acceptor: the first logon was the counterparty's."""
    talk = [inn("A", 1), out("A", 1), out("D", 2, *ORDER), inn(msg_type, 2, *body)]
    with pytest.raises(UnknownDirectionError, match=r"some.log:3 goes the wrong way"):
        tap(pieces(b"".join(map(PLAIN, talk))), ours=None)
    reports = [talk[0], talk[1], talk[3]]
    with pytest.raises(UnknownDirectionError, match=r"some.log:3 goes the wrong way"):
        tap(pieces(b"".join(map(PLAIN, reports))), ours=None)


def test_what_is_given_may_contradict_everything() -> None:
    """A broker's own log has orders that come in."""
    talk = [inn("A", 1), out("A", 1), inn("D", 2, *ORDER), out("8", 2, *REPORT)]
    tapped = tap(pieces(b"".join(map(PLAIN, talk))), ours="DESK")
    assert [event.outbound for event in tapped.events] == [False, True, False, True]


def test_copies_of_requests_on_drop_copy_contradict_nothing() -> None:
    talk = [out("A", 1), inn("A", 1), inn("D", 2, *ORDER)]
    identity = Identity("S1", is_drop_copy=True)
    tapped = tap(pieces(b"".join(map(PLAIN, talk))), identity, ours=None)
    assert [event.outbound for event in tapped.events] == [*OUTWARD[:2], False]


@pytest.mark.parametrize(
    ("ours", "peers", "option"), [("DESC", (), "--comp-id"), ("DESK", ("VENEU",), "--peer")]
)
def test_a_name_that_yields_nothing_is_an_error(
    ours: str, peers: tuple[str, ...], option: str
) -> None:
    with pytest.raises(NothingOfOursError, match="DESK->VENUE, VENUE->DESK") as raised:
        tap(pieces(b"".join(map(PLAIN, TALK))), ours=ours, peers=peers)
    assert raised.value.option == option


def test_pairs_of_others_are_told_apart_up_to_a_bound() -> None:
    talk = [out("0", n, theirs=f"T{n}") for n in range(1, 200)]
    others = tap(pieces(b"".join(map(PLAIN, talk))), peers=("T1",)).tap.counts.other_sessions
    assert len(others) == pipeline.PAIRS_MAX + 1
    assert sum(others.values()) == 198
    assert others["others"] == 198 - pipeline.PAIRS_MAX


def test_a_message_without_comp_ids_is_rejected() -> None:
    body = b"35=0\x0134=1\x01"
    text = b"8=FIX.4.4\x019=%d\x01" % len(body) + body
    text += b"10=%03d\x01\n" % (sum(text) % 256)
    for ours in ("DESK", None):
        tapped = tap(pieces(text + b"".join(map(PLAIN, TALK))), ours=ours)
        assert [each.reason for each in tapped.rejects] == ["no SenderCompID (49)"]
        assert len(tapped.events) == 3
