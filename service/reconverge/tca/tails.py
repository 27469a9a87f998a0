"""The tail of failovers against the tail of their controls: FETL, and what it consists of
(T51, T52, T65-T68, T71, T76).

    FETL = Q̂95(IS | exposed) - Q̂95(IS | matched controls, ATT weights)

in bps a parent, each parent counting once. A figure comes with its interval, its counts and what
could have been seen; or it is refused, with what is missing.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from typing import Final, NamedTuple

import numpy as np
from scipy import special

from reconverge.tca.arrays import Floats, Ints, floats, require
from reconverge.tca.balance import REFUSED_FROM
from reconverge.tca.figures import Figure, known, unknown
from reconverge.tca.quantiles import Contrast, Quantile, mover, mover_of, p_value
from reconverge.tca.strata import FLAGGED_BELOW, REFUSED_BELOW, match_codes

INCIDENTS_MIN: Final = 15
"""With ten the interval still covers, but ends at the sample's maximum one time in seven."""
EXCEEDANCES_MIN: Final = 5.0
"""With 2.5 the interval covers 92 % where it says 95, with 1.2 67 %."""
REPLICATES: Final = 2000
"""Resamples of the cross-check: the bounds then move by a few percent of the width."""
PERMUTATIONS: Final = 999
"""The smallest p-value is a thousandth."""
WIDTH_APART: Final = 0.25
"""Two intervals that differ by more than a quarter of the width are told."""


@dataclass(frozen=True, slots=True)
class Group:
    """One side of a comparison. Shape (parents,) each."""

    shortfall_bps: Floats
    cluster: Ints
    """Incident of exposed parents, trading day of controls."""
    weights: Floats | None = None
    """ATT weights of controls; None for 1 each."""

    def quantile(self, p: float) -> Quantile:
        """Its p-quantile with all that an interval needs."""
        return Quantile(self.shortfall_bps, self.weights, self.cluster, p)


@dataclass(frozen=True, slots=True)
class Lift:
    """A difference between exposed parents and their controls."""

    name: str
    figure: Figure
    """In bps. `n` are exposed parents."""
    low: float
    high: float
    p: float
    """Two-sided p-value of no difference; NaN where refused."""
    control_days: int
    matched_share: float

    @property
    def half_width(self) -> float:
        """Differences below this cannot be told from 0 with these incidents (T67). bps."""
        return (self.high - self.low) / 2

    @property
    def flags(self) -> tuple[str, ...]:
        """What the first page says beside the figure."""
        few = self.matched_share < FLAGGED_BELOW
        return (f"Only {self.matched_share:.0%} of the exposed have controls.",) if few else ()


def refusals(
    exposed: Quantile, controls: Quantile, matched_share: float = 1.0, smd_max: float = 0.0
) -> list[str]:
    """Why a difference of quantiles must not be told; empty if it may (T56, T59, T66)."""
    found = []
    if exposed.clusters < INCIDENTS_MIN:
        found.append(f"{exposed.clusters} incidents; at least {INCIDENTS_MIN} are needed.")
    for side, q in (("exposed parents", exposed), ("controls", controls)):
        if q.exceedances < EXCEEDANCES_MIN - 1e-9:
            needed = math.ceil(EXCEEDANCES_MIN / (1 - q.p) - 1e-9)
            found.append(
                f"{q.exceedances:.2f} {side} beyond the quantile; at least {EXCEEDANCES_MIN:g} are"
                f" needed, which takes {needed} equally weighted ones."
            )
    if not found and exposed.at_maximum():
        found.append("The upper bound is the largest shortfall seen: the tail may go further.")
    if matched_share < REFUSED_BELOW:
        found.append(f"Only {matched_share:.0%} of the exposed have controls; half is needed.")
    if smd_max >= REFUSED_FROM:
        found.append(
            f"A key differs by {smd_max:.2f} standard deviations; below {REFUSED_FROM} is needed."
        )
    return found


def lift(
    exposed: Group,
    controls: Group,
    p: float = 0.95,
    *,
    matched_share: float = 1.0,
    smd_max: float = 0.0,
    alpha: float = 0.05,
) -> Lift:
    """FETL at p = 0.95; the same at another p (T51, T52).

    Interval by Korn-Graubard and MOVER, clustered by incident and by day. Refused as T66 says:
    ``smd_max`` is the largest |SMD| of the matched keys. `instead` offers what can be told.
    """
    pair = exposed.quantile(p), controls.quantile(p)
    reasons = refusals(*pair, matched_share, smd_max)
    days = pair[1].clusters
    name, n, incidents = f"p{p * 100:g}", pair[0].n, pair[0].clusters
    if reasons:
        figure = unknown(" ".join(reasons), n=n, incidents=incidents)
        return Lift(name, figure, -math.inf, math.inf, math.nan, days, matched_share)
    interval = partial(mover, [(1.0, pair[0]), (-1.0, pair[1])])
    found = interval(alpha)
    figure = known(found.value, n=n, incidents=incidents)
    return Lift(name, figure, found.low, found.high, p_value(interval), days, matched_share)


