"""Episodes: the record of one divergence, from its first signal until health is proven again.

Kept by the session as things happen, bounded however long it lasts, and rendered into
``effects.Episode`` when it opens, at a bounded rate while it lasts, and when it closes. Two clocks
run side by side here, because their difference is what the product exists to show: how long the
*link* was down, and how long the *state* diverged.
"""

from collections.abc import Iterator
from typing import Any, Final

from reconverge.core.control.machine import FROZEN
from reconverge.core.messages import effects
from reconverge.core.messages.effects import State
from reconverge.core.messages.units import decimal_text

SERIES_MAX: Final = 256
"""Points kept of one series:

An hour of recovery stays readable, an episode record stays below 100 kB.
"""
PATH_MAX: Final = 1_000
"""Steps of the path kept: the first and the latest half of a link that flaps all day."""
ATTESTATIONS_MAX: Final = 100
"""Attestations kept. Each is one person's word; more are a script's."""
DECISIONS_MAX: Final = 1_000
"""Child-order decisions kept: first come, the rest are counted in ``unresolved`` as dropped."""
BACKLOG_PARENTS_MAX: Final = 16
"""Parents whose backlog is followed in one episode."""
BACKLOG_POINTS_MAX: Final = 32
BACKLOG_EVERY_NS: Final = 1_000_000_000
"""Least time between two looks at the backlogs: they cost time in proportion to the parents."""
UPDATE_EVERY_NS: Final = 5_000_000_000
"""Least time between two updates of an open episode."""


class Series:
    """A bounded series of points that keeps its extremes and its ends.

    A point is a list whose first item is its time. When the series is full, each run of four points
    gives way to its lowest and highest by ``key``, in time order, so a global extreme survives
    every decimation; the first and last points always stay.
    """

    __slots__ = ("key", "limit", "points")

    def __init__(self, key: int, limit: int = SERIES_MAX) -> None:
        self.key = key
        self.limit = limit
        self.points: list[list[Any]] = []

    def add(self, point: list[Any]) -> None:
        """Append a point unless only its time differs from the last one."""
        if self.points and self.points[-1][1:] == point[1:]:
            return
        if len(self.points) >= self.limit:
            self._decimate()
        self.points.append(point)

    def _decimate(self) -> None:
        inner = self.points[1:-1]
        kept = [self.points[0]]
        for start in range(0, len(inner), 4):
            run = range(start, min(start + 4, len(inner)))
            low = min(run, key=lambda i: inner[i][self.key])
            high = max(run, key=lambda i: inner[i][self.key])
            kept += [inner[i] for i in sorted({low, high})]
        kept.append(self.points[-1])
        self.points = kept


_PLAIN: Final = (
    "_crossed_ns", "_diverged_since_ns", "_link_down_since_ns", "attestations",
    "attestations_dropped", "backlog_ns", "cause", "cause_detail", "cycles", "dark_ns", "decisions",
    "decisions_dropped", "diverged_ever_ns", "divergence_ns", "episode_id", "failed_event_ns",
    "failed_ns", "fds_ns", "fds_processing_ns", "link_down_ns", "link_was_down",
    "normal_cap_sequence", "path", "published_ns", "reentry_cap_sequence", "reentry_event_ns",
    "reentry_ns", "revision", "sdl_ns", "sdl_reentry_ns", "start_ns", "steps_dropped",
)  # fmt: skip
"""Fields of an ``EpisodeLog`` that JSON can carry as they are."""


