"""From lines of a log to pieces: FIX messages with the time and direction their line gives, notes,
and the unreadable.

Formats, as the engines write them (sources: QuickFIX 1.16 ``FileLog.h``; QuickFIX/J ``FileLog``,
``ScreenLog``, ``SLF4JLog``; QuickFIX/n ``FileLog``, ``ScreenLog``; QuickFIX/Go ``file_log``):

* ``20240102-09:30:00.123456789 : 8=FIX...`` C++ and /n messages; the same before the text of an
  event log
* ``20240102-09:30:00.123: 8=FIX...`` /J file log, or no time at all
* ``<20240102-09:30:00.123, FIX.4.4:OURS->THEIRS, incoming> (8=FIX...)`` /J screen log
* ``2024-01-02 09:30:00,123 [thread] INFO quickfixj.msg.outgoing - FIX.4.4:OURS->THEIRS: 8=FIX...``
  /J through a logger
* ``<incoming> 8=FIX...`` /n screen log
* ``2024/01/02 09:30:00.123456 8=FIX...`` /Go
* ``... Sending : 8=FIX...``, ``ToApp: 8=FIX...``, ``... [in] : 8=FIX...`` bridges and applications

A message may share its line with others or run over several lines, and its delimiter may be
anything a tool put in the place of SOH.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import PurePath
from typing import Final, NamedTuple

from reconverge.tap import wire
from reconverge.tap.escapes import SOH, normalise
from reconverge.tap.values import NS_PER_S, day_ns, time_of_day_ns

SPREAD_BYTES_MAX: Final = 1 << 20
"""A message may run over lines up to this size: as much as Kafka's default record limit would
carry."""
SPREAD_LINES_MAX: Final = 256
"""And over so many lines: more are a message whose end was lost."""

_STAMP = re.compile(
    rb"(\d{4})[-/]?(\d\d)[-/]?(\d\d)[-T ](\d\d:\d\d:\d\d)(?:[.,](\d{1,12}))?(Z|[+-]\d\d:?\d\d)?"
)
_STAMP_WITHIN: Final = 160
"""A line's own time stands within so many bytes of its start; later ones belong to its text."""
_RECORD_START = re.compile(
    rb"\W?(?:" + _STAMP.pattern + rb"(?=[\s:,>\]])|(?:incoming|outgoing|event)>)"
)
_CLOCK = re.compile(rb"\W?\d\d:\d\d:\d\d[.,]\d")  # a logger's time without its day: no use as one
_DIRECTION = re.compile(
    rb"\b(?:(incoming)|(outgoing))\b"
    rb"|(?:\b(?:(receiving|from(?:admin|app)|recv)|(sending|to(?:admin|app)|send))|\[(?:(in)|(out))\])"
    rb"[\s:>-]{0,5}\Z",
    re.IGNORECASE,
)
"""A word for the way a message went: QuickFIX's own anywhere, others just before the message."""
_OUTWARD: Final = frozenset({2, 4, 6})  # its groups
_EVENT_LOG = re.compile(r"(?:^|\.)event\.")
_EVENT = re.compile(rb"\b(?:event|error)>|\bquickfixj\.(?:event|errorEvent)\b")
_CHECKSUM: Final = rb"10=(?:\d{3}|[*xX#]{1,3})"  # or a mask in its place
_TRAILER = re.compile(_CHECKSUM + rb"(?:\x01|(?!\d))")
_TRAILERS_MAX: Final = 8
"""Ends looked at for one message: those of messages it carries come before its own."""
_CARRIED_WITHIN: Final = 120
_CARRIED = re.compile(rb"213=(?:<[^\x01]{0,100}>)?8=FIX")
"""A message that another one carries in a field, in a document of XML perhaps."""
_LOOKS_LIKE_FIX = re.compile(rb"\x01|8=FIX|\b(?:35|49|56)=\S")
_MAY_BE_LOGON = re.compile(rb"35=A(?!\w)")
_ANY_TYPE = re.compile(rb"35=\w")
_NOISE = b" \t\r\n)]}>\"',;"


class Origin(NamedTuple):
    """Where a piece stands."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


class Prefix(NamedTuple):
    """What stands before a message on its line."""

    at_ns: int | None = None  # the line's own time; nanoseconds, UTC
    outgoing: bool | None = None  # what the line says of the direction, if anything
    text: bytes = b""


@dataclass(frozen=True, slots=True)
class Frame:
    """A message that can be read; ``raw`` is as the file has it."""

    origin: Origin
    prefix: Prefix
    message: wire.FixMessage
    raw: bytes

    def unreadable(self, reason: str) -> "Unreadable":
        """The same as something that could not be used."""
        return Unreadable(self.origin, reason, self.prefix.text + self.raw)


@dataclass(frozen=True, slots=True)
class Note:
    """A line of text: what an engine says of its session. ``at_ns`` as in ``Prefix``."""

    origin: Origin
    at_ns: int | None
    text: str


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Something that is neither, verbatim, and why."""

    origin: Origin
    reason: str
    raw: bytes

    @property
    def may_be_logon(self) -> bool:
        """Whether a logon may have been lost with it."""
        if _MAY_BE_LOGON.search(self.raw):
            return True
        return _LOOKS_LIKE_FIX.search(self.raw) is not None and not _ANY_TYPE.search(self.raw)


