"""One partition of raw FIX in Kafka: records in, events out, and what must be remembered between.

Everything follows from the records alone, in order: read again from a remembered position, the same
records give the same events, which is how what was published before a crash is known after it.
"""

import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Final, NamedTuple

from reconverge.core.messages.events import StreamEvent
from reconverge.tap import engine
from reconverge.tap.direction import comp_ids
from reconverge.tap.framing import Frame, Framer, Note, Piece, Unreadable
from reconverge.tap.numbers import Seen
from reconverge.tap.pipeline import PAIRS_MAX, Counts, Tap
from reconverge.tap.routing import Owner, Record, Routes, Rule, Stream
from reconverge.tap.wire import FixError

_NS_PER_MS: Final = 1_000_000


class Raw(NamedTuple):
    """A record of a raw topic, as far as it matters here."""

    offset: int
    timestamp_ms: int
    value: bytes
    record: Record


@dataclass(slots=True)
class Tally:
    """What became of the records of one partition."""

    records: int = 0
    copies: int = 0  # messages that were delivered twice
    rejects: int = 0  # what could not be read, or names nobody
    unrouted: Counter[str] = field(default_factory=Counter)  # by "SENDER->TARGET"


class Source:
    """One session's messages, or one channel's, in one partition."""

    def __init__(self, tap: Tap) -> None:
        self.tap = tap
        self._seen: dict[str, Seen] = {}

    def is_copy(self, frame: Frame, sender: str, target: str) -> bool:
        """Whether a message of this source was delivered before."""
        seen = self._seen.setdefault(f"{sender}->{target}", Seen())
        return seen.is_copy(frame.message, zlib.crc32(frame.raw))

    def dump(self) -> dict[str, Any]:
        """Its state as JSON values; ``load`` restores it."""
        return {"tap": self.tap.dump(), "seen": {k: v.dump() for k, v in self._seen.items()}}

    def load(self, state: dict[str, Any]) -> None:
        """Inverse of ``dump``."""
        self.tap.load(state["tap"])
        for pair, row in state["seen"].items():
            self._seen[pair] = Seen()
            self._seen[pair].load(row)


class Feed:
    """Translates the records of one partition, in order."""

    def __init__(
        self,
        place: str,
        routes: Routes,
        on_reject: Callable[[Unreadable], None],
        *,
        lenient: bool = False,
    ) -> None:
        self.tally = Tally()
        self._place = place
        self._routes = routes
        self._on_reject = on_reject
        self._lenient = lenient
        self._sources: dict[Owner, Source] = {}
        self._remembered: dict[Owner, dict[str, Any]] = {}  # of those not heard of since

    @property
    def sources(self) -> dict[Owner, Counts]:
        """What became of each source's messages."""
        return {owner: source.tap.counts for owner, source in self._sources.items()}

    def events(self, raw: Raw) -> Iterator[tuple[Stream, StreamEvent]]:
        """The events of one record, and the stream that each belongs to."""
        self.tally.records += 1
        for piece in self._pieces(raw):
            match piece:
                case Frame():
                    yield from self._message(_timed(piece, raw), raw.record)
                case Note():
                    yield from self._note(piece)
                case Unreadable():
                    self._reject(piece)

    def dump(self) -> list[Any]:
        """Its state as JSON values; ``load`` restores it."""
        heard = {owner: source.dump() for owner, source in self._sources.items()}
        return [[*owner, state] for owner, state in (self._remembered | heard).items()]

    def load(self, state: list[Any]) -> None:
        """Inverse of ``dump``. Under another mapping a source is known by what it is, whichever
        rule says so.
        """
        self._remembered = {Owner(*fields): source for *fields, source in state}

    def _pieces(self, raw: Raw) -> list[Piece]:
        """A record is whole: what has not ended in it never does."""
        framer = Framer(self._place, lenient=self._lenient)
        lines = raw.value.split(b"\n")
        found = [piece for line in lines for piece in framer.feed(raw.offset, line)]
        return found + framer.close()

    def _message(self, frame: Frame, record: Record) -> Iterator[tuple[Stream, StreamEvent]]:
        try:
            sender, target = comp_ids(frame.message)
        except FixError as error:
            self._reject(frame.unreadable(str(error)))
            return
        owners = self._routes.owners(record, sender, target)
        if not owners:
            pair = f"{sender}->{target}"
            is_told = pair in self.tally.unrouted or len(self.tally.unrouted) < PAIRS_MAX
            self.tally.unrouted[pair if is_told else "others"] += 1
        for owner, rule in owners:
            source = self._source(owner, rule)
            if source.is_copy(frame, sender, target):
                self.tally.copies += 1
            else:
                for event in source.tap.feed(frame):
                    yield owner.stream, event

    def _note(self, note: Note) -> Iterator[tuple[Stream, StreamEvent]]:
        """An engine's word concerns the session it names, or the only one there is."""
        about = engine.session_id(note.text)
        for owner, source in self._sources.items():
            if (about is None and len(self._sources) == 1) or (about and about[0] == owner.ours):
                for event in source.tap.feed(note):
                    yield owner.stream, event

    def _source(self, owner: Owner, rule: Rule) -> Source:
        if owner not in self._sources:
            tap = Tap(
                rule.identity(owner),
                ours=owner.ours,
                peers=tuple(rule.theirs),
                on_reject=self._reject,
            )
            source = self._sources[owner] = Source(tap)
            remembered = self._remembered.pop(owner, None)
            if remembered is not None:
                source.load(remembered)
        return self._sources[owner]

    def _reject(self, unreadable: Unreadable) -> None:
        self.tally.rejects += 1
        self._on_reject(unreadable)


def _timed(frame: Frame, raw: Raw) -> Frame:
    """A message without a time of its own on the line was seen when the record was made."""
    if frame.prefix.at_ns is not None:
        return frame
    at_ns = max(raw.timestamp_ms, 0) * _NS_PER_MS
    return replace(frame, prefix=frame.prefix._replace(at_ns=at_ns))
