"""First in, first out: which share of the schedule each fill was (T20, T21).

Linear in the number of steps and fills, and exact: cumulative sums of integers are cut at all
their boundaries.
"""

from typing import Final, Literal, NamedTuple

import numpy as np

from reconverge.tca.arrays import SECOND_NS, Ints, cumulated, require

GRID_NS: Final = SECOND_NS
"""A linear schedule is cut into steps of a second: far below what a quote's age may be."""
STEPS_MAX: Final = 10_000
"""Steps of one linear schedule, so that a week's order costs no more than a day's: 28 hours."""

NONE: Final = -1
"""The index of a share that no schedule step, or no fill, stands for."""


class Steps(NamedTuple):
    """A schedule as increments: what becomes due, and when."""

    due_ns: Ints
    """Shape (steps,), not decreasing. Nanoseconds, UTC."""
    qty: Ints
    """Shape (steps,), above 0. Nanos."""


def cut(total: int, *cumulative: Ints) -> tuple[Ints, list[Ints]]:
    """Cut shares 0 … ``total`` at the boundaries of several cumulative sums.

    Gives the quantity of each piece, shape (pieces,), and for each cumulative sum the index of the
    entry that the piece belongs to; ``NONE`` beyond its end. Nanos. T21.
    """
    inside = [sums[(sums > 0) & (sums < total)] for sums in cumulative]
    edges = np.unique(np.concatenate([np.array([0, total], np.int64), *inside]))
    left = edges[:-1]
    places = [np.searchsorted(sums, left, side="right") for sums in cumulative]
    indices = [
        np.where(place < sums.size, place, NONE)
        for place, sums in zip(places, cumulative, strict=True)
    ]
    return np.diff(edges), indices


def steps(at_ns: Ints, cumulative: Ints, shape: Literal["step", "linear"] = "step") -> Steps:
    """The increments of a schedule given as points (time, cumulative quantity).

    ``step``: the quantity is due at its point. ``linear``: it becomes due evenly since the point
    before, cut into steps of a second (at most 10,000) that are due at their midpoints (T20). The
    first point of a linear schedule is due at its own time. Raises ValueError if times or
    quantities decrease.
    """
    require(at_ns.shape == cumulative.shape, "a schedule has one quantity for each time")
    require(bool((np.diff(at_ns) >= 0).all()), "the times of a schedule decrease")
    require(bool((np.diff(cumulative, prepend=0) >= 0).all()), "scheduled quantities decrease")
    if shape == "linear" and at_ns.size > 1:
        at_ns, cumulative = _gridded(at_ns, cumulative)
    qty = np.diff(cumulative, prepend=0)
    some = qty > 0
    return Steps(at_ns[some], qty[some])


def _gridded(at_ns: Ints, cumulative: Ints) -> tuple[Ints, Ints]:
    """Points of the straight lines between points: midpoints in time, whole nanos in quantity."""
    span_ns = int(at_ns[-1] - at_ns[0])
    count = max(1, min(STEPS_MAX, -(-span_ns // GRID_NS)))
    edges = at_ns[0] + (np.arange(count + 1) * (span_ns / count)).astype(np.int64)
    edges = np.unique(np.concatenate([edges, at_ns]))
    # Interpolated from the nearest point, so that the float error stays below a nano's worth.
    reached = np.interp((edges - at_ns[0]).astype(float), (at_ns - at_ns[0]).astype(float),
                        (cumulative - cumulative[0]).astype(float))  # fmt: skip
    sums = cumulative[0] + np.rint(reached).astype(np.int64)
    last = np.searchsorted(at_ns, edges, side="right") - 1
    exact = at_ns[last] == edges
    sums = np.where(exact, cumulative[last], np.minimum(sums, cumulative[-1]))
    middles = edges[:-1] + np.diff(edges) // 2
    sums = np.maximum.accumulate(sums)
    return np.concatenate([at_ns[:1], middles]), np.concatenate([cumulative[:1], sums[1:]])


def in_force(versions: list[tuple[int, Steps]]) -> Steps:
    """The schedule as it was in force at each moment, from its versions in time order (T11).

    A version (time, steps) rules until the next. Shares that a later version withdraws before they
    were filled were never due: the sum at a time is the least of what is in force from then on.
    """
    times = np.unique(
        np.concatenate([np.concatenate([[at], version.due_ns]) for at, version in versions])
    ).astype(np.int64)
    sums = np.zeros(times.size, np.int64)
    for at_ns, version in versions:
        place = np.searchsorted(version.due_ns, times, side="right")
        ruled = np.concatenate([[0], cumulated(version.qty)])[place]
        sums = np.where(times >= at_ns, ruled, sums)
    sums = np.minimum.accumulate(sums[::-1])[::-1]
    return steps(times, sums)
