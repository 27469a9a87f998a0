"""Every named condition of docs/protocol.md.

What brings it about, what the worker does, what readers see.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import count, islice
from typing import Any

import pytest
from msgspec import structs

from reconverge.core.messages.events import Heartbeat
from reconverge.core.messages.wire import encode
from reconverge.stream.conditions import Refusal, Superseded
from reconverge.stream.core_fold import CoreFolds
from reconverge.stream.history.records import Batch, Snapshot, counts, decode
from reconverge.stream.log import LogError, OutcomeUnknown
from reconverge.stream.quarantine import HEADER_PREFIX
from tests.sim import cluster
from tests.sim.cluster import SimTail, Weather
from tests.sim.toy import ToyFold, ToyFolds, event
from tests.stream.stage import Stage, play

AT: dict[str, Any] = {"event_ns": 0, "ingest_ns": 0}


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A broker that takes only small records."""
    monkeypatch.setattr(cluster, "RECORD_BYTES_MAX", 750)


async def _history(stage: Stage, events: int = 5, *, released: bool = True) -> None:
    """Some events, folded by a worker that then leaves or crashes."""
    run = stage.start()
    stage.feed(events)
    await run.settled()
    await (run.release() if released else run.crash())


async def _refusal(stage: Stage, folds: ToyFolds | None = None, **more: object) -> Refusal:
    run = stage.start(folds, **more)  # type: ignore[arg-type]
    with pytest.raises(Refusal) as refusal:
        await run.settled()
    return refusal.value


def test_inputs_out_of_retention_park_the_sessions_and_are_recorded() -> None:
    async def scene(stage: Stage) -> None:
        await _history(stage)
        stage.feed(5)
        stage.cluster.trim("order-entry", 0, 8)
        run = stage.start()
        await run.settled()
        assert stage.notes.conditions == ["retention_overrun"]
        last = stage.caps()[-1]
        assert (last.cap, last.reason) == (0.0, "parked")
        journal = [entry.record for entry in await stage.journal()]
        lost = [record.lost for record in journal if isinstance(record, Batch) and record.lost]
        assert lost == [{"order-entry": (5, 8)}]
        await run.crash()
        await stage.start().settled()
        assert stage.notes.conditions == ["retention_overrun"], "told once: then it is history"

    play(scene)


def test_a_suffix_out_of_retention_is_owned_up_to() -> None:
    async def scene(stage: Stage) -> None:
        await _history(stage)
        await _history(stage, released=False)
        stage.cluster.trim("order-entry", 0, 7)
        run = stage.start()
        stage.feed(1)
        await run.settled()
        assert stage.notes.conditions == ["retention_overrun"]
        assert stage.caps()[-1].reason == "parked"
        assert run.worker.positions()["order-entry"] == 11

    play(scene)


def test_retention_that_passes_a_slow_worker_is_seen_while_it_runs() -> None:
    async def scene(stage: Stage) -> None:
        run = stage.start()
        stage.feed(5)
        await run.settled()
        run.process.pause(20)
        stage.feed(9)
        stage.cluster.trim("order-entry", 0, 12)
        await run.settled(25)
        assert stage.notes.conditions == ["retention_overrun"]
        assert run.worker.positions()["order-entry"] == 14

    play(scene)


@pytest.mark.parametrize("events", [2, 5, 9], ids=["shorter", "as long", "longer"])
def test_a_topic_made_again_is_recognised_and_read_from_its_start(events: int) -> None:
    async def scene(stage: Stage) -> None:
        await _history(stage)
        stage.cluster.make_again("order-entry", 0)
        stage.feed(events)
        run = stage.start()
        await run.settled()
        assert stage.notes.conditions == ["topic_recreated"]
        assert stage.caps()[-1].reason == "parked"
        assert run.worker.positions()["order-entry"] == events

    play(scene)


def test_a_topic_made_again_under_the_suffix_is_not_folded_as_the_old_one() -> None:
    async def scene(stage: Stage) -> None:
        await _history(stage, released=False)
        stage.cluster.make_again("order-entry", 0)
        stage.feed(7)
        run = stage.start()
        await run.settled()
        assert stage.notes.conditions == ["topic_recreated"]
        fold = run.worker.fold
        assert isinstance(fold, ToyFold)
        assert fold.sessions["s"].count == 7

    play(scene)


