"""From raw bytes to an event, or to the reason why there is none.

The reader's half of the evolution rule (docs/contract.md): unknown fields are ignored, an unknown
type or major version is set aside and named as such, anything else that does not fit is
malformed. Nothing is ever guessed.
"""

import re
from typing import Any, Final, Literal, TypeVar, get_args

import msgspec

from reconverge.core.messages.events import Event
from reconverge.core.messages.wire import SCHEMA_MAJOR, Message, encode, kind

Disposition = Literal["malformed", "unsupported_type", "unsupported_version"]
"""Why a record cannot be read: it breaks the contract, or it follows one newer than ours."""

NESTING_MAX: Final = 500
"""Levels of a record: no message has more than five. The decoder's own limit, a thousand, counts
the calls it was reached by, and a record must be read, or not, the same everywhere."""
DETAIL_MAX: Final = 120
"""Characters of a fault: an error quotes what it met."""

M = TypeVar("M", bound=Message)

_decode: Final = msgspec.json.Decoder(Event).decode
_KINDS: Final = frozenset(kind(model) for model in get_args(Event))
_UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError)
_STRING: Final = re.compile(rb'"(?:[^"\\]|\\.)*"?')
"""One that never ends matches too: else each quote in it would be searched from again."""
_BRACKET: Final = re.compile(rb"[\[\]{}]")


class Undecodable(ValueError):
    """A record that is no event we know: ``disposition`` says which way, ``detail`` why."""

    def __init__(self, disposition: Disposition, detail: str) -> None:
        super().__init__(f"{disposition}: {detail}")
        self.disposition = disposition
        self.detail = detail


def decode(raw: bytes | None) -> Event:
    """The event in one record (UTF-8 JSON). Raises ``Undecodable`` and nothing else."""
    if raw is None:
        raise Undecodable("malformed", "the record has no value")
    if len(raw) > NESTING_MAX and raw.count(b"[") + raw.count(b"{") > NESTING_MAX:
        _refuse_nesting(raw)
    try:
        event: Event = _decode(raw)
    except _UNREADABLE as error:
        raise Undecodable(_disposition(raw), told(error)) from None
    return event


def checked(message: M) -> M:
    """A message made from what was not checked; raises ``msgspec.ValidationError``, see ``told``.

    It is read back from its own bytes, as everyone else will.
    """
    return msgspec.json.decode(encode(message), type=type(message))


def told(error: Exception) -> str:
    """The first fault that a decoder found, its place in front: short, whatever the record."""
    what, _, where = str(error).partition(" - at `$")
    place = where.strip("`.") or "record"
    return f"{place}: {what:.{DETAIL_MAX}}"


class _Head(msgspec.Struct):
    """As much of a record as tells whose contract it follows."""

    type: Any = None
    v: Any = SCHEMA_MAJOR


def _disposition(raw: bytes) -> Disposition:
    try:
        head = msgspec.json.decode(raw, type=_Head)
    except _UNREADABLE:
        return "malformed"
    # Version first: under another major version even a known type may mean something else.
    if type(head.v) is int and head.v != SCHEMA_MAJOR:
        return "unsupported_version"
    if type(head.type) is str and head.type not in _KINDS:
        return "unsupported_type"
    return "malformed"


def _refuse_nesting(raw: bytes) -> None:
    level = 0
    for bracket in _BRACKET.findall(_STRING.sub(b"", raw)):
        level += 1 if bracket in b"[{" else -1
        if level > NESTING_MAX:
            raise Undecodable("malformed", f"nested more than {NESTING_MAX} levels deep")
