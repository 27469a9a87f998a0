"""Mutated lines of logs, without end: what the tap must survive.

``python -m tests.tap.fuzz [LINES] [SEED]`` runs a million lines (by default) through taps of both
streams, strict and lenient, and prints the pace and the memory of each tenth: both must stay level.
"""

import resource
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Final

from reconverge.core.messages.decode import decode
from reconverge.core.messages.wire import encode
from reconverge.tap.framing import Framer, Piece
from reconverge.tap.pipeline import Tap
from reconverge.tap.translate import Identity
from tests.tap.fixtext import FORMATS, inn, out

HERE: Final = Path(__file__).parent
SOURCES: Final = (HERE / "logs", HERE.parent / "cases" / "fix")
LINES: Final = 1_000_000
LINE_BYTES_MAX: Final = 4_000
OURS: Final = ("DESK", "US")
_INTERESTING: Final = (
    b"8=FIX.4.4\x01", b"8=FIX", b"10=000\x01", b"\x0110=", b"9=0\x01", b"213=", b"212=9\x01",
    b"95=3\x01", b"96=\x01", b"34=", b"34=9223372036854775807\x01",
    b"34=99999999999999999999\x01", b"43=Y\x01", b"52=99991231-23:59:60\x01",
    b"122=19700101-00:00:00\x01", b"35=n\x01", b"35=E\x01", b"35=XCN\x01", b"44=1e400\x01",
    b"38=-1\x01", b"31=0.00000000000000000001\x01", b"150=\x01", b"39=~\x01", b"11=\x01",
    b"442=2\x01", b"584=r\x01", b"911=1\x01", b"912=Y\x01", b"141=Y\x01", b"108=999999999\x01",
    b"36=0\x01", b"\\u0001", b"\\x01", b"&#1;", b"%01", b"|", b"^A", b"\n", b"\xff\xfe", b"\x00",
    b"\xc3\xa9", b'"', b"\\", b"incoming", b"<outgoing>", b"Timed out waiting for heartbeat",
    b"Disconnecting", b"2024-13-45 ",
)  # fmt: skip


def seeds() -> list[bytes]:
    """Lines of every format and engine, and of every kind of message."""
    order = ((11, "c1"), (55, "X"), (54, "1"), (38, "10"), (40, "2"), (44, "9.5"))
    told = (
        (37, "V1"),
        (17, "x"),
        (150, "F"),
        (39, "1"),
        (32, "1"),
        (31, "9"),
        (14, "1"),
        (151, "9"),
    )
    talk = [
        out("A", 1, (108, "30")), inn("A", 1, (108, "30")), out("D", 2, *order), inn("8", 2, *told),
        out("E", 3, (66, "L"), (73, "1"), *order), out("AF", 4, (584, "r"), (585, "7")),
        inn("8", 3, *told, (584, "r"), (911, "2")), inn("4", 4, (123, "Y"), (36, "9")),
        inn("n", 9, (212, "70"), (213, inn("8", 5, *told).encode().decode())),
        inn("2", 10, (7, "1")),
        inn("j", 11, (45, "3"), (372, "E")), inn("r", 12, (531, "7"), (533, "1")), inn("5", 13),
    ]  # fmt: skip
    lines = [form(m).rstrip(b"\n") for form in FORMATS.values() for m in talk]
    files = [
        path for folder in SOURCES for path in folder.iterdir() if path.suffix in {".log", ".txt"}
    ]
    return lines + [line for path in files for line in path.read_bytes().splitlines()]


def repaired(line: bytes) -> bytes:
    """A mutated line whose BodyLength and CheckSum are right again, so that its fields are read."""
    start = line.find(b"8=FIX")
    body = line.find(b"\x01", line.find(b"\x019=", start) + 1) + 1
    end = line.rfind(b"\x0110=") + 1
    if start < 0 or not start < body < end:
        return line
    version = line[start : line.find(b"\x01", start)]
    text = version + b"\x019=%d\x01" % (end - body) + line[body:end]
    return line[:start] + text + b"10=%03d\x01" % (sum(text) % 256)


def mutated(random: Random, lines: list[bytes]) -> bytes:
    """One line, changed in one to four places."""
    line = random.choice(lines)
    for _ in range(random.randint(1, 4)):
        line = random.choice(MUTATIONS)(random, line, lines)[:LINE_BYTES_MAX]
    return repaired(line) if random.random() < 0.6 else line


def _place(random: Random, line: bytes) -> int:
    return random.randint(0, len(line))


