"""The sink on the simulated log: the real worker and core write the history that it reads."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from random import Random

import pyarrow.parquet as pq
import pytest

from reconverge.cli import inputs
from reconverge.sink import Sink, Store, check
from reconverge.stream.core_fold import CoreFolds
from reconverge.stream.history.records import Snapshot
from reconverge.tables import files
from tests.sim.load import DeskLoad
from tests.stream.stage import Run, Stage, play

SEEDS = range(3)


@pytest.fixture(autouse=True)
def small_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows of a simulation: dozens in a minute instead of one."""
    monkeypatch.setattr("reconverge.sink.windows.WINDOW_NS", 4_000_000_000)
    monkeypatch.setattr("reconverge.sink.windows.WINDOW_RECORDS", 25)


def contents(folder: Path) -> dict[str, bytes]:
    found = sorted(folder.rglob("*.parquet"))
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in found
        if not path.stem.endswith("open")
    }


async def trade(stage: Stage, run: Run | None, seed: int, steps: range) -> Run:
    """A desk trades while its worker crashes now and then."""

    def send(topic: str, partition: int, key: bytes, value: bytes | None) -> None:
        stage.cluster.write(topic, partition, key, value)

    load = DeskLoad(Random(seed), 1, send)
    for step in steps:
        if run is None or run.task.done():
            run = stage.start(CoreFolds(inputs.venues()), policies=())
        load.step(stage.loop.now_ns())
        await run.settled(0.4)
        if step % 53 == 40:
            await run.crash()
    assert run is not None
    await run.settled(3)
    return run


async def manifests(stage: Stage) -> AsyncIterator[Snapshot]:
    for entry in await stage.journal():
        if isinstance(entry.record, Snapshot):
            yield entry.record


async def sink(stage: Stage, folder: Path, stop_after: int | None = None) -> bool:
    """Write; killed after so many batches, without a word. Whether there was a hole."""
    count = 0

    def stopped() -> bool:
        nonlocal count
        count += 1
        return stop_after is not None and count >= stop_after

    store = Store(str(folder))
    async with Sink.opened(stage.log(), stage.options, inputs.venues(), store) as writing:
        await writing.catch_up(stopped)
        if stop_after is None:
            writing.show()
        return writing.hole


def rows(folder: Path, table: str) -> Iterator[dict[str, object]]:
    store = Store(str(folder))
    for path in files(store.files, store.root, table):
        yield from pq.read_table(path).to_pylist()


@pytest.mark.parametrize("seed", SEEDS)
def test_killed_anywhere_the_same_bytes(seed: int, tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        await (await trade(stage, None, seed, range(100))).release()
        await sink(stage, tmp_path / "once")
        random = Random(seed)
        for _ in range(8):
            await sink(stage, tmp_path / "again", random.randint(1, 120))
        await sink(stage, tmp_path / "again")

    play(scene)
    once = contents(tmp_path / "once")
    assert len(once) > 20
    assert contents(tmp_path / "again") == once
    verdict = check(Store(str(tmp_path / "again")))
    assert verdict.whole, verdict.gaps
    assert verdict.batches == sum(1 for _ in rows(tmp_path / "once", "batches"))


@pytest.mark.parametrize("seed", SEEDS)
def test_the_tables_say_what_the_service_believed_and_published(seed: int, tmp_path: Path) -> None:
    """The last belief of each order is the core's; every published cap is a row.

    A cap that a crash kept back and a newer one replaced was decided, so it is a row, too.
    """

    async def scene(stage: Stage) -> None:
        await (await trade(stage, None, seed, range(100))).release()
        await sink(stage, tmp_path)
        published = [(cap.epoch, cap.sequence, cap.cap) for cap in stage.caps()]
        told = {
            (row["epoch"], row["sequence"], row["cap"])
            for row in rows(tmp_path, "caps")
            if row["symbol"] is None
        }
        assert set(published) <= told

    play(scene)
    last: dict[tuple[object, object], dict[str, object]] = {}
    booked: dict[tuple[object, object, bool], int] = {}
    for row in rows(tmp_path, "beliefs"):
        last[row["session"], row["order"]] = row
    for row in rows(tmp_path, "fills"):
        stream = (row["session"], row["order"], row["channel"] is None)
        booked[stream] = booked.get(stream, 0) + int(row["booked_qty"] * 10**9)  # type: ignore[operator]
    for (session, order), row in last.items():
        for entry, column in ((True, "entry_cum"), (False, "venue_cum")):
            cum = int(row[column] * 10**9)  # type: ignore[operator]
            assert booked.get((session, order, entry), 0) == cum
    assert last


def test_what_is_gone_from_kafka_is_a_hole_that_is_named(tmp_path: Path) -> None:
    """A sink that fell behind retention goes on at the next window, and says what is missing."""
    holes: list[bool] = []

    async def scene(stage: Stage) -> None:
        run = await trade(stage, None, 1, range(40))
        await sink(stage, tmp_path, 60)
        run = await trade(stage, run, 2, range(40, 120))
        snapshots = [record async for record in manifests(stage)]
        oldest = snapshots[-1]
        for topic, position in oldest.positions.items():
            stage.cluster.trim(topic, 0, position.offset)
        await run.release()
        holes.append(await sink(stage, tmp_path))

    play(scene)
    assert holes == [True]
    verdict = check(Store(str(tmp_path)))
    assert [gap.why for gap in verdict.gaps] == ["batches missing"]
