"""Weighted quantiles, and intervals of them that hold with clusters (T62-T64).

The interval is Korn and Graubard's: the cdf at the quantile is a proportion with an effective
sample size; its beta (Clopper-Pearson) interval is inverted through the weighted cdf. It needs no
chance, and about a millisecond. Korn & Graubard 1998; Woodruff 1952; R `survey::svyquantile`.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Literal, NamedTuple

import numpy as np
from scipy import special

from reconverge.tca.arrays import Floats, Ints, require

Rule = Literal["hazen", "inverse", "linear"]

CLUSTERS_MIN: Final = 2
"""A spread between clusters needs two of them."""
BISECTIONS: Final = 40
"""Halvings of α: a p-value to twelve digits."""
ALPHA_MIN: Final = 1e-9
"""The smallest p-value told apart from 0."""


def quantile(
    values: Floats, p: float, weights: Floats | None = None, rule: Rule = "hazen"
) -> float:
    """The p-quantile of values with weights. Shape (n,), n > 0, weights above 0 or equal to it.

    `hazen`, the rule of all our figures: value i stands at ``(W_i - w_i/2) / W``, linear between,
    flat outside. At n = 30 the other rules give 4.8 to 7.0 for a true 5.2. `inverse`: the first
    value with ``W_i / W >= p``. `linear`: ``(i - 1)/(n - 1)``, without weights (R's type 7); these
    two exist for comparison with published figures.
    """
    require(values.size > 0, "no values to take a quantile of")
    if rule == "linear":
        require(weights is None, "the linear rule knows no weights")
        return float(np.quantile(values, p))
    return _at(Distribution(values, weights), p, rule)


def _at(distribution: "Distribution", p: float, rule: Rule = "hazen") -> float:
    y, w = distribution.sorted, distribution.weight
    sums = np.cumsum(w)
    if rule == "inverse":
        # Sums of weights carry rounding: a share that is p but for that counts as p.
        place = int(np.searchsorted(sums / sums[-1], p - 1e-12))
        return float(y[min(place, y.size - 1)])
    return float(np.interp(p, (sums - w / 2) / sums[-1], y))


class Distribution:
    """Values with weights, sorted once."""

    def __init__(self, values: Floats, weights: Floats | None = None) -> None:
        weights = np.ones(values.size) if weights is None else weights
        require(bool((weights >= 0).all()) and weights.sum() > 0, "weights must be above 0")
        order = np.argsort(values, kind="stable")
        order = order[weights[order] > 0]
        self.order = order
        self.sorted, self.weight = values[order], weights[order]

    @property
    def effective(self) -> float:
        """Kish's sample size ``(Σw)²/Σw²``."""
        return float(self.weight.sum() ** 2 / (self.weight**2).sum())


def beta_bounds(
    p: float, se2: float, n_w: float, clusters: int, alpha: float
) -> tuple[float, float]:
    """Korn and Graubard's interval of a proportion (T63).

    ``n_e = min(n_w, p(1-p)/se²)·(t_{n_w-1}/t_{k-1})²``; Beta(α/2; n_e p, n_e(1-p)+1) and
    Beta(1-α/2; n_e p + 1, n_e(1-p)). ``n_w`` is Kish's size, ``se2`` the cluster-robust variance.
    """
    n_e = min(n_w, p * (1 - p) / se2) if se2 > 0 else n_w
    t_n, t_k = (
        float(special.stdtrit(max(df, 1e-9), 1 - alpha / 2)) for df in (n_w - 1, clusters - 1)
    )
    n_e *= (t_n / t_k) ** 2
    low = float(special.betaincinv(n_e * p, n_e * (1 - p) + 1, alpha / 2))
    return low, float(special.betaincinv(n_e * p + 1, n_e * (1 - p), 1 - alpha / 2))


@dataclass(frozen=True)
class Quantile:
    """A weighted quantile of clustered values. Shape (n,) each."""

    values: Floats
    weights: Floats | None
    cluster: Ints
    """Incident of exposed parents, trading day of controls."""
    p: float

    @cached_property
    def _distribution(self) -> Distribution:
        return Distribution(self.values, self.weights)

    @cached_property
    def value(self) -> float:
        """Q̂ by Hazen's rule."""
        return _at(self._distribution, self.p)

    @cached_property
    def clusters(self) -> int:
        """Clusters with weight."""
        return int(np.unique(self.cluster[self._distribution.order]).size)

    @property
    def n(self) -> int:
        """Values with weight."""
        return int(self._distribution.sorted.size)

    @property
    def exceedances(self) -> float:
        """``n(1-p)``, n being Kish's size where weights differ."""
        return self._distribution.effective * (1 - self.p)

    @cached_property
    def variance(self) -> float:
        """Cluster-robust variance of the cdf at the quantile: ``k/(k-1)·Σ_g(Σ z)²/(Σw)²``."""
        found, k = self._distribution, self.clusters
        scores = found.weight * ((found.sorted <= self.value) - self.p)
        _, place = np.unique(self.cluster[found.order], return_inverse=True)
        sums = np.bincount(place, scores)
        return k / (k - 1) * float((sums**2).sum()) / float(found.weight.sum()) ** 2

    def shares(self, alpha: float) -> tuple[float, float]:
        """The interval of p that is inverted."""
        if self.clusters < CLUSTERS_MIN:
            return 0.0, 1.0
        n_w = self._distribution.effective
        return beta_bounds(self.p, self.variance, n_w, self.clusters, alpha)

    def bounds(self, alpha: float = 0.05) -> tuple[float, float]:
        """The interval of the quantile at level 1 - α."""
        low, high = (_at(self._distribution, share) for share in self.shares(alpha))
        return low, high

    def at_maximum(self, alpha: float = 0.05) -> bool:
        """Whether the upper bound is the largest value: the tail may go further (T66)."""
        return self.bounds(alpha)[1] >= float(self._distribution.sorted[-1])


class Contrast(NamedTuple):
    """A sum of quantiles with signs, and its interval."""

    value: float
    low: float
    high: float


def mover(terms: Sequence[tuple[float, Quantile]], alpha: float = 0.05) -> Contrast:
    """``Σ sign·Q̂`` with the interval by MOVER (T64): two quantiles, or four of a before and after.

    ``L = d - √(Σ_+ (q-l)² + Σ_- (u-q)²)``, ``U`` with the other halves. Zou & Donner 2008.
    """
    return mover_of([(sign, (q.value, *q.bounds(alpha))) for sign, q in terms])


def mover_of(terms: Sequence[tuple[float, tuple[float, float, float]]]) -> Contrast:
    """MOVER of any estimates, each (value, low, high)."""
    value = math.fsum(sign * middle for sign, (middle, _, _) in terms)
    down = [middle - low if sign > 0 else high - middle for sign, (middle, low, high) in terms]
    up = [high - middle if sign > 0 else middle - low for sign, (middle, low, high) in terms]
    return Contrast(value, value - math.hypot(*down), value + math.hypot(*up))


def p_value(interval: Callable[[float], Contrast]) -> float:
    """The α at which an interval touches 0, by bisection (T64); at least 10⁻⁹."""
    low, high = ALPHA_MIN, 1.0
    if not _excludes_zero(interval(high - ALPHA_MIN)):
        return 1.0
    for _ in range(BISECTIONS):
        middle = math.sqrt(low * high)
        if _excludes_zero(interval(middle)):
            high = middle
        else:
            low = middle
    return high


def _excludes_zero(found: Contrast) -> bool:
    return found.low > 0 or found.high < 0
