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

DECIMAL_PATTERN: Final = r"-?[0-9]{1,18}(\.[0-9]{1,9})?"
"""What a ``DecimalText`` is, as a regular expression over the whole of it."""
_DECIMAL: Final = re.compile(DECIMAL_PATTERN)

MEMO_MAX: Final = 1 << 16
"""Distinct texts remembered: a day's quantities and price levels; ten megabytes at the outside."""


_KNOWN: Final[set[str | None]] = {None}
"""The texts remembered; and the absence of one is as good."""

are_known: Final = _KNOWN.issuperset
"""Whether all of some texts are remembered, so that they are a ``DecimalText`` each."""


class _Memo(dict[str, int]):
    """Nanos by text, worked out when first asked for: the same few recur."""

    def __missing__(self, text: str) -> int:
        if not _DECIMAL.fullmatch(text):
            raise ValueError(
                f"{text!r:.80} is no decimal: at most 18 digits, a point and 9 decimals"
            )
        whole, _, fraction = text.partition(".")
        magnitude = int(whole.lstrip("-")) * ONE + int(fraction.ljust(SCALE_DIGITS, "0"))
        if len(self) >= MEMO_MAX:
            self.clear()
            _KNOWN.intersection_update({None})
        value = self[text] = -magnitude if text.startswith("-") else magnitude
        _KNOWN.add(text)
        return value


nanos: Final = _Memo().__getitem__
"""Nanos of a ``DecimalText``: ``nanos("12.5") == 12_500_000_000``; raises ValueError for any other
text. No Python frame on the way: the fold asks several times an event."""


def decimal_text(value: int) -> str:
    """The shortest ``DecimalText`` of a number of nanos; inverse of ``nanos``."""
    whole, fraction = divmod(abs(value), ONE)
    sign = "-" if value < 0 else ""
    digits = f"{fraction:09d}".rstrip("0")
    return f"{sign}{whole}.{digits}" if digits else f"{sign}{whole}"
