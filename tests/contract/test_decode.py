"""The evolution rule: unknown fields are ignored, an unknown type or major version is named."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconverge.contract.examples import WRITTEN
from reconverge.core.messages.decode import Undecodable, decode
from reconverge.core.messages.events import Heartbeat
from tests.contract.generate import JSON

HEARTBEAT: dict[str, object] = {"type": "heartbeat", "session": "S", "event_ns": 1, "ingest_ns": 2}


def written(fields: dict[str, object]) -> bytes:
    return json.dumps(fields).encode()


def test_unknown_fields_are_ignored() -> None:
    assert decode(written(HEARTBEAT | {"colour": "blue"})) == decode(written(HEARTBEAT))


@pytest.mark.parametrize(
    ("raw", "disposition"),
    [
        (b"", "malformed"),
        (b"{", "malformed"),
        (b"\xff\xfe", "malformed"),
        (b"null", "malformed"),
        (b"[]", "malformed"),
        (b"{}", "malformed"),
        (b'{"type": 7}', "malformed"),
        (b'{"type": "heartbeat"}', "malformed"),
        (b"[" * 100_000, "malformed"),
        (written(HEARTBEAT | {"session": ""}), "malformed"),
        (written(HEARTBEAT | {"event_ns": -1}), "malformed"),
        (written(HEARTBEAT | {"event_ns": 1.5}), "malformed"),
        (written(HEARTBEAT | {"event_ns": "1"}), "malformed"),
        (written(HEARTBEAT | {"v": "2"}), "malformed"),
        (written(HEARTBEAT | {"type": "quote"}), "unsupported_type"),
        (written(HEARTBEAT | {"v": 2}), "unsupported_version"),
        (written(HEARTBEAT | {"v": 2, "session": 9}), "unsupported_version"),
        (written(HEARTBEAT | {"v": 2, "type": "quote"}), "unsupported_version"),
    ],
)
def test_what_cannot_be_read_says_why(raw: bytes, disposition: str) -> None:
    with pytest.raises(Undecodable) as refusal:
        decode(raw)
    assert refusal.value.disposition == disposition
    assert refusal.value.detail


HUGE = 1 << 64
NEW_ORDER = WRITTEN["new_order"]


@pytest.mark.parametrize(
    "message",
    [
        pytest.param(WRITTEN[kind] | {field: value}, id=f"{kind}.{field}={value!s:.20}")
        for kind, field, value in (
            ("heartbeat", "event_ns", (1 << 63) - 1),
            ("heartbeat", "seq", (1 << 63) - 1),
            ("logon", "heartbeat_ms", 10**30),
            ("new_order", "cap_sequence", HUGE),
            ("new_order", "cap_sequence", -1),
            ("new_order", "cap_epoch", HUGE),
            ("new_order", "qty", "-100"),
            ("new_order", "qty", "-0"),
            ("profile_ack", "cap_sequence", HUGE),
            ("mass_status_end", "rows_total", HUGE),
            ("execution_report", "leaves_qty", "-1"),
            ("execution_report", "text", "x" * 16_385),
            ("parent_order", "sigma_bps", 1e-200),
            ("parent_order", "schedule", [{"at_ns": 1, "cum_qty": "-1"}]),
            ("parent_order", "schedule", [{"at_ns": 1 << 63, "cum_qty": "1"}]),
        )
    ],
)
def test_what_would_overflow_a_sum_an_id_or_a_dump_is_malformed(message: dict[str, object]) -> None:
    """R43."""
    with pytest.raises(Undecodable, match="malformed"):
        decode(written(message))


def test_a_negative_number_known_as_a_price_is_still_no_quantity() -> None:
    """R43. What was read before makes no difference."""
    for _ in range(2):
        decode(written(NEW_ORDER | {"price": "-100"}))
        with pytest.raises(Undecodable, match="malformed"):
            decode(written(NEW_ORDER | {"price": "-100", "qty": "-100"}))


@given(st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_no_bytes_get_past_but_as_an_event_or_undecodable(raw: bytes) -> None:
    with pytest.raises(Undecodable):
        decode(raw)


@given(st.dictionaries(st.sampled_from(["type", "v", "session", "event_ns", "ingest_ns"]), JSON))
def test_damaged_fields_never_raise_anything_else(damage: dict[str, object]) -> None:
    with suppress(Undecodable):
        assert isinstance(decode(written(HEARTBEAT | damage)), Heartbeat)
