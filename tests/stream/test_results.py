"""Every control is answered: what became of the record, by its topic and offset."""

from typing import Any

import orjson
import pytest

from reconverge.core.messages.desk import Attestation, SafeMode
from reconverge.core.messages.events import Event
from reconverge.core.messages.wire import BROADCAST, encode
from reconverge.stream.core_fold import CoreFold, CoreFolds
from tests.sim.cluster import START_NS
from tests.stream.stage import Stage, play

AT: dict[str, Any] = {"event_ns": START_NS, "ingest_ns": START_NS, "actor": "me", "reason": "drill"}


class Brittle(CoreFold):
    """The core, but for a defect: controls of one session lead to an error."""

    def apply(self, event: Event, now_ns: int) -> None:
        super().apply(event, now_ns)
        if event.session == "brittle":
            raise RuntimeError("planted")


class BrittleFolds(CoreFolds):
    def new(self) -> CoreFold:
        return Brittle(super().new().partition)


def control(stage: Stage, event: Event, topic: str = "controls") -> int:
    """Publish it; its offset."""
    stage.cluster.write(topic, 0, event.session.encode(), encode(event))
    return len(stage.records(topic)) - 1


def answers(stage: Stage) -> list[dict[str, Any]]:
    return [orjson.loads(record.value) for record in stage.records("control-results")]


def test_each_is_told_apart_by_where_it_lies() -> None:
    async def scene(stage: Stage) -> None:
        run = stage.start(CoreFolds(), [])
        stage.cluster.write("controls", 0, b"s", b"garbage")
        everyone = control(stage, SafeMode(session=BROADCAST, on=True, **AT))
        unknown = control(stage, Attestation(session="s", **AT))
        one = control(stage, SafeMode(session="s", on=False, **AT))
        await run.settled()
        elsewhere = control(stage, SafeMode(session="s", on=True, **AT), "order-entry")
        await run.settled()
        told = [(a["type"], a["topic"], a["offset"], a["session"]) for a in answers(stage)]
        assert told == [
            ("control_applied", "controls", everyone, BROADCAST),
            ("control_refused", "controls", unknown, "s"),
            ("control_applied", "controls", one, "s"),
            ("control_applied", "order-entry", elsewhere, "s"),
        ]
        refused = answers(stage)[1]
        assert "nothing to attest" in refused["detail"]
        assert (refused["command"], refused["actor"]) == ("attestation", "me")

    play(scene)


@pytest.mark.parametrize("mended", [False, True])
def test_an_answer_is_the_same_whenever_it_is_derived(*, mended: bool) -> None:
    """A successor folds the batch again: nothing differs from what the journal vouches for."""

    async def scene(stage: Stage) -> None:
        run = stage.start(BrittleFolds(), [])
        for session in ("s", "brittle"):
            control(stage, SafeMode(session=session, on=True, **AT))
        await run.settled()
        first = answers(stage)
        assert [a["type"] for a in first] == ["control_applied", "control_refused"]
        await run.crash()
        await stage.start(CoreFolds() if mended else BrittleFolds(), []).settled()
        assert stage.notes.conditions == ["poison"]
        assert all(answer in first for answer in answers(stage))

    play(scene)