Piece = Frame | Note | Unreadable


class Framer:
    """Reads one file's lines in order.

    ``utc_offset_ns`` is how far its stamps are ahead of UTC. With ``lenient`` messages that were
    altered after they were sent are read all the same.
    """

    def __init__(self, file: str, utc_offset_ns: int = 0, *, lenient: bool = False) -> None:
        self.file = file
        self._lenient = lenient
        self._utc_offset_ns = utc_offset_ns
        self._is_event_log = _EVENT_LOG.search(PurePath(file).name) is not None
        self._spread: list[bytes] = []  # the lines so far of a message that has not ended
        self._spread_from = (0, Prefix())

    def feed(self, number: int, line: bytes) -> list[Piece]:
        """The pieces that a line completes."""
        if self._spread:
            if not _begins_anew(line):
                return self._continue(line.rstrip(b"\r\n"))
            return [*self.close(), *self.feed(number, line)]
        line = line.rstrip(b"\r\n")
        start = line.find(b"8=FIX")
        if start < 0 or self._is_event_log or _EVENT.search(line, 0, start):
            return self._text(number, line)
        return self._messages(number, line[start:], self._prefix(line[:start]))

    def close(self) -> list[Piece]:
        """What is left when no line follows: a message that never ended."""
        if not self._spread:
            return []
        (number, prefix), raw = self._spread_from, b"\n".join(self._spread)
        self._spread = []
        return [self._unreadable(number, "the message breaks off", prefix.text + raw)]

    def _messages(self, number: int, text: bytes, prefix: Prefix) -> list[Piece]:
        """The messages in ``text``, which begins with one, and what stands between them."""
        found: list[Piece] = []
        at = 0
        while (start := text.find(b"8=FIX", at)) >= 0:
            found += self._remainder(number, text[at:start])
            end = _end(text, start)
            if end is None:
                return found + self._wait(number, text[start:], prefix)
            found.append(self._frame(number, text[start:end], prefix))
            at, prefix = end, prefix._replace(text=b"")
        rest = text[at:]
        if rest and b"8=FIX".startswith(rest):  # a line break cut the next one in two
            return found + self._wait(number, rest, prefix)
        return found + self._remainder(number, rest)

    def _wait(self, number: int, text: bytes, prefix: Prefix) -> list[Piece]:
        """Keep a message that has not ended until more lines come."""
        self._spread, self._spread_from = [text], (number, prefix)
        return []

    def _remainder(self, number: int, text: bytes) -> list[Piece]:
        """Decoration beside a message, unless it looks like a piece of one."""
        is_lost = _LOOKS_LIKE_FIX.search(text) is not None
        return [self._unreadable(number, "no BeginString (8)", text)] if is_lost else []

    def _continue(self, line: bytes) -> list[Piece]:
        """Add a line to a message that runs over several, and see whether it has ended.

        A line break may belong to a value, or have been put in by a tool: whichever makes the
        message right is true.
        """
        self._spread.append(line)
        joined = b"".join(self._spread)
        if _end(joined) is None:
            too_long = len(joined) > SPREAD_BYTES_MAX or len(self._spread) > SPREAD_LINES_MAX
            return self.close() if too_long else []
        with_breaks = b"\n".join(self._spread)
        self._spread = []
        is_wrapped = _is_right(joined) and not _is_right(with_breaks)
        return self._messages(
            self._spread_from[0], joined if is_wrapped else with_breaks, self._spread_from[1]
        )

    def _frame(self, number: int, raw: bytes, prefix: Prefix) -> Piece:
        try:
            message = wire.read(raw, lenient=self._lenient)
        except wire.FixError as error:
            return self._unreadable(number, str(error), prefix.text + raw)
        return Frame(Origin(self.file, number), prefix, message, raw)

    def _text(self, number: int, line: bytes) -> list[Piece]:
        """A line without a message: an engine's note, nothing at all, or unreadable."""
        if not line.strip(_NOISE) or line.startswith(b"#"):
            return []
        at_ns = self._stamp_ns(line)
        if self._is_event_log or _EVENT.search(line, 0, _STAMP_WITHIN):
            return [Note(Origin(self.file, number), at_ns, line.decode(errors="replace"))]
        if _LOOKS_LIKE_FIX.search(line):
            return [self._unreadable(number, "no BeginString (8)", line)]
        if at_ns is None and not _CLOCK.match(line):
            return [self._unreadable(number, "neither a FIX message nor an engine's note", line)]
        return [Note(Origin(self.file, number), at_ns, line.decode(errors="replace"))]

    def _prefix(self, text: bytes) -> Prefix:
        if not text:
            return Prefix()
        direction = _DIRECTION.search(text)
        outgoing = None if direction is None else direction.lastindex in _OUTWARD
        return Prefix(self._stamp_ns(text), outgoing, text)

    def _stamp_ns(self, text: bytes) -> int | None:
        """The time a line begins with. Its own zone counts before the file's offset."""
        stamp = _STAMP.search(text, 0, _STAMP_WITHIN)
        if stamp is None:
            return None
        try:
            return _stamp_ns(stamp, self._utc_offset_ns)
        except ValueError:
            return None

    def _unreadable(self, number: int, reason: str, raw: bytes) -> Unreadable:
        return Unreadable(Origin(self.file, number), reason, raw)


