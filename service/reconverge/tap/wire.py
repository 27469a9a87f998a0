"""One FIX message, from bytes to fields: BodyLength, CheckSum and splitting. Nothing of what the
fields mean.

The splitter is our own: simplefix's parser walks a message byte by byte and takes ten times as
long (docs/tap.md has the figures). It still does what it does best, messages that carry raw data,
whose values may hold the delimiter.
"""

import re
from collections.abc import Callable
from typing import Final, Literal, NamedTuple, TypeVar

import simplefix
from simplefix.data import RAW_LEN_TAGS

from reconverge.core.messages.wire import FREE_TEXT_LENGTH_MAX, NAME_LENGTH_MAX
from reconverge.tap import values
from reconverge.tap.escapes import DELIMITER, SOH, readings

T = TypeVar("T")

FREE_TEXT_READ_MAX: Final = FREE_TEXT_LENGTH_MAX - 64
"""Characters kept of a free text: a reject code may stand before it."""

HEAD: Final = re.compile(
    rb"8=(FIXT?\.\d\.\d(?:SP\d)?)(" + DELIMITER + rb")(?=\d{1,5}=)(?:9=(\d{1,7})\2)?"
)
"""How every message starts: BeginString, the delimiter, whatever a tool made of SOH, and
BodyLength."""

_SOH_HEAD = re.compile(rb"8=([^\x01]*)\x01(?:9=(\d{1,7})\x01)?")
_VERSIONS: Final = frozenset({
    b"FIXT.1.1", *(b"FIX.4.%d" % minor for minor in range(5)),
    b"FIX.5.0", b"FIX.5.0SP1", b"FIX.5.0SP2",
})  # fmt: skip
"""FIX 5.0 is spoken over FIXT 1.1, but not by everyone who logs it."""
_RAW_LENGTH_TAGS: Final = frozenset(str(tag) for tag in RAW_LEN_TAGS)
_XML_DATA = re.compile(rb"\x01213=(.*)\x0110=[^\x01]*\x01\Z", re.DOTALL)
_WITHIN_XML = re.compile(rb"(?s)(?P<xml>>)?(?P<inner>8=FIX.*)")

Altered = Literal[
    "no BodyLength (9)",
    "BodyLength (9) does not fit",
    "CheckSum (10) does not fit",
    "BodyLength (9) and CheckSum (10) do not fit",
    "CheckSum (10) is that of another delimiter",
]
"""What shows that a message was changed after it was sent."""


class FixError(ValueError):
    """Their data is at fault: a message that cannot be read, or lacks what the contract needs."""


class AlteredError(FixError):
    """A message that was changed after it was sent: ``how`` says what shows it."""

    def __init__(self, how: Altered, detail: str) -> None:
        super().__init__(f"{detail}; if the log was altered, --lenient reads it all the same")
        self.how = how


class Fault(NamedTuple):
    """A field that could not be taken as it stands."""

    tag: str
    outcome: Literal["rounded", "left out"]
    why: str

    def __str__(self) -> str:
        return f"tag {self.tag} {self.outcome}: {self.why}"


