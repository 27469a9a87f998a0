"""From input records to output bytes: the one place where a batch becomes effects.

The live worker, the restore and any audit go through `Ledger.advance`, so that they cannot differ.
Everything here is synchronous and deterministic: given the same state, records and `now_ns` it
yields the same bytes.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol
from zlib import crc32

import msgspec
from msgspec.structs import replace

from reconverge.core.messages.decode import Undecodable
from reconverge.core.messages.desk import Attestation, PolicyChange, RetireSession, SafeMode
from reconverge.core.messages.effects import (
    Alert,
    Cap,
    CapFields,
    ControlApplied,
    ControlRefused,
    ControlResult,
    Effect,
    Episode,
    Published,
    Retired,
    ShadowCap,
    Transition,
)
from reconverge.core.messages.wire import BROADCAST, encode
from reconverge.stream.history.records import Lost, Position, Taken
from reconverge.stream.log import Record
from reconverge.stream.merge import merge
from reconverge.stream.options import Topics

_Control = SafeMode | Attestation | PolicyChange | RetireSession
_CONTROLS: Final = frozenset({SafeMode, Attestation, PolicyChange, RetireSession})
"""Answered one by one: whoever sent it waits to hear what became of it."""

Row = list[Any]
"""A piece of dumped state; what is in it is the core's business. JSON-able, well below 256 KiB."""


class Fold(Protocol):
    """The core's state of one partition, as the shell sees it."""

    @property
    def next_deadline_ns(self) -> int | None:
        """When `settle` must run although nothing came; None for never."""

    @property
    def policy_hash(self) -> str:
        """Content hash of all policies in force."""

    def set_policies(self, documents: Sequence[Mapping[str, Any]], now_ns: int) -> None:
        """The policies an owner was started with take effect.

        Sessions' own later changes stay in force.
        """

    def park(self, reason: str, now_ns: int) -> None:
        """Inputs were lost.

        Every session goes to the floor until a venue snapshot or an operator proves its truth.
        """

    def apply(self, event: Any, now_ns: int) -> None:
        """Fold one event. Raises the `rejection` of its `Folds`, and then has changed nothing."""

    def settle(self, now_ns: int) -> Sequence[Effect]:
        """Once a batch: what is to be published, in order.

        A session that cannot be settled is replaced, see `replace`, and told by `take_faults`.
        """

    def replace(self, session: str, why: str, now_ns: int) -> None:
        """An unforeseen error may have left a session half changed.

        An empty one takes its place and goes to the floor, as by `park`. `BROADCAST` is every one.
        """

    def take_faults(self) -> Sequence[tuple[str, Exception]]:
        """Sessions replaced by `settle` since this was last asked, and the error of each."""

    def dump(self) -> Iterable[Row]:
        """The whole state. Not to be interleaved with changes."""


class Folds(Protocol):
    """Makes folds: the version of the core this process runs."""

    @property
    def version(self) -> str:
        """Version of the core.

        Batches folded by another version are not folded again unless accepted.
        """

    @property
    def readable(self) -> frozenset[str]:
        """Versions whose snapshots `load` understands, its own included."""

    @property
    def rejection(self) -> type[Exception]:
        """What `Fold.apply` raises for an event it will not take."""

    @property
    def decode(self) -> Callable[[bytes | None], Any]:
        """An event from a record's value; raises `Undecodable`."""

    def new(self) -> Fold:
        """The state of a partition in which nothing has happened."""

    def load(self, rows: Iterable[Row]) -> Fold:
        """The state that `Fold.dump` gave these rows of."""


class Refused(NamedTuple):
    """An input record that is set aside."""

    record: Record
    disposition: str
    """`malformed`, `unsupported_type`, `unsupported_version`, `rejected` or `poison`."""
    detail: str
    error: Exception | None = None
    """Of poison: the error that nobody foresaw."""


class Output(NamedTuple):
    """An output record, ready to be written."""

    topic: str
    key: bytes
    value: bytes
    """Empty for a tombstone, a record without a value: the key's last value is no longer."""
    event: bool
    """True for events, each of which must arrive, and for tombstones.

    False for last-value state, of which the newest will do.
    """


