"""What journalling costs: the service against itself with a log that acknowledges at once."""

import sys
from collections.abc import Iterator
from typing import Final

from bench.report import Row, Target, interleaved
from bench.stage import Stage
from bench.throughput import ROUNDS, backlog, drained, floor

_UNJOURNALLED: Final = [sys.executable, "-m", "bench.unjournalled", "run"]


def measure() -> Iterator[Row]:
    """Events a second with and without."""
    with Stage() as stage:
        full = stage.place()
        full.fill(backlog())
        floor(full)  # warms the broker's JVM
        found = interleaved({
            "without": lambda: drained(
                place := stage.place(full.inputs), place.process(_UNJOURNALLED)
            ),
            "with": lambda: drained(place := stage.place(full.inputs), place.service()),
        }, ROUNDS)  # fmt: skip
    journalled, bare = (tuple(s.events_per_s for s in found[name]) for name in ("with", "without"))
    target = Target("at least", 0.85, of="ratio")
    yield Row("with the journal", "events/s", journalled, "without", bare, target)
