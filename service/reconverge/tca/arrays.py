"""The arrays of this room: their types, and what must hold before anything is computed from them.

Exact numbers are ``int64`` in nanos (10^-9): quantities, prices, and times in nanoseconds. A mid is
half the sum of two prices and never compared for equality, so it is a float in nanos: exact up to
9·10^6 whole units, NaN where unknown, which every sum it enters passes on.
"""

from typing import Final, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reconverge.core.messages.units import ONE

Ints: TypeAlias = NDArray[np.int64]
Floats: TypeAlias = NDArray[np.float64]
Bools: TypeAlias = NDArray[np.bool_]

BPS: Final = 1e4
SECOND_NS: Final = 1_000_000_000
MONEY: Final = 1.0 / (ONE * ONE)
"""Currency units of a product of a quantity and a price difference, both in nanos."""
TOTAL_MAX: Final = 2**62
"""The largest sum of quantities, in nanos: 4.6 billion units. A cumulative sum of 64 bits must not
wrap round, and two of them are added."""


def ints(values: ArrayLike) -> Ints:
    """Exact numbers. Raises TypeError for floats, which may have lost a digit already."""
    array = np.asarray(values)
    if array.size and array.dtype.kind not in "iu":
        raise TypeError(f"exact numbers must be integers (nanos), not {array.dtype}")
    return array.astype(np.int64, copy=False)


def floats(values: ArrayLike) -> Floats:
    """Mids, money, weights."""
    return np.asarray(values, dtype=np.float64)


def require(holds: bool | np.bool_, what: str) -> None:  # noqa: FBT001 - reads as a sentence
    """Raise ValueError with what is wrong with the input, unless it holds."""
    if not holds:
        raise ValueError(what)


def cumulated(quantities: Ints) -> Ints:
    """Cumulative sums. Raises ValueError if one is negative or they would leave 64 bits."""
    require(bool((quantities >= 0).all()), "a quantity is negative")
    total = float(quantities.sum(dtype=np.float64))
    require(
        total < TOTAL_MAX, f"quantities add up to {total / ONE:.3g} units: too many to be exact"
    )
    return np.cumsum(quantities)


def money(quantity: Ints, difference: Floats) -> Floats:
    """Quantity × price difference (both nanos) in units of the quote currency."""
    return quantity * difference * MONEY
