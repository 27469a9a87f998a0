"""Exact quantities: decimal text on the wire, integers inside.

A quantity or price is an ``int`` in units of 10^-9 ("nanos"): exact, fast to add and compare, and
the same on every machine. The wire's ``DecimalText`` admits at most nine decimals, so the
conversion cannot lose anything.
"""

from typing import Final

SCALE_DIGITS: Final = 9
ONE: Final = 10**SCALE_DIGITS
"""One whole unit, in nanos."""

_MEMO_MAX: Final = 1 << 16
"""Distinct texts remembered: a day's quantities and price levels; ten megabytes at the outside."""
_memo: dict[str, int] = {}


def nanos(text: str) -> int:
    """Nanos of a ``DecimalText``: ``nanos("12.5") == 12_500_000_000``.

    Remembered, because the same few recur.
    """
    value = _memo.get(text)
    if value is None:
        value = _parse(text)
        if len(_memo) >= _MEMO_MAX:
            _memo.clear()
        _memo[text] = value
    return value


def _parse(text: str) -> int:
    whole, _, fraction = text.partition(".")
    magnitude = int(whole.lstrip("-")) * ONE + int(fraction.ljust(SCALE_DIGITS, "0"))
    return -magnitude if text.startswith("-") else magnitude


def decimal_text(value: int) -> str:
    """The shortest ``DecimalText`` of a number of nanos; inverse of ``nanos``."""
    whole, fraction = divmod(abs(value), ONE)
    sign = "-" if value < 0 else ""
    digits = f"{fraction:09d}".rstrip("0")
    return f"{sign}{whole}.{digits}" if digits else f"{sign}{whole}"
