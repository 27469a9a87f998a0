"""Logs that grow, are renamed, cut and begun again under the reader."""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconverge.core.messages.events import StreamEvent
from reconverge.tap import source
from reconverge.tap.framing import Frame, Piece, Unreadable
from reconverge.tap.pipeline import Tap
from reconverge.tap.run import follow, read
from reconverge.tap.source import Log
from reconverge.tap.translate import Identity
from tests.tap.fixtext import FORMATS, inn, out, pieces

PLAIN = FORMATS["QuickFIX C++"]


def lines(*seqs: int) -> bytes:
    return b"".join(PLAIN(inn("0", seq, at_ms=seq)) for seq in seqs)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "FIX.4.4-DESK-VENUE.messages.current.log"
    file.write_bytes(lines(1, 2))
    return file


@pytest.fixture
def log(path: Path) -> Iterator[Log]:
    with Log(path) as opened:
        assert seqs(opened.poll()) == [1, 2]
        yield opened


def fail(unreadable: Unreadable) -> None:
    pytest.fail(unreadable.reason)


def seqs(found: Iterator[Piece]) -> list[int]:
    numbers = []
    for piece in found:
        assert isinstance(piece, Frame), piece
        numbers.append(int(piece.message.fields["34"]))
    return numbers


def append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


def test_what_is_appended_is_read_once(path: Path, log: Log) -> None:
    assert seqs(log.poll()) == []
    append(path, lines(3))
    assert seqs(log.poll()) == [3]
    append(path, lines(4, 5))
    assert seqs(log.poll()) == [4, 5]


def test_part_of_a_line_waits_for_the_rest(path: Path, log: Log) -> None:
    whole = lines(3)
    for part in (whole[:10], whole[10:60]):
        append(path, part)
        assert seqs(log.poll()) == []
    append(path, whole[60:] + lines(4)[:30])
    assert seqs(log.poll()) == [3]


def test_a_whole_message_does_not_wait_for_its_line_end(path: Path, log: Log) -> None:
    """A raw stream has none."""
    append(path, inn("0", 3).encode())
    assert seqs(log.poll()) == [3]
    append(path, inn("0", 4).encode() + b"\n" + lines(5))
    assert seqs(log.poll()) == [4, 5]


def test_renamed_and_created(path: Path, log: Log) -> None:
    append(path, lines(3))
    path.rename(path.with_suffix(".1"))
    append(path.with_suffix(".1"), lines(4))
    path.write_bytes(lines(5))
    assert seqs(log.poll()) == [3, 4, 5]
    append(path, lines(6))
    assert seqs(log.poll()) == [6]


def test_renamed_and_not_yet_created(path: Path, log: Log) -> None:
    old = path.with_suffix(".1")
    path.rename(old)
    append(old, lines(3))
    assert seqs(log.poll()) == [3]
    path.write_bytes(lines(4))
    assert seqs(log.poll()) == [4]


def test_a_line_cut_by_a_rename_is_not_lost_in_silence(path: Path, log: Log) -> None:
    append(path, lines(3)[:50])
    path.rename(path.with_suffix(".1"))
    path.write_bytes(lines(4))
    broken, good = log.poll()
    assert isinstance(broken, Unreadable)
    assert (broken.reason, broken.origin.line) == ("the message breaks off", 3)
    assert isinstance(good, Frame)
    assert good.origin.line == 1


def test_copied_and_cut(path: Path, log: Log) -> None:
    os.truncate(path, 0)
    assert seqs(log.poll()) == []
    append(path, lines(3))
    assert seqs(log.poll()) == [3]


def test_cut_and_filled_beyond_where_we_were(path: Path, log: Log) -> None:
    os.truncate(path, 0)
    append(path, lines(*range(3, 9)))
    assert seqs(log.poll()) == [3, 4, 5, 6, 7, 8]


