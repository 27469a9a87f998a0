"""The deficit runs of a parent: when it was behind its schedule because of an episode (T27).

B(t) = S(t - ℓ0) - X(t) is what should have been filled and is not. A run begins at ``a``, when the
cap in force falls below normal, has its peak where the mean of five points of B is highest, and
ends at ``b``, when that mean is back at its normal mean; at the parent's end if it never is.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from reconverge.tca.arrays import Floats, Ints
from reconverge.tca.fifo import Steps
from reconverge.tca.figures import Basis
from reconverge.tca.lots import Lots
from reconverge.tca.shortfall import INTENTS, Parent

POINTS: Final = 5
"""B is a saw-tooth of child orders; a mean of five points sees through its teeth."""
CATCH_UP: Final = INTENTS.index("catch_up")


class Run(NamedTuple):
    """One deficit run. Times in nanoseconds UTC, quantities in nanos."""

    episode: int
    """Index of the episode that it began with."""
    from_ns: int
    """a."""
    peak_ns: int
    to_ns: int
    """b."""
    open: bool
    """Whether it had not ended by the parent's end: b is that end."""
    peak_qty: int
    """B at the peak, above the normal mean."""
    end_qty: int
    """B at b, above the normal mean, at least 0."""
    basis: Basis
    """`stated` where the phases are those of stated intents, else `inferred` (T33)."""
    link: int
    """Index of the first of the runs that follow each other without a recovery between."""

    @property
    def cleared(self) -> int:
        """Backlog cleared after the peak: B(peak) - B(b)⁺ (T48). Nanos."""
        return max(0, self.peak_qty - self.end_qty)


class Deficit(NamedTuple):
    """B over time, at the moments of fills. Shape (points,)."""

    at_ns: Ints
    qty: Ints
    """Nanos, below 0 when ahead."""
    filled: Ints
    """What was filled at each moment. Nanos."""


def deficit(schedule: Steps, lots: Lots, lag_ns: int) -> Deficit:
    """B just before each fill, by matching time: highest before the first that repays."""
    times = np.unique(lots.match_ns)
    due = np.concatenate([[0], np.cumsum(schedule.qty)])
    done = np.concatenate([[0], np.cumsum(lots.qty)])
    scheduled = due[np.searchsorted(schedule.due_ns + lag_ns, times, side="right")]
    filled = done[np.searchsorted(lots.match_ns, times, side="right")]
    before = np.append(0, filled[:-1])
    return Deficit(times, scheduled - before, filled - before)


def smoothed(qty: Ints) -> Floats:
    """The mean of five consecutive points, centred; at the ends, of those that are there."""
    sums = np.concatenate([[0.0], np.cumsum(qty.astype(np.float64))])
    index = np.arange(qty.size)
    half = POINTS // 2
    low, high = np.maximum(0, index - half), np.minimum(qty.size, index + half + 1)
    return np.asarray((sums[high] - sums[low]) / (high - low), np.float64)


def runs(parent: Parent, lots: Lots, lag_ns: int, below_ns: Sequence[tuple[int, int]]) -> list[Run]:
    """The runs of a parent, at most one an episode.

    ``below_ns`` has, for each episode in time order, the index of the episode and the first moment
    at which the cap in force for the parent's symbol was below normal (expired caps count).
    ``lots`` are those within the quantity in force, in FIFO order. A run that has not ended when
    the next episode's begins is followed by it: they are linked.
    """
    points = deficit(parent.schedule, lots, lag_ns)
    if not points.at_ns.size or not below_ns:
        return []
    before = points.qty[points.at_ns < below_ns[0][1]]
    normal_mean = float(before.mean()) if before.size else 0.0
    normal_max = int(before.max()) if before.size else 0
    height = max(normal_max, int(np.median(points.filled)))
    found: list[Run] = []
    for place, (episode, from_ns) in enumerate(below_ns):
        last = place + 1 == len(below_ns)
        until_ns = parent.end_ns if last else min(below_ns[place + 1][1], parent.end_ns)
        run = _run(parent, points, (from_ns, until_ns), (normal_mean, height))
        if run is None:
            continue
        linked = bool(found) and found[-1].to_ns == from_ns
        link = found[-1].link if linked else len(found)
        found.append(run._replace(episode=episode, link=link))
    stated = bool((parent.fills.intent == CATCH_UP).any())
    return [_stated(parent, run) for run in found] if stated else found


def _run(
    parent: Parent, points: Deficit, span_ns: tuple[int, int], normal: tuple[float, int]
) -> Run | None:
    from_ns, until_ns = span_ns
    mean, height = normal
    inside = (points.at_ns >= from_ns) & (points.at_ns <= until_ns)
    if not inside.any() or points.qty[inside].max() <= height:
        return None
    level = np.where(inside, smoothed(points.qty), -np.inf)
    peak = int(np.argmax(level))
    back = np.nonzero(inside & (np.arange(level.size) > peak) & (level <= mean))[0]
    end = int(back[0]) if back.size else int(np.nonzero(inside)[0][-1])
    to_ns = int(points.at_ns[end]) if back.size else until_ns
    is_open = not back.size and until_ns == parent.end_ns
    at_peak, at_end = (round(float(level[i]) - mean) for i in (peak, end))
    at_end = 0 if back.size else max(0, at_end)
    peak_ns = int(points.at_ns[peak]) - 1
    return Run(0, from_ns, peak_ns, to_ns, is_open, at_peak, at_end, "inferred", 0)


def _stated(parent: Parent, run: Run) -> Run:
    """The phases as the desk stated them: from the first catch-up fill of the run to the last."""
    fills = parent.fills
    times = fills.at_ns[(fills.intent == CATCH_UP) & (fills.at_ns > run.from_ns)]
    times = times[times <= max(run.to_ns, run.peak_ns)]
    if not times.size:
        return run
    return run._replace(peak_ns=int(times[0]) - 1, basis="stated")