def instead(exposed: Group, controls: Group, alpha: float = 0.05) -> list[Lift]:
    """What is offered where p95 is refused: the p90 lift, the tail's mean, the mean (T52)."""
    tail, middle = (_mean_lift(exposed, controls, p, alpha) for p in (0.95, 0.0))
    return [lift(exposed, controls, 0.90, alpha=alpha), tail, middle]


def tail_mass(group: Group, p: float) -> Floats:
    """How much of each parent's weight lies beyond the p-quantile; Σ = (1 - p)·Σw. Shape (n,).

    Equal values at the border share what is left of the tail, so that their order does not matter.
    """
    y = group.shortfall_bps
    w = np.ones(y.size) if group.weights is None else group.weights
    require(bool(w.sum() > 0), "no weight in the tail")
    wanted = (1 - p) * float(w.sum())
    order = np.argsort(-y, kind="stable")
    place = int(np.searchsorted(np.cumsum(w[order]), wanted - 1e-12 * wanted))
    border = y[order[min(place, y.size - 1)]]
    above, at = y > border, y == border
    rest = wanted - float(w[above].sum())
    return np.where(above, w, np.where(at, w * rest / float(w[at].sum()), 0.0))


def tail_contributions(group: Group, components: Floats, p: float = 0.95) -> Floats:
    """``E[component_k | IS ≥ Q̂p]`` of each component: what the tail consists of (T71).

    ``components`` has shape (parents, k) and its rows sum to the shortfall; then the contributions
    sum to the expected shortfall exactly. In bps. Euler allocation: Tasche 2007.
    """
    mass = tail_mass(group, p)
    return np.asarray(mass @ components / mass.sum(), np.float64)


class _Spread(NamedTuple):
    """A mean with what its interval needs."""

    value: float
    se: float
    clusters: int

    def interval(self, alpha: float) -> Contrast:
        if self.clusters <= 1:
            return Contrast(self.value, -math.inf, math.inf)
        reach = float(special.stdtrit(self.clusters - 1, 1 - alpha / 2)) * self.se
        return Contrast(self.value, self.value - reach, self.value + reach)


def _beyond(group: Group, p: float) -> _Spread:
    y = group.shortfall_bps
    w = np.ones(y.size) if group.weights is None else group.weights
    mass = tail_mass(group, p)
    value = float(mass @ y / mass.sum())
    q = float(y[mass > 0].min())
    scores = w * (q + np.maximum(y - q, 0.0) / (1 - p) - value)
    names, place = np.unique(group.cluster[w > 0], return_inverse=True)
    sums, k = np.bincount(place, scores[w > 0]), int(names.size)
    se = math.sqrt(k / max(k - 1, 1) * float((sums**2).sum())) / float(w.sum())
    return _Spread(value, se, k)


def expected_shortfall(group: Group, p: float = 0.95, alpha: float = 0.05) -> Contrast:
    """The mean beyond the p-quantile (p = 0: the mean), with a cluster-robust t interval. bps.

    Linearised: ``z_i = w_i (q + (y_i - q)⁺/(1-p) - ES)``, summed by cluster.
    """
    return _beyond(group, p).interval(alpha)


def _mean_lift(exposed: Group, controls: Group, p: float, alpha: float) -> Lift:
    """The difference of two expected shortfalls (p = 0: of means)."""
    one, two = _beyond(exposed, p), _beyond(controls, p)

    def interval(level: float) -> Contrast:
        return mover_of([(1.0, one.interval(level)), (-1.0, two.interval(level))])

    found = interval(alpha)
    n, incidents, days = int(exposed.shortfall_bps.size), one.clusters, two.clusters
    name = f"ES{p * 100:g}" if p else "mean"
    if not math.isfinite(found.low):
        figure = unknown("One cluster only: nobody knows how much clusters differ.", n=n)
        return Lift(name, figure, found.low, found.high, math.nan, days, 1.0)
    figure = known(found.value, n=n, incidents=incidents)
    return Lift(name, figure, found.low, found.high, p_value(interval), days, 1.0)


def change(
    after: tuple[Quantile, Quantile], before: tuple[Quantile, Quantile], alpha: float = 0.05
) -> tuple[Contrast, float]:
    """ΔFETL: the difference of two lifts, each with its own controls, and its p-value (T76)."""
    terms = [(1.0, after[0]), (-1.0, after[1]), (-1.0, before[0]), (1.0, before[1])]
    interval = partial(mover, terms)
    return interval(alpha), p_value(interval)


