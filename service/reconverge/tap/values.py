"""FIX data types as text, turned into what the contract holds: exact decimals, integers, flags, UTC
nanoseconds.

Sources: FIX 5.0 SP2, volume 1, data types. Every function raises ``ValueError`` with a reason a
person can read.
"""

import re
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation, localcontext
from functools import lru_cache
from typing import Final

from reconverge.core.messages.wire import SEQUENCE_NUMBER_MAX

NS_PER_S: Final = 1_000_000_000

_DIGITS_READ_MAX: Final = 40
"""FIX allows leading zeros, in reason."""
_YEARS: Final = (1970, 2254)
"""Where an event's time may lie (R43)."""

_CONTRACT_DECIMAL = re.compile(r"-?[0-9]{1,18}(?:\.[0-9]{1,9})?")
_FIX_FLOAT = re.compile(r"([+-]?)([0-9]*)(?:\.([0-9]*))?")
_UTC_TIMESTAMP = re.compile(r"(\d{8})-(\d\d):(\d\d):(\d\d)(?:\.(\d{1,12}))?", re.ASCII)
_DIGITS_MAX = 18
_DECIMALS_MAX = 9
_NANO = Decimal(1).scaleb(-_DECIMALS_MAX)
_WRITTEN_FLOAT = re.compile(r"[+-]?(?=\.?[0-9])[0-9]{0,40}\.?[0-9]{0,400}(?:[eE][+-]?[0-9]{1,3})?")
"""As programs print floats, exponent and all; a double's digits end far below 400."""
_NOISE = Decimal("1e-15")
"""How far, relative to the number, a double's printed digits may lie from what was meant: four
units in the last place."""


@lru_cache(maxsize=1 << 16)  # a day's prices and quantities are few, and recur
def decimal_text(text: str) -> str:
    """The contract's ``DecimalText`` of a FIX float, exactly: ``.5`` is ``0.5``, ``100.`` is
    ``100``.

    FIX allows leading and trailing zeros in any number and forbids exponents. Text that the
    contract already allows is kept as it is.
    """
    if _CONTRACT_DECIMAL.fullmatch(text):
        return text
    parts = _FIX_FLOAT.fullmatch(text)
    if parts is None or not (parts[2] or parts[3]):
        raise ValueError(f"{text[:40]!r} is not a FIX decimal")
    whole = parts[2].lstrip("0") or "0"
    fraction = (parts[3] or "").rstrip("0")
    if len(whole) > _DIGITS_MAX:
        raise ValueError(f"{text[:40]!r} has more than {_DIGITS_MAX} digits before the point")
    if len(fraction) > _DECIMALS_MAX:
        raise ValueError(f"{text[:40]!r} has more than {_DECIMALS_MAX} decimals")
    sign = "-" if parts[1] == "-" else ""
    return f"{sign}{whole}.{fraction}" if fraction else f"{sign}{whole}"


@lru_cache(maxsize=1 << 12)
def nearest(text: str, *, rounds: bool) -> str | None:
    """The contract's ``DecimalText`` nearest to a number that FIX or the contract does not allow;
    None if there is none.

    Exact, or nearer than the noise of a double (``1.0048899999999998`` is ``1.00489``); farther off
    only with ``rounds``. An exponent says nothing that digits could not.
    """
    if _WRITTEN_FLOAT.fullmatch(text) is None:
        return None
    with localcontext() as context:
        context.prec = 450
        meant = Decimal(text)
        try:
            kept = meant.quantize(_NANO, rounding=ROUND_HALF_EVEN)
        except InvalidOperation:
            return None
        if not rounds and abs(meant - kept) > abs(meant) * _NOISE:
            return None
    if abs(kept) >= 10**_DIGITS_MAX or (not kept and meant):  # too small is not nothing
        return None
    return decimal_text(f"{kept or abs(kept):f}".rstrip("0").rstrip("."))


def integer(text: str) -> int:
    """A FIX int that cannot be negative, such as a sequence number."""
    if not (text.isascii() and text.isdigit()):
        raise ValueError(f"{text[:40]!r} is not a number")
    if len(text) > _DIGITS_READ_MAX or (number := int(text)) > SEQUENCE_NUMBER_MAX:
        raise ValueError(f"{text[:40]!r} is larger than any number of a message")
    return number


def flag(text: str) -> bool:
    """A FIX Boolean."""
    if text not in {"Y", "N"}:
        raise ValueError(f"{text[:40]!r} is neither Y nor N")
    return text == "Y"


@lru_cache(maxsize=1 << 10)  # a message's own time is asked for several times
def timestamp_ns(text: str) -> int:
    """A FIX UTCTimestamp in nanoseconds since the epoch; anything finer is cut off."""
    parts = _UTC_TIMESTAMP.fullmatch(text)
    if parts is None:
        raise ValueError(f"{text[:40]!r} is not a FIX UTC timestamp")
    return day_ns(parts[1]) + time_of_day_ns(parts[2], parts[3], parts[4], parts[5])


@lru_cache(maxsize=1024)
def day_ns(yyyymmdd: str) -> int:
    """Midnight UTC of a day, in nanoseconds since the epoch."""
    try:
        midnight = datetime.strptime(yyyymmdd, "%Y%m%d").replace(tzinfo=UTC)
    except ValueError:
        raise ValueError(f"{yyyymmdd!r} is not a day") from None
    if not _YEARS[0] <= midnight.year < _YEARS[1]:
        raise ValueError(f"{yyyymmdd!r} is no day of this age")
    return int(midnight.timestamp()) * NS_PER_S


def time_of_day_ns(hour: str, minute: str, second: str, fraction: str | None) -> int:
    """Nanoseconds since midnight."""
    h, m, s = int(hour), int(minute), int(second)
    if h > 23 or m > 59 or s > 60:
        raise ValueError(f"{hour}:{minute}:{second} is not a time of day")
    nanos = int(fraction[:9].ljust(9, "0")) if fraction else 0
    return ((h * 60 + m) * 60 + s) * NS_PER_S + nanos
