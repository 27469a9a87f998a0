"""The controls most like each exposed parent: "the same order on a quiet day" (T57, T58, T60).

For showing, and as a sensitivity of the strata. No bootstrap interval exists for a match of nearest
neighbours (Abadie & Imbens 2008), and none is given.
"""

from typing import Final

import numpy as np

from reconverge.tca.arrays import Bools, Floats, Ints, require

SHOWN: Final = 3
"""Controls a parent; five where an incident report lists them."""
CALIPER_SD: Final = 0.25
"""Of the logit propensity: farther apart nobody is called similar (Rosenbaum & Rubin 1985)."""
NOBODY: Final = -1
SUPPORT: Final = (0.005, 0.995)
"""The range of the controls' propensities outside which an exposed parent has no like."""
NEWTON_STEPS: Final = 25
"""Newton's method on a logit doubles its digits each step; what separates perfectly never ends."""


def mahalanobis(exposed: Floats, controls: Floats) -> Floats:
    """Distances with the pooled within-group covariance; shape (exposed, controls).

    Columns are covariates; those that others determine add nothing (pseudo-inverse).
    """
    require(exposed.shape[1] == controls.shape[1], "other covariates on the two sides")
    within = [group - group.mean(axis=0) for group in (exposed, controls)]
    rows = np.concatenate(within)
    inverse = np.linalg.pinv(rows.T @ rows / max(rows.shape[0] - 2, 1), hermitian=True)
    left, right = exposed @ inverse, controls @ inverse
    squares = (
        (left * exposed).sum(axis=1)[:, None]
        + (right * controls).sum(axis=1)
        - 2 * left @ controls.T
    )
    return np.asarray(np.sqrt(np.maximum(squares, 0.0)), np.float64)


def nearest(distance: Floats, k: int = SHOWN, *, replace: bool = False) -> Ints:
    """The k nearest controls of each exposed parent, nearest first; shape (exposed, k).

    `NOBODY` where there are none; a distance of infinity forbids a pair (another stratum, outside
    the caliper). Without replacement the parent that is farthest from its nearest chooses first,
    and each control serves once.
    """
    n, m = distance.shape
    found = np.full((n, k), NOBODY)
    left = distance.copy()
    for place in range(min(k, m)):
        order = np.argsort(-left.min(axis=1, initial=np.inf), kind="stable")
        for i in order.tolist():
            j = int(np.argmin(left[i]))
            if not np.isfinite(left[i, j]):
                continue
            found[i, place] = j
            left[(slice(None) if not replace else i), j] = np.inf
    return found


def within_caliper(distance: Floats, exposed: Floats, controls: Floats) -> Floats:
    """Distances, infinite for pairs whose logit propensities are a caliper apart (T57)."""
    both = np.concatenate([exposed, controls])
    apart = np.abs(exposed[:, None] - controls) > CALIPER_SD * both.std(ddof=1)
    return np.where(apart, np.inf, distance)


def logit_propensity(covariates: Floats, exposed: Bools) -> Floats:
    """The linear predictor of exposure, by maximum likelihood. Shape (parents,).

    Only for common support (T58); covariates have shape (parents, k), without a constant.
    """
    spread = covariates.std(axis=0)
    scaled = (covariates - covariates.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    x = np.column_stack([np.ones(len(scaled)), scaled])
    beta = np.zeros(x.shape[1])
    for _ in range(NEWTON_STEPS):
        share = 1 / (1 + np.exp(-np.clip(x @ beta, -30, 30)))
        step = np.linalg.pinv(x.T * (share * (1 - share)) @ x, hermitian=True) @ (
            x.T @ (exposed - share)
        )
        beta += step
    return np.asarray(x @ beta, np.float64)


def outside_support(exposed: Floats, controls: Floats) -> Bools:
    """Exposed parents outside the controls' 0.5-99.5 % range of propensity: told, not kept silently
    (T58).
    """
    low, high = np.quantile(controls, SUPPORT)
    return np.asarray((exposed < low) | (exposed > high), np.bool_)
