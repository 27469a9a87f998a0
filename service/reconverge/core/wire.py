"""The grammar of the wire: what every message has in common, whichever way it goes.

Field types, the immutable base of every message and the envelope of every input; no message of its
own.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

SCHEMA_MAJOR = 1
"""The major version of the contract. It changes only when a reader of the old one would be misled.
"""

BROADCAST = "*"
"""The ``session`` of a control event meant for every session of the partition that carries it."""

NAME_LENGTH_MAX = 256
"""Characters of an id or name: FIX engines and venues stay far below."""

Text = Annotated[str, StringConstraints(min_length=1, max_length=NAME_LENGTH_MAX)]
DecimalText = Annotated[str, StringConstraints(pattern=r"^-?[0-9]{1,18}(\.[0-9]{1,9})?$")]
Nanoseconds = Annotated[int, Field(ge=0, lt=1 << 63)]
SequenceNumber = Annotated[int, Field(ge=0, lt=1 << 63)]

Side = Literal["buy", "sell"]


class Message(BaseModel):
    """What crosses the wire: immutable, unknown fields ignored, no coercion of JSON types."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True, allow_inf_nan=False)


class Envelope(Message):
    """What every input carries, whatever its type."""

    v: Literal[1] = Field(default=1, description="Major version of the contract.")
    session: Text = Field(
        description="Order-entry session this event is about; also the Kafka record key."
        " In `controls`, `*` means every session."
    )
    event_ns: Nanoseconds = Field(
        description="When it happened, by its sender's clock. Nanoseconds, UTC."
    )
    ingest_ns: Nanoseconds = Field(description="When our adapter saw it. Nanoseconds, UTC.")
