"""S9: no single record stops a partition, whatever it leads to."""

import asyncio
from collections.abc import Iterable
from typing import Any

import orjson
import pytest

from reconverge.core.messages.effects import Alert, Effect
from reconverge.core.messages.events import Event, OtherMessage
from reconverge.core.messages.wire import encode
from reconverge.core.session import Session
from reconverge.stream.clock import Clock
from reconverge.stream.core_fold import CoreFold, CoreFolds
from reconverge.stream.history.records import Batch
from reconverge.stream.quarantine import HEADER_PREFIX
from reconverge.stream.service import Service, Stalled
from reconverge.stream.worker import Context
from tests.sim.cluster import START_NS, Process, SimLog
from tests.sim.world import SimMembership
from tests.stream.stage import Stage, play

FAULTS: dict[str, type[Exception]] = {"apply": RuntimeError, "memory": MemoryError}


class Brittle(CoreFold):
    """The core, but for a defect: some messages lead to an error once they are accounted for."""

    def apply(self, event: Event, now_ns: int) -> None:
        super().apply(event, now_ns)
        fault = FAULTS.get(getattr(event, "msg_type", ""))
        if fault is not None:
            raise fault("planted")


class BrittleFolds(CoreFolds):
    def new(self) -> CoreFold:
        return self._brittle(super().new())

    def load(self, rows: Iterable[list[Any]]) -> CoreFold:
        return self._brittle(super().load(rows))

    def _brittle(self, fold: CoreFold) -> CoreFold:
        return Brittle(fold.partition, fold.given)


def say(stage: Stage, session: str, seq: int, msg_type: str = "n", at_ns: int = START_NS) -> None:
    message = OtherMessage(
        session=session, event_ns=at_ns, ingest_ns=at_ns, seq=seq, msg_type=msg_type
    )
    stage.cluster.write("order-entry", 0, session.encode(), encode(message))


def told(stage: Stage, topic: str) -> list[dict[str, Any]]:
    return [orjson.loads(record.value) for record in stage.records(topic)]


def batches(stage: Stage, entries: Iterable[Any]) -> list[Batch]:
    return [entry.record for entry in entries if isinstance(entry.record, Batch)]


def test_a_record_that_leads_to_an_error_is_set_aside_and_its_session_parked() -> None:
    async def scene(stage: Stage) -> None:
        run = stage.start(BrittleFolds(), [])
        for session in ("s", "t"):
            say(stage, session, 1)
        await run.settled()
        before = max(cap.sequence for cap in stage.caps() if cap.session == "s")
        say(stage, "s", 2, "apply")
        say(stage, "t", 2)
        await run.settled()
        (aside,) = stage.records("dlq.order-entry")
        assert dict(aside.headers)[f"{HEADER_PREFIX}disposition"] == b"poison"
        assert aside.value == stage.records("order-entry")[2].value
        assert stage.notes.conditions == ["poison"]
        parked = [cap for cap in stage.caps() if cap.session == "s" and cap.sequence > before]
        assert {(cap.cap, cap.reason) for cap in parked} == {(0.0, "parked")}
        assert [cap.sequence for cap in parked] == list(range(before + 1, before + 1 + len(parked)))
        assert "parked" not in {cap.reason for cap in stage.caps() if cap.session == "t"}
        told = [batch.poison for batch in batches(stage, await stage.journal()) if batch.poison]
        assert told == [{"order-entry": (2,)}]

    play(scene)


@pytest.mark.parametrize("mended", [False, True])
def test_what_was_poison_is_poison_whenever_it_is_folded_again(*, mended: bool) -> None:
    """History stays as it was, though a later version would fold the record."""

    async def scene(stage: Stage) -> None:
        run = stage.start(BrittleFolds(), [])
        say(stage, "s", 1)
        say(stage, "s", 2, "apply")
        say(stage, "s", 3)
        await run.settled()
        await run.crash()
        await stage.start(CoreFolds() if mended else BrittleFolds(), []).settled()
        assert stage.notes.conditions == ["poison"]
        assert stage.caps()[-1].reason == "parked"

    play(scene)


@pytest.mark.parametrize("where", ["weighed", "published"])
def test_a_session_that_cannot_be_weighed_or_published_is_replaced(
    where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle = Session.settle

    def brittle(self: Session, now_ns: int) -> list[Effect]:
        effects = settle(self, now_ns)
        if self.truth.event_ns == START_NS or self.truth.parked is not None:
            return effects
        if where == "weighed":
            raise ZeroDivisionError
        return [*effects, Alert(session="s", event_ns=now_ns, id="", name="nobody can read this")]

    monkeypatch.setattr(Session, "settle", brittle)

    async def scene(stage: Stage) -> None:
        run = stage.start(CoreFolds(), [])
        say(stage, "s", 1)
        say(stage, "t", 1)
        await run.settled()
        say(stage, "s", 2, at_ns=START_NS + 1)
        await run.settled()
        assert stage.notes.conditions == ["poison"]
        caps = [cap for cap in stage.caps() if cap.session == "s"]
        assert caps[-1].reason == "parked"
        assert [cap.sequence for cap in caps] == sorted({cap.sequence for cap in caps})
        assert "parked" not in {cap.reason for cap in stage.caps() if cap.session == "t"}
        assert {fields["name"] for fields in told(stage, "alerts")} == {"poisoned", "parked"}
        await run.crash()
        await stage.start(CoreFolds(), []).settled()
        assert stage.notes.conditions == ["poison"], "folded again, it comes out the same"

    play(scene)


def test_without_memory_the_process_ends() -> None:
    async def scene(stage: Stage) -> None:
        run = stage.start(BrittleFolds(), [])
        say(stage, "s", 1, "memory")
        with pytest.raises(MemoryError):
            await run.settled()
        assert stage.records("dlq.order-entry") == []

    play(scene)


def test_a_worker_without_memory_takes_the_process_with_it() -> None:
    async def scene(stage: Stage) -> None:
        say(stage, "s", 1, "memory")
        process = Process("service", stage.loop)
        clock = lambda: Clock(process.wall_ns, stage.loop.now_ns)  # noqa: E731
        slots = asyncio.Semaphore(1)
        context = Context(BrittleFolds(), [], stage.options, stage.notes, clock, slots)
        membership = SimMembership(process)
        membership.tell(frozenset({0}))

        async def connect(partition: int) -> SimLog:
            return stage.log(process)

        with pytest.raises(Stalled, match="memory"):
            await Service(context, connect, membership).run(asyncio.Event())

    play(scene)
