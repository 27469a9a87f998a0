"""Incidents, their windows, and who was exposed to them (T15-T19)."""

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from reconverge.tca.arrays import SECOND_NS, Bools, Ints, require
from reconverge.tca.fifo import Steps

PRE_NS: Final = 900 * SECOND_NS
"""What counts as just before a failure: a quarter of an hour."""

OUTSIDE, TOUCHED, EXPOSED, BORN_INSIDE = range(4)
EXPOSURES: Final = ("outside", "touched", "exposed", "born_inside")

INCIDENT_STATES: Final = ("FAILOVER_DETECTED", "STATE_DIVERGED", "REPLAY_SYNCING")
"""The states of an episode in which repaying has not begun (T16)."""


def incidents(from_ns: Ints, to_ns: Ints, venue: Ints) -> Ints:
    """The incident of each episode: episodes of a venue that overlap, directly or through others,
    are one (T15). Shape (episodes,) each; give one venue for all to join across venues.

    Incidents are numbered by the time they began. An episode that ends where the next begins
    overlaps it.
    """
    require(bool((to_ns >= from_ns).all()), "an episode ends before it begins")
    if not from_ns.size:
        return np.empty(0, np.int64)
    order = np.lexsort((from_ns, venue))
    begin, group = from_ns[order], venue[order]
    reach = np.empty_like(begin)
    for one in np.unique(group).tolist():
        mine = group == one
        reach[mine] = np.maximum.accumulate(to_ns[order][mine])
    new = np.ones(order.size, bool)
    new[1:] = (group[1:] != group[:-1]) | (begin[1:] > reach[:-1])
    number = np.empty(order.size, np.int64)
    number[order] = np.cumsum(new) - 1
    first = np.full(int(number.max()) + 1, np.iinfo(np.int64).max)
    np.minimum.at(first, number, from_ns)
    rank = np.empty(first.size, np.int64)
    rank[np.argsort(first, kind="stable")] = np.arange(first.size)
    return rank[number]


class Windows(NamedTuple):
    """The windows of one session's episode (T16). Nanoseconds UTC; [from, to)."""

    pre_ns: int
    failed_ns: int
    reentry_ns: int
    """CONTROLLED_REENTRY: the incident window ends, recovery begins."""
    healthy_ns: int
    """HEALTHY again; recovery of a parent lasts to the end of its deficit run if that is later."""

    def recovery_end(self, run_end_ns: int, parent_end_ns: int) -> int:
        """When a parent's recovery window ends."""
        return min(max(self.healthy_ns, run_end_ns), parent_end_ns)


def windows(failed_ns: int, reentry_ns: int | None, healthy_ns: int | None, end_ns: int) -> Windows:
    """The windows of an episode; what never came counts as the end of observation."""
    reentry = end_ns if reentry_ns is None else reentry_ns
    healthy = end_ns if healthy_ns is None else healthy_ns
    return Windows(failed_ns - PRE_NS, failed_ns, reentry, max(reentry, healthy))


@dataclass(frozen=True, slots=True)
class Exposure:
    """What an episode was to a parent (T17)."""

    kind: int
    """Index into `EXPOSURES`."""
    dose: float
    """Quantity scheduled before the failure and due in the incident window, as a share of Q."""


def exposure(
    live_ns: tuple[int, int], schedule: Steps, quantity: int, open_qty: int, episode: Windows
) -> Exposure:
    """Intention to treat: what the schedule before the failure wanted, whatever was done (T17).

    ``live_ns`` is from the parent's arrival to its end, ``schedule`` the one in force before the
    failure, ``open_qty`` its quantity in open orders then (nanos). Exposed: something was due in
    the incident window or open at the failure. Live with nothing due or open: touched, neither
    exposed nor control. Arrived during the incident: born inside, told apart.
    """
    arrived_ns, ended_ns = live_ns
    if episode.failed_ns <= arrived_ns < episode.reentry_ns:
        return Exposure(BORN_INSIDE, 0.0)
    if arrived_ns >= episode.reentry_ns or ended_ns <= episode.failed_ns:
        return Exposure(OUTSIDE, 0.0)
    inside: Bools = (schedule.due_ns >= episode.failed_ns) & (schedule.due_ns < episode.reentry_ns)
    due = int(schedule.qty[inside].sum())
    return Exposure(EXPOSED if due or open_qty else TOUCHED, due / quantity)


class Membership(NamedTuple):
    """To which incident a parent belongs (T18)."""

    incident: int
    dose: float
    """Summed over its incidents."""
    policies: int
    """Policies that its incidents ran under: more than one leaves it out of comparisons."""
    safe_mode: bool
    """Whether the latch was set in any: never feeds a guardrail (T19)."""


def membership(
    incident: Ints, began_ns: Ints, dose: list[float], policy: Ints, safe_mode: Bools
) -> Membership:
    """A parent exposed to several incidents belongs to the first one's cluster (T18).

    Shape (exposures,) each, at least one.
    """
    require(incident.size > 0, "a parent that was exposed to nothing")
    first = int(np.argmin(began_ns))
    policies = int(np.unique(policy).size)
    return Membership(int(incident[first]), sum(dose), policies, bool(safe_mode.any()))


def mature(began_ns: Ints, as_of_ns: int, horizon_ns: int) -> Bools:
    """Which incidents, or controls, began long enough before an analysis to enter it (T14).

    Without this the quick finishers among recent ones would bias the tail down.
    """
    return began_ns <= as_of_ns - horizon_ns
