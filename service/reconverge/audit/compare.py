"""The audit of one session: what its journal and inputs lead to, against what its topics hold.

Byte for byte. What may rightly differ: a cap that is not there although a newer one is (compacted,
or never sent by an owner that ended there), records sent again (same identity, same bytes),
outputs of the last batches still on their way, and what retention has deleted.
"""

from array import array
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import zip_longest
from typing import Any, Final, Literal, NamedTuple

from reconverge.audit.outputs import Found, Held, digest, held, identity, leftovers, parsed
from reconverge.audit.past import Past
from reconverge.stream import Output, Replayed, read

Kind = Literal["altered", "missing", "unexplained", "journal"]

_SAYS: Final[Mapping[Kind, str]] = {
    "altered": "is not what was derived",
    "missing": "was derived and acknowledged, and is not there",
    "unexplained": "is there, and nothing journalled leads to it",
    "journal": "the journal says otherwise of its outputs than what is derived now",
}


class Difference(NamedTuple):
    """One thing that is not as it must be."""

    kind: Kind
    topic: str
    identity: str
    """An event's id, a cap's `epoch/sequence`."""
    event_ns: int
    journal: int
    """Offset of the batch that led to it, or of the newest one by its time; -1 for none."""
    offset: int | None = None
    """Where the record lies in its topic."""
    derived: str | None = None
    found: str | None = None
    byte: int | None = None
    """The first byte that differs."""
    fields: Mapping[str, tuple[Any, Any]] = {}
    """Fields that differ: as derived, as found."""

    def __str__(self) -> str:
        where = "" if self.offset is None else f" at offset {self.offset}"
        lines = [f"{self.topic}: {self.identity}{where} {_SAYS[self.kind]}"]
        lines.append(f"  at {utc(self.event_ns)}, journal offset {self.journal}")
        if self.byte is not None:
            lines.append(f"  first differing byte: {self.byte}")
        for name, (derived, found) in self.fields.items():
            lines.append(f"  {name}: derived {derived!r}, found {found!r}")
        if self.kind == "unexplained":
            lines.append(f"  found: {self.found}")
        return "\n".join(lines)


@dataclass(slots=True)
class Report:
    """What an audit came to."""

    session: str
    partition: int
    from_ns: int
    to_ns: int
    """The span of time compared, both ends included. Nanoseconds, UTC."""
    derived: Counter[str] = field(default_factory=Counter)
    """Outputs derived, by topic."""
    found: Counter[str] = field(default_factory=Counter)
    """Of these, those the topics hold."""
    compacted: int = 0
    """Caps that gave way to newer ones before anybody looked."""
    repeated: int = 0
    """Records sent again: same identity, same bytes."""
    pending: int = 0
    """Outputs of the last batches (caps: of the last owner) that may still come."""
    expired: int = 0
    """Events older than what their topic still holds."""
    batches: int = 0
    differences: int = 0
    first: Difference | None = None
    """The first difference, by time."""
    notices: list[str] = field(default_factory=list)
    """What limits this audit, retention above all."""

    def differs(self, difference: Difference) -> None:
        """Count a difference, and keep the first."""
        self.differences += 1
        if self.first is None or difference.event_ns < self.first.event_ns:
            self.first = difference


class _Batches:
    """When each batch was, in 16 bytes: to say where a foreign record would have come from."""

    def __init__(self) -> None:
        self._times = array("q")
        self._offsets = array("q")

    def add(self, replayed: Replayed) -> None:
        self._times.append(replayed.batch.now_ns)
        self._offsets.append(replayed.offset)

    def by(self, at_ns: int) -> int:
        place = bisect_right(self._times, at_ns)
        return self._offsets[place - 1] if place else -1


async def audit(past: Past, session: str, from_ns: int | None, to_ns: int | None) -> Report:
    """Derive a session's outputs again, and compare. Both times are included, and the past's own.

    Raises `Unheard`, `Gone`, `LogError` and `Refusal`.
    """
    last_ns = past.last.record.now_ns
    begin_ns = max(past.begin_ns + 1, from_ns or 0)
    report = Report(
        session, past.log.partition, begin_ns, last_ns if to_ns is None else min(to_ns, last_ns)
    )
    if past.begin_ns >= (from_ns or 0):
        report.notices.append(f"nothing before {utc(begin_ns)} can be derived any more")
    compared = _Comparison(past, report, await _held(past, report))
    await compared.run()
    if not report.derived and not report.differences and past.session(session) is None:
        raise past.unheard(session)
    report.notices += past.conditions.told
    return report


