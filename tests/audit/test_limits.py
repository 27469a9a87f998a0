"""What an audit can and cannot say when the topics hold less than was written: virtual time."""

import asyncio
from collections.abc import Sequence
from typing import Any

import orjson
import pytest
from msgspec import structs

from reconverge.audit import Gone, Report, audit, opened
from reconverge.audit.outputs import _offset_at
from reconverge.stream import CoreFolds
from tests.stream.stage import Stage, play

SESSION = "DESK-A"


def heartbeat(stage: Stage, seq: int) -> None:
    now_ns = 1_700_000_000_000_000_000 + stage.loop.now_ns()
    fields: dict[str, Any] = {"session": SESSION, "event_ns": now_ns, "ingest_ns": now_ns}
    line = orjson.dumps({"type": "heartbeat", "seq": seq} | fields)
    stage.cluster.write("order-entry", 0, SESSION.encode(), line)


async def history(stage: Stage, numbers: Sequence[int], *, crash: bool = False) -> None:
    """One owner's life."""
    run = stage.start(CoreFolds(), policies=())
    for seq in numbers:
        heartbeat(stage, seq)
        await run.settled(1)
    await (run.crash() if crash else run.release())


async def audited(stage: Stage, from_ns: int | None = None) -> Report:
    log = stage.log()
    async with opened(log, stage.options, CoreFolds(), from_ns, None) as past:
        return await audit(past, SESSION, from_ns, None)


def gone(stage: Stage, topic: str, offset: int) -> None:
    """The session's record at this offset is no longer there."""
    records = stage.records(topic)
    records[offset] = structs.replace(records[offset], key=b"other")


def test_a_calm_history_is_proved_whole() -> None:
    async def scene(stage: Stage) -> None:
        await history(stage, range(1, 4))
        await history(stage, range(4, 7))
        report = await audited(stage)
        assert (report.differences, report.compacted, report.notices) == (0, 0, [])
        assert report.found == report.derived
        assert report.found["caps"] == len(stage.records("caps"))

    play(scene)


def test_caps_of_a_crashed_owner_need_not_have_been_sent() -> None:
    """Its batch counted, its outputs were on their way: the successor published anew."""

    async def scene(stage: Stage) -> None:
        await history(stage, range(1, 4), crash=True)
        gone(stage, "caps", len(stage.records("caps")) - 1)
        assert (await audited(stage)).pending > 0
        stage.start(CoreFolds(), policies=())
        while (report := await audited(stage)).pending:  # until a heartbeat is due
            assert report.differences == 0, report.first
            await asyncio.sleep(0.05)
        assert report.differences == 0, report.first
        assert report.compacted > 0
        assert report.found["transitions"] == report.derived["transitions"]

    play(scene)


def test_a_compacted_cap_is_counted_unless_it_was_the_newest() -> None:
    async def scene(stage: Stage) -> None:
        await history(stage, range(1, 6))
        for offset in (0, 2):
            gone(stage, "caps", offset)
        report = await audited(stage)
        assert (report.differences, report.compacted) == (0, 2)
        gone(stage, "caps", len(stage.records("caps")) - 1)
        report = await audited(stage)
        assert report.first is not None
        assert (report.differences, report.first.kind) == (1, "missing")

    play(scene)


def test_an_event_that_is_not_there_is_missing_unless_retention_took_it() -> None:
    async def scene(stage: Stage) -> None:
        await history(stage, [1, 9, 10, 11])  # a gap: silent divergence, episode and transition
        assert len(stage.records("transitions")) > 0
        first = orjson.loads(stage.records("transitions")[0].value)
        gone(stage, "transitions", 0)
        report = await audited(stage)
        assert report.first is not None
        assert (report.first.kind, report.first.identity) == ("missing", first["id"])
        stage.cluster.write("transitions", 0, b"other", orjson.dumps({"event_ns": 2 * 10**18}))
        stage.cluster.trim("transitions", 0, len(stage.records("transitions")) - 1)
        report = await audited(stage)
        assert report.differences == 0
        assert report.expired == report.derived["transitions"]

    play(scene)


def test_an_event_sent_again_is_a_repeat() -> None:
    async def scene(stage: Stage) -> None:
        await history(stage, [1, 9, 10, 11])
        record = stage.records("transitions")[0]
        stage.cluster.write("transitions", 0, record.key, record.value)
        report = await audited(stage)
        assert (report.differences, report.repeated) == (0, 1)

    play(scene)


def test_history_begins_where_inputs_are_still_held_and_says_so() -> None:
    async def scene(stage: Stage) -> None:
        await history(stage, range(1, 4))
        await history(stage, range(4, 7))
        stage.cluster.trim("order-entry", 0, 3)
        report = await audited(stage)
        assert report.differences == 0, report.first
        assert 0 < report.found["caps"] < len(stage.records("caps"))
        assert "can be derived" in report.notices[0]
        stage.cluster.trim("journal", 0, 5)
        assert (await audited(stage)).differences == 0
        heartbeat(stage, 7)
        stage.cluster.trim("order-entry", 0, 7)
        with pytest.raises(Gone):
            await audited(stage)

    play(scene)


def test_a_tampered_input_does_not_lead_to_what_the_journal_says() -> None:
    async def scene(stage: Stage) -> None:
        await history(stage, [1, 2, 3])
        records = stage.records("order-entry")
        value = (records[0].value or b"").replace(b'"seq":1', b'"seq":0')
        records[0] = structs.replace(records[0], value=value)
        with pytest.raises(Gone):  # the journal knows its records by their CRC
            await audited(stage)

    play(scene)


@pytest.mark.parametrize("repeated", [0.0, 1.0])
def test_where_a_span_begins_is_found_whatever_else_a_fetch_holds(repeated: float) -> None:
    """A fetch may begin before what was asked for: a batch is stored as it was written."""

    async def scene(stage: Stage) -> None:
        await history(stage, range(1, 40))
        stage.cluster.weather.repeated_read = repeated
        caps = stage.records("caps")
        times = [orjson.loads(cap.value or b"")["event_ns"] for cap in caps]
        for at_ns in (times[0], times[len(times) // 2], times[-1], times[-1] + 1):
            first = next((n for n, time_ns in enumerate(times) if time_ns >= at_ns), len(times))
            assert await _offset_at(stage.log(), "caps", at_ns, 1.0) == first

    play(scene)
