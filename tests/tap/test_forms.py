"""The forms a log may have: escapes of SOH, packed files, encodings, and altered messages."""

import gzip
import html
import json
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconverge.tap import encoding
from reconverge.tap.escapes import SOH, readings
from reconverge.tap.framing import Frame, Framer, Piece, Unreadable
from reconverge.tap.source import Log
from tests.tap.fixtext import FORMATS, inn

NEWS = 'News \N{POUND SIGN}5 \N{EN DASH} "quoted" \\ back & <b>\' at 100%'
PLAIN = FORMATS["QuickFIX C++"]


def told(value: str, coding: str = "utf-8") -> bytes:
    """A message whose text is encoded so on the wire, with the length and sum of those bytes."""
    data = value.encode(coding)
    m = inn("B", 9, (148, "?" * len(data)), (58, "end")).encode()
    body = m.replace(b"?" * len(data), data)
    body = body[: body.rindex(b"10=")]
    return body + b"10=%03d\x01" % (sum(body) % 256)


def as_json(m: bytes) -> bytes:
    return json.dumps({"@timestamp": "2024-01-02T09:30:00Z", "message": m.decode()}).encode()


def as_program(m: bytes) -> bytes:
    return b"2024-01-02 09:30:00 " + repr(m)[2:-1].encode()


def as_octal(m: bytes) -> bytes:
    return m.replace(b"\\", b"\\\\").replace(b"\x01", b"\\001")


def as_xml(m: bytes) -> bytes:
    escaped = html.escape(m.decode(), quote=True).replace("\x01", "&#1;")
    return f'<log at="2024-01-02T09:30:00Z">{escaped}</log>'.encode()


def as_address(m: bytes) -> bytes:
    return m.replace(b"%", b"%25").replace(b"\x01", b"%01")


ESCAPED: dict[str, Callable[[bytes], bytes]] = {
    "JSON": as_json,
    "JSON as it stands": lambda m: json.dumps(m.decode(), ensure_ascii=False).encode(),
    "JSON in JSON": lambda m: json.dumps({"log": as_json(m).decode()}).encode(),
    "a program's text": as_program,
    "octal": as_octal,
    "XML": as_xml,
    "an address": as_address,
    "<SOH>": lambda m: m.replace(b"\x01", b"<SOH>"),
    "the sign of SOH": lambda m: m.replace(b"\x01", "\N{SYMBOL FOR START OF HEADING}".encode()),
    "pipes with spaces": lambda m: m.replace(b"\x01", b" | "),
}


def read(text: bytes, *, lenient: bool = False) -> list[Piece]:
    framer = Framer("some.log", lenient=lenient)
    found = [p for n, line in enumerate(text.splitlines(), 1) for p in framer.feed(n, line)]
    return found + framer.close()


def the_message(text: bytes, **options: bool) -> Frame:
    (frame,) = read(text, **options)
    assert isinstance(frame, Frame), frame
    return frame


@pytest.mark.parametrize("form", ESCAPED.values(), ids=ESCAPED)
def test_whatever_stands_for_soh_is_undone(form: Callable[[bytes], bytes]) -> None:
    m = the_message(form(told(NEWS)) + b"\n").message
    assert (m.get("34"), m.get("148"), m.get("58")) == ("9", NEWS, "end")


@pytest.mark.parametrize("written", [rb"\u0001", rb"\x01", rb"\001", b"&#1;", b"&#x1;", b"%01"])
def test_whatever_stands_for_soh_at_the_end_may_be_stripped(written: bytes) -> None:
    m = told("plain").replace(SOH, written).removesuffix(written)
    assert the_message(b'{"m": "' + m + b'"}\n').message.get("148") == "plain"


@pytest.mark.parametrize("form", ESCAPED.values(), ids=ESCAPED)
def test_the_line_after_is_read_all_the_same(form: Callable[[bytes], bytes]) -> None:
    broken = form(told("x"))[:-14] + b"\n"
    found = read(broken + form(told("y")) + b"\n")
    assert [type(piece) for piece in found] == [Unreadable, Frame]


@pytest.mark.parametrize("coding", ["latin-1", "cp1252", "utf-8"])
@pytest.mark.parametrize("logged", ["latin-1", "cp1252", "utf-8"])
def test_the_length_may_be_that_of_another_encoding(coding: str, logged: str) -> None:
    text = "caf\N{LATIN SMALL LETTER E WITH ACUTE} \N{POUND SIGN}5"
    line = told(text, coding).decode(coding).encode(logged)
    assert the_message(line + b"\n").message.get("148") == text


def test_a_euro_has_another_byte_in_each() -> None:
    line = told("\N{EURO SIGN}5", "cp1252").decode("cp1252").encode()
    assert the_message(line + b"\n").message.get("34") == "9"


@given(st.binary(max_size=60), st.sampled_from([b"|", rb"\u0001", rb"\x01", b"&#1;", b"%01", SOH]))
def test_there_is_always_a_reading(raw: bytes, delimiter: bytes) -> None:
    found = list(readings(raw, delimiter))
    assert found
    assert all(each.endswith(SOH) for each in found)


# Files.

LINES = [PLAIN(inn("0", n, at_ms=n)) for n in range(1, 2000)]
TEXT = b"".join(LINES)
UNPACKED = {
    "plain": TEXT,
    "UTF-8 with a mark": b"\xef\xbb\xbf" + TEXT,
    "UTF-16": TEXT.decode().encode("utf-16"),
    "UTF-16, big end first": b"\xfe\xff" + TEXT.decode().encode("utf-16-be"),
    "UTF-16 without a mark": TEXT.decode().encode("utf-16-le"),
    "UTF-16, big end first, without a mark": TEXT.decode().encode("utf-16-be"),
}


