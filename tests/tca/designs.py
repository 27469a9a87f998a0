"""Samples of shortfalls whose true tail is known: coverage, and the traps of missing keys."""

from dataclasses import replace
from typing import Final, NamedTuple

import numpy as np
from scipy import special, stats

from reconverge.tca.arrays import Floats, Ints
from reconverge.tca.strata import Keys, half_octaves, match
from reconverge.tca.tails import Group

DAYS, CONTROLS = 60, 1500


class Design(NamedTuple):
    """Incidents × parents each, with correlation inside an incident, and a family of tails."""

    incidents: int
    parents: int
    icc: float = 0.3
    family: str = "lognormal"
    scale: float = 12.0
    """bps of a standard deviation of the normal behind it."""
    lift: float = 10.0
    """How much wider the exposed are: the truth follows from it."""


def _shaped(normal: Floats, family: str) -> Floats:
    """A standard normal made heavy-tailed, monotonically."""
    if family == "lognormal":
        return np.asarray(np.exp(0.8 * normal) - np.exp(0.32), np.float64)
    return np.asarray(special.stdtrit(4, special.ndtr(normal)), np.float64)


def truth(design: Design, p: float = 0.95) -> float:
    """The difference of the two true quantiles."""
    top = float(_shaped(np.array([stats.norm.ppf(p)]), design.family)[0])
    return top * design.lift


def _clustered(rng: np.random.Generator, cluster: Ints, icc: float) -> Floats:
    shocks = rng.normal(size=int(cluster.max()) + 1)[cluster]
    own = rng.normal(size=cluster.size)
    return np.asarray(np.sqrt(icc) * shocks + np.sqrt(1 - icc) * own, np.float64)


def sample(design: Design, rng: np.random.Generator) -> tuple[Group, Group]:
    """Exposed parents clustered by incident, controls by day."""
    incident = np.repeat(np.arange(design.incidents), design.parents)
    day = np.arange(CONTROLS) % DAYS
    exposed = _shaped(_clustered(rng, incident, design.icc), design.family)
    controls = _shaped(_clustered(rng, day, 0.05), design.family)
    width = design.scale + design.lift
    return Group(exposed * width, incident), Group(controls * design.scale, day)


# Strata of another mix in the controls: what matching is for.

SPREADS: Final = np.array([4.0, 9.0, 16.0, 23.4])
"""Standard deviation of the shortfall by stratum, bps."""
EXPOSED_MIX, CONTROL_MIX = np.array([0.45, 0.3, 0.15, 0.1]), np.array([0.1, 0.15, 0.3, 0.45])
WIDER: Final = 1.6
"""The exposed are wider by this factor in each stratum."""


class MatchedSample(NamedTuple):
    exposed: Group
    controls: Group
    keys: tuple[Keys, Keys]

    def matched(self) -> Group:
        """The controls with their weights."""
        return replace(self.controls, weights=match(*self.keys, coarsening=()).weights)


def mixture_quantile(weights: Floats, widths: Floats, p: float = 0.95) -> float:
    """The p-quantile of a mixture of normals, by bisection."""
    low, high = -500.0, 500.0
    for _ in range(60):
        middle = (low + high) / 2
        share = float(weights @ special.ndtr(middle / widths))
        low, high = (middle, high) if share < p else (low, middle)
    return high


def matched_truth() -> float:
    """The true FETL: the exposed against the same orders on a quiet day."""
    return mixture_quantile(EXPOSED_MIX, SPREADS * WIDER) - mixture_quantile(EXPOSED_MIX, SPREADS)


def unmatched_value() -> float:
    """What the difference would be without strata."""
    return mixture_quantile(EXPOSED_MIX, SPREADS * WIDER) - mixture_quantile(CONTROL_MIX, SPREADS)


def matched_sample(
    rng: np.random.Generator, incidents: int, parents: int = 6, controls: int = CONTROLS
) -> MatchedSample:
    """Unequal incidents of `parents` on average; incidents share the shocks of their days."""
    sizes = 1 + rng.poisson(parents - 1, incidents)
    incident = np.repeat(np.arange(incidents), sizes)
    days = rng.integers(0, DAYS, incidents)
    day = np.arange(controls) % DAYS
    of_day, of_incident = rng.normal(size=DAYS), rng.normal(size=incidents)
    mine = rng.choice(4, incident.size, p=EXPOSED_MIX)
    theirs = rng.choice(4, controls, p=CONTROL_MIX)
    exposed = (
        np.sqrt(0.05) * of_day[days[incident]]
        + np.sqrt(0.25) * of_incident[incident]
        + np.sqrt(0.70) * rng.normal(size=incident.size)
    )
    quiet = np.sqrt(0.05) * of_day[day] + np.sqrt(0.95) * rng.normal(size=controls)
    return MatchedSample(
        Group(exposed * SPREADS[mine] * WIDER, incident),
        Group(quiet * SPREADS[theirs], day),
        ({"vol": mine}, {"vol": theirs}),
    )


DURATION_BPS: Final = 6.6
"""Standard deviation of the shortfall of an hour's order, bps."""


def duration_sample(
    rng: np.random.Generator, incidents: int, parents: int, controls: int
) -> MatchedSample:
    """A failover that changes nothing: but long parents are hit more often, and are wider.

    Durations are log-uniform from 5 minutes to 4 hours; the chance to be hit is proportional to
    them, the standard deviation of the shortfall to their root.
    """
    n = incidents * parents
    drawn = 300.0 * 48.0 ** rng.random(40 * n)
    hit = rng.choice(drawn, n, p=drawn / drawn.sum())
    quiet = 300.0 * 48.0 ** rng.random(controls)
    groups = [
        Group(np.sqrt(seconds / 3600) * DURATION_BPS * rng.normal(size=seconds.size), cluster)
        for seconds, cluster in (
            (hit, np.arange(n) // parents), (quiet, np.arange(controls) % DAYS),
        )
    ]  # fmt: skip
    keys = [{"duration": half_octaves(seconds)} for seconds in (hit, quiet)]
    return MatchedSample(groups[0], groups[1], (keys[0], keys[1]))
