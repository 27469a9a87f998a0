"""The tap itself: pieces of logs in, events out, everything counted, nothing dropped in silence."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from reconverge.core.messages.events import StreamEvent, UnmodelledRequest
from reconverge.core.messages.wire import kind
from reconverge.tap import engine, tags
from reconverge.tap.direction import Direction, comp_ids
from reconverge.tap.fields import Envelope
from reconverge.tap.framing import Frame, Note, Piece, Unreadable
from reconverge.tap.link import Link
from reconverge.tap.translate import Identity, Translator
from reconverge.tap.wire import FixError

HELD_MAX: Final = 100_000
"""Pieces kept until our CompID is known. A log that shows no logon in so many is one whose start
was cut off."""
PAIRS_MAX: Final = 100
"""Pairs of CompIDs told apart that are not ours: more than one log of one engine ever had."""
_OF_THE_SELL_SIDE: Final = frozenset("89")
_OF_THE_BUY_SIDE: Final = frozenset("DFG")
_PLAIN: Final = ("_endpoint", "_first_peer", "_ingest_ns")
_NO_LOGON: Final = "no logon shows which CompID is ours"


class UsageError(Exception):
    """The user has to say more, or something else; ``option`` is where."""

    option = "--comp-id"


class UnknownDirectionError(UsageError):
    """No message tells for certain which CompID is ours; the user has to."""

    def __init__(self, why: str, seen: Iterable[tuple[str, str]]) -> None:
        super().__init__(f"{why} (seen: {_pairs(seen)}); give it with --comp-id")


class NothingOfOursError(UsageError):
    """Messages were read, and none is of the session asked for."""

    def __init__(self, ours: str, peers: tuple[str, ...], seen: Iterable[str]) -> None:
        asked = f"{ours} with {' or '.join(peers)}" if peers else ours
        self.option = "--peer" if peers else "--comp-id"
        super().__init__(f"no message is of {asked}; those read are {', '.join(sorted(seen))}")


def _pairs(seen: Iterable[tuple[str, str]]) -> str:
    return ", ".join(sorted({f"{sender}->{target}" for sender, target in seen})) or "none"


@dataclass(slots=True)
class Counts:
    """What became of everything that was read."""

    messages: int = 0
    notes: int = 0  # lines of text; engines' notes on other things than the transport included
    rejects: int = 0  # lines that could not be read at all
    set_aside: int = 0  # messages of which only the number could be used (R19)
    unmodelled: int = 0  # requests of ours that are in flight with an unknown size (R37)
    degraded: Counter[str] = field(default_factory=Counter)  # fields rounded or left out, by tag
    first_degraded: dict[str, str] = field(default_factory=dict)  # of each: where, and why
    lenient: Counter[str] = field(default_factory=Counter)  # altered messages, by what shows it
    other_sessions: Counter[str] = field(default_factory=Counter)  # messages, by "SENDER->TARGET"
    events: Counter[str] = field(default_factory=Counter)  # by type
    published: int | None = None  # events that Kafka acknowledged, when it was asked to
    first_ns: int | None = None
    last_ns: int | None = None

    def other_session(self, sender: str, target: str) -> None:
        """A message of others; of so many pairs that nobody could read them, one sum."""
        pair = f"{sender}->{target}"
        is_told = pair in self.other_sessions or len(self.other_sessions) < PAIRS_MAX
        self.other_sessions[pair if is_told else "others"] += 1

    def faults(self, frame: Frame) -> None:
        """What of a message could not be taken as it stands."""
        if frame.message.altered is not None:
            self.lenient[frame.message.altered] += 1
        for fault in frame.message.faults:
            kind_of_fault = f"tag {fault.tag} {fault.outcome}"
            self.degraded[kind_of_fault] += 1
            self.first_degraded.setdefault(kind_of_fault, f"{frame.origin}: {fault.why}")


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

    def dump(self) -> dict[str, Any]:
        """What a tap that goes on in another process must know, as JSON values. Only while our
        CompID is known, and without the counts.
        """
        plain = {name: getattr(self, name) for name in _PLAIN}
        return plain | {"link": self._link.dump(), "translator": self._translator.dump()}

    def load(self, state: dict[str, Any]) -> None:
        """Inverse of ``dump``."""
        for name in _PLAIN:
            setattr(self, name, state[name])
        self._link.load(state["link"])
        self._translator.load(state["translator"])

    def feed(self, piece: Piece) -> Iterator[StreamEvent]:
        """The events of one piece, or of all that were held back for want of our CompID."""
        if self._direction.ours is None:
            self._held.append(piece)
            if not self._learns_from(piece):
                if len(self._held) > HELD_MAX:
                    raise UnknownDirectionError(_NO_LOGON, self._direction.seen)
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
        """No more will come. Raises ``UsageError`` if messages are still held, or none was ours."""
        held, self._held = self._held, []
        if any(isinstance(piece, Frame) for piece in held):
            raise UnknownDirectionError(self._direction.lost or _NO_LOGON, self._direction.seen)
        for piece in held:
            self._events(piece)
        others = self.counts.other_sessions
        if others and not self.counts.messages and not self.counts.rejects:
            raise NothingOfOursError(self._direction.ours or "", self._direction.peers, others)

    def _learns_from(self, piece: Piece) -> bool:
        """Whether a piece tells our CompID. What cannot be read may have been the first logon: then
        a later one may be the counterparty's, and is no help.
        """
        direction = self._direction
        if isinstance(piece, Unreadable) and piece.may_be_logon:
            direction.lose(
                f"{piece.origin} cannot be read ({piece.reason}) and may be the first logon"
            )
        if not isinstance(piece, Frame):
            return False
        try:
            return direction.learn(piece)
        except FixError as error:  # rejected when its turn comes
            if piece.message.get(tags.MSG_TYPE) in {None, "A"}:
                why = f"{piece.origin} cannot be used ({error}) and may be the first logon"
                direction.lose(why)
            return False

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
            self.counts.other_session(*comp_ids(frame.message))
            return []
        outbound, peer = direction
        self._contradicts(frame, outbound=outbound)
        marks = self._identity.marks(peer, self._endpoint, self._segment(peer))
        at_ns = self._line_ns(frame)
        envelope = self._translator.envelope(
            frame.message, marks, outbound=outbound, ingest_ns=at_ns
        )
        events = self._translate(frame, envelope)
        self.counts.messages += 1
        self.counts.faults(frame)
        self._ingest_ns = max(self._ingest_ns, at_ns)
        return [*self._link.before(events[0], marks, at_ns), *events]

    def _contradicts(self, frame: Frame, *, outbound: bool) -> None:
        """Refuse a guess that a message shows to be wrong: we would have sent an execution report,
        or been sent an order.
        """
        if not self._direction.is_guess:
            return
        msg_type = frame.message.get(tags.MSG_TYPE)
        is_copied = self._identity.is_drop_copy  # of requests too
        if (
            msg_type in _OF_THE_SELL_SIDE
            if outbound
            else (msg_type in _OF_THE_BUY_SIDE and not is_copied)
        ):
            why = f"the first logon seems not to be ours: {frame.origin} goes the wrong way"
            raise UnknownDirectionError(why, [comp_ids(frame.message)])

    def _segment(self, peer: str) -> str | None:
        """FIX numbers per pair of CompIDs: but the first, each counterparty has its own (R14)."""
        if self._first_peer is None:
            self._first_peer = peer
        return None if peer == self._first_peer else peer

    def _translate(self, frame: Frame, envelope: Envelope) -> list[StreamEvent]:
        """The events of one message. One whose content cannot be used has used its number (R19)."""
        try:
            events = self._translator.events(frame.message, envelope)
        except FixError as error:
            self.counts.set_aside += 1
            self._on_reject(frame.unreadable(f"number seen, content set aside: {error}"))
            return [self._translator.set_aside(frame.message, envelope, str(error))]
        for event in events:
            if isinstance(event, UnmodelledRequest):
                self.counts.unmodelled += 1
                self._on_reject(frame.unreadable(f"in flight, of unknown size: {event.reason}"))
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