def test_without_snapshot_and_the_journal_s_beginning_a_partition_starts_over() -> None:
    async def scene(stage: Stage) -> None:
        await _history(stage, released=False)
        stage.cluster.trim("journal", 0, 3)
        stage.cluster.trim("order-entry", 0, 2)
        run = stage.start()
        await run.settled()
        assert stage.notes.conditions == ["journal_overrun"]
        assert run.worker.positions()["order-entry"] == 5

    play(scene)


@pytest.mark.parametrize("inputs_left", [True, False])
def test_a_journal_that_expired_whole_is_told_and_its_sessions_are_parked(
    *, inputs_left: bool
) -> None:
    """Found in its place are sessions whose beginning nobody has seen: those are parked as well."""

    async def scene(stage: Stage) -> None:
        heartbeats = (Heartbeat(session="s", seq=seq, **AT) for seq in count(1))
        for message in islice(heartbeats, 5):
            stage.cluster.write("order-entry", 0, b"s", encode(message))
        run = stage.start(CoreFolds(), [])
        await run.settled()
        await run.crash()
        stage.cluster.trim("journal", 0, len(stage.records("journal")))
        stage.cluster.trim("order-entry", 0, 2 if inputs_left else 5)
        run = stage.start(CoreFolds(), [])
        message = next(heartbeats)
        stage.cluster.write("order-entry", 0, b"s", encode(message))
        await run.settled()
        assert stage.notes.conditions == ["journal_overrun"]
        assert (stage.caps()[-1].cap, stage.caps()[-1].reason) == (0.0, "parked")
        await run.crash()
        await stage.start(CoreFolds(), []).settled()
        assert stage.notes.conditions == ["journal_overrun"], "told once: then it is history"
        assert stage.caps()[-1].reason == "parked"

    play(scene)


def test_a_journal_that_expired_whole_loses_nothing_while_the_inputs_are_whole() -> None:
    async def scene(stage: Stage) -> None:
        await _history(stage, released=False)
        stage.cluster.trim("journal", 0, len(stage.records("journal")))
        run = stage.start()
        await run.settled()
        assert stage.notes.conditions == ["journal_overrun"]
        assert stage.caps()[-1].reason != "parked"
        assert run.worker.positions()["order-entry"] == 5

    play(scene)


def test_a_journal_that_went_back_ends_the_worker() -> None:
    async def scene(stage: Stage) -> None:
        run = stage.start()
        stage.feed()
        await run.settled()
        stage.cluster.make_again("journal", 0)
        stage.feed()
        with pytest.raises(Refusal, match="journal_regressed"):
            await run.settled()

    play(scene)


def test_a_journal_made_again_is_refused_while_old_caps_are_about() -> None:
    async def scene(stage: Stage) -> None:
        await _history(stage)
        await _history(stage)
        stage.cluster.make_again("journal", 0)
        stage.feed()
        assert (await _refusal(stage)).condition == "journal_recreated"
        stage.cluster.make_again("journal", 0)
        stage.cluster.make_again("caps", 0)
        run = stage.start()
        await run.settled()
        assert run.worker.ready

    play(scene)


def test_a_snapshot_that_is_not_whole_gives_way_to_the_one_before() -> None:
    async def scene(stage: Stage) -> None:
        await _history(stage)
        await _history(stage)
        log = stage.records("snapshots")
        log[-1] = structs.replace(log[-1], value=b"[]")
        run = stage.start()
        await run.settled()
        assert stage.notes.conditions == ["snapshot_unreadable"]
        assert stage.notes.restores[-1].records == 5
        fold = run.worker.fold
        assert isinstance(fold, ToyFold)
        assert fold.sessions["s"].count == 10

    play(scene)


def test_a_snapshot_that_cannot_be_read_just_now_is_not_a_broken_one() -> None:
    async def scene(stage: Stage) -> None:
        await _history(stage)
        poll = SimTail.poll

        async def failing(self: SimTail, topics: Sequence[str], *rest: Any) -> Any:
            if "snapshots" in topics and "journal" not in topics:
                raise LogError("not now")
            return await poll(self, topics, *rest)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(SimTail, "poll", failing)
            with pytest.raises(LogError, match="not now"):
                await stage.start().settled()
        await stage.start().settled()
        assert stage.notes.conditions == []
        assert stage.notes.restores[-1].batches == 0, "nothing but the snapshot"

    play(scene)