def seqs(found: list[Piece]) -> list[int]:
    assert all(isinstance(piece, Frame) for piece in found)
    return [int(piece.message.get("34") or 0) for piece in found if isinstance(piece, Frame)]


def all_of(path: Path) -> list[Piece]:
    with Log(path) as log:
        return list(log.all())


@pytest.mark.parametrize("data", UNPACKED.values(), ids=UNPACKED)
@pytest.mark.parametrize("packed", [False, True])
def test_every_kind_of_file(tmp_path: Path, data: bytes, packed: bool) -> None:
    path = tmp_path / "entry.log"
    path.write_bytes(gzip.compress(data) if packed else data)
    assert seqs(all_of(path)) == list(range(1, 2000))


@pytest.mark.parametrize("data", UNPACKED.values(), ids=UNPACKED)
def test_every_kind_of_file_as_it_grows(
    tmp_path: Path, data: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reconverge.tap.source._READ_BYTES", 7)
    path = tmp_path / "entry.log"
    path.write_bytes(b"")
    found = []
    with Log(path) as log, path.open("ab", buffering=0) as file:
        for at in range(0, 3000, 501):
            file.write(data[at : at + 501])
            found += list(log.poll())
    assert seqs(found)[:5] == [1, 2, 3, 4, 5]


def test_members_appended_to_a_packed_log(tmp_path: Path) -> None:
    path = tmp_path / "entry.log.gz"
    path.write_bytes(gzip.compress(TEXT) + gzip.compress(LINES[0]) + bytes(512))
    assert seqs(all_of(path)) == [*range(1, 2000), 1]


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda packed: packed[: len(packed) // 2], "the gzip data breaks off here"),
        (lambda packed: packed[:200] + b"!" * 64 + packed[264:], "the gzip data is broken"),
    ],
)
def test_a_packed_log_that_breaks_off_says_so(
    tmp_path: Path, spoil: Callable[[bytes], bytes], reason: str
) -> None:
    path = tmp_path / "entry.log.gz"
    path.write_bytes(spoil(gzip.compress(TEXT, 9)))
    *_, last = all_of(path)
    assert isinstance(last, Unreadable)
    rejects = [piece.reason for piece in all_of(path) if isinstance(piece, Unreadable)]
    assert any(each.startswith(reason) and each.endswith("is lost") for each in rejects)


def test_what_was_packed_tightly_is_unpacked_in_pieces() -> None:
    """A megabyte of it may be a gigabyte."""
    packed = zlib.compressobj(9, wbits=31)
    data = b"".join(packed.compress(bytes([10]) * (1 << 20)) for _ in range(64)) + packed.flush()
    assert len(data) < 100_000
    sizes = [len(piece) for piece in encoding.Plain().feed(data)]
    assert sum(sizes) == 64 << 20
    assert max(sizes) <= encoding.CHUNK_BYTES


# Altered messages.

LOGON = inn("A", 1, (98, "0"), (108, "30"), (553, "me"), (554, "secret")).encode()
PIPED = LOGON.replace(SOH, b"|")
ALTERED = {
    "a password masked": (LOGON.replace(b"secret", b"***"), "BodyLength (9) and CheckSum (10) do"),
    "masked by as much": (LOGON.replace(b"secret", b"******"), "CheckSum (10) does not fit"),
    "a length of zero": (LOGON.replace(b"9=82\x01", b"9=0\x01"), "BodyLength (9) and CheckSum"),
    "a sum of zero": (LOGON[:-4] + b"000\x01", "CheckSum (10) does not fit"),
    "a masked sum": (LOGON[:-4] + b"***\x01", "CheckSum (10) does not fit"),
    "no length": (LOGON.replace(b"9=82\x01", b""), "no BodyLength (9)"),
    "the sum over pipes": (
        PIPED[:-4] + b"%03d|" % (sum(PIPED[:-7]) % 256), "CheckSum (10) is that of another",
    ),
    "a lost character": (
        told("\N{POUND SIGN}", "latin-1").replace(b"\xa3", "\N{REPLACEMENT CHARACTER}".encode()),
        "CheckSum (10) does not fit",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("raw", "how"), ALTERED.values(), ids=ALTERED)
def test_an_altered_message_is_refused_with_the_remedy(raw: bytes, how: str) -> None:
    (piece,) = read(raw + b"\n")
    assert isinstance(piece, Unreadable)
    assert piece.reason.endswith("; if the log was altered, --lenient reads it all the same")


@pytest.mark.parametrize(("raw", "how"), ALTERED.values(), ids=ALTERED)
def test_lenient_takes_it_and_says_what_is_wrong(raw: bytes, how: str) -> None:
    m = the_message(raw + b"\n", lenient=True).message
    assert m.get("49") == "VENUE"
    assert (m.altered or "").startswith(how)


@pytest.mark.parametrize("raw", [told(NEWS), PIPED, LOGON])
def test_lenient_says_nothing_of_what_is_right(raw: bytes) -> None:
    assert the_message(raw + b"\n", lenient=True).message.altered is None


def test_lenient_still_refuses_what_is_cut() -> None:
    for lost in range(2, len(LOGON) - 20):
        assert all(isinstance(p, Unreadable) for p in read(LOGON[:-lost] + b"\n", lenient=True))


def test_an_altered_message_ends_where_it_ends() -> None:
    talk = (LOGON.replace(b"secret", b"***") + inn("0", 2).encode()) * 2
    found = read(talk, lenient=True)
    assert [piece.message.get("34") for piece in found if isinstance(piece, Frame)] == list("1212")
