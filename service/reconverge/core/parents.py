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

    __slots__ = ("at_ns", "cum_qty", "executed_before", "linear", "sigma_bps")

    def __init__(
        self,
        at_ns: list[int],
        cum_qty: list[int],
        sigma_bps: float | None,
        linear: bool,  # noqa: FBT001 - a field like the others
        executed_before: int,
    ) -> None:
        self.at_ns = at_ns
        """When each point of the schedule is due; never falls along it. Fixed, like the rest."""
        self.cum_qty = cum_qty
        """Quantity meant to be executed by each point; never falls along it."""
        self.sigma_bps = sigma_bps
        self.linear = linear
        """The quantity comes due evenly between two points; otherwise at the later one."""
        self.executed_before = executed_before
        """Executed under this id by a parent that ended before this one was stated."""

    def scheduled(self, now_ns: int) -> int:
        """Quantity meant to be executed by now. Nanos."""
        i = bisect_right(self.at_ns, now_ns)
        if i == 0:
            return 0
        due = self.cum_qty[i - 1]
        if not self.linear or i == len(self.at_ns):
            return due
        from_ns, to_ns = self.at_ns[i - 1], self.at_ns[i]
        return due + (self.cum_qty[i] - due) * (now_ns - from_ns) // (to_ns - from_ns)

    def rest(self, now_ns: int) -> tuple[int, int]:
        """When the schedule ends, and the quantity still to come on it by then. Nanos."""
        if not self.at_ns:
            return now_ns, 0
        return self.at_ns[-1], self.cum_qty[-1] - self.scheduled(now_ns)

    def is_one_step(self, from_ns: int) -> bool:
        """Whether nothing is due before the end, which is still to come: a line may be meant."""
        late = bool(self.at_ns) and self.at_ns[-1] > from_ns and self.cum_qty[-1] > 0
        return late and not self.linear and not self.scheduled(self.at_ns[-1] - 1)


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

    __slots__ = ("_sigma_bps", "by_id", "ended")

    def __init__(self) -> None:
        self.by_id: dict[str, Parent] = {}
        """At most ``PARENTS_MAX``."""
        self.ended: dict[str, None] = {}
        """Ids of parents that ended with something executed: a parent stated under one of them is
        another parent. At most ``PARENTS_MAX``; the oldest goes."""
        self._sigma_bps: float | None = None
        """The highest volatility stated, 0 where none is; None when it must be found anew."""

    def __bool__(self) -> bool:
        return bool(self.by_id)

    def set(self, event: ParentOrder, executed: Mapping[str, int]) -> Parent:
        """A parent and its schedule; a later one with its id replaces it, unless it ended.

        ``executed``: quantity executed by parent id, in nanos.
        """
        self._sigma_bps = None
        name = event.parent_id
        former = self.by_id.pop(name, None)
        if len(self.by_id) >= PARENTS_MAX:
            del self.by_id[next(iter(self.by_id))]
        if former is not None:
            executed_before = former.executed_before
        else:
            executed_before = executed.get(name, 0) if name in self.ended else 0
        parent = self.by_id[name] = Parent(
            [point.at_ns for point in event.schedule],
            [nanos(point.cum_qty) for point in event.schedule],
            event.sigma_bps,
            event.schedule_shape == "linear",
            executed_before,
        )
        return parent

    def end(self, parent_id: str, executed: Mapping[str, int]) -> None:
        """A parent ended: nothing is scheduled any more."""
        self._sigma_bps = None
        self.by_id.pop(parent_id, None)
        if parent_id in executed:
            if len(self.ended) >= PARENTS_MAX:
                del self.ended[next(iter(self.ended))]
            self.ended[parent_id] = None

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
            done = executed.get(parent_id, 0) - parent.executed_before
            yield Backlog(parent_id, max(0, scheduled - done), rate, horizon_s)

    def dump(self) -> Iterator[list[Any]]:
        """A row of JSON values for each parent, and for each id of one that ended."""
        for parent_id, parent in self.by_id.items():
            yield [parent_id, *(getattr(parent, name) for name in _FIELDS)]
        for parent_id in self.ended:
            yield [parent_id]

    def load_row(self, row: list[Any]) -> None:
        """Restore one row of ``dump``."""
        parent_id, *fields = row
        if fields:
            self.by_id[parent_id] = Parent(*fields)
        else:
            self.ended[parent_id] = None


_FIELDS: Final = ("at_ns", "cum_qty", "sigma_bps", "linear", "executed_before")
