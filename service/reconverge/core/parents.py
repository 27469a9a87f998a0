"""Parent orders of a session: their schedules, and how far behind them execution is."""

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from reconverge.core.messages.desk import ParentOrder
from reconverge.core.messages.units import nanos

PARENTS_MAX: Final = 100_000
"""Parents followed in one session. Beyond it the oldest goes: only its backlog is lost from sight.
"""


class Parent:
    """A parent order and its target schedule; quantities in nanos."""

    __slots__ = ("at_ns", "cum_qty", "sigma_bps")

    def __init__(self, at_ns: list[int], cum_qty: list[int], sigma_bps: float | None) -> None:
        self.at_ns = at_ns
        self.cum_qty = cum_qty
        self.sigma_bps = sigma_bps

    def scheduled(self, now_ns: int) -> int:
        """Quantity meant to be executed by now, from the last point that has passed. Nanos."""
        i = bisect_right(self.at_ns, now_ns)
        return self.cum_qty[i - 1] if i else 0

    def rest(self, now_ns: int) -> tuple[int, int]:
        """When the schedule ends, and the quantity still to come on it by then. Nanos."""
        if not self.at_ns:
            return now_ns, 0
        return self.at_ns[-1], self.cum_qty[-1] - self.scheduled(now_ns)


class Backlog(NamedTuple):
    """What one parent is behind its schedule, and the pace it may be repaid beside."""

    parent_id: str
    qty: int
    """Nanos."""
    normal_per_s: float
    """Scheduled rate from now to the end of the schedule. Nanos per second."""
    horizon_s: float
    """Time left to the end of the schedule."""


class Parents:
    """The parents of one session, in the order in which they were last stated."""

    __slots__ = ("_sigma_bps", "by_id")

    def __init__(self) -> None:
        self.by_id: dict[str, Parent] = {}
        """At most ``PARENTS_MAX``."""
        self._sigma_bps: float | None = None
        """The highest volatility stated, 0 where none is; None when it must be found anew."""

    def __bool__(self) -> bool:
        return bool(self.by_id)

    def set(self, event: ParentOrder) -> None:
        """A parent and its schedule; a later one with its id replaces it."""
        self._sigma_bps = None
        self.by_id.pop(event.parent_id, None)
        if len(self.by_id) >= PARENTS_MAX:
            del self.by_id[next(iter(self.by_id))]
        at_ns = [point.at_ns for point in event.schedule]
        cum_qty = [nanos(point.cum_qty) for point in event.schedule]
        self.by_id[event.parent_id] = Parent(at_ns, cum_qty, event.sigma_bps)

    def end(self, parent_id: str) -> None:
        """A parent ended: nothing is scheduled any more."""
        self._sigma_bps = None
        self.by_id.pop(parent_id, None)

    def sigma_bps(self, default: float) -> float:
        """Daily volatility of the wildest parent: the limit must suit every one of them."""
        if self._sigma_bps is None:
            known = [p.sigma_bps for p in self.by_id.values() if p.sigma_bps is not None]
            self._sigma_bps = max(known, default=0.0)
        return self._sigma_bps or default

    def backlogs(self, now_ns: int, executed: Mapping[str, int]) -> Iterator[Backlog]:
        """Scheduled minus executed quantity of each parent, not below 0.

        ``executed``: quantity executed by parent id, in nanos.
        """
        for parent_id, parent in self.by_id.items():
            scheduled = parent.scheduled(now_ns)
            end_ns, rest = parent.rest(now_ns)
            horizon_s = max(0, end_ns - now_ns) / 1e9
            rate = rest / horizon_s if horizon_s else 0.0
            owed = max(0, scheduled - executed.get(parent_id, 0))
            yield Backlog(parent_id, owed, rate, horizon_s)

    def dump(self) -> Iterator[list[Any]]:
        """A row of JSON values for each parent."""
        for parent_id, parent in self.by_id.items():
            yield [parent_id, parent.at_ns, parent.cum_qty, parent.sigma_bps]

    def load_row(self, row: list[Any]) -> None:
        """Restore one row of ``dump``."""
        parent_id, at_ns, cum_qty, sigma_bps = row
        self.by_id[parent_id] = Parent(at_ns, cum_qty, sigma_bps)
