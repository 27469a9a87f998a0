"""What a line may hold: messages however they are laid out, notes, and what cannot be read."""

from itertools import pairwise

import pytest

from reconverge.tap.framing import Frame, Note, Unreadable, zone_offset_ns
from tests.tap.fixtext import FORMATS, inn, pieces, tap

HEARTBEAT = inn("0", 7)
GOOD = HEARTBEAT.encode()
CPP = FORMATS["QuickFIX C++"](HEARTBEAT)


def reasons(text: bytes, file: str = "some.log") -> list[str]:
    return [piece.reason for piece in pieces(text, file) if isinstance(piece, Unreadable)]


def seqs(text: bytes) -> list[str | None]:
    return [piece.message.get("34") for piece in pieces(text) if isinstance(piece, Frame)]


MALFORMED = {
    "checksum": (CPP.replace(b"35=0", b"35=1"), "CheckSum (10) is "),
    "body length": (CPP.replace(b"34=7", b"34=77"), "BodyLength (9) is 52, the body has 53 bytes"),
    "no body length": (CPP.replace(b"\x019=52", b""), "no BodyLength (9) after BeginString (8)"),
    "no checksum": (CPP[: CPP.index(b"10=")] + b"\n", "the message breaks off"),
    "cut short": (CPP[:60] + b"\n" + CPP, "the message breaks off"),
    "no begin": (CPP.replace(b"8=FIX.4.4\x01", b""), "no BeginString (8)"),
    "version": (CPP.replace(b"FIX.4.4", b"FIX.X"), "the version in BeginString (8) is not known"),
    "prose": (b"what is this?\n", "neither a FIX message nor an engine's note"),
    "binary": (b"\x00\xff\xfe\x01\n", "no BeginString (8)"),
    "tail": (CPP[:-1] + b"49=X\x0156=Y\x01\n", "no BeginString (8)"),
    "two glued, one broken": (GOOD[:40] + GOOD, "no CheckSum (10)"),
}


@pytest.mark.parametrize(("text", "reason"), MALFORMED.values(), ids=MALFORMED)
def test_what_cannot_be_read_is_said_why(text: bytes, reason: str) -> None:
    found = reasons(text)
    assert len(found) == 1
    assert found[0].startswith(reason)


@pytest.mark.parametrize(("text", "reason"), MALFORMED.values(), ids=MALFORMED)
def test_the_next_line_is_read_all_the_same(text: bytes, reason: str) -> None:
    assert seqs(text + FORMATS["QuickFIX C++"](inn("0", 8)))[-1] == "8"


@pytest.mark.parametrize("lost", range(1, len(GOOD)))
def test_a_message_cut_anywhere_is_never_taken_for_whole(lost: int) -> None:
    """Only the last delimiter may be missing: tools that copy lines strip it."""
    for text in (GOOD[:-lost], GOOD[:-lost].replace(b"\x01", b"|")):
        assert seqs(text + b"\n") == (["7"] if lost == 1 else [])


def test_a_delimiter_within_a_value_is_no_delimiter() -> None:
    m = inn("B", 9, (148, "a|b;c^Ad|58x"), (58, "50|50"))
    for name in ("pipes", "^A, last one stripped", "semicolons, zone, quotes"):
        frame = pieces(FORMATS[name](m))[0]
        assert isinstance(frame, Frame)
        assert frame.message.get("148") == "a|b;c^Ad|58x"
        assert frame.message.get("58") == "50|50"


def test_raw_data_may_hold_the_delimiter() -> None:
    data = "8=FIX.4.4\x0110=000\x01x=1"
    frame = pieces(FORMATS["QuickFIX C++"](inn("B", 9, (95, str(len(data))), (96, data))))[0]
    assert isinstance(frame, Frame)
    assert frame.message.get("96") == data


def test_raw_data_whose_length_is_wrong_leaves_the_number() -> None:
    """R19: what stands before it can be told apart, and nothing is guessed of the rest."""
    text = FORMATS["QuickFIX C++"](inn("B", 9, (95, "3"), (96, "abc\x01d"), (58, "x")))
    (frame,) = pieces(text)
    assert isinstance(frame, Frame)
    assert frame.message.is_torn
    assert (frame.message.get("34"), frame.message.get("58")) == ("9", None)


