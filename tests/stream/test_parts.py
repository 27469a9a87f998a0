"""The parts of the shell that need no log.

Merge, intake, clock, records, snapshots' chunks, supervision.
"""

import asyncio
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconverge.stream.clock import Clock
from reconverge.stream.history import snapshot
from reconverge.stream.history.records import (
    Batch,
    Claim,
    JournalRecord,
    Lost,
    Position,
    Snapshot,
    Taken,
    counts,
    decode,
    encode,
)
from reconverge.stream.intake import Intake
from reconverge.stream.log import LogError, OutcomeUnknown, Record
from reconverge.stream.merge import merge
from reconverge.stream.service import Service, Stalled
from reconverge.stream.worker import Context
from tests.sim.cluster import Process, SimLog
from tests.sim.toy import ToyFolds
from tests.sim.world import SimMembership
from tests.stream.stage import Stage, play


def _records(topic: str, timestamps: Sequence[int], first: int = 0) -> list[Record]:
    return [Record(topic, first + i, at, None, None, ()) for i, at in enumerate(timestamps)]


TIMES = st.lists(st.integers(0, 20), max_size=12)


@given(st.lists(TIMES, min_size=1, max_size=4))
def test_merging_keeps_every_topic_s_own_order_and_loses_nothing(times: list[list[int]]) -> None:
    stretches = [_records(str(n), at) for n, at in enumerate(times)]
    merged = merge(stretches)
    for topic, stretch in enumerate(stretches):
        assert [record for record in merged if record.topic == str(topic)] == stretch


@given(st.lists(TIMES.map(sorted), min_size=1, max_size=4))
def test_merging_orders_by_time_and_ties_by_topic(times: list[list[int]]) -> None:
    merged = merge([_records(str(n), at) for n, at in enumerate(times)])
    keys = [(record.timestamp, record.topic) for record in merged]
    assert keys == sorted(keys)


def test_a_slow_clock_does_not_overtake_itself() -> None:
    merged = merge([_records("a", [5, 1, 9]), _records("b", [4, 6])])
    assert [(r.topic, r.timestamp) for r in merged] == [
        ("b", 4),
        ("a", 5),
        ("a", 1),
        ("b", 6),
        ("a", 9),
    ]


@given(st.lists(st.tuples(st.integers(0, 8), st.integers(1, 6)), max_size=12), st.integers(1, 5))
def test_an_intake_gives_each_offset_once_whatever_is_repeated(
    polls: list[tuple[int, int]], most: int
) -> None:
    intake = Intake({"t": 0})
    given: list[int] = []
    for back, count in polls:
        fetched = intake.fetched("t")
        start = max(0, fetched - back)
        intake.add("t", _records("t", range(start, fetched + count), start))
        given += [record.offset for record in intake.cut(most, None).get("t", [])]
    given += [record.offset for record in intake.cut(10_000, None).get("t", [])]
    assert given == list(range(intake.fetched("t")))
    assert intake.buffered() == 0


def test_a_topic_far_behind_holds_the_others_back_to_its_own_time() -> None:
    intake = Intake({"fast": 0, "slow": 0})
    intake.add("fast", _records("fast", [10, 20, 30, 40]))
    intake.add("slow", _records("slow", [10, 20]))
    horizon = intake.horizon_ms({"fast": 4, "slow": 100}, lag_min=50)
    assert horizon == 20
    batch = intake.cut(100, horizon)
    assert {topic: len(records) for topic, records in batch.items()} == {"fast": 2, "slow": 2}
    assert intake.horizon_ms({"fast": 4, "slow": 5}, lag_min=50) is None, "not far enough"


def test_a_batch_of_the_past_is_cut_by_its_offsets() -> None:
    intake = Intake({"t": 5})
    intake.add("t", _records("t", range(9), 5))
    assert [record.offset for record in intake.cut_to({"t": 8})["t"]] == [5, 6, 7]
    assert [record.offset for record in intake.cut_to({"t": 14})["t"]] == list(range(8, 14))


