"""Exact quantities: text to integers and back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconverge.core.messages.units import MEMO_MAX, ONE, UNSIGNED, decimal_text, nanos, quantity

quantities = st.integers(-(10**27) + 1, 10**27 - 1)


def test_known_values() -> None:
    texts = {"12.5": 12_500_000_000, "-0.000000001": -1, "007": 7 * ONE, "0": 0, "-3": -3 * ONE}
    assert {text: nanos(text) for text in texts} == texts


@given(quantities)
def test_text_and_back_loses_nothing(value: int) -> None:
    assert nanos(decimal_text(value)) == value


def test_a_quantity_has_no_sign() -> None:
    assert quantity("0.5") == ONE // 2
    for text in ("-1", "-0"):
        with pytest.raises(ValueError, match="negative"):
            quantity(text)


def test_the_texts_remembered_are_bounded() -> None:
    for n in range(MEMO_MAX + 2):
        assert nanos(f"{n}.5") == n * ONE + ONE // 2
        assert len(UNSIGNED) <= MEMO_MAX + 1
    assert {None, f"{n}.5"} <= UNSIGNED


def test_what_is_remembered_as_unsigned_is_a_quantity_or_nothing() -> None:
    for text in ("12.5", "-12.5"):
        nanos(text)
    assert UNSIGNED.issuperset(("12.5", None))
    for text in ("-12.5", "12.5x"):
        assert text not in UNSIGNED