def test_cut_in_the_middle_of_a_line(path: Path, log: Log) -> None:
    append(path, lines(3)[:50])
    assert seqs(log.poll()) == []
    os.truncate(path, 0)
    append(path, lines(4))
    broken, good = log.poll()
    assert isinstance(broken, Unreadable)
    assert broken.raw == lines(3)[:50]
    assert isinstance(good, Frame)


def test_what_is_left_at_the_end_is_read_or_said(path: Path, log: Log) -> None:
    append(path, lines(3).removesuffix(b"\x01\n"))
    assert seqs(log.poll()) == []
    assert seqs(log.finish()) == [3]
    append(path, b"\n" + lines(4)[:40])
    assert seqs(log.poll()) == []
    (broken,) = log.finish()
    assert isinstance(broken, Unreadable)


def test_a_stream_without_line_ends_is_read_in_pieces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source, "_READ_BYTES", 1_000)
    monkeypatch.setattr(source, "_LINE_BYTES_MAX", 10_000)
    stream = b"".join(inn("0", seq).encode() for seq in range(1, 501))
    path = tmp_path / "raw"
    path.write_bytes(stream)
    with Log(path) as log:
        assert seqs(log.all()) == list(range(1, 501))
    path.write_bytes(b"x" * 25_000 + stream)
    with Log(path) as log:
        *noise, last = log.all()
        assert isinstance(last, Frame)
        assert b"".join(each.raw for each in noise if isinstance(each, Unreadable))[:20_000]


@settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.integers(1, 200), max_size=20), st.sampled_from(sorted(FORMATS)))
def test_however_it_arrives_it_reads_the_same(
    tmp_path: Path, cuts: list[int], format_: str
) -> None:
    """A log appended in any portions gives what it gives when read at once."""
    text = b"".join(FORMATS[format_](inn("0", seq, at_ms=seq)) for seq in range(1, 8))
    path = tmp_path / "growing.log"
    path.write_bytes(b"")
    with Log(path) as log:
        found: list[Piece] = []
        at = 0
        for size in (*cuts, len(text)):
            append(path, text[at : at + size])
            at += size
            found += log.poll()
        found += log.finish()
    expected = pieces(text)
    assert [_told(piece) for piece in found] == [_told(piece) for piece in expected]


def _told(piece: Piece) -> object:
    assert isinstance(piece, Frame)
    return piece.message.fields, piece.prefix.at_ns, piece.prefix.outgoing


def test_rotated_parts_and_event_logs_are_one_story(tmp_path: Path) -> None:
    """Each part keeps its own order; files are merged by time."""
    first, second = tmp_path / "messages.backup.1.log", tmp_path / "messages.current.log"
    events = tmp_path / "event.current.log"
    talk = [
        out("A", 1, at_ms=0),
        inn("A", 1, at_ms=1),
        inn("0", 2, at_ms=50),
        inn("0", 3, at_ms=90),
    ]
    first.write_bytes(b"".join(map(PLAIN, talk[:3])))
    second.write_bytes(PLAIN(talk[3]))
    events.write_bytes(b"20240102-09:30:00.060 : Disconnecting\n")
    for order in ((first, second, events), (events, second, first)):
        logs = [Log(path) for path in order]
        tap = Tap(Identity("S1"), ours="DESK", on_reject=fail)
        assert [event.type for event in read(tap, logs)] == [
            "logon", "logon", "heartbeat", "disconnect", "heartbeat",
        ]  # fmt: skip
        for each in logs:
            each.close()


async def test_following_until_told_to_stop(path: Path) -> None:
    tap = Tap(Identity("S1"), ours="DESK", on_reject=fail)
    stop = asyncio.Event()
    got: list[StreamEvent] = []
    with Log(path) as log:
        async for event in follow(tap, [log], stop):
            got.append(event)
            if event.seq == 2:
                append(path, lines(3))
            if event.seq == 3:
                append(path, lines(4).removesuffix(b"\x01\n"))  # read by finish()
                stop.set()
    assert [event.seq for event in got] == [1, 2, 3, 4]
