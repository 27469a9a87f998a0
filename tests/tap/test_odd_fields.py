"""One odd field of a report degrades that field, and nothing else (R19)."""

from collections.abc import Mapping
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconverge.core.messages.events import ExecutionReport, OtherMessage
from reconverge.tap.values import nearest
from tests.tap.fixtext import START_NS, Tapped, inn, tap_messages

FILL = {
    37: "V1", 11: "c1", 17: "X1", 150: "F", 39: "1", 55: "BTC-USD", 54: "1", 38: "100", 44: "10.5",
    32: "40", 31: "10.5", 14: "40", 151: "60",
}  # fmt: skip
MAX_ID = 256


def told(**changes: str) -> tuple[ExecutionReport, Mapping[str, int]]:
    """The report with some tags otherwise (``t31="x"``; empty: left out), and what degraded."""
    body = {**FILL, **{int(tag[1:]): value for tag, value in changes.items()}}
    tapped = tap_messages(inn("8", 5, *((tag, value) for tag, value in body.items() if value)))
    assert tapped.rejects == []
    (event,) = tapped.events
    assert isinstance(event, ExecutionReport)
    assert event.seq == 5
    return event, tapped.tap.counts.degraded


@pytest.mark.parametrize(
    ("written", "rounds", "kept"),
    [
        ("1.0048899999999998", False, "1.00489"),  # a double's noise
        ("0.30000000000000004", False, "0.3"),
        ("-2.0000000000000004", False, "-2"),
        ("1E-7", False, "0.0000001"),  # how Java prints it
        ("1.5e3", False, "1500"),
        ("0.123456789012345678", True, "0.123456789"),  # eighteen decimals of a token
        ("0.123456789012345678", False, None),
        ("123456789.1234567894", True, "123456789.123456789"),
        ("0.0000000004", True, None),  # too small is not nothing
        ("1e18", True, None),
        ("1e999", True, None),
        ("NaN", True, None),
        ("1,000", True, None),
        ("0x10", True, None),
    ],
)
def test_the_nearest_number_the_contract_has(written: str, rounds: bool, kept: str | None) -> None:
    assert nearest(written, rounds=rounds) == kept


@given(st.integers(-(10**15) + 1, 10**15 - 1))
def test_what_a_double_makes_of_a_short_number_is_undone(billionths: int) -> None:
    """Fifteen digits survive being printed as a double with all of its digits."""
    exact = Decimal(billionths).scaleb(-9)
    found = nearest(f"{float(exact):.17g}", rounds=False)
    assert found is not None
    assert Decimal(found) == exact


def test_a_noisy_price_is_rounded_and_said() -> None:
    event, degraded = told(t31="1.0048899999999998", t44="10.50000000001")
    assert (event.last_px, event.price, event.last_qty) == ("1.00489", "10.5", "40")
    assert degraded == {"tag 31 rounded": 1, "tag 44 rounded": 1}


def test_a_quantity_is_never_rounded() -> None:
    """Of the noise of a double it is cleared; any other digit could be quantity."""
    event, degraded = told(t14="40.00000000000001", t151="59.1234567891", t32="-40")
    assert (event.cum_qty, event.leaves_qty, event.last_qty) == ("40", None, None)
    assert degraded == {"tag 14 rounded": 1, "tag 151 left out": 1, "tag 32 left out": 1}


@pytest.mark.parametrize("tag", ["t31", "t44", "t32", "t14", "t151", "t38", "t60"])
@pytest.mark.parametrize("rubbish", ["abc", "1.2.3", "--1", "9" * 60, "\N{ARABIC-INDIC DIGIT ONE}"])
def test_a_field_that_is_no_value_is_left_out(tag: str, rubbish: str) -> None:
    before, _ = told()
    event, degraded = told(**{tag: rubbish})
    assert degraded == {f"tag {tag[1:]} left out": 1}
    kept = {name for name in event.__struct_fields__ if getattr(event, name) is not None}
    assert len({n for n in before.__struct_fields__ if getattr(before, n) is not None} - kept) <= 1


@pytest.mark.parametrize("tag", ["t37", "t11", "t17", "t41", "t55"])
def test_an_id_the_contract_cannot_hold_is_left_out(tag: str) -> None:
    _, degraded = told(**{tag: "x" * MAX_ID})
    assert degraded == {}
    _, degraded = told(**{tag: "x" * (MAX_ID + 1)})
    assert degraded == {f"tag {tag[1:]} left out": 1}


