"""Controls for exposed parents: exact strata, coarsened in a fixed order (T53-T56).

Keys are known before the failure. Bins are closed on the left, [a, b). A missing key is a class of
its own: unknown is matched with unknown. The estimand is the effect on those exposed parents that
have controls (ATT); the others are listed.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from reconverge.tca.arrays import Bools, Floats, Ints, floats, require

UNKNOWN: Final = -1
"""The class of a missing key."""
UNMATCHED: Final = -1
"""The level of an exposed parent without controls."""

SPREAD_BPS: Final = (0.0, 0.5, 1.0, 2.0, 4.0)
SPREAD_BPS_COARSE: Final = (0.0, 1.0)
SLOT_S: Final = 1800
"""Time of day by half hours."""
SLOTS_COARSE: Final = 4
"""Half hours in a coarse slot: two hours."""
CONTROLS_MIN: Final = 5
"""Controls that a coarsened stratum must have: fewer would be one odd day's orders."""

FLAGGED_BELOW: Final = 0.8
REFUSED_BELOW: Final = 0.5
"""Matched shares: below four fifths said on the first page, below a half no figure."""

KEYS: Final = ("bucket", "spread", "vol", "urgency", "time_of_day", "duration", "side")

Keys = Mapping[str, Ints]
"""Classes by key, each of shape (parents,)."""


def binned(values: Floats, edges: Sequence[float]) -> Ints:
    """The class of each value in bins closed on the left: [edge_0, edge_1), …, [edge_last, ∞).

    Below the first edge and NaN: `UNKNOWN`.
    """
    classes = np.searchsorted(np.asarray(edges), values, side="right") - 1
    return np.where(np.isnan(values), UNKNOWN, classes)


def half_octaves(duration_s: Floats) -> Ints:
    """Scheduled durations by factors of √2; `UNKNOWN` for NaN and for nothing scheduled.

    Duration is not optional: longer parents are hit more often and have wider shortfalls.
    """
    known = duration_s > 0
    with np.errstate(divide="ignore", invalid="ignore"):
        found = np.floor(2 * np.log2(duration_s))
    return np.where(known, np.where(known, found, 0.0), UNKNOWN).astype(np.int64)


def terciles(values: Floats, group: Ints) -> Ints:
    """Terciles of each value within its group: volatility regimes of a bucket. NaN: `UNKNOWN`."""
    found = np.full(values.size, UNKNOWN)
    for one in np.unique(group).tolist():
        mine = (group == one) & ~np.isnan(values)
        if mine.any():
            cuts = np.quantile(values[mine], [1 / 3, 2 / 3])
            found[mine] = np.searchsorted(cuts, values[mine], side="right")
    return found


Step = tuple[str, Callable[[Ints], Ints] | None]
"""A key, and what becomes of it: None drops it."""


def _two_hours(slot: Ints) -> Ints:
    return np.where(slot == UNKNOWN, UNKNOWN, slot // SLOTS_COARSE)


def _two_classes(spread: Ints) -> Ints:
    coarse = binned(floats(SPREAD_BPS), SPREAD_BPS_COARSE)
    return np.where(spread == UNKNOWN, UNKNOWN, coarse[np.maximum(spread, 0)])


COARSENING: Final[tuple[Step, ...]] = (
    ("side", None), ("time_of_day", _two_hours), ("vol", None), ("spread", _two_classes),
)  # fmt: skip
"""What is given up, in this order, while a parent has no controls (T56)."""


def levels(keys: Keys, coarsening: Sequence[Step] = COARSENING) -> list[Keys]:
    """The keys at each level of coarsening, the finest first."""
    found: list[Keys] = [keys]
    for key, change in coarsening:
        now = {name: classes for name, classes in found[-1].items() if name != key}
        if change is not None and key in keys:
            now[key] = change(found[-1][key])
        found.append(now)
    return found


def codes(exposed: Keys, controls: Keys) -> tuple[Ints, Ints]:
    """One number for each combination of keys, the same for both groups."""
    require(exposed.keys() == controls.keys(), "exposed parents and controls have other keys")
    sizes = [next(iter(keys.values())).size for keys in (exposed, controls)]
    joint = np.zeros(sum(sizes), np.int64)
    for key in exposed:
        _, place = np.unique(np.concatenate([exposed[key], controls[key]]), return_inverse=True)
        _, joint = np.unique(joint * (place.max(initial=0) + 1) + place, return_inverse=True)
    return joint[: sizes[0]], joint[sizes[0] :]


@dataclass(frozen=True, slots=True)
class Matched:
    """Exposed parents with their controls."""

    level: Ints
    """Shape (exposed,): how far each was coarsened, 0 not at all, `UNMATCHED` without controls."""
    stratum: Ints
    """Shape (exposed,): the stratum at that level."""
    weights: Floats
    """Shape (controls,): ATT weights of mean 1 over those used, 0 for the others."""

    @property
    def matched(self) -> Bools:
        """Which of the exposed have controls."""
        return np.not_equal(self.level, UNMATCHED)

    @property
    def share(self) -> float:
        """The share of the exposed that have controls."""
        return float(self.matched.mean()) if self.level.size else 0.0

    @property
    def strata(self) -> int:
        """Strata with exposed parents and controls."""
        pairs = np.stack([self.level, self.stratum])[:, self.matched]
        return int(np.unique(pairs, axis=1).shape[1])


def match(exposed: Keys, controls: Keys, coarsening: Sequence[Step] = COARSENING) -> Matched:
    """Exact strata, coarsened for those exposed parents that have no control (T55, T56).

    ``w_c = Σ n_T,s / n_C,s · (N_C / N_T)`` over the strata that a control stands in. The finest
    level needs one control, each coarser one five.
    """
    pairs = zip(levels(exposed, coarsening), levels(controls, coarsening), strict=True)
    return match_codes([codes(*pair) for pair in pairs])


def match_codes(
    numbered: Sequence[tuple[Ints, Ints]], multiplicity: tuple[Ints, Ints] | None = None
) -> Matched:
    """As `match`, from the strata of each level: (of exposed, of controls).

    ``multiplicity`` counts each parent several times, or not at all: a resample (T65).
    """
    n_exposed, n_controls = (column.size for column in numbered[0])
    times = multiplicity or (np.ones(n_exposed, np.int64), np.ones(n_controls, np.int64))
    level, stratum = np.full(n_exposed, UNMATCHED), np.zeros(n_exposed, np.int64)
    weights = np.zeros(n_controls)
    for depth, (mine, theirs) in enumerate(numbered):
        size = int(max(mine.max(initial=0), theirs.max(initial=0))) + 1
        there = np.bincount(theirs, times[1], minlength=size)
        enough = there[mine] >= (CONTROLS_MIN if depth else 1)
        new = (level == UNMATCHED) & enough
        level[new], stratum[new] = depth, mine[new]
        wanted = np.bincount(mine[new], times[0][new], minlength=size)
        weights += (wanted / np.maximum(there, 1))[theirs] * times[1]
    used = times[1][weights > 0].sum()
    return Matched(level, stratum, weights * used / max(float(weights.sum()), 1e-300))


def eligible(touched: Bools, age_days: Floats, spill_over: Bools, days: int = 60) -> Bools:
    """The pool of controls (T53): no leg touched by any incident, of the 60 trading days before,
    and not in the symbol of an incident within 30 minutes of it.
    """
    return ~touched & (age_days >= 0) & (age_days <= days) & ~spill_over
