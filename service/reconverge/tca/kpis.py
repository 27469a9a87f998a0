"""The figures of incidents: delays that may be censored, and what repaying backlog cost (T45-T50).

FDS, dark time and time to re-entry come with the episode, as DOMAIN §11 defines them; here they are
summarised. What had not ended by the end of observation is censored: it counts as "longer than",
and a mean of what was observed would be too short.
"""

import math
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from scipy import special

from reconverge.core.messages.units import ONE
from reconverge.tca.arrays import BPS, Bools, Floats, Ints, floats, require
from reconverge.tca.figures import Figure, known, unknown
from reconverge.tca.rows import CATCHUP, THROTTLE, Rows
from reconverge.tca.runs import Run

BCU_BPS_MIN: Final = 3.0
"""`guardrails.bcu_bps`: below this no BCU is a breach."""
BCU_MULTIPLE: Final = 1.6
"""`guardrails.bcu_multiple`: how far above the model's value a BCU may lie."""


class Survival(NamedTuple):
    """A Kaplan-Meier curve. All of shape (distinct event times,)."""

    at: Floats
    """Times at which something ended, ascending, in the unit given."""
    survival: Floats
    """S: the share for which it lasts longer than that."""
    variance: Floats
    """Greenwood's variance of S."""
    at_risk: Ints
    """How many were still under observation just before."""
    longest: float
    """The longest time observed, censored or not."""

    @property
    def median(self) -> float:
        """The first time at which S is a half or less; infinite if it never is."""
        below = np.nonzero(self.survival <= 0.5 + 1e-12)[0]
        return float(self.at[below[0]]) if below.size else math.inf

    def by(self, time: float) -> float:
        """S at a time."""
        place = int(np.searchsorted(self.at, time, side="right"))
        return 1.0 if place == 0 else float(self.survival[place - 1])

    def restricted_mean(self, horizon: float | None = None) -> float:
        """The mean of min(time, horizon): the area under S up to the horizon, or the longest."""
        end = self.longest if horizon is None else horizon
        edges = np.concatenate([[0.0], np.minimum(self.at, end), [end]])
        heights = np.concatenate([[1.0], self.survival])
        return float((np.diff(edges) * heights).sum())


def kaplan_meier(time: Floats, ended: Bools) -> Survival:
    """The survival curve of durations, of which those not ``ended`` are censored (T46, T47).

    Shape (incidents,) both. Times in any unit. What ends at a time is counted before what is
    censored at it. Kaplan & Meier 1958.
    """
    require(bool((time >= 0).all()) and time.shape == ended.shape, "a duration is below 0")
    at = np.unique(time[ended])
    at_risk = time.size - np.searchsorted(np.sort(time), at, side="left")
    ends = np.searchsorted(np.sort(time[ended]), at, side="right") - np.searchsorted(
        np.sort(time[ended]), at, side="left"
    )
    survival = floats(np.cumprod(1 - ends / at_risk))
    # Where everybody left has ended S is 0, and so is its variance.
    greenwood = np.cumsum(ends / (at_risk * np.maximum(at_risk - ends, 1)))
    variance = floats(survival**2 * greenwood)
    longest = float(time.max()) if time.size else 0.0
    return Survival(at, survival, variance, at_risk, longest)


class LogRank(NamedTuple):
    """A comparison of two survival curves."""

    chi2: float
    p: float


def log_rank(time: Floats, ended: Bools, second: Bools) -> LogRank:
    """The log-rank test between those in the ``second`` group and the others (T76).

    Mantel 1966; one degree of freedom. Both 0 and 1 where nothing ended.
    """
    at = np.unique(time[ended])
    observed = expected = variance = 0.0
    for moment in at.tolist():
        risk = time >= moment
        n, n2 = int(risk.sum()), int((risk & second).sum())
        d = int((ended & (time == moment)).sum())
        observed += int((ended & second & (time == moment)).sum())
        expected += d * n2 / n
        if n > 1:
            variance += d * (n2 / n) * (1 - n2 / n) * (n - d) / (n - 1)
    chi2 = (observed - expected) ** 2 / variance if variance else 0.0
    return LogRank(chi2, float(special.chdtrc(1, chi2)))


