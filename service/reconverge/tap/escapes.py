r"""What tools write in the place of SOH, and how a message is got back from it.

A tool that writes ``\u0001`` for SOH escapes other bytes too (JSON its quotes, XML its ampersands),
and one that writes UTF-8 changes how many bytes a message has that was Latin-1 on the wire.
BodyLength and CheckSum say which reading is the message that was sent: all are offered, and they
choose.
"""

import html
import json
import re
from collections.abc import Callable, Iterator
from typing import Final
from urllib.parse import unquote_to_bytes

SOH: Final = b"\x01"

DELIMITER: Final = (
    rb"\x01|\\{1,4}u0001|\\{1,2}x01|\\{1,2}001|&#0{0,3}1;|&#[xX]0{0,3}1;|%01|[^0-9=\n\x01]{1,5}?"
)
"""SOH, its escapes in JSON, in program text, in XML and in addresses, or up to five characters of
anything but digits (``|``, ``^A``, ``;``, ``<SOH>``)."""

_NESTED_MAX: Final = 2
"""JSON in a string of JSON, as log collectors make it; nobody was seen to go deeper."""

_ESCAPE = re.compile(rb"\\(?:x([0-9a-fA-F]{2})|([0-7]{1,3})|(.))", re.DOTALL)
_NAMED: Final = {b"n": b"\n", b"r": b"\r", b"t": b"\t"}
_LOST: Final = "\N{REPLACEMENT CHARACTER}".encode()


def normalise(raw: bytes, delimiter: bytes) -> bytes:
    """A message with SOH in the place of whatever delimiter a tool wrote, ready to be checked.

    Only a delimiter before ``tag=`` counts as one, so that a value may hold the character.
    """
    if delimiter == SOH:
        return raw if raw.endswith(SOH) else raw + SOH
    return _fields(delimiter).sub(SOH, raw.removesuffix(delimiter)) + SOH


def readings(raw: bytes, delimiter: bytes) -> Iterator[bytes]:
    """What a logged message may have been on the wire, delimited by SOH; the likeliest first."""
    plain = normalise(raw, delimiter)
    yield plain
    if (every := raw.replace(delimiter, SOH)) != plain:  # within a message that this one carries
        yield every if every.endswith(SOH) else every + SOH
    unescape = _unescape(delimiter)
    if unescape is not None:
        text = raw
        for _ in range(_NESTED_MAX):
            text = unescape(text)
            if text.find(SOH) > 0:
                plain = normalise(text, SOH)
                yield plain
    if not plain.isascii():
        yield from _recoded(plain)


def _recoded(message: bytes) -> Iterator[bytes]:
    """The same text in other encodings: one byte a character on the wire, or several."""
    try:
        text = message.decode()
    except UnicodeDecodeError:
        yield message.decode("latin-1").encode()
        return
    for encoding in ("latin-1", "cp1252"):
        try:
            yield text.encode(encoding)
        except UnicodeEncodeError:
            continue
    if _LOST in message:
        yield message.replace(_LOST, b"?")  # what stood there is gone, but not how much it was


def _fields(delimiter: bytes) -> re.Pattern[bytes]:
    return re.compile(re.escape(delimiter) + rb"(?=\d{1,5}=)")


def _unescape(delimiter: bytes) -> Callable[[bytes], bytes] | None:
    """How a tool that writes this delimiter is undone; None for one that escapes nothing."""
    if delimiter.endswith(b"u0001"):
        return _json
    if delimiter.startswith(b"\\"):
        return _program
    if delimiter.startswith(b"&#"):
        return lambda raw: _markup(raw.replace(delimiter, SOH))
    return unquote_to_bytes if delimiter == b"%01" else None


def _json(raw: bytes) -> bytes:
    try:
        text: str = json.loads(b'"' + raw + b'"', strict=False)
        return text.encode()
    except ValueError:  # no string of JSON, or half a surrogate pair: no reading
        return b""


def _markup(raw: bytes) -> bytes:
    text = html.unescape(raw.decode("utf-8", "surrogateescape"))
    return text.encode("utf-8", "surrogateescape")


def _program(raw: bytes) -> bytes:
    return _ESCAPE.sub(_escaped, raw)


def _escaped(found: re.Match[bytes]) -> bytes:
    if found[1]:
        return bytes([int(found[1], 16)])
    if found[2]:
        return bytes([int(found[2], 8) & 0xFF])
    return _NAMED.get(found[3], found[3])
