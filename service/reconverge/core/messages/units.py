"""Exact quantities: decimal text on the wire, integers inside.

A quantity or price is an ``int`` in units of 10^-9 ("nanos"): exact, fast to add and compare, and
the same on every machine. The wire's ``DecimalText`` admits at most nine decimals, so the
conversion cannot lose anything.
"""

import re
from typing import Final

SCALE_DIGITS: Final = 9
ONE: Final = 10**SCALE_DIGITS
"""One whole unit, in nanos."""

QUANTITY_PATTERN: Final = r"[0-9]{1,18}(\.[0-9]{1,9})?"
"""What a ``QuantityText`` is, as a regular expression over the whole of it."""
DECIMAL_PATTERN: Final = f"-?{QUANTITY_PATTERN}"
"""What a ``DecimalText`` is, likewise: it may be negative."""
_DECIMAL: Final = re.compile(DECIMAL_PATTERN)

MEMO_MAX: Final = 1 << 16
"""Distinct texts remembered: a day's quantities and price levels; ten megabytes at the outside."""

_MEMO: Final[dict[str, int]] = {}
"""Nanos by text. The same few texts recur, and a look-up costs a tenth of working them out."""

UNSIGNED: Final[set[str | None]] = {None}
"""The texts remembered that have no sign: they are a ``QuantityText`` and a ``DecimalText``. None
is among them, as the absence of a text is as good. To be asked only whether it holds a text."""


def nanos(text: str) -> int:
    """Nanos of a ``DecimalText``: ``nanos("12.5") == 12_500_000_000``.

    Raises ValueError for any other text.
    """
    value = _MEMO.get(text)
    return _worked_out(text) if value is None else value


def quantity(text: str) -> int:
    """Nanos of a ``QuantityText``. Raises ValueError for any other text, so for a negative one."""
    value = nanos(text)
    if text.startswith("-"):
        raise ValueError(f"{text!r} is negative: a quantity has no sign")
    return value


def _worked_out(text: str) -> int:
    if not _DECIMAL.fullmatch(text):
        raise ValueError(f"{text!r:.80} is no decimal: at most 18 digits, a point and 9 decimals")
    whole, _, fraction = text.partition(".")
    magnitude = int(whole.lstrip("-")) * ONE + int(fraction.ljust(SCALE_DIGITS, "0"))
    if len(_MEMO) >= MEMO_MAX:
        _MEMO.clear()
        UNSIGNED.intersection_update({None})
    if text.startswith("-"):
        value = _MEMO[text] = -magnitude
    else:
        value = _MEMO[text] = magnitude
        UNSIGNED.add(text)
    return value


def decimal_text(value: int) -> str:
    """The shortest ``DecimalText`` of a number of nanos; inverse of ``nanos``."""
    whole, fraction = divmod(abs(value), ONE)
    sign = "-" if value < 0 else ""
    digits = f"{fraction:09d}".rstrip("0")
    return f"{sign}{whole}.{digits}" if digits else f"{sign}{whole}"
