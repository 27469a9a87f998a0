"""What an unreadable record is told to be: short, and the same whatever its size."""

import orjson
import pytest
from msgspec import ValidationError

from reconverge.core.messages.decode import NESTING_MAX, Undecodable, checked, decode
from reconverge.core.messages.desk import SchedulePoint
from reconverge.core.messages.events import NewOrder


def refusal(**record: object) -> Undecodable:
    with pytest.raises(Undecodable) as refused:
        decode(orjson.dumps(record))
    return refused.value


def test_the_first_fault_is_spelt_out_with_its_place() -> None:
    refused = refusal(type="heartbeat", session="S", event_ns=1, ingest_ns=-1)
    assert refused.detail == "ingest_ns: Expected `int` >= 0"
    assert refusal(type="new_order").detail == "record: Object missing required field `session`"


@pytest.mark.parametrize(
    ("levels", "readable"), [(NESTING_MAX - 1, True), (NESTING_MAX, False), (100_000, False)]
)
@pytest.mark.parametrize(
    ("before", "opening", "closing"),
    [(b"", b"[", b"]"), (b"", b'{"a":', b"}"), (b"[]," * NESTING_MAX, b"[", b"]")],
    ids=["lists", "tables", "after many beside it"],
)
def test_how_deep_a_record_may_nest_does_not_depend_on_the_reader(
    before: bytes, opening: bytes, closing: bytes, levels: int, readable: bool
) -> None:
    """A decoder's own limit counts the frames of its caller, and those differ in a restore."""
    raw = b'{"type":"heartbeat","session":"S","event_ns":1,"ingest_ns":2,"odd":["\\"[[", %b%b0%b]}'
    record = raw % (before, opening * (levels - 1), closing * (levels - 1))
    if readable:
        assert decode(record).session == "S"
    else:
        with pytest.raises(Undecodable) as refused:
            decode(record)
        assert refused.value.disposition == "malformed"


def test_a_string_that_never_ends_is_looked_through_once() -> None:
    """Searched from each of its quotes anew, a record of a megabyte would take an hour."""
    with pytest.raises(Undecodable) as refused:
        decode(b'{"odd":%b"%b' % (b"[]" * 600, b'\\"' * 400_000))
    assert refused.value.disposition == "malformed"


def test_a_record_without_a_value_is_malformed() -> None:
    with pytest.raises(Undecodable) as refused:
        decode(None)
    assert refused.value.disposition == "malformed"
    assert str(refused.value) == "malformed: the record has no value"


def test_a_constructor_checks_decimals_and_checked_everything() -> None:
    order = {"session": "S", "event_ns": 1, "ingest_ns": 1, "symbol": "A", "side": "buy"}
    for wrong in ({"qty": "1e3"}, {"qty": "1", "price": "1e3"}):
        with pytest.raises(ValueError, match="is no decimal"):
            NewOrder(**order, cl_ord_id="C", **wrong)  # type: ignore[arg-type]
    assert SchedulePoint(at_ns=1, cum_qty="1.5").cum_qty == "1.5"
    with pytest.raises(ValueError, match="is no decimal"):
        SchedulePoint(at_ns=1, cum_qty="1e3")
    unchecked = NewOrder(**order, cl_ord_id="", qty="1")  # type: ignore[arg-type]
    with pytest.raises(ValidationError, match="length >= 1"):
        checked(unchecked)


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
