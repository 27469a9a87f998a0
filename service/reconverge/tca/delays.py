"""Who was late because of an episode, over which time, under which restriction (T28, T32)."""

from collections import defaultdict
from dataclasses import dataclass
from typing import Final

import numpy as np

from reconverge.core.messages.units import ONE
from reconverge.tca.arrays import SECOND_NS, Bools, Floats, Ints, require
from reconverge.tca.fifo import NONE
from reconverge.tca.marks import Mids
from reconverge.tca.runs import Run
from reconverge.tca.shares import Shares

UNRESTRICTED: Final = "unrestricted"
"""The label of time in a run at which the cap was normal again: what is owed is being repaid."""


@dataclass(frozen=True, slots=True)
class Restrictions:
    """The caps below normal that were in force for a parent's symbol, in time order (T32)."""

    from_ns: Ints
    """Shape (spans,), not overlapping."""
    to_ns: Ints
    episode: Ints
    """Index of the episode of each."""
    label: tuple[str, ...]
    """(state, reason) of each, as one text: ``REPLAY_SYNCING/ceiling``. An expired cap is
    ``state/expired``."""

    def __post_init__(self) -> None:
        require(bool((self.to_ns >= self.from_ns).all()), "a restriction ends before it begins")
        require(bool((self.from_ns[1:] >= self.to_ns[:-1]).all()), "restrictions overlap")

    def at(self, at_ns: Ints) -> Ints:
        """Index of the restriction in force at each time; -1 for none."""
        place = np.searchsorted(self.from_ns, at_ns, side="right") - 1
        inside = (place >= 0) & (at_ns < np.append(self.to_ns, 0)[place])
        return np.where(inside, place, NONE)

    def begins(self) -> list[tuple[int, int]]:
        """(episode, first moment with a cap below normal) by time."""
        episodes, first = np.unique(self.episode, return_index=True)
        pairs = zip(episodes.tolist(), self.from_ns[first].tolist(), strict=True)
        return sorted(pairs, key=lambda pair: pair[1])


_NONE: Final = np.empty(0, np.int64)
NO_RESTRICTION: Final = Restrictions(_NONE, _NONE, _NONE, ())


class Periods:
    """The runs of a parent as arrays, the last row standing for none."""

    def __init__(self, found: list[Run]) -> None:
        far = np.iinfo(np.int64).max
        columns = [
            (run.from_ns, run.peak_ns, run.to_ns, run.episode, found[run.link].from_ns)
            for run in found
        ]
        array = np.array([*columns, (far, far, far, NONE, far)], np.int64)
        self.from_ns, self.peak_ns, self.to_ns, self.episode, self.link_ns = array.T
        self.open = np.array([*(run.open for run in found), False])
        self.stated = np.array([*(run.basis == "stated" for run in found), False])
        self.count = len(found)

    def trading(self, at_ns: Ints) -> Ints:
        """The run that each time lies in, (a, b]; `NONE` for none."""
        place = np.searchsorted(self.from_ns[: self.count], at_ns, side="left") - 1
        return np.where(at_ns <= self.to_ns[place], place, NONE)

    def begun(self, at_ns: Ints) -> Ints:
        """The last run that had begun by each time; `NONE` for none."""
        return np.searchsorted(self.from_ns[: self.count], at_ns, side="right") - 1

    def phase(self, run: Ints, at_ns: Ints) -> Ints:
        """Index into `rows.PHASES`: before or after the peak of a run, -1 for no run."""
        return np.where(run == NONE, NONE, (at_ns > self.peak_ns[run]).astype(np.int64))

    def late(self, shares: Shares) -> Ints:
        """The first run that each share was throttled in: u0 < v, v > a and u0 < b (T28).

        A share both due and filled inside the run lies in it even if it was early by chance: to
        take only the late ones would pick their chance, and a drift would make it a cost (half a
        percent of C_throttle where 6 bps a minute were planted). An unfilled share is throttled
        only in a run that had not ended at T.
        """
        found = np.full(shares.qty.shape, NONE)
        for run in reversed(range(self.count)):
            from_ns, to_ns = self.from_ns[run], self.to_ns[run]
            overlaps = (shares.at_ns > from_ns) & (shares.due_ns < to_ns)
            inside = (shares.due_ns > from_ns) & (shares.at_ns < to_ns)
            in_run = overlaps & (inside | (shares.due_ns < shares.at_ns))
            found[in_run & (shares.filled | self.open[run])] = run
        return found