@given(st.lists(st.tuples(st.integers(0, 100), st.integers(-50, 150)), min_size=1))
def test_the_clock_never_goes_back_and_never_runs_faster_than_time(
    steps: list[tuple[int, int]],
) -> None:
    wall, steady = 1_000, 0

    def read_wall() -> int:
        return wall

    def read_steady() -> int:
        return steady

    clock = Clock(read_wall, read_steady)
    clock.not_before(1_200)
    readings = [clock.now_ns()]
    for elapsed, drift in steps:
        steady += elapsed
        wall += elapsed + drift - 50
        readings.append(clock.now_ns())
        assert readings[-1] == max(wall, readings[-2] + elapsed // 2)
    assert all(earlier <= later for earlier, later in pairwise(readings))


OWNED: dict[str, Any] = {
    "epoch": 3,
    "after": 6,
    "now_ns": 5,
    "core": "1",
    "policy": "h",
    "published": 2,
}
EXAMPLES: list[JournalRecord] = [
    Claim(member="m", at_ns=1, core="1", policies=({"id": "p"},)),
    Batch(**OWNED, taken={"t": Taken(1, 3, 9)}, lost={"u": Lost(0, 4)}, outputs=2, digest=7),
    Snapshot(
        **OWNED, id="3-6", first=0, last=4, chunks=2, rows=9, size_bytes=5, digest="d",
        positions={"t": Position(3, 9)},
    ),
]  # fmt: skip


@pytest.mark.parametrize("record", EXAMPLES, ids=lambda record: str(record.kind))
def test_journal_records_survive_the_journal(record: Claim | Batch | Snapshot) -> None:
    assert decode(encode(record), 0) == record
    extended = orjson.dumps({**orjson.loads(encode(record)), "later": 1})
    assert decode(extended, 0) == record, "unknown fields are ignored"


@pytest.mark.parametrize("offset", range(10))
def test_a_record_counts_only_where_its_writer_expected_it(offset: int) -> None:
    claim, batch, manifest = EXAMPLES
    assert counts(claim, offset)
    assert counts(batch, offset) == counts(manifest, offset) == (offset == 7)


@given(st.lists(st.text('ab\n"é', max_size=300), max_size=200), st.integers(50, 2_000))
def test_chunks_hold_every_row_in_order_and_keep_to_their_size(texts: list[str], size: int) -> None:
    rows = [[text, index] for index, text in enumerate(texts)]
    chunks = list(snapshot._chunks(rows, size))
    assert [row for _, chunk in chunks for row in orjson.loads(chunk)] == rows
    assert sum(count for count, _ in chunks) == len(rows)
    for count, chunk in chunks:
        assert len(chunk) <= size + 2 or count == 1


class Stuck(SimLog):
    """A log that stops answering, as clients have been seen to."""

    stuck = False

    async def travel(self) -> None:
        if Stuck.stuck:
            await asyncio.Event().wait()
        await super().travel()


def _service(stage: Stage, connect: Any) -> tuple[Service, SimMembership]:
    process = Process("one", stage.loop)
    membership = SimMembership(process)
    context = Context(
        folds=ToyFolds(),
        policies=[{"id": "base"}],
        options=stage.options,
        observer=stage.notes,
        clock=lambda: Clock(process.wall_ns, stage.loop.now_ns),
        restores=asyncio.Semaphore(1),
    )
    return Service(context, connect(process), membership), membership


def test_a_worker_that_is_stuck_ends_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene(stage: Stage) -> None:
        def connect(process: Process) -> Any:
            async def opened(partition: int) -> SimLog:
                return Stuck(stage.cluster, process, partition, 2.0)

            return opened

        service, membership = _service(stage, connect)
        running = asyncio.create_task(service.run(asyncio.Event()))
        membership.tell(frozenset({0}))
        await asyncio.sleep(2)
        assert service.ready
        monkeypatch.setattr(Stuck, "stuck", True)
        with pytest.raises(Stalled):
            await running
        assert "stalled" in stage.notes.conditions
        assert membership.left

    play(scene)


def test_a_worker_that_fails_is_followed_by_another_after_a_pause() -> None:
    async def scene(stage: Stage) -> None:
        failures: list[Exception] = [
            LogError("no broker"),
            OutcomeUnknown("?"),
            ValueError("a bug"),
        ]
        times: list[float] = []

        def connect(process: Process) -> Any:
            async def opened(partition: int) -> SimLog:
                times.append(stage.loop.time())
                if failures:
                    raise failures.pop(0)
                return SimLog(stage.cluster, process, partition, 2.0)

            return opened

        service, membership = _service(stage, connect)
        stop = asyncio.Event()
        running = asyncio.create_task(service.run(stop))
        membership.tell(frozenset({0}))
        await asyncio.sleep(5)
        assert service.ready
        assert stage.notes.conditions == ["log_unavailable", "outcome_unknown", "worker_failed"]
        pauses = [later - earlier for earlier, later in pairwise(times)]
        assert pauses == pytest.approx([0.4, 0.8, 1.0], abs=0.01), "doubling, up to a limit"
        membership.tell(frozenset())
        await asyncio.sleep(1)
        assert service.status() == {}
        stop.set()
        await running

    play(scene)