def _stamp_ns(stamp: re.Match[bytes], utc_offset_ns: int) -> int:
    year, month, day, clock, fraction, zone = (
        None if part is None else part.decode() for part in stamp.groups()
    )
    hour, minute, second = (clock or "").split(":")
    local = day_ns(f"{year}{month}{day}") + time_of_day_ns(hour, minute, second, fraction)
    return local - (utc_offset_ns if zone is None else zone_offset_ns(zone))


def zone_offset_ns(zone: str) -> int:
    """Nanoseconds that a zone such as ``+01:00``, ``-0500`` or ``Z`` is ahead of UTC."""
    parts = re.fullmatch(r"([+-])(\d\d):?(\d\d)", zone)
    if zone == "Z":
        return 0
    if parts is None:
        raise ValueError(f"{zone!r} is not an offset from UTC such as +01:00")
    ahead_ns = (int(parts[2]) * 60 + int(parts[3])) * 60 * NS_PER_S
    return -ahead_ns if parts[1] == "-" else ahead_ns


def _begins_anew(line: bytes) -> bool:
    """Whether a line starts a record of its own, so that it cannot continue the one before."""
    return line.startswith(b"8=FIX") or _RECORD_START.match(line) is not None


def _end(text: bytes, start: int = 0) -> int | None:
    """Where the message that begins at ``start`` ends; None while the next line may go on with it.

    BodyLength says where, if CheckSum is there. Otherwise the next CheckSum or the next message
    ends it, and the check that follows names the fault.
    """
    head = wire.HEAD.match(text, start)
    if head is not None and head[2] == SOH and head[3]:
        trailer = _TRAILER.match(text, head.end() + int(head[3]))
        if trailer is not None:
            return trailer.end()
    following = _following(text, start)
    limit = len(text) if following < 0 else following
    trailer = _last_trailer(text, start, limit, head)
    if trailer is not None:
        return trailer.end()
    return None if following < 0 else limit


def _following(text: bytes, start: int) -> int:
    """Where the next message begins that this one does not carry; -1 if there is none."""
    at = start
    while (at := text.find(b"8=FIX", at + 5)) >= 0:
        before = max(start, at - _CARRIED_WITHIN)
        if text.find(b"213=", before, at) < 0 or not _CARRIED.search(text, before, at + 5):
            return at
    return -1


def _last_trailer(
    text: bytes, start: int, limit: int, head: re.Match[bytes] | None
) -> re.Match[bytes] | None:
    """The CheckSum where BodyLength ends. If there is none, the first one, or the last of several
    if the message carries another.
    """
    delimiter = SOH if head is None else head[2]
    trailers = _trailer(delimiter).finditer(text, start, limit)
    found = next(trailers, None)
    if found is None or head is None or _CARRIED.search(text, start, limit) is None:
        return found
    stated = int(head[3] or 0)
    for each in [found, *islice(trailers, _TRAILERS_MAX - 1)]:
        found = each
        body = text[head.end() : found.start() + len(delimiter)]
        if stated in {len(normalise(body, delimiter)), len(body.replace(delimiter, SOH))}:
            return found
    is_cut = limit == len(text) and limit - head.end() < stated + len("10=000")
    return None if is_cut else found


def _is_right(text: bytes) -> bool:
    end = _end(text)
    if end is None:
        return False
    try:
        wire.read(text[:end])
    except wire.FixError:
        return False
    return True


@lru_cache(maxsize=16)
def _trailer(delimiter: bytes) -> re.Pattern[bytes]:
    """CheckSum after a delimiter, with its own delimiter unless the line was stripped of it."""
    escaped = re.escape(delimiter)
    return re.compile(escaped + _CHECKSUM + rb"(?:" + escaped + rb"|(?![\d*]))")
