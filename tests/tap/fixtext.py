"""FIX messages, built by simplefix's encoder, and the log formats of the engines around them."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

import simplefix

from reconverge.core.messages.events import OrderStreamEvent
from reconverge.tap.framing import Framer, Piece, Unreadable
from reconverge.tap.pipeline import Tap
from reconverge.tap.translate import Identity

OURS, THEIRS = "DESK", "VENUE"
START_NS: Final = 1_704_187_800_000_000_000  # 2024-01-02 09:30:00 UTC
MS: Final = 1_000_000

Pairs = Iterable[tuple[int, str]]


def utc(ns: int, pattern: str = "%Y%m%d-%H:%M:%S", digits: int = 3) -> str:
    """A time with so many decimals of a second."""
    seconds, nanos = divmod(ns, 1_000_000_000)
    text = datetime.fromtimestamp(seconds, UTC).strftime(pattern)
    return f"{text}.{nanos:09d}"[: len(text) + 1 + digits] if digits else text


@dataclass(frozen=True, slots=True)
class Sent:
    """One message on the wire: who sent it, when, and its body."""

    msg_type: str
    seq: int
    body: tuple[tuple[int, str], ...] = ()
    outbound: bool = False
    at_ns: int = START_NS
    begin: str = "FIX.4.4"
    header: tuple[tuple[int, str], ...] = ()
    ours: str = OURS
    theirs: str = THEIRS

    @property
    def session_id(self) -> str:
        return f"{self.begin}:{self.ours}->{self.theirs}"

    def encode(self) -> bytes:
        """The bytes, with BodyLength and CheckSum as simplefix works them out."""
        message = simplefix.FixMessage()
        sender, target = (self.ours, self.theirs) if self.outbound else (self.theirs, self.ours)
        message.append_pair(8, self.begin)
        message.append_pair(35, self.msg_type)
        message.append_pair(34, self.seq)
        message.append_pair(49, sender)
        message.append_pair(52, utc(self.at_ns))
        message.append_pair(56, target)
        for tag, value in (*self.header, *self.body):
            message.append_pair(tag, value)
        encoded: bytes = message.encode()
        return encoded


def out(msg_type: str, seq: int, *body: tuple[int, str], at_ms: int = 0, **more: object) -> Sent:
    return Sent(msg_type, seq, body, True, START_NS + at_ms * MS, **more)  # type: ignore[arg-type]


def inn(msg_type: str, seq: int, *body: tuple[int, str], at_ms: int = 0, **more: object) -> Sent:
    return Sent(msg_type, seq, body, False, START_NS + at_ms * MS, **more)  # type: ignore[arg-type]


def _quickfix_cpp(m: Sent) -> bytes:
    return utc(m.at_ns, digits=9).encode() + b" : " + m.encode() + b"\n"


def _quickfix_n(m: Sent) -> bytes:
    return utc(m.at_ns).encode() + b" : " + m.encode() + b"\r\n"


def _quickfix_n_screen(m: Sent) -> bytes:
    way = b"<outgoing> " if m.outbound else b"<incoming> "
    return way + m.encode().replace(b"\x01", b"|") + b"\n"


def _quickfix_j(m: Sent) -> bytes:
    return utc(m.at_ns).encode() + b": " + m.encode() + b"\n"


def _quickfix_j_screen(m: Sent) -> bytes:
    way = "outgoing" if m.outbound else "incoming"
    return f"<{utc(m.at_ns)}, {m.session_id}, {way}> (".encode() + m.encode() + b")\n"


def _quickfix_j_slf4j(m: Sent) -> bytes:
    way = "outgoing" if m.outbound else "incoming"
    at = utc(m.at_ns, "%Y-%m-%d %H:%M:%S").replace(".", ",")
    return f"{at} [QFJ] INFO  quickfixj.msg.{way} - {m.session_id}: ".encode() + m.encode() + b"\n"


def _quickfix_go(m: Sent) -> bytes:
    return utc(m.at_ns, "%Y/%m/%d %H:%M:%S", 6).encode() + b" " + m.encode() + b"\n"


def _pipes(m: Sent) -> bytes:
    return m.encode().replace(b"\x01", b"|") + b"\n"


def _carets_stripped(m: Sent) -> bytes:
    return m.encode().replace(b"\x01", b"^A").removesuffix(b"^A") + b"\n"


def _with_zone(m: Sent) -> bytes:
    at = utc(m.at_ns + 3_600_000 * MS, "%Y-%m-%dT%H:%M:%S")
    return f'{at}+01:00 fixgw "'.encode() + m.encode().replace(b"\x01", b";") + b'"\n'


FORMATS: Final[dict[str, Callable[[Sent], bytes]]] = {
    "QuickFIX C++": _quickfix_cpp,
    "QuickFIX/n": _quickfix_n,
    "QuickFIX/n screen": _quickfix_n_screen,
    "QuickFIX/J": _quickfix_j,
    "QuickFIX/J without times": lambda m: m.encode() + b"\n",
    "QuickFIX/J screen": _quickfix_j_screen,
    "QuickFIX/J SLF4J": _quickfix_j_slf4j,
    "QuickFIX/Go": _quickfix_go,
    "raw stream": lambda m: m.encode(),
    "one field a line": lambda m: m.encode().replace(b"\x01", b"\x01\n"),
    "pipes": _pipes,
    "^A, last one stripped": _carets_stripped,
    "semicolons, zone, quotes": _with_zone,
}
"""A message as each format has it; times of the millisecond, which all formats can hold."""


@dataclass
class Tapped:
    """What came of some pieces."""

    tap: Tap
    events: list[OrderStreamEvent] = field(default_factory=list)
    rejects: list[Unreadable] = field(default_factory=list)


def pieces(text: bytes, file: str = "some.log") -> list[Piece]:
    """A file's text as pieces."""
    framer = Framer(file)
    lines = text.split(b"\n")
    if not lines[-1]:
        lines.pop()
    found = [piece for n, line in enumerate(lines, 1) for piece in framer.feed(n, line)]
    return found + framer.close()


def tap(
    found: Iterable[Piece],
    identity: Identity | None = None,
    *,
    ours: str | None = OURS,
    peers: tuple[str, ...] = (),
) -> Tapped:
    """Pieces through a tap of their own."""
    rejects: list[Unreadable] = []
    made = Tap(identity or Identity("S1"), ours=ours, peers=peers, on_reject=rejects.append)
    events = [event for piece in found for event in made.feed(piece)]
    made.close()
    return Tapped(made, events, rejects)  # type: ignore[arg-type]


def tap_messages(*messages: Sent, **options: object) -> Tapped:
    """Messages through a tap, by way of a QuickFIX C++ log."""
    text = b"".join(map(_quickfix_cpp, messages))
    return tap(pieces(text), **options)  # type: ignore[arg-type]
