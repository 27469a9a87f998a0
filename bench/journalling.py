"""What journalling costs: the service against itself with a log that acknowledges at once."""

import sys
from collections.abc import Iterator
from typing import Final

from bench.report import Row, Target
from bench.stage import Place, Speed, Stage
from bench.throughput import beside, drained

_UNJOURNALLED: Final = [sys.executable, "-m", "bench.unjournalled", "run"]


def measure() -> Iterator[Row]:
    """Events a second with and without."""
    found = beside("without", _without)
    journalled, bare = (tuple(s.events_per_s for s in found[n]) for n in ("service", "without"))
    target = Target("at least", 0.85, of="ratio")
    yield Row("with the journal", "events/s", journalled, "without", bare, target)


def _without(stage: Stage, full: Place) -> Speed:
    place = stage.place(full.inputs)
    return drained(place, place.process(_UNJOURNALLED))
