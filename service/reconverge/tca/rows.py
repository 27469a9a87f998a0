"""An attribution as a table: rows (slice, term, bucket, money), which sum to IS (T29, T30)."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Final

import numpy as np

from reconverge.tca.arrays import Floats, Ints, floats, require

IDENTITY_BPS: Final = 1e-9
"""How far the rows may be from IS: float64 leaves a hundred-thousandth of it (T3)."""

BUCKETS: Final = (
    "base", "C_divergence", "C_queue_reset", "C_throttle", "C_catchup", "epsilon",
)  # fmt: skip
BASE, DIVERGENCE, QUEUE_RESET, THROTTLE, CATCHUP, EPSILON = range(len(BUCKETS))

TERMS: Final = (
    "benchmark",  # s(m_u0 - m0): how the market moved until the share was usually filled
    "usual",  # κ0: what a fill usually costs against the mid at it
    "delay",  # s(m_v - m_u0): how the market moved because it was filled later, or earlier
    "excess",  # s(P - m_v) - κ0: what the fill cost beyond the usual
    "counterfactual",  # s(L - m0): what a reset share would have cost
    "reset",  # s(P - L): what it cost more than that
    "unwound",  # s(P - P_unwind)
    "beyond",  # s(P - m_T)
    "fee",
    "whole",  # terms that cannot be told apart, since a mid or κ0 is unknown
)
BENCHMARK, USUAL, DELAY, EXCESS, COUNTERFACTUAL, RESET, UNWOUND, BEYOND, FEE, WHOLE = range(
    len(TERMS)
)

COLUMN: Final = (0, 0, 2, 3, 0, 3, 3, 3, 0, 3)
"""Of each term, the column of `PLAN` that says its bucket; delays in a run have column 1."""

# Each slice of shares, with the bucket of its usual cost, delay in the run, other delay, excess.
PLAN: Final[Mapping[str, tuple[int, int, int, int]]] = {
    "elsewhere": (BASE, THROTTLE, EPSILON, EPSILON),
    "before_peak": (BASE, THROTTLE, EPSILON, THROTTLE),
    "after_peak": (BASE, THROTTLE, EPSILON, CATCHUP),
    "absorbed_ahead": (BASE, DIVERGENCE, DIVERGENCE, DIVERGENCE),
    "absorbed_overdue": (BASE, THROTTLE, EPSILON, DIVERGENCE),
    "unfilled_in_run": (BASE, THROTTLE, EPSILON, THROTTLE),
    "unfilled": (BASE, EPSILON, EPSILON, EPSILON),
    "not_due": (BASE, BASE, BASE, BASE),
    "reset": (BASE, QUEUE_RESET, QUEUE_RESET, QUEUE_RESET),
    "unwound": (DIVERGENCE, DIVERGENCE, DIVERGENCE, DIVERGENCE),
    "beyond": (DIVERGENCE, DIVERGENCE, DIVERGENCE, DIVERGENCE),
    "unwound_too_much": (EPSILON, EPSILON, EPSILON, EPSILON),
    "fees": (BASE, BASE, BASE, BASE),
    "fees_of_unintended": (DIVERGENCE, DIVERGENCE, DIVERGENCE, DIVERGENCE),
}
"""T29 as data. Unfilled shares in a run are filled at T at m_T: nobody knows better (T26)."""
SLICES: Final = tuple(PLAN)
PLANNED: Final[Ints] = np.array(list(PLAN.values()), np.int64)

PHASES: Final = ("gated", "repaying")
"""Of throttled time: before and after the peak of the run."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of one parent, all of shape (rows,); each lies in exactly one bucket."""

    slice: Ints
    """Index into `SLICES`."""
    term: Ints
    """Index into `TERMS`."""
    bucket: Ints
    """Index into `BUCKETS`."""
    money: Floats
    """Quote currency; above 0 is a cost."""
    qty: Ints
    """The shares that it is of, nanos. The same shares appear in a row for each term."""
    fill: Ints
    """Index of the fill, -1 for unfilled shares."""
    due_ns: Ints
    """u0: when the share would usually have filled; 0 where that has no meaning."""
    from_ns: Ints
    to_ns: Ints
    """The time over which the mid moved, for delays; else both the time of the fill, or T."""
    episode: Ints
    """Index of the episode whose run it lies in, -1 for none."""
    span: Ints
    """Index of the restriction in force over that time (state, reason), -1 for none (T32)."""
    phase: Ints
    """Index into `PHASES`, -1 outside runs."""

    def __len__(self) -> int:
        return int(self.money.size)

    def by_bucket(self) -> Floats:
        """Money by bucket, shape (6,)."""
        return floats(np.bincount(self.bucket, self.money, minlength=len(BUCKETS)))

    @property
    def total(self) -> float:
        """Their sum. Quote currency."""
        return float(self.money.sum())

    def columns(self) -> dict[str, Ints | Floats]:
        """By name, for a table."""
        return {name: getattr(self, name) for name in NAMES}


NAMES: Final = tuple(field.name for field in fields(Rows))


def joined(parts: list[Rows]) -> Rows:
    """Rows of several as one."""
    require(bool(parts), "no rows to join")
    return Rows(*(np.concatenate([getattr(part, name) for part in parts]) for name in NAMES))


def check_identity(total_money: float, shortfall_money: float, notional: float) -> None:
    """Raise AssertionError unless rows sum to IS within 1e-9 bps of the notional (T3, T30).

    Called where rows are made and again where they are read.
    """
    off_bps = abs(total_money - shortfall_money) / notional * 1e4
    if not off_bps <= IDENTITY_BPS:
        raise AssertionError(
            f"rows sum to {total_money!r}, the shortfall is {shortfall_money!r}: "
            f"{off_bps:.3g} bps apart. This is a fault of the attribution, not of the data."
        )
