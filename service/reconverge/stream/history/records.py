"""What the journal holds.

Claims, batches and snapshot manifests, and the one rule that says which of them count.

The journal is the authority on a partition's history (docs/protocol.md). Every other record this
service writes can be derived from it, or is proved by it. Records are JSON, one object each,
discriminated by `kind`; unknown fields are ignored, an unknown `kind` or major version is
`journal_unreadable`: history is never guessed.
"""

from typing import Annotated, Any, Final, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from reconverge.stream.conditions import Refusal

JOURNAL_MAJOR: Final = 1
MERGE_RULE: Final = 1
"""The version of `merge.merge`'s rule.

It changes when the same ranges would fold in another order.
"""

Offset = Annotated[int, Field(ge=-1)]


class Taken(NamedTuple):
    """A stretch of an input topic that a batch folded."""

    start: int
    """First offset; always the previous batch's `end`."""
    end: int
    """One past the last record taken."""
    mark: int
    """CRC-32 of the last record's value: tells a recreated topic from the one that was read."""


class Lost(NamedTuple):
    """A stretch of an input topic that nobody can read any more.

    Retention or recreation passed it.
    """

    start: int
    end: int


class Position(NamedTuple):
    """Where an input topic is read next, and how to recognise what was read last."""

    offset: int
    mark: int
    """As `Taken.mark`; 0 when nothing was read yet."""


class Journalled(BaseModel):
    """Any journal record."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    v: Literal[1] = Field(default=1, description="Major version of the journal's format.")


class Claim(Journalled):
    """A worker takes the partition over.

    The record's own offset is the worker's epoch. Always valid.
    """

    kind: Literal["claim"] = "claim"
    member: str = Field(description="Process that claims, for people.")
    at_ns: int = Field(description="When, by its clock. Nanoseconds, UTC.")
    core: str = Field(description="Version of its core.")
    accepted: tuple[str, ...] = Field(
        default=(),
        description="Other core versions whose history its operator lets it fold by its own rules.",
    )
    policies: tuple[dict[str, Any], ...] = Field(
        description="Policy documents it was started with, in force from its first record on."
    )


class Owned(Journalled):
    """A record that only the partition's owner may write.

    It counts if it is where its writer expected it.
    """

    epoch: int = Field(ge=0, description="Offset of the writer's claim.")
    after: Offset = Field(description="Offset the writer believed to be the journal's last.")
    now_ns: int = Field(ge=0, description="The batch's time; never decreases. Nanoseconds, UTC.")
    core: str = Field(description="Version of the core that folded it.")
    policy: str = Field(description="Content hash of the policies in force after it.")
    published: Offset = Field(
        description="Outputs of all records up to this offset were acknowledged before."
    )


class Batch(Owned):
    """Inputs folded at one moment. Without inputs: a tick, at which deadlines fired."""

    kind: Literal["batch"] = "batch"
    taken: dict[str, Taken] = Field(
        default_factory=dict, description="What was folded, by input topic."
    )
    lost: dict[str, Lost] = Field(
        default_factory=dict, description="What is gone; sessions are parked first."
    )
    merge: Literal[1] = Field(
        default=MERGE_RULE, description="Version of the rule that ordered the records."
    )
    refused: int = Field(default=0, ge=0, description="Records of it that were set aside (dlq).")
    poison: dict[str, tuple[int, ...]] = Field(
        default_factory=dict,
        description="Offsets of records among them that led to an error of the service, by topic.",
    )
    outputs: int = Field(default=0, ge=0, description="Outputs it led to.")
    digest: int = Field(default=0, description="CRC-32 of those outputs' bytes, in order.")
    snapshot: Offset = Field(
        default=-1, description="Journal offset of the newest snapshot manifest; -1 for none."
    )


class Snapshot(Owned):
    """A snapshot is whole.

    Its chunks lie in the snapshots topic and were acknowledged before this.
    """

    kind: Literal["snapshot"] = "snapshot"
    id: str = Field(description="Which chunks are its own: the value of their header `snapshot`.")
    first: int = Field(ge=0, description="Offset of its first chunk in the snapshots topic.")
    last: int = Field(ge=0, description="Offset of its last chunk.")
    chunks: int = Field(ge=1, description="Number of chunks.")
    rows: int = Field(ge=0, description="Rows of state in them.")
    size_bytes: int = Field(ge=0, description="Bytes of all chunks.")
    digest: str = Field(description="BLAKE2b-128 of the chunks' bytes, in order.")
    positions: dict[str, Position] = Field(description="Where each input topic is read next.")
    previous: Offset = Field(
        default=-1, description="Journal offset of the manifest before this one; -1 for none."
    )
    released: bool = Field(
        default=False, description="The owner leaves: whoever is next may claim at once."
    )


JournalRecord = Claim | Batch | Snapshot
_RECORDS: TypeAdapter[JournalRecord] = TypeAdapter(
    Annotated[JournalRecord, Field(discriminator="kind")]
)


def encode(record: JournalRecord) -> bytes:
    """The record's bytes."""
    return record.model_dump_json().encode()


def decode(value: bytes | None, offset: int) -> JournalRecord:
    """A journal record from its bytes. Raises the refusal `journal_unreadable`."""
    try:
        return _RECORDS.validate_json(value or b"")
    except ValidationError as error:
        fault = error.errors(include_url=False, include_context=False)[0]
        raise Refusal(
            "journal_unreadable", f"journal offset {offset}: {fault['loc']}: {fault['msg']}"
        ) from None


def counts(record: JournalRecord, offset: int) -> bool:
    """Whether the record at `offset` is part of history.

    Everyone who reads a journal asks this of each record.

    A claim always is. Any other counts exactly if nothing came between it and what its writer last
    knew: a writer that has been superseded missed the newer claim, so all it ever appends lies
    further on than it expects.
    """
    return isinstance(record, Claim) or record.after == offset - 1