def seed(manifest: str, statistic: str) -> int:
    """The seed of a resampling: the same tables and figure give the same one (T9)."""
    return int.from_bytes(
        blake2b(f"{manifest}/{statistic}".encode(), digest_size=8).digest(), "big"
    )


class Resampling:
    """Both groups, sorted once, and who is matched with whom: what a resample needs (T65)."""

    def __init__(
        self, exposed: Group, controls: Group, strata: Sequence[tuple[Ints, Ints]]
    ) -> None:
        """``strata`` are those of each level of coarsening, of exposed and of controls
        (`strata.codes`).
        """
        orders = [np.argsort(group.shortfall_bps, kind="stable") for group in (exposed, controls)]
        groups = list(zip((exposed, controls), orders, strict=True))
        self._values = [group.shortfall_bps[order] for group, order in groups]
        found = (np.unique(group.cluster[order], return_inverse=True) for group, order in groups)
        self._clusters = [(int(names.size), place) for names, place in found]
        self._strata = [(mine[orders[0]], theirs[orders[1]]) for mine, theirs in strata]

    def draw(self, p: float, chance: np.random.Generator) -> float:
        """The lift in one resample of incidents and of control days."""
        drawn = [
            np.bincount(chance.integers(0, size, size), minlength=size)[place]
            for size, place in self._clusters
        ]
        return self.lift(p, (drawn[0], drawn[1]))

    def lift(self, p: float, times: tuple[Ints, Ints] | None = None) -> float:
        """The lift if each parent, in order of shortfall, counts as often as ``times`` says; NaN
        if nobody is matched.
        """
        matched = match_codes(self._strata, times)
        mine = floats(matched.matched * (1 if times is None else times[0]))
        tops = (
            _of_sorted(values, weights, p)
            for values, weights in zip(self._values, (mine, matched.weights), strict=True)
        )
        return next(tops) - next(tops)


def _of_sorted(values: Floats, weights: Floats, p: float) -> float:
    """Hazen's quantile, from sorted values; those without weight do not count."""
    sums = np.cumsum(weights)
    if not sums.size or not sums[-1]:
        return math.nan
    some = weights > 0
    return float(np.interp(p, (sums[some] - weights[some] / 2) / sums[-1], values[some]))


def bootstrap(
    sample: Resampling, p: float, chance: np.random.Generator, replicates: int = REPLICATES
) -> Floats:
    """Lifts in resamples: incidents and control days drawn again, matched again (T65).

    Shape (replicates,), without those in which nobody was matched. bps.
    """
    found = floats([sample.draw(p, chance) for _ in range(replicates)])
    return found[~np.isnan(found)]


def expanded_percentile(
    replicates: Floats, clusters: int, alpha: float = 0.05
) -> tuple[float, float]:
    """Bounds with ``α' = Φ(-√(G/(G-1))·t_{α/2,G-1})``: a percentile interval made as wide as few
    clusters need (T65). Hesterberg 2015.
    """
    t = float(special.stdtrit(clusters - 1, 1 - alpha / 2))
    tail = float(special.ndtr(-math.sqrt(clusters / (clusters - 1)) * t))
    low, high = np.quantile(replicates, [tail, 1 - tail])
    return float(low), float(high)


def intervals_differ(one: tuple[float, float], two: tuple[float, float]) -> bool:
    """Whether two intervals are so far apart that a review says so: a quarter of the width."""
    apart = max(abs(one[0] - two[0]), abs(one[1] - two[1]))
    return apart > WIDTH_APART * (one[1] - one[0])


def permutation_p(
    values: Floats,
    blocks: Ints,
    exposed_blocks: Ints,
    stratum: Ints,
    statistic: Callable[[Ints], float],
    chance: np.random.Generator,
) -> float:
    """One p-value, exact if exposure did nothing to anybody (T68).

    Parents stand in ``blocks`` (incidents and control days within one stratum; shape (parents,));
    ``exposed_blocks`` are the blocks that were exposed, ``stratum`` the stratum of each block.
    Labels are exchanged between the blocks of a stratum. ``statistic`` takes 1 for each exposed
    parent, 0 for the others.
    """
    require(values.size == blocks.size, "each parent stands in one block")
    labels = np.zeros(stratum.size, np.int64)
    labels[exposed_blocks] = 1
    seen = abs(statistic(labels[blocks]))
    order = np.argsort(stratum, kind="stable")
    as_far = 0
    for _ in range(PERMUTATIONS):
        shuffled = np.empty_like(labels)
        shuffled[order] = labels[np.lexsort((chance.random(stratum.size), stratum))]
        as_far += abs(statistic(shuffled[blocks])) >= seen - 1e-12
    return (1 + as_far) / (1 + PERMUTATIONS)