class FixMessage:
    """The fields of one message; of a tag that repeats ``fields`` has the last one.

    Reading a field that is odd degrades that field and nothing else: it counts as absent, and
    ``faults`` says so (R19).
    """

    __slots__ = ("altered", "faults", "fields", "is_torn", "pairs")

    def __init__(self, pairs: list[list[str]]) -> None:
        self.pairs = pairs
        self.fields: dict[str, str] = dict(pairs)
        self.faults: list[Fault] = []
        self.altered: Altered | None = None
        self.is_torn = False  # its fields cannot be told apart: only the header can be trusted

    def get(self, tag: str) -> str | None:
        """The value, or None when the tag is absent or empty."""
        return self.fields.get(tag) or None

    def free_text(self, tag: str) -> str | None:
        """A text for people, cut where a record would become too large: no fill goes for it."""
        text = self.get(tag)
        return None if text is None else text[:FREE_TEXT_READ_MAX]

    def name(self, tag: str) -> str | None:
        """An id or a name, which the contract holds up to a length."""
        value = self.fields.get(tag) or None
        if value is not None and len(value) > NAME_LENGTH_MAX:
            self.fault(tag, f"it has {len(value)} characters, {NAME_LENGTH_MAX} are allowed")
            return None
        return value

    def require(self, tag: str, name: str) -> str:
        """The value of a tag that the contract cannot do without."""
        value = self.name(tag)
        if not value:
            raise FixError(f"no {name} ({tag})")
        return value

    def integer(self, tag: str) -> int | None:
        """A number that cannot be negative."""
        return self._converted(values.integer, tag)

    def quantity(self, tag: str) -> str | None:
        """A quantity as the contract's DecimalText, which is never rounded and never negative."""
        value = self.price(tag, rounds=False)
        if value is not None and value.startswith("-") and value.strip("-0."):
            self.fault(tag, f"{value!r} is no quantity")
            return None
        return value

    def price(self, tag: str, *, rounds: bool = True) -> str | None:
        """A price as the contract's DecimalText: to nine decimals where it has more."""
        value = self.fields.get(tag)
        if not value:
            return None
        try:
            return values.decimal_text(value)
        except ValueError as error:
            kept = values.nearest(value, rounds=rounds)
            self.fault(tag, str(error) if kept is None else f"{error}: {kept}", kept is not None)
            return kept

    def flag(self, tag: str) -> bool:
        """A Boolean; absent is false."""
        return self._converted(values.flag, tag) or False

    def time_ns(self, tag: str) -> int | None:
        """A UTC timestamp. Nanoseconds since the epoch."""
        return self._converted(values.timestamp_ns, tag)

    def repeated(self, *wanted: str) -> tuple[str, ...]:
        """Every value of some tags, in the order of the message."""
        return tuple(value for tag, value in self.pairs if tag in wanted and value)

    def groups(self, first: str) -> list["FixMessage"]:
        """The members of a repeating group, each of which begins with the tag ``first``.

        The last one runs to the end of the message.
        """
        starts = [at for at, (tag, _) in enumerate(self.pairs) if tag == first]
        ends = [*starts[1:], len(self.pairs)]
        return [FixMessage(self.pairs[a:b]) for a, b in zip(starts, ends, strict=False)]

    def fault(self, tag: str, why: str, is_rounded: bool = False) -> None:  # noqa: FBT001, FBT002
        """Tell of a field that could not be taken as it stands."""
        fault = Fault(tag, "rounded" if is_rounded else "left out", why)
        if fault not in self.faults:
            self.faults.append(fault)

    def _converted(self, convert: Callable[[str], T], tag: str) -> T | None:
        value = self.fields.get(tag)
        if not value:
            return None
        try:
            return convert(value)
        except ValueError as error:
            self.fault(tag, str(error))
            return None


def read(raw: bytes, *, lenient: bool = False) -> FixMessage:
    """Find out what a logged message was on the wire, check it, and split it.

    With ``lenient`` one whose BodyLength or CheckSum is wrong is taken all the same, and says so.
    Raises ``FixError``.
    """
    head = HEAD.match(raw)
    delimiter = SOH if head is None else head[2]
    refused: list[tuple[AlteredError, bytes]] = []
    for message in readings(raw, delimiter):
        try:
            _check(message)
        except AlteredError as error:
            refused.append((error, message))
        else:
            return split(message)
    # If no reading is right, the first whose length is.
    fault, message = next((each for each in refused if "9" not in each[0].how), refused[0])
    if not lenient:
        raise refused[0][0]
    m = split(message)
    m.altered = _how(fault, raw, delimiter)
    return m


