"""Time for the shell: never backwards, and never far ahead of the wall for long.

Caps promise validity until a time that routers compare with their own clocks, so a worker that
inherits a time from the future (its predecessor's clock was ahead) must neither stand still, which
would stop its deadlines, nor stay ahead, which would void `valid_until`. It runs at half speed
until the wall has caught up.
"""

import time
from collections.abc import Callable

Reading = Callable[[], int]
"""A clock: nanoseconds."""


class Clock:
    """Nanoseconds UTC, strictly under the rules above.

    `floor_ns` is a time that has been journalled already.
    """

    def __init__(self, wall: Reading = time.time_ns, steady: Reading = time.monotonic_ns) -> None:
        self._wall = wall
        self._steady = steady
        self._now_ns = 0
        self._steady_ns = steady()

    def not_before(self, floor_ns: int) -> None:
        """Never again read less than this."""
        self._now_ns = max(self._now_ns, floor_ns)

    def now_ns(self) -> int:
        """The time; at least the last one given."""
        steady_ns = self._steady()
        elapsed_ns, self._steady_ns = steady_ns - self._steady_ns, steady_ns
        self._now_ns = max(self._wall(), self._now_ns + elapsed_ns // 2)
        return self._now_ns

    @property
    def ahead_ns(self) -> int:
        """How far the time last given is ahead of the wall; 0 when it is not."""
        return max(0, self._now_ns - self._wall())
