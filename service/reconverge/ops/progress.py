"""Whether the workers turn. A process can be alive, connected, and stuck; health means progress."""

import time
from collections.abc import Callable, Mapping
from typing import Final

STALLED_S: Final = 15.0
"""A worker turns twice a second even with nothing to do; half the time after which the process
gives itself up, so that whoever watches from outside knows first."""


class Progress:
    """Compares the workers' turn counters from one look to the next."""

    def __init__(
        self,
        turns: Callable[[], Mapping[int, int]],
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._turns = turns
        self._clock_s = clock_s
        self._seen: dict[int, tuple[int, float]] = {}

    def ill(self) -> list[str]:
        """Workers that have not turned for too long, as far as looking now and before can tell."""
        now_s = self._clock_s()
        turns = self._turns()
        self._seen = {
            partition: (count, now_s)
            if self._seen.get(partition, (None, 0.0))[0] != count
            else self._seen[partition]
            for partition, count in turns.items()
        }
        return [
            f"partition {partition}: no turn for {now_s - since_s:.0f} s"
            for partition, (_, since_s) in self._seen.items()
            if now_s - since_s >= STALLED_S
        ]