def unwrapped(m: FixMessage, data_tag: str) -> FixMessage | None:
    """The message that another one carries in a data field, in whatever delimiter; None if none."""
    found = _WITHIN_XML.search(m.fields.get(data_tag, "").encode())
    if found is None:
        return None
    inner = found["inner"].rpartition(b"</")[0] if found["xml"] else found["inner"]
    head = HEAD.match(inner)
    if head is None:
        return None
    return split(next(readings(inner, head[2])))


def _how(error: AlteredError, raw: bytes, delimiter: bytes) -> Altered:
    """A CheckSum over what the tool wrote in the place of SOH is a fault of its own."""
    end = raw.rfind(b"10=")
    stated = raw[end + 3 : end + 6]
    if error.how.startswith("CheckSum") and delimiter != SOH and stated == _sum(raw[:end]):
        return "CheckSum (10) is that of another delimiter"
    return error.how


def _sum(data: bytes) -> bytes:
    return b"%03d" % (sum(data) % 256)


def split(message: bytes) -> FixMessage:
    """The fields of a SOH-delimited message, unchecked."""
    try:
        m = FixMessage([field.split("=", 1) for field in _text(message[:-1]).split("\x01")])
    except ValueError:  # a field without "=": a piece of raw data, or nonsense
        return _read_with_raw_data(message)
    if not _RAW_LENGTH_TAGS.isdisjoint(m.fields):
        return _read_with_raw_data(message)
    return m if "".join(m.fields).isdigit() else _without_nonsense(m)


def _without_nonsense(m: FixMessage) -> FixMessage:
    """The fields whose tags are numbers, and a fault for each of the others."""
    kept = FixMessage([pair for pair in m.pairs if pair[0].isdigit()])
    for tag, _ in m.pairs:
        if not tag.isdigit():
            kept.fault("?", f"{tag[:20]!r} is not a tag")
    return kept


def _check(message: bytes) -> None:
    head = _SOH_HEAD.match(message)
    if head is None or head[1] not in _VERSIONS:
        raise FixError("the version in BeginString (8) is not known")
    end = message.rfind(b"\x0110=") + 1
    if end < head.end():
        raise FixError("no CheckSum (10)")
    stated, total = message[end + 3 : -1], _sum(message[:end])
    if head[2] is None:
        raise AlteredError("no BodyLength (9)", "no BodyLength (9) after BeginString (8)")
    length = end - head.end()
    if length != int(head[2]):
        how: Altered = "BodyLength (9) does not fit"
        if stated != total:
            how = "BodyLength (9) and CheckSum (10) do not fit"
        detail = f"BodyLength (9) is {int(head[2])}, the body has {length} bytes"
        raise AlteredError(how, detail)
    if stated != total:
        told = f"{stated.decode(errors='replace')}, the bytes add up to {total.decode()}"
        raise AlteredError("CheckSum (10) does not fit", f"CheckSum (10) is {told}")


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
    except (simplefix.errors.ParsingError, ValueError):
        parsed = None
    if parsed is None or parser.get_buffer():
        return _torn(message)
    return FixMessage([[tag.decode(), _text(value)] for tag, value in parsed.pairs])


def _torn(message: bytes) -> FixMessage:
    """A message whose raw data has no right length. Of one XML document that is no matter; of
    anything else only the fields before the first odd one are certain.
    """
    document = _XML_DATA.search(message)
    if document is not None:
        m = FixMessage(_leading(message[: document.start() + 1]))
        m.pairs.append(["213", _text(document[1])])
        m.fields["213"] = _text(document[1])
        return m
    m = FixMessage(_leading(message))
    m.is_torn = True
    return m


def _leading(message: bytes) -> list[list[str]]:
    """The fields before any raw data; what has no tag is skipped."""
    pairs: list[list[str]] = []
    for field in _text(message).split("\x01"):
        tag, equals, value = field.partition("=")
        if equals and tag.isdigit():
            pairs.append([tag, value])
        if tag in _RAW_LENGTH_TAGS:
            break
    return pairs