def test_a_row_larger_than_a_record_leaves_the_older_snapshot_in_place(small: None) -> None:
    async def scene(stage: Stage) -> None:
        await _history(stage)
        run = stage.start()
        stage.feed(3, stream="x" * 1_200)
        await run.settled()
        await run.release()
        assert "snapshot_too_large" in stage.notes.conditions
        journal = [entry.record for entry in await stage.journal()]
        assert sum(isinstance(record, Snapshot) for record in journal) == 1

    play(scene)


def test_an_output_larger_than_a_record_is_skipped_and_told(small: None) -> None:
    async def scene(stage: Stage) -> None:
        run = stage.start()
        stage.feed(1, session="s" * 256)
        stage.feed(1)
        await run.settled(2.5)
        assert set(stage.notes.conditions) == {"output_too_large"}
        assert {cap.session for cap in stage.caps()} == {"s"}

    play(scene)


def test_a_record_too_large_for_quarantine_is_set_aside_by_its_origin() -> None:
    async def scene(stage: Stage) -> None:
        stage.cluster.write("drop-copy", 0, b"k", b"x" * 50_001)
        run = stage.start()
        await run.settled()
        (record,) = stage.records("dlq.drop-copy")
        assert record.value == b""
        headers = dict(record.headers)
        assert headers[f"{HEADER_PREFIX}offset"] == b"0"
        assert headers[f"{HEADER_PREFIX}value_left_at_origin"] == b"true"
        assert stage.notes.conditions == ["quarantine_too_large"]

    play(scene)


def test_refused_policies_are_a_refusal() -> None:
    async def scene(stage: Stage) -> None:
        refusal = await _refusal(stage, policies=[{"id": "bad"}])
        assert refusal.condition == "policy_missing"

    play(scene)


class Stricter(ToyFolds):
    """A version that refuses what the one before accepted."""

    def new(self) -> ToyFold:
        fold = super().new()
        fold.set_policies = _refuse  # type: ignore[method-assign]
        return fold


def _refuse(documents: object, now_ns: int) -> None:
    raise Stricter.rejection("no")


def test_a_claim_whose_policies_are_refused_now_is_a_refusal() -> None:
    async def scene(stage: Stage) -> None:
        await _history(stage, released=False)
        assert (await _refusal(stage, Stricter())).condition == "policy_missing"

    play(scene)


def test_batches_of_another_core_are_folded_only_by_consent() -> None:
    async def scene(stage: Stage) -> None:
        await _history(stage, released=False)
        assert (await _refusal(stage, ToyFolds("toy-2"))).condition == "core_unknown"
        consent = replace(stage.options, cores_accepted=frozenset({"toy-1"}))
        run = stage.start(ToyFolds("toy-2"), options=consent)
        await run.settled()
        assert run.worker.ready

    play(scene)


def test_a_released_snapshot_carries_a_partition_into_a_new_core() -> None:
    async def scene(stage: Stage) -> None:
        await _history(stage)
        assert (await _refusal(stage, ToyFolds("toy-2"))).condition == "core_unknown"
        run = stage.start(ToyFolds("toy-2", reads=["toy-1"]))
        await run.settled()
        assert run.worker.ready

    play(scene)


@pytest.mark.parametrize(
    "record", [b"{", b'{"kind":"treaty","v":1}', b'{"kind":"claim","v":2}', None]
)
def test_a_journal_record_nobody_knows_is_a_refusal(record: bytes | None) -> None:
    async def scene(stage: Stage) -> None:
        await _history(stage, released=False)
        stage.cluster.write("journal", 0, None, record)
        assert (await _refusal(stage)).condition == "journal_unreadable"

    play(scene)


class Forgetful(ToyFolds):
    """A core that is not a function of its inputs."""

    _next = count(100)

    def load(self, rows: Iterable[list[object]]) -> ToyFold:
        return self._disturbed(super().load(rows))

    def new(self) -> ToyFold:
        return self._disturbed(super().new())

    def _disturbed(self, fold: ToyFold) -> ToyFold:
        self_order = next(self._next)
        settle = fold.settle

        def settled(now_ns: int) -> object:
            for session in fold.sessions.values():
                session.order ^= self_order
            return settle(now_ns)

        fold.settle = settled  # type: ignore[assignment, method-assign]
        return fold


