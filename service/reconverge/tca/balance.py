"""Whether controls look like the exposed: balance, and the size of what is left (T59)."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from reconverge.tca.arrays import Floats, require

GOOD_BELOW: Final = 0.1
REFUSED_FROM: Final = 0.25
"""Standardised differences: below a tenth good, from a quarter on no comparison (Stuart 2010)."""


@dataclass(frozen=True, slots=True)
class Balance:
    """One covariate in both groups, controls weighted."""

    name: str
    exposed_mean: float
    control_mean: float
    smd: float
    """Difference of means in standard deviations of the exposed; of a binary one ``√p(1-p)``."""
    variance_ratio: float
    """NaN for a binary covariate."""
    ecdf_mean: float
    """Mean distance of the two distributions, over the distinct values."""
    ecdf_max: float

    @property
    def verdict(self) -> str:
        """`good`, `flagged` or `refused`."""
        size = abs(self.smd)
        if not size < REFUSED_FROM:
            return "refused"
        return "good" if size < GOOD_BELOW else "flagged"


def balance(name: str, exposed: Floats, controls: Floats, weights: Floats | None = None) -> Balance:
    """The balance of one covariate; shapes (exposed,), (controls,), (controls,)."""
    w = np.ones(controls.size) if weights is None else weights
    require(exposed.size > 1 and w.sum() > 0, f"nothing to balance {name} with")
    e = np.ones(exposed.size)
    means = float(exposed.mean()), float(w @ controls / w.sum())
    binary = bool(np.isin(np.concatenate([exposed, controls]), (0.0, 1.0)).all())
    variance = means[0] * (1 - means[0]) if binary else _variance(exposed, e)
    smd = _ratio(means[0] - means[1], float(np.sqrt(variance)))
    spread = np.nan if binary else _ratio(variance, _variance(controls, w))
    gaps = _ecdf_gaps(exposed, controls, w)
    mean_gap = abs(means[0] - means[1]) if binary else float(gaps.mean())
    return Balance(name, *means, smd, spread, mean_gap, float(gaps.max()))


def _ratio(above: float, below: float) -> float:
    """0/0 is level, anything else by 0 is infinitely far."""
    if below:
        return above / below
    return float(np.copysign(np.inf, above)) if above else 0.0


def _variance(values: Floats, weights: Floats) -> float:
    """Unbiased with reliability weights: ``Σw(x-m)² / (Σw - Σw²/Σw)``."""
    total = float(weights.sum())
    mean = float(weights @ values) / total
    degrees = total - float((weights**2).sum()) / total
    return float(weights @ (values - mean) ** 2) / degrees if degrees > 0 else 0.0


def _ecdf_gaps(exposed: Floats, controls: Floats, weights: Floats) -> Floats:
    """|F_exposed - F_controls| at every distinct value."""
    at = np.unique(np.concatenate([exposed, controls]))
    order = np.argsort(controls, kind="stable")
    sums = np.concatenate([[0.0], np.cumsum(weights[order])])
    below = sums[np.searchsorted(controls[order], at, side="right")] / sums[-1]
    mine = np.searchsorted(np.sort(exposed), at, side="right") / exposed.size
    return np.asarray(np.abs(mine - below), np.float64)


def effective_size(weights: Floats) -> float:
    """Kish's ``(Σw)²/Σw²``: as many equally weighted controls would say as much."""
    return float(weights.sum() ** 2 / (weights**2).sum()) if weights.any() else 0.0
