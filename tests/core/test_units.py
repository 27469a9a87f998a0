"""Exact quantities: text to integers and back."""

from hypothesis import given
from hypothesis import strategies as st

from reconverge.core.messages.units import MEMO_MAX, ONE, are_known, decimal_text, nanos

quantities = st.integers(-(10**27) + 1, 10**27 - 1)


def test_known_values() -> None:
    texts = {"12.5": 12_500_000_000, "-0.000000001": -1, "007": 7 * ONE, "0": 0, "-3": -3 * ONE}
    assert {text: nanos(text) for text in texts} == texts


@given(quantities)
def test_text_and_back_loses_nothing(value: int) -> None:
    assert nanos(decimal_text(value)) == value


def test_the_memory_of_texts_is_bounded() -> None:
    memo: object = getattr(nanos, "__self__", None)
    known: object = getattr(are_known, "__self__", None)
    assert isinstance(memo, dict)
    assert isinstance(known, set)
    for n in range(MEMO_MAX + 2):
        assert nanos(f"{n}.5") == n * ONE + ONE // 2
        assert len(memo) <= MEMO_MAX
    assert known == memo.keys() | {None}


def test_what_is_known_is_a_decimal_or_nothing() -> None:
    nanos("12.5")
    assert are_known(("12.5", None))
    assert not are_known(("12.5", "12.5x"))