@pytest.mark.parametrize(
    ("without_type", "exec_type"),
    [
        ({"t39": "0", "t32": "", "t31": ""}, "new"),
        ({"t39": "1"}, "trade"),
        ({"t39": "2"}, "trade"),
        ({"t39": "6"}, "trade"),  # FIX 4.0: a fill while a cancel is pending
        ({"t39": "1", "t32": "0"}, "order_status"),  # how the order stands
        ({"t39": "2", "t32": ""}, "order_status"),
        ({"t39": "6", "t32": "0"}, "pending_cancel"),
        ({"t39": "4"}, "canceled"),
        ({"t39": "5"}, "replaced"),
        ({"t39": "8"}, "rejected"),
        ({"t39": "C"}, "expired"),
        ({"t39": "E", "t32": "0"}, "pending_replace"),
        ({"t39": "1", "t20": "1"}, "trade_cancel"),
        ({"t39": "1", "t20": "3"}, "order_status"),
    ],
)
def test_a_report_without_a_type_is_read_from_status_and_quantities(
    without_type: dict[str, str], exec_type: str
) -> None:
    """FIX 4.0 has none, and some venues send none."""
    for code in ("", "?"):
        event, degraded = told(t150=code, **without_type)
        assert event.exec_type == exec_type
        has_type = "t20" in without_type
        assert degraded == ({"tag 150 left out": 1} if code and not has_type else {})


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"t150": "0", "t14": "0", "t151": "100"}, "new"),
        ({"t150": "4"}, "canceled"),
        ({"t150": "F"}, "partially_filled"),
        ({"t150": "F", "t14": "100", "t151": "0"}, "filled"),
        ({"t150": "F", "t14": "40", "t151": "0"}, "partially_filled"),  # R35: an end must be said
        ({"t150": "D", "t14": "0"}, "new"),
    ],
)
def test_a_report_without_a_status_is_read_from_type_and_quantities(
    changes: dict[str, str], status: str
) -> None:
    for code in ("", "Z"):
        event, degraded = told(t39=code, **changes)
        assert event.ord_status == status
        assert degraded == ({"tag 39 left out": 1} if code else {})


def aside(*fields: tuple[int, str], msg_type: str = "8") -> tuple[OtherMessage, Tapped]:
    tapped = tap_messages(inn(msg_type, 5, *fields))
    (event,) = tapped.events
    assert isinstance(event, OtherMessage)
    return event, tapped


def test_a_report_that_says_nothing_at_all_has_used_its_number() -> None:
    event, tapped = aside((37, "V1"), (11, "c2"), (41, "c1"), (55, "X"))
    assert (event.seq, event.msg_type) == (5, "8")
    assert (event.order_id, event.cl_ord_id, event.orig_cl_ord_id) == ("V1", "c2", "c1")
    assert event.set_aside == "neither ExecType (150) nor OrdStatus (39) says what the report is"
    assert (tapped.tap.counts.set_aside, tapped.tap.counts.rejects) == (1, 0)
    assert tapped.rejects[0].reason.startswith("number seen, content set aside: ")


@pytest.mark.parametrize("msg_type", ["9", "r", "BZ"])
def test_so_has_any_other_answer(msg_type: str) -> None:
    event, _ = aside((1373, "3"), msg_type=msg_type)
    assert event.set_aside


def test_a_message_that_says_nothing_of_orders_is_not_set_aside() -> None:
    (event,) = tap_messages(inn("B", 5)).events
    assert isinstance(event, OtherMessage)
    assert event.set_aside is None


def test_when_it_happened_is_not_when_it_was_sent_again() -> None:
    again = ((43, "Y"), (122, "20240102-09:29:00"), (60, "20240102-09:28:59.123456"))
    (event,) = tap_messages(inn("8", 5, *FILL.items(), header=again)).events
    assert isinstance(event, ExecutionReport)
    assert event.event_ns == START_NS - 60 * 10**9
    assert event.transact_ns == START_NS - 60 * 10**9 - 876_544_000


@pytest.mark.parametrize(
    ("code", "liquidity"),
    [("1", "added"), ("2", "removed"), ("4", "auction"), ("3", None), ("0", None), ("", None)],
)
def test_liquidity(code: str, liquidity: str | None) -> None:
    assert told(t851=code)[0].liquidity == liquidity
    assert told(t851=code, t150="0", t39="0")[0].liquidity is None


@pytest.mark.parametrize(
    ("fields", "fee"),
    [
        ({12: "1.5", 13: "3"}, "1.5"),
        ({12: "0.01", 13: "1"}, "0.4"),  # a unit, of forty
        ({12: "0", 13: "2"}, "0"),
        ({137: "-0.25"}, "-0.25"),  # a rebate
        ({12: "1.5", 13: "3", 137: "0.25", 138: "USD"}, "1.75"),
        ({12: "1.5", 13: "3", 479: "USD", 15: "USD"}, "1.5"),
        ({137: "0.12345678901", 138: "USD"}, "0.123456789"),
    ],
)
def test_fees_in_the_currency_of_the_price(fields: dict[int, str], fee: str) -> None:
    event, degraded = told(**{f"t{tag}": value for tag, value in fields.items()})
    assert (event.fee, degraded) == (fee, {})


@pytest.mark.parametrize(
    "fields",
    [
        {12: "1.5", 13: "2"},  # percent, of what is not said
        {12: "1.5"},
        {12: "1.5", 13: "1", 32: ""},
        {137: "0.001", 138: "BTC"},
        {12: "1.5", 13: "3", 137: "0.001", 138: "BTC"},  # a part is not the whole
        {137: "0.25", 138: "USD", 15: "EUR"},
        {137: "some"},
    ],
)
def test_a_fee_of_which_a_part_is_unknown_is_unknown(fields: dict[int, str]) -> None:
    event, degraded = told(**{f"t{tag}": value for tag, value in fields.items()})
    assert event.fee is None
    assert sum(degraded.values()) == 1


def test_several_fees_add_up() -> None:
    fees = ((136, "2"), (137, "1"), (138, "USD"), (139, "4"), (137, "0.5"), (139, "7"))
    (event,) = tap_messages(inn("8", 5, *FILL.items(), *fees)).events
    assert isinstance(event, ExecutionReport)
    assert event.fee == "1.5"
