"""The tap itself: pieces of logs in, events out, everything counted, nothing dropped in silence."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from reconverge.core.messages.events import StreamEvent
from reconverge.core.messages.wire import kind
from reconverge.tap import engine, tags
from reconverge.tap.direction import Direction, comp_ids
from reconverge.tap.framing import Frame, Note, Piece, Unreadable
from reconverge.tap.link import Link
from reconverge.tap.orders import Envelope
from reconverge.tap.translate import Identity, Translator
from reconverge.tap.wire import FixError

HELD_MAX: Final = 100_000
"""Pieces kept until our CompID is known. A log that shows no logon in so many is one whose start
was cut off."""


class UnknownDirectionError(Exception):
    """No message tells which CompID is ours; the user has to."""

    def __init__(self, seen: Iterable[tuple[str, str]]) -> None:
        pairs = ", ".join(sorted({f"{sender}->{target}" for sender, target in seen})) or "none"
        super().__init__(
            f"no logon shows which CompID is ours (seen: {pairs}); give it with --comp-id"
        )


@dataclass(slots=True)
class Counts:
    """What became of everything that was read."""

    messages: int = 0
    notes: int = 0  # lines of text; engines' notes on other things than the transport included
    rejects: int = 0
    reduced: int = 0  # requests of ours that the contract cannot hold, kept as other_message
    other_sessions: Counter[str] = field(default_factory=Counter)  # messages, by "SENDER->TARGET"
    events: Counter[str] = field(default_factory=Counter)  # by type
    published: int | None = None  # events that Kafka acknowledged, when it was asked to
    first_ns: int | None = None
    last_ns: int | None = None


class Tap:
    """One session's logs, or one drop-copy channel's, in the order of time."""

    def __init__(
        self,
        identity: Identity,
        *,
        ours: str | None = None,
        peers: tuple[str, ...] = (),
        on_reject: Callable[[Unreadable], None],
    ) -> None:
        self.counts = Counts()
        self._identity = identity
        self._direction = Direction(ours, peers)
        self._on_reject = on_reject
        self._translator = Translator(identity)
        self._link = Link()
        self._held: list[Piece] = []
        self._ingest_ns = 0
        self._first_peer = peers[0] if peers else None
        self._endpoint: str | None = None  # where the engine says it is connected

    def feed(self, piece: Piece) -> Iterator[StreamEvent]:
        """The events of one piece, or of all that were held back for want of our CompID."""
        if self._direction.ours is None:
            self._held.append(piece)
            if not self._learns_from(piece):
                if len(self._held) > HELD_MAX:
                    raise UnknownDirectionError(self._direction.seen)
                return
            held, self._held = self._held, []
            for each in held:
                yield from self._counted(self._events(each))
        else:
            yield from self._counted(self._events(piece))

    def tick(self, now_ns: int) -> Iterator[StreamEvent]:
        """What the passing of time alone shows; for live logs."""
        yield from self._counted(self._link.tick(now_ns))

    def close(self) -> None:
        """No more will come. Raises ``UnknownDirectionError`` if messages are still held."""
        held, self._held = self._held, []
        if any(isinstance(piece, Frame) for piece in held):
            raise UnknownDirectionError(self._direction.seen)
        for piece in held:
            self._events(piece)

    def _learns_from(self, piece: Piece) -> bool:
        try:
            return isinstance(piece, Frame) and self._direction.learn(piece)
        except FixError:
            return False  # rejected when its turn comes

    def _events(self, piece: Piece) -> list[StreamEvent]:
        match piece:
            case Frame():
                try:
                    return self._message(piece)
                except FixError as error:
                    return self._reject(piece.unreadable(str(error)))
            case Note():
                return self._note(piece)
            case Unreadable():
                return self._reject(piece)

    def _message(self, frame: Frame) -> list[StreamEvent]:
        direction = self._direction.of(frame.message)
        if direction is None:
            self.counts.other_sessions["->".join(comp_ids(frame.message))] += 1
            return []
        outbound, peer = direction
        marks = self._identity.marks(peer, self._endpoint, self._segment(peer))
        at_ns = self._line_ns(frame)
        events = self._translate(frame, marks, outbound=outbound, at_ns=at_ns)
        self.counts.messages += 1
        self._ingest_ns = max(self._ingest_ns, at_ns)
        return [*self._link.before(events[0], marks, at_ns), *events]

    def _segment(self, peer: str) -> str | None:
        """FIX numbers per pair of CompIDs: but the first, each counterparty has its own (R14)."""
        if self._first_peer is None:
            self._first_peer = peer
        return None if peer == self._first_peer else peer

    def _translate(
        self, frame: Frame, marks: Envelope, *, outbound: bool, at_ns: int
    ) -> list[StreamEvent]:
        """The events of one message.

        A request of ours that the contract cannot hold still uses up its number: the venue's answer
        will say what came of it. Anything of the venue's is rejected instead, because the gap that
        leaves is the truth.
        """
        try:
            return self._translator.events(frame.message, marks, outbound=outbound, ingest_ns=at_ns)
        except FixError as error:
            if not outbound:
                raise
            events = self._translator.number_only(frame.message, marks, ingest_ns=at_ns)
            self.counts.reduced += 1
            self._on_reject(frame.unreadable(f"kept as other_message: {error}"))
            return events

    def _line_ns(self, frame: Frame) -> int:
        """When the line was written, else when the message was sent, never running backwards."""
        if frame.prefix.at_ns is not None:
            return frame.prefix.at_ns
        return max(self._ingest_ns, frame.message.time_ns(tags.SENDING_TIME) or 0)

    def _note(self, note: Note) -> list[StreamEvent]:
        self.counts.notes += 1
        about = engine.session_id(note.text)
        if about is not None and not self._direction.is_session(*about):
            return []
        at_ns = self._ingest_ns if note.at_ns is None else note.at_ns
        events: list[StreamEvent] = []
        for statement in engine.statements(note.text):
            self._endpoint = statement.host_port or self._endpoint
            events += self._link.stated(statement, at_ns)
        return events

    def _reject(self, unreadable: Unreadable) -> list[StreamEvent]:
        self.counts.rejects += 1
        self._on_reject(unreadable)
        return []

    def _counted(self, events: Iterable[StreamEvent]) -> Iterator[StreamEvent]:
        counts = self.counts
        for event in events:
            counts.events[kind(type(event))] += 1
            if counts.first_ns is None:
                counts.first_ns = event.ingest_ns
            counts.last_ns = event.ingest_ns
            yield event
