"""One portable file of a session's incident, and the replay that makes the same of it anywhere.

JSON lines. The first is the header: versions, session, topics and span. Then the `state` the
session was in, row by row; then every journalled `batch` that concerned it, each with its time,
its epoch, the policies its owner brought along, and the session's own (and broadcast) input
records in the order in which they were folded. Each batch also says what it led to: how many
outputs, and the CRC-32 of their bytes; so a replay knows by itself whether it is exact.
"""

import base64
from collections.abc import AsyncIterator, Iterable, Iterator
from itertools import accumulate, chain, groupby
from operator import attrgetter
from pathlib import Path
from typing import Annotated, Any, Final, Literal, NamedTuple
from zlib import crc32

import msgspec
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

import reconverge
from reconverge.audit.past import Past, around
from reconverge.core.messages.decode import Undecodable, decode
from reconverge.core.messages.desk import PolicyChange
from reconverge.core.messages.wire import BROADCAST
from reconverge.core.partition import CORE_VERSION
from reconverge.stream import (
    JOURNAL_MAJOR,
    MERGE_RULE,
    Claim,
    CoreFold,
    CoreFolds,
    Folded,
    Ledger,
    Lost,
    Position,
    Record,
    Replayed,
    Topics,
    record_at,
)

FORMAT: Final = "reconverge-incident"
"""What the header's `kind` says."""


class Foreign(ValueError):
    """A file that is no incident of ours, or of a version that this one would fold otherwise."""


