"""The budget of attempts: venues close a port after too many logons or resend requests (R18)."""

from collections import deque
from typing import Any, Final

ATTEMPTS_KEPT_MAX: Final = 1_024
"""Attempts remembered: far above any venue's limit, so that forgetting the oldest hides no alert.
"""


class Attempts:
    """Logons and resend requests on one connection within a sliding window (R18)."""

    __slots__ = ("_at_ns", "_warned")

    def __init__(self) -> None:
        self._at_ns: deque[int] = deque(maxlen=ATTEMPTS_KEPT_MAX)
        """When each attempt was made, oldest first; those older than the window are dropped."""
        self._warned = False
        """The alert is out for this window; cleared once an attempt finds the window below its
        limit again."""

    def count(self, now_ns: int, window_ns: int) -> int:
        """Attempts younger than the window."""
        while self._at_ns and self._at_ns[0] <= now_ns - window_ns:
            self._at_ns.popleft()
        return len(self._at_ns)

    def add(self, now_ns: int, window_ns: int, attempts_max: int) -> bool:
        """Count one.

        True when the alert is due: once each time the window fills up to the limit.
        """
        if self.count(now_ns, window_ns) < attempts_max:
            self._warned = False
        self._at_ns.append(now_ns)
        if len(self._at_ns) < attempts_max or self._warned:
            return False
        self._warned = True
        return True

    def dump(self) -> list[Any]:
        """Its state; ``load`` restores it."""
        return [self._warned, *self._at_ns]

    def load(self, row: list[Any]) -> None:
        """Inverse of ``dump``."""
        self._warned, *at_ns = row
        self._at_ns.extend(at_ns)
