"""What trading this order usually costs and how long it usually takes: κ0 and ℓ0 (T23)."""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from reconverge.tca.arrays import BPS, Bools, Floats, Ints
from reconverge.tca.fifo import cut
from reconverge.tca.shortfall import Parent

FILLS_MIN: Final = 20
"""Fewer own fills say too little."""
SHARE_MIN: Final = 0.05
"""Own fills must be a twentieth of the parent, so that a few odd lots do not speak for it."""
PSEUDO_FILLS: Final = 20
"""The weight of the controls' mean, in fills (T23, Q12)."""


@dataclass(frozen=True, slots=True)
class Mean:
    """A mean with its standard error and the number of fills behind it."""

    value: float
    """NaN if unknown."""
    se: float
    n: int


UNKNOWN: Final = Mean(math.nan, math.nan, 0)


@dataclass(frozen=True, slots=True)
class Usual:
    """κ0 and ℓ0 of a parent, and where they come from."""

    cost_bps: Mean
    """κ0: cost of a fill against the mid at it. Basis points of that mid."""
    lag_ns: Mean
    """ℓ0: from due to filled. Nanoseconds."""
    source: str
    """"own", "own and controls", "controls", or "unknown: why"."""


def weighted(values: Floats, weights: Ints) -> Mean:
    """Weighted mean; its standard error by the linearised residuals, as of a ratio of sums."""
    n = int(values.size)
    if not n:
        return UNKNOWN
    w = weights / weights.sum()
    mean = float(w @ values)
    se = math.sqrt(n / (n - 1) * float(((w * (values - mean)) ** 2).sum())) if n > 1 else math.nan
    return Mean(mean, se, n)


def own_cost_bps(parent: Parent, before_ns: int) -> Mean:
    """Quantity-weighted mean of s(P - m_v)/m_v in basis points over own fills before a time."""
    fills = parent.fills
    counts = _before(parent, before_ns) & ~np.isnan(fills.mid)
    mid = fills.mid[counts]
    cost = parent.side * (fills.price[counts] - mid) / mid * BPS
    return weighted(cost, fills.qty[counts])


def own_lag_ns(parent: Parent, before_ns: int) -> Mean:
    """Quantity-weighted mean FIFO lag v - u over own fills before a time."""
    (index,) = np.nonzero(_before(parent, before_ns))
    sums = np.cumsum(parent.fills.qty[index])
    total = min(int(sums[-1]) if sums.size else 0, int(parent.schedule.qty.sum()))
    if not total:
        return UNKNOWN
    qty, (fill, step) = cut(total, sums, np.cumsum(parent.schedule.qty))
    lags = (parent.fills.at_ns[index[fill]] - parent.schedule.due_ns[step]).astype(np.float64)
    found = weighted(lags, qty)
    return Mean(found.value, found.se, int(index.size))


def _before(parent: Parent, before_ns: int) -> Bools:
    fills = parent.fills
    return (fills.at_ns < before_ns) & (fills.sign > 0)


def usual(parent: Parent, before_ns: int, controls: tuple[Mean, Mean] | None = None) -> Usual:
    """κ0 and ℓ0 of a parent that was hit at ``before_ns``: own fills before, shrunk to controls.

    Own ones count if they are at least 20 and a twentieth of Q; with ``controls`` (their κ0 and ℓ0)
    the mean is ``(n own + 20 controls) / (n + 20)``. Too few own fills: the controls'; no controls
    either: unknown.
    """
    counts = _before(parent, before_ns)
    n, executed = int(counts.sum()), int(parent.fills.qty[counts].sum())
    enough = n >= FILLS_MIN and executed >= SHARE_MIN * sum(t.qty for t in parent.tranches)
    own = (own_cost_bps(parent, before_ns), own_lag_ns(parent, before_ns)) if enough else None
    if own is None and controls is None:
        reason = f"unknown: {n} own fills before the failure, at least {FILLS_MIN} are needed"
        return Usual(UNKNOWN, UNKNOWN, reason)
    if own is None or controls is None:
        cost, lag = own or controls or (UNKNOWN, UNKNOWN)
        return Usual(cost, lag, "own" if own else "controls")
    cost, lag = (shrunk(mine, theirs) for mine, theirs in zip(own, controls, strict=True))
    return Usual(cost, lag, "own and controls")


def shrunk(own: Mean, controls: Mean) -> Mean:
    """``(n own + 20 controls) / (n + 20)``; whichever is known where one is not."""
    if math.isnan(own.value) or math.isnan(controls.value):
        return controls if math.isnan(own.value) else own
    share = own.n / (own.n + PSEUDO_FILLS)
    value = share * own.value + (1 - share) * controls.value
    return Mean(value, math.hypot(share * own.se, (1 - share) * controls.se), own.n)
