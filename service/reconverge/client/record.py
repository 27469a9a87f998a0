"""One record of the caps topic, as much of it as a router reads (docs/router.md, C1 and C2).

The service's own model says more. A router does not decode that, so that nothing which it has no
use for can make a cap unreadable.
"""

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Struct

from reconverge.core.messages.effects import Ratio, State
from reconverge.core.messages.wire import INT64_MAX, Nanoseconds, Text

Whole = Annotated[int, Meta(ge=0, le=INT64_MAX)]
Sequence = Annotated[int, Meta(ge=1, le=INT64_MAX)]


class SymbolEntry(Struct, frozen=True, gc=False):
    """The cap of one instrument."""

    cap: Ratio


class CapRecord(Struct, frozen=True, gc=False, kw_only=True):
    """What a router reads of a cap."""

    type: Literal["cap"]  # a field: a tag might be absent
    v: Literal[1] = 1
    session: Text
    epoch: Whole = 0
    sequence: Sequence
    state: State
    cap: Ratio
    instrument_cap: Ratio | None = None
    symbols: dict[str, SymbolEntry] = {}
    participation_max: Ratio
    catchup_multiple_max: Annotated[float, Meta(ge=1)]
    freeze_expansion: bool
    safe_mode: bool
    reason: str
    publish_ns: Nanoseconds | None = None
    valid_until_ns: Nanoseconds

    def allows_as(self, other: "CapRecord") -> bool:
        """Whether a router that obeys one does just what it would do by the other."""
        return (
            self.cap == other.cap
            and self.instrument_cap == other.instrument_cap
            and self.symbols == other.symbols
            and self.participation_max == other.participation_max
            and self.catchup_multiple_max == other.catchup_multiple_max
            and self.freeze_expansion is other.freeze_expansion
        )


_decode: Final = msgspec.json.Decoder(CapRecord).decode


def read(value: bytes) -> CapRecord | None:
    """The record, or none if it cannot be read. Never raises."""
    try:
        value.decode()  # the decoder does not look at the text of fields that it skips
        return _decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