class Folded(NamedTuple):
    """What one batch led to."""

    effects: Sequence[Published]
    outputs: Sequence[Output]
    refused: Sequence[Refused]
    taken: dict[str, Taken]
    digest: int
    """CRC-32 of the outputs' bytes, in order."""
    poison: dict[str, tuple[int, ...]]
    """Offsets of records whose folding raised what nobody foresaw, by topic."""
    faults: Sequence[tuple[str, Exception]]
    """Sessions that were replaced because they could not be settled, or not be published."""


class Ledger:
    """A fold, and where it stands."""

    __slots__ = ("_folds", "_results", "_topics", "fold", "now_ns", "positions")

    def __init__(self, folds: Folds, fold: Fold, topics: Topics) -> None:
        self._folds = folds
        self._topics = topics
        self.fold = fold
        self._results: list[ControlResult] = []
        """Of the batch that is being folded."""
        self.now_ns = 0
        """The last batch's time."""
        self.positions: dict[str, Position] = {}
        """Where each input topic is read next. A topic appears when its start is known."""

    def advance(
        self,
        stretches: Mapping[str, Sequence[Record]],
        lost: Mapping[str, Lost],
        now_ns: int,
        epoch: int,
        poison: Mapping[str, Sequence[int]] | None = None,
    ) -> Folded:
        """Fold a batch: first its stretches by topic, then the loss of what followed them.

        An event the core will not take is refused, not fatal; nor is one that leads to an error
        nobody foresaw (S9). `poison` names those that did when the batch was folded first: they
        count as such again, whatever they lead to now. Raises `MemoryError`.
        """
        self.now_ns = now_ns
        self._results = []
        refused = self._apply(self.merged(stretches), now_ns, poison or {})
        taken = self._step(stretches)
        self._lose(lost, now_ns)
        effects: list[Published] = [*self.fold.settle(now_ns), *self._results]
        faults = list(self.fold.take_faults())
        outputs, unreadable = self._outputs(effects, now_ns, epoch)
        if unreadable:
            for session, _ in unreadable:
                self.fold.replace(session, f"what it led to at {now_ns} cannot be read", now_ns)
            instead = list(self.fold.settle(now_ns))
            effects += instead
            outputs += [self._encode(effect, now_ns, epoch) for effect in instead]
        digest = 0
        for output in outputs:
            digest = crc32(output.value, digest)
        found = _by_topic(refused)
        return Folded(effects, outputs, refused, taken, digest, found, faults + unreadable)

    def merged(self, stretches: Mapping[str, Sequence[Record]]) -> Sequence[Record]:
        """A batch's records in the order in which they are folded."""
        return merge([stretches.get(topic, ()) for topic in self._topics.inputs])

    def _lose(self, lost: Mapping[str, Lost], now_ns: int) -> None:
        """Every session is parked: nobody knows whose events they were."""
        for topic, (start, end) in lost.items():
            self.positions[topic] = Position(end, 0)
            self.fold.park(f"{topic}: read up to offset {start}, continued at {end}", now_ns)

    def _apply(
        self, records: Sequence[Record], now_ns: int, poison: Mapping[str, Sequence[int]]
    ) -> list[Refused]:
        apply, decode, rejection = self.fold.apply, self._folds.decode, self._folds.rejection
        refused: list[Refused] = []
        for record in records:
            event: Any = None
            try:
                event = decode(record.value)
                apply(event, now_ns)
            except Undecodable as error:
                refused.append(Refused(record, error.disposition, error.detail))
            except rejection as error:
                refused.append(Refused(record, "rejected", str(error)))
            except MemoryError:  # the process's fault, not the record's
                raise
            except Exception as error:
                refused.append(self._poisoned(record, error, now_ns))
            else:
                if record.offset in poison.get(record.topic, ()):
                    refused.append(self._poisoned(record, None, now_ns))
            if type(event) in _CONTROLS:
                why = refused[-1] if refused and refused[-1].record is record else None
                self._results.append(_result(record, event, why, now_ns))
        return refused

    def _poisoned(self, record: Record, error: Exception | None, now_ns: int) -> Refused:
        """Whatever the record may have half changed is replaced."""
        why = f"{record.topic} at offset {record.offset} led to an error of this service"
        self.fold.replace(self._concerned(record), why, now_ns)
        told = "it did when it was first folded" if error is None else repr(error)
        return Refused(record, "poison", told, error)

    def _concerned(self, record: Record) -> str:
        """The session a record is about; by its key, if even that cannot be decoded."""
        try:
            event = self._folds.decode(record.value)
        except Exception:  # what it was is told already
            return (record.key or b"").decode(errors="replace")
        return BROADCAST if isinstance(event, PolicyChange) else str(event.session)

    def _step(self, stretches: Mapping[str, Sequence[Record]]) -> dict[str, Taken]:
        taken: dict[str, Taken] = {}
        for topic, records in stretches.items():
            last = records[-1]
            mark = crc32(last.value or b"")
            taken[topic] = Taken(self.positions[topic].offset, last.offset + 1, mark)
            self.positions[topic] = Position(last.offset + 1, mark)
        return taken

    def _outputs(
        self, effects: Sequence[Published], now_ns: int, epoch: int
    ) -> tuple[list[Output], list[tuple[str, Exception]]]:
        """Effects as records, and the sessions of those that no reader could read."""
        outputs: list[Output] = []
        unreadable: dict[str, Exception] = {}
        for effect in effects:
            try:
                outputs.append(self._encode(effect, now_ns, epoch))
            except MemoryError:
                raise
            except Exception as error:
                unreadable[effect.session] = error
        return outputs, list(unreadable.items())

    def _encode(self, effect: Published, now_ns: int, epoch: int) -> Output:
        """The batch's time is the publish time, so that the bytes can be derived again."""
        topic: str = getattr(self._topics, _TOPIC_OF[type(effect)])
        if isinstance(effect, Retired):
            return Output(topic, effect.session.encode(), b"", event=True)
        is_cap = isinstance(effect, CapFields)
        if is_cap:
            effect = replace(effect, epoch=epoch, publish_ns=now_ns)
        value = encode(effect)
        _check(value)
        return Output(topic, effect.session.encode(), value, event=not is_cap)