async def _held(past: Past, report: Report) -> dict[str, Held]:
    topics = past.options.topics
    names = (
        topics.caps, topics.shadow_caps, topics.transitions, topics.episodes, topics.alerts,
        topics.control_results,
    )  # fmt: skip
    span_ns = report.from_ns, report.to_ns
    return {
        name: await held(past.log, past.options, name, report.session, span_ns) for name in names
    }


class _Comparison:
    """One audit under way."""

    def __init__(self, past: Past, report: Report, found: dict[str, Held]) -> None:
        self._past = past
        self._report = report
        self._held = found
        self._key = report.session.encode()
        self._batches = _Batches()

    async def run(self) -> None:
        report, history, exact = self._report, self._past.history, True
        async for replayed in self._past.batches():
            if replayed.batch.now_ns < report.from_ns:
                continue
            report.batches += 1
            self._batches.add(replayed)
            if exact and not history.exact:
                exact = False
                at = f"batch {replayed.offset}"
                journal = self._past.options.topics.journal
                now_ns = replayed.batch.now_ns
                report.differs(Difference("journal", journal, at, now_ns, replayed.offset))
            for output in replayed.folded.outputs:
                if output.key == self._key:
                    await self._derived(output, replayed)
        await self._foreign()

    async def _derived(self, output: Output, replayed: Replayed) -> None:
        report, name = self._report, identity(output.value)
        report.derived[output.topic] += 1
        records = self._held[output.topic].records.pop(name, [])
        wanted = digest(output.value)
        same = [record for record in records if record.digest == wanted]
        if same:
            report.found[output.topic] += 1
            report.repeated += len(same) - 1
        for record in records:
            if record.digest != wanted:
                report.differs(await self._altered(output, record, replayed.offset))
        if not records:
            self._absent(output, name, replayed)

    def _absent(self, output: Output, name: str, replayed: Replayed) -> None:
        report, held = self._report, self._held[output.topic]
        if not output.event and held.newest_ns > replayed.batch.now_ns:
            report.compacted += 1
        elif self._may_come(output, replayed):
            report.pending += 1
        elif held.begin_ns is not None and replayed.batch.now_ns <= held.begin_ns:
            report.expired += 1
        else:
            report.differs(
                Difference(
                    "missing", output.topic, name, replayed.batch.now_ns, replayed.offset,
                    derived=output.value.decode(),
                )
            )  # fmt: skip

    def _may_come(self, output: Output, replayed: Replayed) -> bool:
        """Nothing vouches for it yet; or its owner ended, and the successor has a cap to publish.

        A successor sends events again, never caps: its own come with the next heartbeat.
        """
        last = self._past.last.record
        succeeded = replayed.batch.epoch != last.epoch and not output.event
        return replayed.offset > last.published or succeeded

    async def _altered(self, output: Output, record: Found, journal: int) -> Difference:
        value = await self._value(output.topic, record)
        pairs = enumerate(zip_longest(output.value, value))
        return Difference(
            "altered",
            output.topic,
            identity(output.value),
            record.event_ns,
            journal,
            record.offset,
            output.value.decode(),
            value.decode(errors="replace"),
            next((i for i, (a, b) in pairs if a != b), None),
            dict(_fields(parsed(output.value), parsed(value))),
        )

    async def _foreign(self) -> None:
        report = self._report
        for topic, name, record in leftovers(self._held):
            earlier = report.first is None or record.event_ns < report.first.event_ns
            value = await self._value(topic, record) if earlier else b""
            report.differs(
                Difference(
                    "unexplained", topic, name, record.event_ns,
                    self._batches.by(record.event_ns), record.offset,
                    found=value.decode(errors="replace"),
                )
            )  # fmt: skip

    async def _value(self, topic: str, record: Found) -> bytes:
        wait_s = self._past.options.deadlines.read_s
        (found,) = await read(self._past.log, topic, record.offset, record.offset + 1, wait_s)
        return found.value or b""


def _fields(
    derived: Mapping[str, Any], found: Mapping[str, Any], under: str = ""
) -> Iterator[tuple[str, tuple[Any, Any]]]:
    """The fields that differ, by dotted name."""
    for name in dict.fromkeys([*derived, *found]):
        ours, theirs = derived.get(name), found.get(name)
        if isinstance(ours, dict) and isinstance(theirs, dict):
            yield from _fields(ours, theirs, f"{under}{name}.")
        elif ours != theirs or (name in derived) != (name in found):
            yield under + name, (ours, theirs)


def utc(at_ns: int) -> str:
    """A time for people: ISO 8601 with all nine decimals."""
    seconds, nanos = divmod(at_ns, 1_000_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{nanos:09d}Z"