class _Line(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Header(_Line):
    """The first line."""

    kind: Literal["reconverge-incident"] = "reconverge-incident"
    v: Literal[1] = 1
    session: str
    partition: int
    from_ns: int
    to_ns: int
    reconverge: str
    """Version that wrote the file."""
    core: str
    journal: int
    merge: int
    topics: dict[str, str]
    """Names of the topics, by role."""


class State(_Line):
    """A row of the session's state before the first batch."""

    kind: Literal["state"] = "state"
    row: list[Any]


class Input(_Line):
    """One input record; its value as text, or in base64 where it is none."""

    topic: str
    offset: int
    time_ms: int
    """Its time in the merge of its batch."""
    text: str | None = None
    base64: str | None = None

    @property
    def record(self) -> Record:
        """As a log has it; the fold looks neither at keys nor at headers."""
        value = None if self.text is None else self.text.encode()
        if self.base64 is not None:
            value = base64.b64decode(self.base64)
        return Record(self.topic, self.offset, self.time_ms, None, value, ())


class Batch(_Line):
    """One journalled batch, as far as it concerns the session."""

    kind: Literal["batch"] = "batch"
    offset: int
    """Of its journal record."""
    now_ns: int
    epoch: int
    policies: tuple[dict[str, Any], ...] | None = None
    """Those its owner was started with, at the first batch of an epoch."""
    lost: dict[str, Lost] = {}
    records: tuple[Input, ...] = ()
    outputs: int = 0
    digest: int = 0
    """CRC-32 of the session's outputs, in order."""


_LINES: TypeAdapter[Header | State | Batch] = TypeAdapter(
    Annotated[Header | State | Batch, Field(discriminator="kind")]
)


class Step(NamedTuple):
    """One batch of a file, folded again."""

    batch: Batch
    folded: Folded
    exact: bool
    """The outputs are byte for byte those of the service."""


# -- writing --------------------------------------------------------------------------------------


async def write(past: Past, session: str, from_ns: int, to_ns: int) -> AsyncIterator[bytes]:
    """The lines of the file of a past, from a time on.

    Raises `Gone`, `LogError` and `Refusal`; at the end `Unheard`, if nothing was of the session.
    """
    yield _line(_header(past, session, max(from_ns, past.begin_ns + 1), to_ns))
    begin = past.history.manifest.offset + 1 if past.history.manifest else 0
    end = past.last.offset + 1
    before, _ = await around(past.log, past.options, begin, end, from_ns)
    epoch = past.history.manifest.record.epoch if past.history.manifest else -1
    if before < 0:
        for row in _state(past, session):
            yield row
    heard = False
    async for replayed in past.batches():
        heard = heard or past.session(session) is not None
        if replayed.offset > before:
            fresh = replayed.batch.epoch != epoch
            batch = await _batch(past, replayed, session, fresh=fresh)
            if _concerns(past, batch, session):
                yield _line(batch)
        elif replayed.offset == before:
            for row in _state(past, session):
                yield row
        epoch = replayed.batch.epoch
    if not heard:
        raise past.unheard(session)


def _header(past: Past, session: str, from_ns: int, to_ns: int) -> Header:
    topics = past.options.topics
    return Header(
        session=session,
        partition=past.log.partition,
        from_ns=from_ns,
        to_ns=to_ns,
        reconverge=reconverge.__version__,
        core=CORE_VERSION,
        journal=JOURNAL_MAJOR,
        merge=MERGE_RULE,
        topics={field: getattr(topics, field) for field in Topics.__dataclass_fields__},
    )


def _state(past: Past, session: str) -> Iterator[bytes]:
    """The partition's own rows, which come first, and those of one session."""
    rows = iter(past.fold.dump())
    given, partition = next(rows), next(rows)
    own = (row for row in rows if row[0] == session)
    return (_line(State(row=row)) for row in chain([given, partition], own))


def _concerns(past: Past, batch: Batch, session: str) -> bool:
    """Ticks that were for other sessions changed nothing here."""
    known = past.session(session)
    settled = known is not None and known.now_ns == batch.now_ns
    return bool(settled or batch.records or batch.lost or batch.policies is not None)


async def _batch(past: Past, replayed: Replayed, session: str, *, fresh: bool) -> Batch:
    offset, taken = replayed.offset, replayed.batch
    key = session.encode()
    values = [output.value for output in replayed.folded.outputs if output.key == key]
    return Batch(
        offset=offset,
        now_ns=taken.now_ns,
        epoch=taken.epoch,
        policies=await _policies(past, taken.epoch) if fresh else None,
        lost=taken.lost,
        records=tuple(_inputs(replayed, session)),
        outputs=len(values),
        digest=_digest(values),
    )


async def _policies(past: Past, epoch: int) -> tuple[dict[str, Any], ...]:
    """The claim's offset is the epoch."""
    claim = await record_at(past.log, past.options, epoch)
    return claim.policies if isinstance(claim, Claim) else ()


def _inputs(replayed: Replayed, session: str) -> Iterator[Input]:
    for records in replayed.stretches.values():
        times = accumulate((record.timestamp for record in records), max)
        for record, time_ms in zip(records, times, strict=True):
            if _is_for(record, session):
                yield _input(record, time_ms)


def _is_for(record: Record, session: str) -> bool:
    """Its own, and what may concern every session; what cannot be read goes by its key."""
    try:
        event = decode(record.value or b"")
    except Undecodable:
        return bool(record.key == session.encode())
    return event.session in (session, BROADCAST) or isinstance(event, PolicyChange)


def _input(record: Record, time_ms: int) -> Input:
    value: bytes | None = record.value
    coded: dict[str, str] = {}
    if value is not None:
        try:
            coded["text"] = value.decode()
        except UnicodeDecodeError:
            coded["base64"] = base64.b64encode(value).decode()
    return Input(topic=record.topic, offset=record.offset, time_ms=time_ms, **coded)


def _line(line: _Line) -> bytes:
    return msgspec.json.encode(line.model_dump(exclude_defaults=False)) + b"\n"


def _digest(values: Iterable[bytes]) -> int:
    digest = 0
    for value in values:
        digest = crc32(value, digest)
    return digest


# -- replaying ------------------------------------------------------------------------------------


def is_incident(file: Path) -> bool:
    """Whether a file is one of these, by its first line.

    A pipe is not: what is looked at there would be gone.
    """
    if not file.is_file():
        return False
    with file.open("rb") as stream:
        return b'"kind":"%b"' % FORMAT.encode() in stream.readline(4_096)


class Incident:
    """A file of an incident, and the state it has been folded to."""

    def __init__(self, file: Path, folds: CoreFolds) -> None:
        self._file = file
        self._folds = folds
        with file.open("rb") as stream:
            header = _parsed(stream.readline(), file, 1)
        if not isinstance(header, Header):
            raise Foreign(f"{file}: the first line is no header")
        if (header.core, header.merge) != (CORE_VERSION, MERGE_RULE):
            raise Foreign(
                f"{file}: of core {header.core} and merge rule {header.merge}, this is"
                f" {CORE_VERSION} and {MERGE_RULE}: replay it with reconverge {header.reconverge}"
            )
        self.header = header
        self.fold = folds.new()

    def steps(self) -> Iterator[Step]:
        """Every batch, folded. Raises `Foreign` for a line that cannot be read."""
        topics = Topics(**self.header.topics)
        ledger = Ledger(self._folds, self.fold, topics)
        grouped = groupby(self._lines(), key=attrgetter("kind"))
        for kind, lines in grouped:
            if kind == "state":
                self.fold = self._folds.load(line.row for line in lines if isinstance(line, State))
                ledger = Ledger(self._folds, self.fold, topics)
            else:
                yield from (self._step(ledger, line) for line in lines if isinstance(line, Batch))

    def _step(self, ledger: Ledger, batch: Batch) -> Step:
        fold: CoreFold = self.fold
        if batch.policies is not None:
            fold.set_policies(batch.policies, batch.now_ns)
        stretches: dict[str, list[Record]] = {}
        for record in (line.record for line in batch.records):
            stretches.setdefault(record.topic, []).append(record)
            ledger.positions[record.topic] = Position(record.offset, 0)
        folded = self._own(ledger.advance(stretches, batch.lost, batch.now_ns, batch.epoch))
        values = [output.value for output in folded.outputs]
        exact = (len(values), _digest(values)) == (batch.outputs, batch.digest)
        return Step(batch, folded, exact)

    def _own(self, folded: Folded) -> Folded:
        """Without what was said to nobody in particular: that a broadcast took effect."""
        session = self.header.session
        key = session.encode()
        return folded._replace(
            effects=[effect for effect in folded.effects if effect.session == session],
            outputs=[output for output in folded.outputs if output.key == key],
        )

    def _lines(self) -> Iterator[State | Batch]:
        with self._file.open("rb") as stream:
            for number, raw in enumerate(stream, 1):
                line = _parsed(raw, self._file, number)
                if not isinstance(line, Header):
                    yield line


def _parsed(raw: bytes, file: Path, number: int) -> Header | State | Batch:
    try:
        return _LINES.validate_json(raw)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_context=False)[0]
        raise Foreign(f"{file}:{number}: {fault['loc']}: {fault['msg']}") from None