class EpisodeLog:
    """What has been seen of one episode so far."""

    __slots__ = (*_PLAIN, "backlog", "gaps", "similarity")

    def __init__(self, episode_id: str, start_ns: int, cause: str, cause_detail: str) -> None:
        self.episode_id = episode_id
        self.start_ns = start_ns
        self.cause = cause
        self.cause_detail = cause_detail
        self.cycles = 0
        self.path: list[list[Any]] = []
        self.gaps = Series(key=1)
        self.similarity = Series(key=2)
        self.decisions: list[list[Any]] = []
        self.decisions_dropped = self.steps_dropped = self.attestations_dropped = 0
        self.backlog: dict[str, Series] = {}
        self.backlog_ns = 0
        self.attestations: list[str] = []
        self.failed_event_ns: int | None = None
        """First hard failure, by its source's clock; None for silent divergence."""
        self.failed_ns: int | None = None
        """When FAILOVER_DETECTED was entered for it, by the core's clock."""
        self.fds_ns: int | None = None
        """The one to the other: two clocks, so it may be negative (DOMAIN §11)."""
        self.fds_processing_ns: int | None = None
        """From when our adapter had the signal."""
        self.dark_ns: int | None = None
        """From the last proof of life on the path; None if it was never heard."""
        self.reentry_event_ns: int | None = None
        """First hard failure, by its source's clock, to CONTROLLED_REENTRY; never below 0."""
        self.reentry_ns: int | None = None
        """FAILOVER_DETECTED to CONTROLLED_REENTRY, by the core's clock."""
        self.link_was_down = False
        self.link_down_ns = 0
        self._link_down_since_ns: int | None = None
        self.diverged_ever_ns: int | None = None
        """First disagreement: since the failure, or before the episode where it was silent."""
        self.divergence_ns: int | None = None
        """First disagreement to the end of the latest one."""
        self._diverged_since_ns: int | None = None
        self._crossed_ns: int | None = None
        self.reentry_cap_sequence: int | None = None
        """First cap of the present re-entry; None while there is none."""
        self.normal_cap_sequence: int | None = None
        """First cap that is normal participation again, all later ones being so too."""
        self.sdl_ns: int | None = None
        self.sdl_reentry_ns: int | None = None
        self.revision = 0
        self.published_ns = 0

    def failed(self, event_ns: int, arrived_ns: int, alive_ns: int | None, now_ns: int) -> None:
        """A hard failure: the next cycle begins. The first one's clocks are kept.

        By its source's clock, when our adapter had it, and when the path was last alive; by the
        core's clock. Nanoseconds, UTC.
        """
        self.cycles += 1
        if self.failed_ns is None:
            self.failed_event_ns, self.failed_ns = event_ns, now_ns
            self.fds_ns = now_ns - event_ns
            self.fds_processing_ns = max(0, now_ns - arrived_ns)
            self.dark_ns = None if alive_ns is None else max(0, now_ns - alive_ns)

    def link_down(self, event_ns: int) -> None:
        """The path went down, in event time."""
        self.link_was_down = True
        if self._link_down_since_ns is None:
            self._link_down_since_ns = event_ns

    def link_up(self, event_ns: int) -> None:
        """The path came back, in event time."""
        if self._link_down_since_ns is not None:
            self.link_down_ns += max(0, event_ns - self._link_down_since_ns)
            self._link_down_since_ns = None

    def entered(self, state: State, signal: str, now_ns: int) -> None:
        """The session entered a state."""
        self.path.append([state.value, now_ns, signal])
        if len(self.path) > PATH_MAX:
            del self.path[PATH_MAX // 2]
            self.steps_dropped += 1
        if state in FROZEN:
            self.reentry_cap_sequence = None
        if state is not State.CONTROLLED_REENTRY or self.failed_ns is None:
            return
        if self.reentry_ns is None:
            self.reentry_ns = now_ns - self.failed_ns
            self.reentry_event_ns = max(0, now_ns - (self.failed_event_ns or 0))

    def diverging(self, now_diverged: bool, since_ns: int, now_ns: int) -> None:  # noqa: FBT001
        """Run the divergence clock: do the views disagree now, and since when at the earliest?"""
        if now_diverged:
            if self.diverged_ever_ns is None:
                begun_ns = (
                    self.start_ns if self.cycles else 0
                )  # a silent one began before it was seen
                self.diverged_ever_ns = max(begun_ns, min(since_ns, now_ns))
            self._diverged_since_ns = now_ns
            self.divergence_ns = now_ns - self.diverged_ever_ns
        elif self._diverged_since_ns is not None and self.diverged_ever_ns is not None:
            self.divergence_ns = now_ns - self.diverged_ever_ns
            self._diverged_since_ns = None

    def confident(self, above: bool, now_ns: int) -> None:  # noqa: FBT001
        """Note when the confidence last crossed the re-entry threshold from below."""
        if not above:
            self._crossed_ns = None
        elif self._crossed_ns is None:
            self._crossed_ns = now_ns

    def capped(self, sequence: int, *, normal: bool) -> None:
        """A cap was published: is it normal participation again?"""
        if not normal:
            self.normal_cap_sequence = None
        elif self.normal_cap_sequence is None:
            self.normal_cap_sequence = sequence

    def acknowledged(self, cap_sequence: int, now_ns: int) -> None:
        """The router applies a cap: SDL ends with the first of normal participation (DOMAIN §11),
        its beginning is the first one of re-entry.
        """
        crossed_ns = self._crossed_ns
        if crossed_ns is None:
            return
        reentry, normal = self.reentry_cap_sequence, self.normal_cap_sequence
        if self.sdl_reentry_ns is None and reentry is not None and cap_sequence >= reentry:
            self.sdl_reentry_ns = now_ns - crossed_ns
        if self.sdl_ns is not None or reentry is None or normal is None:
            return
        if cap_sequence >= max(reentry, normal):
            self.sdl_ns = now_ns - crossed_ns

    def attested(self, who: str) -> None:
        """Someone vouched for something."""
        if len(self.attestations) < ATTESTATIONS_MAX:
            self.attestations.append(who)
        else:
            self.attestations_dropped += 1

    def decided(self, point: list[Any]) -> None:
        """A decision: time, child, parent, cap sequence it acted on, cap in force here."""
        if len(self.decisions) < DECISIONS_MAX:
            self.decisions.append(point)
        else:
            self.decisions_dropped += 1

    def owing(self, parent_id: str, point: list[int]) -> None:
        """A parent's time, backlog, and the part that cannot be repaid in time. Nanos."""
        series = self.backlog.get(parent_id)
        if series is None:
            if not point[1] or len(self.backlog) >= BACKLOG_PARENTS_MAX:
                return
            series = self.backlog[parent_id] = Series(key=1, limit=BACKLOG_POINTS_MAX)
        series.add(point)

    def current_link_down_ms(self, event_ns: int) -> float | None:
        """Downtime of the link so far. Milliseconds; None if it never went down."""
        if not self.link_was_down:
            return None
        since = self._link_down_since_ns
        running = max(0, event_ns - since) if since is not None else 0
        return (self.link_down_ns + running) / 1e6

    def fields(self, event_ns: int) -> dict[str, Any]:
        """Everything of ``effects.Episode`` that this log knows."""
        return {
            "episode_id": self.episode_id,
            "start_ns": self.start_ns,
            "cause": self.cause,
            "cause_detail": self.cause_detail,
            "cycles": self.cycles,
            "path": tuple(
                effects.PathStep(state=State(s), at_ns=t, signal=g) for s, t, g in self.path
            ),
            "link_down_ms": self.current_link_down_ms(event_ns),
            "divergence_ms": _ms(self.divergence_ns),
            "failed_event_ns": self.failed_event_ns,
            "fds_ms": None if self.fds_ns is None else _ms(max(0, self.fds_ns)),
            "fds_clock_ahead": self.fds_ns is not None and self.fds_ns < 0,
            "fds_processing_ms": _ms(self.fds_processing_ns),
            "dark_ms": _ms(self.dark_ns),
            "reentry_ms": _ms(self.reentry_event_ns),
            "reentry_processing_ms": _ms(self.reentry_ns),
            "sdl_ms": _ms(self.sdl_ns),
            "sdl_reentry_ms": _ms(self.sdl_reentry_ns),
            "gaps": tuple(
                effects.GapPoint(at_ns=t, outstanding=o, unrecoverable=u)
                for t, o, u in self.gaps.points
            ),
            "similarity": tuple(
                effects.SimilarityPoint(at_ns=t, raw=r, settled=s, quantity=q)
                for t, r, s, q in self.similarity.points
            ),
            "decisions": tuple(
                effects.DecisionPoint(at_ns=t, cl_ord_id=c, parent_id=p, cap_sequence=n, cap=cap)
                for t, c, p, n, cap in self.decisions
            ),
            "backlog": tuple(self._backlog_points()),
            "attestations": tuple(self.attestations),
        }

    def _backlog_points(self) -> Iterator[effects.BacklogPoint]:
        for parent_id, series in self.backlog.items():
            for at_ns, qty, late in series.points:
                yield effects.BacklogPoint(
                    at_ns=at_ns,
                    parent_id=parent_id,
                    qty=decimal_text(qty),
                    shortfall_qty=decimal_text(late),
                )

    def dropped(self) -> tuple[str, ...]:
        """What was left out of the record for lack of room, in words."""
        counts = {
            "steps of the path": self.steps_dropped,
            "decisions": self.decisions_dropped,
            "attestations": self.attestations_dropped,
        }
        return tuple(f"{count} {what} not kept" for what, count in counts.items() if count)

    def dump(self) -> dict[str, Any]:
        """JSON-able content; ``load`` restores it."""
        plain = {name: getattr(self, name) for name in _PLAIN}
        return plain | {
            "gaps": self.gaps.points,
            "similarity": self.similarity.points,
            "backlog": {parent_id: series.points for parent_id, series in self.backlog.items()},
        }

    @classmethod
    def load(cls, dumped: dict[str, Any]) -> "EpisodeLog":
        """The log that was dumped."""
        log = cls(dumped["episode_id"], dumped["start_ns"], dumped["cause"], dumped["cause_detail"])
        for name in _PLAIN:
            setattr(log, name, dumped[name])
        log.gaps.points, log.similarity.points = dumped["gaps"], dumped["similarity"]
        for parent_id, points in dumped["backlog"].items():
            log.backlog[parent_id] = Series(key=1, limit=BACKLOG_POINTS_MAX)
            log.backlog[parent_id].points = points
        return log


def _ms(duration_ns: int | None) -> float | None:
    return None if duration_ns is None else duration_ns / 1e6
