"""What an unreadable record is told to be: short, and the same whatever its size."""

import orjson
import pytest

from reconverge.core.decode import Undecodable, decode


def refusal(**record: object) -> Undecodable:
    with pytest.raises(Undecodable) as refused:
        decode(orjson.dumps(record))
    return refused.value


def test_the_first_faults_are_spelt_out_and_the_others_counted() -> None:
    detail = refusal(type="new_order").detail
    assert detail.count(": ") == 3
    assert detail.endswith("; and 4 more")
    few = refusal(type="heartbeat", session="S", event_ns=1, ingest_ns=-1)
    assert few.detail == "heartbeat.ingest_ns: Input should be greater than or equal to 0"


def test_an_unknown_type_is_named_not_the_hundred_that_there_are() -> None:
    refused = refusal(type="news" * 100)
    assert refused.disposition == "unsupported_type"
    assert len(refused.detail) < 130


@pytest.mark.parametrize(
    ("record", "disposition"),
    [
        ({"type": "news", "v": 2}, "unsupported_version"),
        ({"type": "heartbeat", "v": 2}, "unsupported_version"),
        ({"type": "heartbeat", "v": True}, "malformed"),
        ({"type": "heartbeat", "v": "2"}, "malformed"),
        ({"type": "news", "v": "2"}, "unsupported_type"),
        ({"type": 7}, "malformed"),
        ({}, "malformed"),
    ],
)
def test_the_version_is_judged_before_the_type(record: object, disposition: str) -> None:
    assert isinstance(record, dict)
    assert refusal(**record).disposition == disposition