def test_a_value_may_hold_line_breaks() -> None:
    text = FORMATS["QuickFIX C++"](inn("B", 9, (148, "one\ntwo\n\nthree"))) + CPP
    frame = pieces(text)[0]
    assert isinstance(frame, Frame)
    assert frame.message.get("148") == "one\ntwo\n\nthree"
    assert frame.origin.line == 1
    assert seqs(text) == ["9", "7"]


@pytest.mark.parametrize("width", [7, 20, 80])
def test_messages_may_be_wrapped_at_any_width(width: int) -> None:
    stream = b"".join(inn("0", n).encode() for n in range(1, 6))
    wrapped = b"\n".join(stream[at : at + width] for at in range(0, len(stream), width))
    assert seqs(wrapped) == ["1", "2", "3", "4", "5"]


def test_messages_on_one_line_share_its_time() -> None:
    text = b"20240102-09:30:00.5 : " + b"".join(inn("0", n).encode() for n in (1, 2))
    found = pieces(text)
    assert [p.prefix.at_ns for p in found if isinstance(p, Frame)] == [
        1_704_187_800_500_000_000
    ] * 2


def test_text_that_is_not_ascii_is_kept() -> None:
    for value, coding in (("naïve – ok", "utf-8"), ("naïve", "latin-1")):
        m = inn("B", 9, (148, "?" * len(value.encode(coding))))
        broken = m.encode().replace(b"?" * len(value.encode(coding)), value.encode(coding))
        body = broken[: broken.rindex(b"10=")]
        frame = pieces(body + b"10=%03d\x01\n" % (sum(body) % 256))[0]
        assert isinstance(frame, Frame)
        assert frame.message.get("148") == value


def test_a_message_within_an_engines_note_is_no_message() -> None:
    """QuickFIX/J repeats the message it complains of: taken twice it would break numbering (R4)."""
    said = b"MsgSeqNum too high, expecting 5 but received 7: " + GOOD
    lines = {
        b"20240102-09:30:00: " + said + b"\n": "FIX.4.4-DESK-VENUE.event.log",
        b"<20240102-09:30:00, FIX.4.4:DESK->VENUE, event> (" + said + b")\n": "screen.log",
        b"2024-01-02 09:30:00,000 [t] INFO quickfixj.event - " + said + b"\n": "app.log",
    }
    for line, file in lines.items():
        assert [type(piece) for piece in pieces(line, file)] == [Note]


def test_a_time_that_is_none_is_no_time() -> None:
    assert [p.origin.line for p in pieces(b"20241399-09:30:00 : hello\n")] == [1]
    assert reasons(b"20241399-09:30:00 : hello\n") == ["neither a FIX message nor an engine's note"]


def test_a_time_of_day_is_a_logs_but_no_time() -> None:
    """As logback writes it; the message's own time has to do."""
    lines = b"10:23:54.645 [main] INFO  quickfixj.schedule - daily\n10:23:54.7 [t] INFO : " + GOOD
    note, frame = pieces(lines)
    assert isinstance(note, Note)
    assert isinstance(frame, Frame)
    assert note.at_ns is frame.prefix.at_ns is None


def test_what_stands_between_messages_is_not_lost() -> None:
    broken = GOOD.replace(b"8=FIX.4.4\x01", b"")
    assert reasons(GOOD + broken + GOOD) == ["no BeginString (8)"]
    assert reasons(GOOD + b" <- resent -> " + GOOD) == []


def test_blank_lines_and_comments_say_nothing() -> None:
    assert pieces(b"\n  \r\n)\n# 35=0 49=X\n") == []


def test_the_rejects_of_one_run_can_be_read_again() -> None:
    broken = CPP.replace(b"34=7", b"34=8")
    rejected = pieces(broken)[0]
    assert isinstance(rejected, Unreadable)
    assert rejected.raw + b"\n" == broken
    assert tap(pieces(b"# why\n" + rejected.raw.replace(b"34=8", b"34=7"))).tap.counts.messages == 1


@pytest.mark.parametrize(
    ("zone", "minutes"), [("Z", 0), ("+01:00", 60), ("-0530", -330), ("+00:00", 0)]
)
def test_zones(zone: str, minutes: int) -> None:
    assert zone_offset_ns(zone) == minutes * 60 * 10**9


def test_a_zone_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="not an offset from UTC"):
        zone_offset_ns("CET")


def test_line_numbers_are_those_of_an_editor() -> None:
    text = b"\n" + CPP + b"oops\n\n" + CPP + b"oops\n"
    found = [piece.origin.line for piece in pieces(text)]
    assert found == [2, 3, 5, 6]
    assert all(a < b for a, b in pairwise(found))