def _result(record: Record, event: _Control, why: Refused | None, now_ns: int) -> ControlResult:
    """What became of a control. The same bytes whenever it is folded: see `Ledger.advance`."""
    about: dict[str, Any] = {
        "session": event.session,
        "event_ns": now_ns,
        "id": f"{record.topic}@{record.offset}",
        "topic": record.topic,
        "offset": record.offset,
        "command": event.type,
        "actor": event.actor,
    }
    if why is None:
        return ControlApplied(**about)
    # What an error said of itself is not known when the record is folded again.
    told = "it led to an error of this service" if why.disposition == "poison" else why.detail
    return ControlRefused(**about, detail=told)


def _by_topic(refused: Sequence[Refused]) -> dict[str, tuple[int, ...]]:
    found: dict[str, tuple[int, ...]] = {}
    for record, disposition, *_ in refused:
        if disposition == "poison":
            found[record.topic] = (*found.get(record.topic, ()), record.offset)
    return found


def _check(value: bytes) -> None:
    """What is published can be read: bounds are the contract's, and a breach is our bug."""
    try:
        _EFFECTS.decode(value)
    except msgspec.ValidationError as error:
        raise AssertionError(f"the core made an output that nobody can read: {error}") from error


_EFFECTS: Final = msgspec.json.Decoder(Published)
_TOPIC_OF: Final[Mapping[type[Published], str]] = {
    Cap: "caps",
    ShadowCap: "shadow_caps",
    Transition: "transitions",
    Episode: "episodes",
    Alert: "alerts",
    Retired: "caps",
    ControlApplied: "control_results",
    ControlRefused: "control_results",
}
