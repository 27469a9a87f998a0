"""The grammar of the wire: what every message has in common, whichever way it goes.

Field types, the immutable bases of messages and their parts, the envelope of every input, and the
one encoder; no message of its own.

Messages are msgspec structs, because decoding was the largest single cost of an event: straight
from bytes to a checked struct in half the time that pydantic takes (docs/performance.md). A
constructor checks exact decimals only; what comes from outside goes through ``decode``.
"""

from operator import attrgetter
from typing import Annotated, Any, Final, Literal, Protocol, get_args

import msgspec
from msgspec import Meta, Struct

from reconverge.core.messages.units import DECIMAL_PATTERN, are_known, nanos

SCHEMA_MAJOR = 1
"""The major version of the contract. It changes only when a reader of the old one would be misled.
"""

BROADCAST = "*"
"""The ``session`` of a control event meant for every session of the partition that carries it."""

NAME_LENGTH_MAX = 256
"""Characters of an id or name: FIX engines and venues stay far below."""

INT64_MAX = (1 << 63) - 1


def says(description: str) -> Meta:
    """What a field means, for whoever reads the schemas."""
    return Meta(description=description)


Text = Annotated[str, Meta(min_length=1, max_length=NAME_LENGTH_MAX)]
_DECIMAL: Final = Meta(extra_json_schema={"pattern": f"^{DECIMAL_PATTERN}$"})
DecimalText = Annotated[str, _DECIMAL]
"""``Part`` sees to the pattern: looked up, as most texts recur, it takes a tenth of a search."""
Nanoseconds = Annotated[int, Meta(ge=0, le=INT64_MAX)]
SequenceNumber = Annotated[int, Meta(ge=0, le=INT64_MAX)]
Count = Annotated[int, Meta(ge=0)]
Milliseconds = Annotated[float, Meta(ge=0)]

Side = Literal["buy", "sell"]


class Part(Struct, frozen=True, gc=False):
    """What crosses the wire: immutable, unknown fields ignored, no coercion of JSON types.

    Nothing in it refers back to it, so the garbage collector need not look.
    """

    def __post_init__(self) -> None:
        """Every decimal is one: raises ValueError, which decoding tells as its own."""
        decimals = _DECIMALS[type(self)]
        if decimals is not None and not are_known(texts := decimals(self)):
            for text in texts:
                if text is not None:
                    nanos(text)


class Reader(Protocol):
    """An ``attrgetter`` of several names."""

    def __call__(self, part: Part, /) -> tuple[str | None, ...]:
        """The values of those fields."""


class _Decimals(dict[type[Part], Reader | None]):
    """Reads the decimal fields of a part, all at once; found when first asked for."""

    def __missing__(self, part: type[Part]) -> Reader | None:
        fields = msgspec.structs.fields(part)
        names = [field.name for field in fields if _is_decimal(field.type)]
        reader = self[part] = attrgetter(*names, names[0]) if names else None  # of one: no tuple
        return reader


_DECIMALS: Final = _Decimals()


def _is_decimal(annotation: object) -> bool:
    return any(part == _DECIMAL or _is_decimal(part) for part in get_args(annotation))


class Message(Part, tag_field="type", frozen=True):
    """A part that travels by itself, told by its ``type``."""

    @property
    def type(self) -> str:
        """Which message it is, as the wire has it."""
        return kind(type(self))


def kind(message: type[Message]) -> str:
    """The ``type`` of a message's class."""
    tag = message.__struct_config__.tag
    if not isinstance(tag, str):
        raise AssertionError(f"{message.__name__} is a base, not a message")
    return tag


encode: Final = msgspec.json.Encoder().encode
"""A message as the bytes that travel: compact JSON, ``type`` first."""


class Envelope(Message, omit_defaults=True, frozen=True, kw_only=True):
    """What every input carries, whatever its type."""

    v: Annotated[Literal[1], says("Major version of the contract.")] = 1
    session: Annotated[
        Text,
        says(
            "Order-entry session this event is about; also the Kafka record key."
            " In `controls`, `*` means every session."
        ),
    ]
    event_ns: Annotated[
        Nanoseconds, says("When it happened, by its sender's clock. Nanoseconds, UTC.")
    ]
    ingest_ns: Annotated[Nanoseconds, says("When our adapter saw it. Nanoseconds, UTC.")]


def plain(message: Part) -> dict[str, Any]:
    """A message or part as JSON has it, in Python's own types."""
    found: dict[str, Any] = msgspec.to_builtins(message)
    return found
