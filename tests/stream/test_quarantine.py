"""Records that are set aside."""

from reconverge.stream.quarantine import HEADER_PREFIX
from tests.sim.toy import event
from tests.stream.stage import Stage, scene


@scene
async def test_a_bad_record_is_set_aside_whole_and_the_partition_goes_on(stage: Stage) -> None:
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


@scene
async def test_a_record_too_large_for_quarantine_is_set_aside_by_its_origin(stage: Stage) -> None:
    stage.cluster.write("drop-copy", 0, b"k", b"x" * 50_001)
    run = stage.start()
    await run.settled()
    (record,) = stage.records("dlq.drop-copy")
    assert record.value == b""
    headers = dict(record.headers)
    assert headers[f"{HEADER_PREFIX}offset"] == b"0"
    assert headers[f"{HEADER_PREFIX}value_left_at_origin"] == b"true"
    assert stage.notes.conditions == ["quarantine_too_large"]