class Repayment(NamedTuple):
    """One run's catching up. Money in quote currency."""

    cost: float
    """C_catchup: the excess of all shares traded after the peak."""
    cleared_notional: float
    """Backlog cleared after the peak × the mid while clearing."""
    traded_notional: float
    """Everything traded after the peak."""
    unrepaid_qty: int
    """Deficit left at the end, nanos."""
    unrepaid_cost: float
    """What the market did to it (T50); paying little by never repaying is not cheap."""


def repayments(runs: tuple[Run, ...], rows: Rows, fill_mid: Floats) -> list[Repayment]:
    """What each run's repayment cost, from the rows of its parent (T48-T50)."""
    return [_repayment(run, rows, fill_mid) for run in runs]


def _repayment(run: Run, rows: Rows, fill_mid: Floats) -> Repayment:
    mine = rows.episode == run.episode
    paid = mine & (rows.bucket == CATCHUP)
    notional = rows.qty[paid] / ONE * fill_mid[rows.fill[paid]] / ONE
    traded, qty = float(notional.sum()), float(rows.qty[paid].sum()) / ONE
    mid = traded / qty if qty else 0.0
    left = mine & (rows.bucket == THROTTLE) & (rows.fill < 0)
    cleared = run.cleared / ONE * mid
    unrepaid = run.end_qty if run.open else 0
    cost, missed = (float(rows.money[chosen].sum()) for chosen in (paid, left))
    return Repayment(cost, cleared, traded, unrepaid, missed)


@dataclass(frozen=True, slots=True)
class Ratio:
    """A ratio of sums with an interval."""

    figure: Figure
    low: float
    high: float


CLUSTERS_MIN: Final = 2
"""A spread between incidents needs two of them; with few, t is wide enough to say so."""


def bcu(cost: Floats, cleared_notional: Floats, incident: Ints, confidence: float = 0.95) -> Ratio:
    """Backlog cost uplift: Σ cost / Σ cleared notional, in bps, with a cluster-robust interval.

    Shape (runs,); money and notional of one currency. ``incident`` is the cluster of each (T15).
    Delta method for a ratio: scores ``cost - R·cleared``, summed by incident, ``t`` with G - 1
    degrees of freedom (T48). A mean of ratios would have three times the spread.
    """
    clusters, place = np.unique(incident, return_inverse=True)
    groups, base = int(clusters.size), float(cleared_notional.sum())
    n = int(cost.size)
    if base <= 0:
        none = unknown("No backlog was cleared.", n=n, incidents=groups)
        return Ratio(none, -math.inf, math.inf)
    ratio = float(cost.sum()) / base
    figure = known(ratio * BPS, n=n, incidents=groups)
    if groups < CLUSTERS_MIN:
        return Ratio(figure, -math.inf, math.inf)
    scores = np.bincount(place, cost - ratio * cleared_notional, minlength=groups)
    se = math.sqrt(groups / (groups - 1) * float((scores**2).sum())) / base
    reach = float(special.stdtrit(groups - 1, 0.5 + confidence / 2)) * se
    return Ratio(figure, (ratio - reach) * BPS, (ratio + reach) * BPS)


def model_bcu(uplift_bps: float, multiple: float) -> float:
    """``U(m)·m/(m-1)``: what obeying the policy costs a unit of backlog, in bps (T49).

    All m shares pay U, and only m - 1 of them clear backlog. ``uplift_bps`` is that of
    ``core.control.cap`` at this multiple. Infinite at a multiple of 1: nothing is repaid.
    """
    return uplift_bps * multiple / (multiple - 1) if multiple > 1 else math.inf


def bcu_limit(
    model_bps: float, least: float = BCU_BPS_MIN, multiple: float = BCU_MULTIPLE
) -> float:
    """``max(guardrails.bcu_bps, guardrails.bcu_multiple × model)``, in bps (T49)."""
    return max(least, multiple * model_bps)


def uplift(cost: Floats, traded_notional: Floats) -> Figure:
    """C_catchup per notional traded after the peak, in bps: comparable with the policy's limit."""
    base = float(traded_notional.sum())
    if base <= 0:
        return unknown("Nothing was traded to catch up.", n=int(cost.size))
    return known(float(cost.sum()) / base * BPS, n=int(cost.size))