@dataclass(frozen=True, slots=True)
class Delays:
    """The lateness of throttled shares, cut where restrictions and phases change.

    Stretches have shape (stretches,): one share over one time under one restriction.
    """

    periods: Periods
    run: Ints
    """Shape (shares,): the run that each was throttled in, or `NONE`."""
    from_ns: Ints
    """Shape (shares,): max(u0, a), from when on its delay is the run's; v if not throttled."""
    from_mid: Floats
    """Shape (shares,): the mid then."""
    share: Ints
    """Stretches: index of the share."""
    begin_ns: Ints
    end_ns: Ints
    moved: Floats
    """Stretches: by how much the mid moved. Nanos, NaN unknown."""
    span: Ints
    """Stretches: index of the restriction in force, `NONE` for none."""
    share_seconds: dict[str, float]
    """Deferred by (state, reason): whole units × seconds."""


def delays(shares: Shares, found: list[Run], restrictions: Restrictions, mids: Mids) -> Delays:
    """The lateness of each throttled share (T28), cut at every change of restriction (T32)."""
    periods = Periods(found)
    run = periods.late(shares)
    late = run != NONE
    begin_ns = np.maximum(shares.due_ns, periods.link_ns[run])
    from_ns = np.where(late, begin_ns, shares.at_ns)
    at_begin = mids.at(periods.link_ns[run]) if late.any() else shares.due_mid
    from_mid = np.where(shares.due_ns >= from_ns, shares.due_mid, at_begin)
    from_mid = np.where(late, from_mid, shares.mid)
    edges = np.unique(
        np.concatenate([
            restrictions.from_ns, restrictions.to_ns, periods.from_ns[:-1], periods.peak_ns[:-1]
        ])
    )  # fmt: skip
    ends = (from_ns, from_mid, shares.at_ns, shares.mid)
    share, begin, end, moved = _cut(ends, np.nonzero(late)[0], edges, mids.at(edges))
    span = restrictions.at(begin)
    seconds: defaultdict[str, float] = defaultdict(float)
    labels = (*restrictions.label, UNRESTRICTED)
    amounts = shares.qty[share] / ONE * ((end - begin) / SECOND_NS)
    sums = np.bincount(span % len(labels), amounts, minlength=len(labels)).tolist()
    for label, amount in zip(labels, sums, strict=True):
        seconds[label] += amount
    deferred = {label: amount for label, amount in seconds.items() if amount}
    return Delays(periods, run, from_ns, from_mid, share, begin, end, moved, span, deferred)


def _cut(
    ends: tuple[Ints, Floats, Ints, Floats], late: Ints, edges: Ints, edge_mid: Floats
) -> tuple[Ints, Ints, Ints, Floats]:
    """Stretches between each late share's begin and end, cut at the edges inside.

    A share of which a mid at an edge inside is unknown stays whole: its sum is known all the same.
    """
    from_ns, from_mid, to_ns, to_mid = (column[late] for column in ends)
    inside: Bools = (edges > from_ns[:, None]) & (edges < to_ns[:, None])
    torn = (inside & np.isnan(edge_mid)).any(axis=1)
    inside[torn] = False
    row, column = np.nonzero(inside)
    share = np.concatenate([np.arange(late.size), row])
    times = np.concatenate([from_ns, edges[column]])
    mids = np.concatenate([from_mid, edge_mid[column]])
    order = np.lexsort((times, share))
    share, times, mids = share[order], times[order], mids[order]
    last = np.append(share[1:] != share[:-1], True)[: share.size]
    end_ns = np.where(last, to_ns[share], np.append(times[1:], 0)[: share.size])
    end_mid = np.where(last, to_mid[share], np.append(mids[1:], 0)[: share.size])
    return late[share], times, end_ns, end_mid - mids
