"""What must be true after a drill, of everything that Kafka holds: derived again, byte for byte."""

import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from reconverge.cli.inputs import venues
from reconverge.core.messages.effects import Cap
from reconverge.stream.core_fold import CoreFold, CoreFolds
from reconverge.stream.history.journal import newest
from reconverge.stream.history.records import Claim, counts, decode
from reconverge.stream.history.replay import History, Replayed
from reconverge.stream.kafka.log import KafkaLog
from reconverge.stream.log import Record, read
from reconverge.stream.observer import Observer
from reconverge.stream.options import Options
from reconverge.stream.quarantine import provenance
from tests.chaos.load import Truth

_OPTIONS = Options()


@dataclass
class Found:
    """What an audit found. `wrong` is empty when all is well."""

    inputs: int = 0
    """Records folded, once each,"""
    lost: int = 0
    """or not at all although they had been acknowledged,"""
    doubled: int = 0
    """or more than once."""
    claims: int = 0
    batches: int = 0
    ignored: int = 0
    """Journal records that do not count: a zombie's."""
    outputs: int = 0
    """Records published, each derived again."""
    repeated: int = 0
    """Events among them that were sent again."""
    dropped: int = 0
    """Caps that a router drops as a zombie's."""
    set_aside: int = 0
    truths: dict[str, Truth] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)


async def audit(
    connection: Mapping[str, Any], partitions: int, sent: Mapping[tuple[str, int], int]
) -> Found:
    """Derive all partitions again. `sent` says what was acknowledged, by topic and partition."""
    found = Found()
    for partition in range(partitions):
        log = await KafkaLog.connect(connection, partition, "audit", _OPTIONS.deadlines)
        try:
            await _Partition(log, found).judge(sent)
        finally:
            await log.close()
    return found


def audited(bootstrap: str, session: str) -> str:
    """What `reconverge audit` has against a session; empty when it proved every byte."""
    command = [str(Path(sys.executable).with_name("reconverge")), "audit", "--session", session]
    done = subprocess.run(
        [*command, "--bootstrap-servers", bootstrap], capture_output=True, text=True, check=False
    )
    return "" if done.returncode == 0 else f"reconverge audit: {done.stdout}{done.stderr}"


class _Partition:
    """One partition, from its journal's first record to its last."""

    def __init__(self, log: KafkaLog, found: Found) -> None:
        self._log = log
        self._found = found
        self._derived: dict[str, Counter[bytes]] = {
            topic: Counter() for topic in _OPTIONS.topics.outputs
        }
        self._positions: Counter[str] = Counter()
        self._refused: set[tuple[str, int]] = set()

    async def judge(self, sent: Mapping[tuple[str, int], int]) -> None:
        topics, partition = _OPTIONS.topics, self._log.partition
        _, end = await self._log.span(topics.journal)
        history = History(self._log, CoreFolds(venues()), _OPTIONS, Observer(), end)
        last = await newest(self._log, _OPTIONS, end)
        if last is None or not await history.start(last, before_ns=-1):
            self._wrong("the journal has no beginning")
            return
        try:
            async for batch in history.batches():
                self._fold(batch)
        finally:
            await (await history.inputs()).close()
        if not history.exact:
            self._wrong("folded again it does not say what the journal says")
        await self._count_journal()
        for topic in topics.inputs:
            self._found.lost += max(0, sent.get((topic, partition), 0) - self._positions[topic])
        await self._compare_outputs()
        await self._compare_set_aside()
        assert isinstance(history.ledger.fold, CoreFold)
        for name, session in history.ledger.fold.partition.sessions.items():
            self._found.truths[name] = Truth.held(session)

    async def _count_journal(self) -> None:
        for raw in await self._whole(_OPTIONS.topics.journal):
            record = decode(raw.value, raw.offset)
            self._found.claims += isinstance(record, Claim)
            self._found.ignored += not counts(record, raw.offset)

    def _fold(self, replayed: Replayed) -> None:
        self._found.batches += 1
        for topic, stretch in replayed.batch.taken.items():
            self._found.lost += max(0, stretch.start - self._positions[topic])
            self._found.doubled += max(0, self._positions[topic] - stretch.start)
            self._found.inputs += len(replayed.stretches.get(topic, ()))
            self._positions[topic] = stretch.end
        if replayed.batch.lost:
            self._wrong(f"it owns up to a loss: {replayed.batch.lost}")
        for output in replayed.folded.outputs:
            self._derived[output.topic][output.value] += 1
        for refused in replayed.folded.refused:
            self._refused.add((refused.record.topic, refused.record.offset))

    async def _compare_outputs(self) -> None:
        topics = _OPTIONS.topics
        events = topics.transitions, topics.episodes, topics.alerts, topics.control_results
        for topic in (topics.caps, *events):
            derived, published = self._derived[topic], await self._whole(topic)
            self._found.outputs += len(published)
            for record in published:
                if record.value not in derived:
                    self._wrong(f"{topic}/{record.offset} cannot be derived: {record.value!r}")
            if topic == topics.caps:
                self._obey(published)
                continue
            arrived = Counter(record.value or b"" for record in published)
            self._found.repeated += sum((arrived - derived).values())
            for value in derived - arrived:
                self._wrong(f"{topic}: never arrived: {value!r}")

    def _obey(self, published: list[Record]) -> None:
        """As a router does: keep the highest (epoch, sequence) and drop what is below."""
        newest: dict[str, tuple[int, int]] = {}
        for record in published:
            cap = msgspec.json.decode(record.value or b"", type=Cap)
            epoch, sequence = newest.get(cap.session, (-1, 0))
            if cap.epoch < epoch:
                self._found.dropped += 1
            elif cap.sequence <= sequence:
                self._wrong(f"{cap.session}: sequence {cap.sequence} of epoch {cap.epoch}"
                            f" after {sequence} of {epoch}")  # fmt: skip
            else:
                newest[cap.session] = cap.epoch, cap.sequence

    async def _compare_set_aside(self) -> None:
        topics = _OPTIONS.topics
        found = set()
        for topic in topics.inputs:
            for record in await self._whole(topics.quarantine(topic)):
                told = provenance(record)
                found.add((told["topic"], int(told["offset"])))
        self._found.set_aside += len(found)
        if found != self._refused:
            self._wrong(f"set aside {found - self._refused}, not {self._refused - found}")

    async def _whole(self, topic: str) -> list[Record]:
        start, end = await self._log.span(topic)
        return await read(self._log, topic, start, end, _OPTIONS.deadlines.read_s)

    def _wrong(self, what: str) -> None:
        self._found.wrong.append(f"partition {self._log.partition}: {what}")
