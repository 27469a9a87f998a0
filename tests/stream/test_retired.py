"""A session that ends: a tombstone in `caps`, no cap after it; one that comes back is new."""

import orjson

from reconverge.core.messages.desk import RetireSession
from reconverge.core.messages.events import Heartbeat
from reconverge.core.messages.wire import Envelope, encode
from reconverge.stream.core_fold import CoreFolds
from tests.sim.cluster import START_NS
from tests.stream.stage import Stage, scene


def write(stage: Stage, topic: str, message: Envelope) -> None:
    stage.cluster.write(topic, 0, message.session.encode(), encode(message))


def heartbeat(session: str, seq: int) -> Heartbeat:
    return Heartbeat(session=session, event_ns=START_NS, ingest_ns=START_NS, seq=seq)


def retirement(session: str) -> RetireSession:
    return RetireSession(
        session=session, event_ns=START_NS, ingest_ns=START_NS, actor="desk", reason="moved"
    )


@scene
async def test_a_retired_session_leaves_a_tombstone_and_no_heartbeat(stage: Stage) -> None:
    run = stage.start(CoreFolds(), [])
    for session in ("s", "t"):
        write(stage, "order-entry", heartbeat(session, 1))
    await run.settled()
    write(stage, "controls", retirement("s"))
    await run.settled(5)
    of = [record.value for record in stage.records("caps") if record.key == b"s"]
    assert of[-1] is None
    assert None not in of[:-1]
    assert stage.records("caps")[-1].key == b"t", "the other one goes on"
    await run.crash()
    run = stage.start(CoreFolds(), [])
    await run.settled(3)
    assert [record for record in stage.records("caps") if record.key == b"s"][-1].value is None


@scene
async def test_a_session_that_comes_back_is_a_new_one(stage: Stage) -> None:
    run = stage.start(CoreFolds(), [])
    write(stage, "order-entry", heartbeat("s", 1))
    await run.settled()
    write(stage, "controls", retirement("s"))
    await run.settled()
    write(stage, "order-entry", heartbeat("s", 1))
    await run.settled()
    values = [record.value for record in stage.records("caps")]
    after = [orjson.loads(value)["sequence"] for value in values[values.index(None) + 1 :]]
    assert after == list(range(1, len(after) + 1))
    assert after
