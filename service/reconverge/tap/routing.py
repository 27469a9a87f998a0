"""Whose a raw message in Kafka is: the mapping file of ``tap kafka``.

Rules, each of which says what fits (topic, headers, CompIDs) and what it is (session, stream,
channel). Every rule that fits gives its events, so that one drop-copy feed may serve several
sessions; docs/tap.md has examples.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from reconverge.core.messages.wire import NAME_LENGTH_MAX
from reconverge.tap.mapping import PARENT_TAGS
from reconverge.tap.translate import Identity

Stream = Literal["order-entry", "drop-copy"]
_PLACE = re.compile(r"\{([^{}]*)\}")
_PLACES: Final = frozenset({"ours", "theirs", "key"})
_HEADER: Final = "header:"


class MappingRefused(ValueError):
    """A mapping file that is wrong; ``problems`` names all of its faults."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Record:
    """What of a Kafka record tells whose it is."""

    topic: str
    headers: Mapping[str, str]
    key: str | None


class Rule(BaseModel):
    """One rule: what fits it, and whose that is."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    topic: str | None = None
    header: dict[str, str] = {}
    ours: list[str] = Field(min_length=1)
    theirs: list[str] = []
    session: str = Field(min_length=1)
    stream: Stream
    channel: str | None = None
    gateway: str | None = None
    venue: str | None = None
    parent_tags: list[str] = list(PARENT_TAGS)
    only: dict[str, str] = {}

    @field_validator("ours", "theirs", mode="before")
    @classmethod
    def _one_or_several(cls, value: object) -> object:
        return [value] if isinstance(value, str) else value

    @model_validator(mode="after")
    def _agrees(self) -> "Rule":
        if self.channel is not None and self.stream != "drop-copy":
            raise ValueError("channel: only a drop-copy stream has one")
        for text in (self.session, self.channel or "", self.gateway or ""):
            for place in _PLACE.findall(text):
                if place not in _PLACES and not place.startswith(_HEADER):
                    raise ValueError(f"{{{place}}} is none of {{ours}}, {{theirs}}, {{key}},"
                                     " {header:NAME}")  # fmt: skip
        return self

    def identity(self, owner: "Owner") -> Identity:
        """What the events of a source are marked with."""
        return Identity(
            session=owner.session,
            is_drop_copy=owner.stream == "drop-copy",
            channel=owner.channel,
            gateway=self.gateway,
            venue=self.venue,
            parent_tags=tuple(self.parent_tags),
            only=tuple(self.only.items()),
        )

    def fits(self, record: Record) -> bool:
        """Whether topic and headers of a record are this rule's."""
        if self.topic not in {None, record.topic}:
            return False
        return all(record.headers.get(name) == value for name, value in self.header.items())

    def may_own(self, owner: "Owner") -> bool:
        """Whether a source may be this rule's: by stream and CompID, and by session if it names
        one.
        """
        is_named = "{" in self.session or self.session == owner.session
        return is_named and owner.stream == self.stream and owner.ours in self.ours

    def way(self, sender: str, target: str) -> tuple[str, str] | None:
        """Our CompID and theirs, in a message between the two that this rule is about."""
        for ours, theirs in ((sender, target), (target, sender)):
            if ours in self.ours and (not self.theirs or theirs in self.theirs):
                return ours, theirs
        return None


class Owner(NamedTuple):
    """Whose a message is; the same for all messages of one source."""

    stream: Stream
    session: str
    channel: str | None
    ours: str

    def __str__(self) -> str:
        channel = "" if self.channel is None else f" {self.channel}"
        return f"{self.session} {self.stream}{channel} ({self.ours})"


class Routes(BaseModel):
    """The mapping file."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    rule: list[Rule] = Field(min_length=1)

    def owners(self, record: Record, sender: str, target: str) -> list[tuple[Owner, Rule]]:
        """Whose a message between two CompIDs is, and by which rule; empty if none fits."""
        found = []
        for rule in self.rule:
            pair = rule.way(sender, target) if rule.fits(record) else None
            if pair is not None:
                session = _filled(rule.session, record, *pair)
                channel = None if rule.channel is None else _filled(rule.channel, record, *pair)
                if session is not None and (channel is not None or rule.channel is None):
                    found.append((Owner(rule.stream, session, channel, pair[0]), rule))
        return found


def parse_routes(document: Mapping[str, Any]) -> Routes:
    """The mapping in a parsed TOML document; raises ``MappingRefused`` with all that is wrong."""
    try:
        return Routes.model_validate(document)
    except ValidationError as error:
        raise MappingRefused(tuple(_told(error))) from None


def _told(error: ValidationError) -> list[str]:
    found = []
    for fault in error.errors(include_url=False, include_input=False):
        where = ".".join(str(part + 1 if isinstance(part, int) else part) for part in fault["loc"])
        found.append(f"{where}: {fault['msg'].removeprefix('Value error, ')}")
    return found


def _filled(text: str, record: Record, ours: str, theirs: str) -> str | None:
    """A name with its places filled; None where a record lacks what belongs there."""
    known: dict[str, str | None] = {"ours": ours, "theirs": theirs, "key": record.key}
    known |= {_HEADER + name: value for name, value in record.headers.items()}
    places = _PLACE.findall(text)
    if any(not known.get(place) for place in places):
        return None
    name = _PLACE.sub(lambda found: known[found[1]] or "", text)
    return name if 0 < len(name) <= NAME_LENGTH_MAX else None