def test_a_state_that_comes_out_otherwise_is_told_once() -> None:
    async def scene(stage: Stage) -> None:
        run = stage.start(Forgetful())
        stage.feed()
        await run.settled()
        await run.crash()
        await stage.start(Forgetful()).settled()
        assert stage.notes.conditions == ["derivation_mismatch"]

    play(scene)


def test_a_newer_claim_supersedes_and_nothing_more_is_published() -> None:
    async def scene(stage: Stage) -> None:
        old = stage.start()
        stage.feed()
        await old.settled()
        new = stage.start()  # waits for the old one to leave, then claims over it
        with pytest.raises(Superseded) as superseded:
            await old.settled(10)
        assert not old.worker.ready
        await new.settled()
        assert superseded.value.claim == stage.caps()[-1].epoch
        written = [(decode(r.value, r.offset), r.offset) for r in stage.records("journal")]
        ignored = [record for record, offset in written if not counts(record, offset)]
        assert any(isinstance(record, Batch) and record.epoch == 0 for record in ignored)

    play(scene)


def test_an_unknown_outcome_ends_the_worker_and_the_next_one_finds_out() -> None:
    async def scene(stage: Stage) -> None:
        run = stage.start()
        stage.feed()
        await run.settled()
        stage.cluster.weather = Weather(lost_answer=1.0)
        stage.feed()
        with pytest.raises(OutcomeUnknown):
            await run.settled(10)
        stage.cluster.weather = Weather()
        run = stage.start()
        await run.settled(5)
        fold = run.worker.fold
        assert isinstance(fold, ToyFold)
        assert fold.sessions["s"].count == 10, "journalled, though nobody was told"

    play(scene)


def test_a_time_from_the_future_is_told_and_slept_off() -> None:
    async def scene(stage: Stage) -> None:
        run = stage.start()
        run.process.clock_offset_ns = 10_000_000_000
        stage.feed()
        await run.settled()
        await run.release()
        run = stage.start()
        await run.settled(1)
        assert stage.notes.conditions == ["clock_ahead"]
        wall_ns = cluster.START_NS + stage.loop.now_ns()
        assert stage.caps()[-1].event_ns > wall_ns + 8_000_000_000
        await run.settled(30)
        wall_ns = cluster.START_NS + stage.loop.now_ns()
        assert stage.caps()[-1].event_ns < wall_ns
        assert stage.notes.conditions == ["clock_ahead"]

    play(scene)


def test_a_bad_record_is_set_aside_whole_and_the_partition_goes_on() -> None:
    async def scene(stage: Stage) -> None:
        stage.cluster.write("parents", 0, b"key", b'{"type":"toy"', [("own", b"header")])
        stage.cluster.write("parents", 0, b"s", event("s", "parents", -1))
        stage.feed(1)
        run = stage.start()
        await run.settled()
        malformed, rejected = stage.records("dlq.parents")
        written = stage.records("parents")[0]
        assert (malformed.key, malformed.value) == (b"key", b'{"type":"toy"')
        headers = dict(malformed.headers)
        assert headers.pop("own") == b"header"
        assert headers.pop(f"{HEADER_PREFIX}error")
        assert headers == {
            f"{HEADER_PREFIX}topic": b"parents",
            f"{HEADER_PREFIX}partition": b"0",
            f"{HEADER_PREFIX}offset": b"0",
            f"{HEADER_PREFIX}timestamp_ms": str(written.timestamp).encode(),
            f"{HEADER_PREFIX}disposition": b"malformed",
        }
        assert dict(rejected.headers)[f"{HEADER_PREFIX}disposition"] == b"rejected"
        assert stage.notes.set_aside == [("parents", "malformed"), ("parents", "rejected")]
        assert [cap.session for cap in stage.caps()][:1] == ["s"]

    play(scene)


def test_a_topic_that_is_stuck_holds_the_others_back_only_for_a_while() -> None:
    async def scene(stage: Stage) -> None:
        stage.feed(50, "drop-copy")
        stage.feed(5)
        run = stage.start()
        poll = SimTail._polled

        def stuck(self: SimTail, topics: Sequence[str]) -> Any:
            return poll(self, [topic for topic in topics if topic != "drop-copy"])

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(SimTail, "_polled", stuck)
            await run.settled(0.4)
            assert run.worker.positions()["order-entry"] == 0, "held back"
            await run.settled(1.5)
            assert run.worker.positions()["order-entry"] == 5
        await run.settled(3)
        assert run.worker.positions()["drop-copy"] == 50

    play(scene)