def _flip(random: Random, line: bytes, _: list[bytes]) -> bytes:
    at = _place(random, line)
    return line[:at] + bytes([random.randrange(256)]) + line[at + 1 :]


def _cut(random: Random, line: bytes, _: list[bytes]) -> bytes:
    at = _place(random, line)
    return line[:at] + line[at + random.randint(1, 30) :]


def _truncate(random: Random, line: bytes, _: list[bytes]) -> bytes:
    return line[: _place(random, line)]


def _insert(random: Random, line: bytes, _: list[bytes]) -> bytes:
    at = _place(random, line)
    return line[:at] + random.choice(_INTERESTING) + line[at:]


def _field(random: Random, line: bytes, _: list[bytes]) -> bytes:
    """A field of interest before another, where fields begin."""
    at = line.find(b"\x01", _place(random, line)) + 1
    return line[:at] + random.choice(_INTERESTING) + line[at:]


def _repeat(random: Random, line: bytes, _: list[bytes]) -> bytes:
    at = _place(random, line)
    piece = line[at : at + random.randint(1, 60)]
    return line[:at] + piece * random.randint(2, 20) + line[at:]


def _splice(random: Random, line: bytes, lines: list[bytes]) -> bytes:
    other = random.choice(lines)
    return line[: _place(random, line)] + other[_place(random, other) :]


def _digits(random: Random, line: bytes, _: list[bytes]) -> bytes:
    places = [at for at, byte in enumerate(line) if 48 <= byte <= 57]
    if not places:
        return line
    at = random.choice(places)
    return line[:at] + b"%d" % random.randrange(10 ** random.randint(1, 20)) + line[at + 1 :]


def _delimiter(random: Random, line: bytes, _: list[bytes]) -> bytes:
    return line.replace(
        b"\x01", random.choice((b"|", b"\\u0001", b"\\x01", b"&#1;", b"^A", b"%01"))
    )


MUTATIONS: Final[tuple[Callable[[Random, bytes, list[bytes]], bytes], ...]] = (
    _flip, _cut, _truncate, _insert, _field, _field, _repeat, _splice, _digits, _digits, _delimiter,
)  # fmt: skip


def lines(count: int, seed: int) -> Iterator[bytes]:
    """So many mutated lines, always the same for a seed."""
    random, known = Random(seed), seeds()
    for _ in range(count):
        yield mutated(random, known)


class Survivor:
    """A tap that reads mutated lines, and what is expected of it: every line is answered by events
    that the contract can hold, a count, or nothing at all where it says nothing.
    """

    def __init__(self, identity: Identity, ours: str, *, lenient: bool = False) -> None:
        self.rejects = 0
        self.framer = Framer("fuzzed.log", lenient=lenient)
        self.tap = Tap(identity, ours=ours, on_reject=self._reject)
        self.events = 0

    def _reject(self, _: object) -> None:
        self.rejects += 1

    def feed(self, number: int, line: bytes) -> None:
        """One line; raises whatever must not be raised."""
        self._take(self.framer.feed(number, line))

    def close(self) -> None:
        """No more lines."""
        self._take(self.framer.close())
        self.tap.close()

    def _take(self, pieces: list[Piece]) -> None:
        for piece in pieces:
            for event in self.tap.feed(piece):
                assert decode(encode(event)) == event
                self.events += 1


def survivors() -> list[Survivor]:
    """Both streams, strict and lenient."""
    entry, copy = Identity("S1", venue="fix"), Identity("S1", is_drop_copy=True, channel="DC")
    return [
        Survivor(identity, ours, lenient=lenient)
        for identity in (entry, copy)
        for ours, lenient in zip(OURS, (False, True), strict=True)
    ]


def report(text: str) -> None:
    """A line of the long run."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main(count: int = LINES, seed: int = 1) -> None:
    """The long run."""
    made, started = survivors(), time.perf_counter()
    for number, line in enumerate(lines(count, seed), 1):
        for each in made:
            each.feed(number, line)
        if number % (count // 10 or 1) == 0:
            now = time.perf_counter()
            memory_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            pace = (count // 10 or 1) / (now - started)
            report(f"{number:>9,} lines, {pace:>7,.0f} lines/s, {memory_mb:.0f} MB")
            started = now
    for each in made:
        each.close()
        counts = each.tap.counts
        report(f"{counts.messages:,} messages, {each.events:,} events, {each.rejects:,} rejects")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
