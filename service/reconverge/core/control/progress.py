"""Progress of a recovery: when a cap may rise before re-entry (S4)."""

from typing import Any

from reconverge.core.control.policy import MS_NS, Policy
from reconverge.core.sources import SourceSummary


class Progress:
    """Whether a recovery under way makes progress.

    Progress is that fewer numbers are missing than ever before in this state, or, with none
    missing, that fewer orders are in doubt than ever before in it. So neither trading that goes on
    beside a stalled replay, nor doubts that come and go, count: each step is taken once. While
    numbers are missing a doubt that settles shows nothing, for the orders may be among them.
    """

    __slots__ = ("doubts", "made_ns", "missing")

    def __init__(self) -> None:
        self.missing: int | None = None
        """The fewest numbers missing in this state; None before it was looked at in it."""
        self.doubts: int | None = None
        """The fewest orders in doubt since no number was missing."""
        self.made_ns: int | None = None
        """When progress was last made; None while it was not in this state. Nanoseconds, UTC."""

    def begin(self) -> None:
        """A state is entered: what was reached before counts no more."""
        self.missing = self.doubts = self.made_ns = None

    def look(self, missing: int, doubts: int, now_ns: int) -> None:
        """So many numbers are missing, and so many orders in doubt."""
        if self.missing is None or missing < self.missing:
            if self.missing is not None:
                self.made_ns = now_ns
            self.missing = missing
        if missing:
            return
        if self.doubts is None or doubts < self.doubts:
            if self.doubts is not None:
                self.made_ns = now_ns
            self.doubts = doubts

    def is_made(self, summary: SourceSummary, policy: Policy, now_ns: int) -> bool:
        """Progress was made within the window, and every required source was heard in it."""
        window_ns = policy.recovery.progress_window_ms * MS_NS
        if self.made_ns is None or now_ns - self.made_ns > window_ns:
            return False
        return all(now_ns - source.heard_ns <= window_ns for source in summary.required)

    def next_deadline_ns(self, policy: Policy) -> int | None:
        """When the window ends; it may have ended."""
        window_ns = policy.recovery.progress_window_ms * MS_NS
        return None if self.made_ns is None else self.made_ns + window_ns

    def dump(self) -> list[Any]:
        """JSON-able content; ``load`` restores it."""
        return [self.missing, self.doubts, self.made_ns]

    @classmethod
    def load(cls, dumped: list[Any]) -> "Progress":
        """The progress that was dumped."""
        progress = cls()
        progress.missing, progress.doubts, progress.made_ns = dumped
        return progress
