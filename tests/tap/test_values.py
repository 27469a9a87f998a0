"""FIX data types: exact, or refused with a reason."""

import re
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconverge.core.messages.units import nanos
from reconverge.tap.values import decimal_text, flag, integer, timestamp_ns

CONTRACT = re.compile(r"^-?[0-9]{1,18}(\.[0-9]{1,9})?$")


@pytest.mark.parametrize(
    ("fix", "ours"),
    [
        ("100", "100"),
        ("100.50", "100.50"),
        (".5", "0.5"),
        ("-.5", "-0.5"),
        ("100.", "100"),
        ("+1.5", "1.5"),
        ("00023.23", "00023.23"),
        ("0" * 30 + "7", "7"),
        ("1.10000000000000", "1.1"),
        ("0.", "0"),
    ],
)
def test_decimals_become_contract_text(fix: str, ours: str) -> None:
    assert decimal_text(fix) == ours


@pytest.mark.parametrize(
    "bad", ["", ".", "-", "1e5", "1,000", "0x1", " 1", "1.0000000001", "1" * 19, "NaN", "--1", "٣"]
)
def test_what_is_no_exact_decimal_is_refused(bad: str) -> None:
    with pytest.raises(ValueError, match=r"FIX decimal|digits|decimals"):
        decimal_text(bad)


@given(
    st.decimals(min_value=-(10**17), max_value=10**17, places=9),
    st.sampled_from(["", "0", "00"]),
)
def test_no_digit_of_a_decimal_is_lost(value: Decimal, zeros: str) -> None:
    text = format(value, "f")
    sign, digits = ("-", text[1:]) if text.startswith("-") else ("", text)
    ours = decimal_text(f"{sign}{zeros}{digits}{zeros}")
    assert CONTRACT.match(ours)
    assert nanos(ours) == int(value.scaleb(9))


def test_times_keep_their_nanoseconds() -> None:
    whole = 1_704_187_800_000_000_000
    assert timestamp_ns("20240102-09:30:00") == whole
    assert timestamp_ns("20240102-09:30:00.123") == whole + 123_000_000
    assert timestamp_ns("20240102-09:30:00.123456789") == whole + 123_456_789
    assert timestamp_ns("20240102-09:30:00.123456789012") == whole + 123_456_789
    assert timestamp_ns("20161231-23:59:60") == timestamp_ns("20170101-00:00:00")


@pytest.mark.parametrize(
    "bad", ["20240230-00:00:00", "20240102-24:00:00", "20240102-09:30", "2024-01-02 09:30:00", ""]
)
def test_what_is_no_time_is_refused(bad: str) -> None:
    with pytest.raises(ValueError, match="is not a"):
        timestamp_ns(bad)


@pytest.mark.parametrize("bad", ["-1", "1.0", "٣", "", "one"])
def test_what_is_no_number_is_refused(bad: str) -> None:
    with pytest.raises(ValueError, match="is not a number"):
        integer(bad)


def test_a_flag_is_yes_or_no() -> None:
    assert flag("Y")
    assert not flag("N")
    with pytest.raises(ValueError, match="neither Y nor N"):
        flag("T")
