"""One FIX message, from bytes to fields: BodyLength, CheckSum and splitting. Nothing of what the
fields mean.

The splitter is our own: simplefix's parser walks a message byte by byte and takes ten times as
long (docs/tap.md has the figures). It still does what it does best, messages that carry raw data,
whose values may hold the delimiter.
"""

import re
from collections.abc import Callable
from typing import Final, TypeVar

import simplefix
from simplefix.data import RAW_LEN_TAGS

from reconverge.tap import values

SOH: Final = b"\x01"
T = TypeVar("T")

HEAD: Final = re.compile(rb"8=(FIXT?\.\d\.\d(?:SP\d)?)([^0-9=\n]{1,5}?)9=(\d{1,7})\2")
"""How every message starts: BeginString, BodyLength, and between them the delimiter, whatever a
tool made of SOH."""

_SOH_HEAD = re.compile(rb"8=([^\x01]*)\x01(?:9=(\d{1,7})\x01)?")
_VERSIONS: Final = frozenset({b"FIXT.1.1", *(b"FIX.4.%d" % minor for minor in range(5))})
_RAW_LENGTH_TAGS: Final = frozenset(str(tag) for tag in RAW_LEN_TAGS)


class FixError(ValueError):
    """Their data is at fault: a message that cannot be read, or lacks what the contract needs."""


class FixMessage:
    """The fields of one message; of a tag that repeats ``fields`` has the last one."""

    __slots__ = ("fields", "pairs")

    def __init__(self, pairs: list[list[str]]) -> None:
        self.pairs = pairs
        self.fields: dict[str, str] = dict(pairs)

    def get(self, tag: str) -> str | None:
        """The value, or None when the tag is absent or empty."""
        return self.fields.get(tag) or None

    def require(self, tag: str, name: str) -> str:
        """The value of a tag that the contract cannot do without."""
        value = self.fields.get(tag)
        if not value:
            raise FixError(f"no {name} ({tag})")
        return value

    def integer(self, tag: str) -> int | None:
        """A number that cannot be negative."""
        return None if (value := self.get(tag)) is None else _convert(values.integer, tag, value)

    def decimal(self, tag: str) -> str | None:
        """A price or quantity as the contract's DecimalText."""
        return (
            None if (value := self.get(tag)) is None else _convert(values.decimal_text, tag, value)
        )

    def flag(self, tag: str) -> bool:
        """A Boolean; absent is false."""
        return False if (value := self.get(tag)) is None else _convert(values.flag, tag, value)

    def time_ns(self, tag: str) -> int | None:
        """A UTC timestamp. Nanoseconds since the epoch."""
        return (
            None if (value := self.get(tag)) is None else _convert(values.timestamp_ns, tag, value)
        )

    def repeated(self, *wanted: str) -> tuple[str, ...]:
        """Every value of some tags, in the order of the message."""
        return tuple(value for tag, value in self.pairs if tag in wanted and value)


def _convert(convert: Callable[[str], T], tag: str, value: str) -> T:
    try:
        return convert(value)
    except ValueError as error:
        raise FixError(f"tag {tag}: {error}") from None


def normalise(raw: bytes, delimiter: bytes) -> bytes:
    """A message with SOH in the place of whatever delimiter a tool wrote, ready to be checked.

    Only a delimiter before ``tag=`` counts as one, so that a value may hold the character.
    """
    if delimiter == SOH:
        return raw if raw.endswith(SOH) else raw + SOH
    fields = re.split(re.escape(delimiter) + rb"(?=\d{1,5}=)", raw.removesuffix(delimiter))
    return SOH.join(fields) + SOH


def read(message: bytes) -> FixMessage:
    """Check a SOH-delimited message's BodyLength and CheckSum, then split it."""
    _check(message)
    try:
        m = FixMessage([field.split("=", 1) for field in _text(message[:-1]).split("\x01")])
    except ValueError:  # a field without "=": a piece of raw data, or nonsense
        return _read_with_raw_data(message)
    if not _RAW_LENGTH_TAGS.isdisjoint(m.fields):
        return _read_with_raw_data(message)
    if not "".join(m.fields).isdigit():
        raise FixError("a tag is not a number")
    return m


def _check(message: bytes) -> None:
    head = _SOH_HEAD.match(message)
    if head is None or head[1] not in _VERSIONS:
        raise FixError("the version in BeginString (8) is not known")
    if head[2] is None:
        raise FixError("no BodyLength (9) after BeginString (8)")
    end = message.rfind(b"\x0110=") + 1
    if end < head.end():
        raise FixError("no CheckSum (10)")
    length = end - head.end()
    if length != int(head[2]):
        raise FixError(f"BodyLength (9) is {int(head[2])}, the body has {length} bytes")
    stated, total = message[end + 3 : -1], sum(message[:end]) % 256
    if stated != b"%03d" % total:
        raise FixError(
            f"CheckSum (10) is {stated.decode(errors='replace')}, the bytes add up to {total:03d}"
        )


def _text(data: bytes) -> str:
    """FIX is ASCII outside encoded fields; free text is UTF-8 or Latin-1 all the same."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _read_with_raw_data(message: bytes) -> FixMessage:
    """Split a message with raw data fields, which state their length and may hold SOH."""
    parser = simplefix.FixParser(allow_empty_values=True)
    parser.append_buffer(message)
    try:
        parsed = parser.get_message()
    except (simplefix.errors.ParsingError, ValueError) as error:
        raise FixError(f"the fields cannot be told apart: {error}") from None
    if parsed is None or parser.get_buffer():
        raise FixError("the fields cannot be told apart: a raw data length is wrong")
    return FixMessage([[tag.decode(), _text(value)] for tag, value in parsed.pairs])
